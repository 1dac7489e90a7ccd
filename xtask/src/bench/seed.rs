//! `bench seed`: measures every unit of this workspace and writes the seed ledger, by which the first build of a new
//! checkout is predicted. What is measured is kept as it comes, so that a seed that was cut off goes on with `--keep`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde_json::Map;

use super::matrix::Profile;
use crate::governor::ledger::Ledger;
use crate::outcome::Outcome;
use crate::terminal::say;
use crate::workspace::Workspace;
use crate::{env, proc, run_record};

/// What `bench seed` measures.
#[derive(Debug)]
pub(crate) struct SeedBench {
    pub(super) profiles: Vec<Profile>,
    /// Builds with all processors first, where units take codegen threads, and then with one: the difference is what a
    /// thread costs. With this, only the second.
    pub(super) single: bool,
    /// Keeps what was measured before.
    pub(super) keep: bool,
    /// Measures nothing: writes down what was measured before.
    pub(super) write: bool,
}

const FILE: &str = "xtask/src/governor/seed-ledger.jsonl";

pub(super) fn run(workspace: &Workspace, options: &SeedBench) -> anyhow::Result<Outcome> {
    let target = workspace.own_files().join("bench").join("seed");
    if !options.keep && !options.write {
        remove(&target)?;
    }
    let profiles = if options.write { &[][..] } else { &options.profiles };
    let ledger = target.join("xtask").join("ledger.jsonl");
    for profile in profiles {
        let jobs: &[Option<usize>] = if options.single { &[Some(1)] } else { &[None, Some(1)] };
        for jobs in jobs {
            remove_output(&target)?;
            let known = std::fs::metadata(&ledger).map_or(0, |data| data.len());
            build(workspace, &target, profile, *jobs)?;
            if profile.features().is_some() {
                forget(&ledger, known, workspace.extension())?;
            }
        }
    }
    remove_output(&target)?;
    let text = Ledger::open(&ledger).export();
    let file = workspace.root.join(FILE);
    run_record::write_atomically(&file, &text)?;
    say!("{}: {} units", FILE, text.lines().count());
    let mut figures = Map::new();
    figures.insert("units".into(), text.lines().count().into());
    Ok(Outcome::ok(figures))
}

fn build(workspace: &Workspace, target: &Path, profile: &Profile, jobs: Option<usize>) -> anyhow::Result<()> {
    let program = env::own_program().context("cannot find this program's own file")?;
    let mut command = proc::command(program);
    command.args(["build", "--no-install", "--profile", profile.of_cargo()]);
    command.args(profile.features().map(|features| format!("--features={features}")));
    command.args(jobs.map(|jobs| format!("--jobs={jobs}")));
    command.current_dir(&workspace.root).env(env::CARGO_TARGET_DIR, target);
    say!(
        "building {} with {}",
        profile.name(),
        jobs.map_or_else(|| "all processors".to_owned(), |jobs| format!("{jobs} job"))
    );
    let status = command.status().context("cannot start xtask again")?;
    if proc::interrupted() || !status.success() {
        bail!("the build of {} ended with {}; nothing was written", profile.name(), proc::End::from(status));
    }
    Ok(())
}

/// Takes what was measured of `package` behind the first `known` bytes out of the ledger: features of the crates that it
/// links make it heavier, and it looks the same.
fn forget(ledger: &Path, known: u64, package: &str) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(ledger).with_context(|| format!("cannot read {}", ledger.display()))?;
    let (before, new) = text.split_at(usize::try_from(known).unwrap_or(0).min(text.len()));
    let of_package = format!("\"package\":\"{package}\"");
    let kept: String = new.split_inclusive('\n').filter(|line| !line.contains(&of_package)).collect();
    run_record::write_atomically(ledger, &format!("{before}{kept}"))
}

/// All but xtask's own files: the ledger is what this is about.
fn remove_output(target: &Path) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(target).into_iter().flatten().flatten() {
        if entry.file_name() != "xtask" {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

fn remove(path: &PathBuf) -> anyhow::Result<()> {
    let removed = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_new_is_forgotten() {
        let ledger = env::temporary_folder().join(format!("xtask-seed-{}", std::process::id()));
        let old = "{\"package\":\"a\"}\n{\"package\":\"b\"}\n";
        run_record::write_atomically(&ledger, &format!("{old}{old}")).expect("writable");
        forget(&ledger, old.len() as u64, "a").expect("readable");
        let left = std::fs::read_to_string(&ledger).expect("there");
        assert_eq!(left, format!("{old}{{\"package\":\"b\"}}\n"));
        std::fs::remove_file(&ledger).expect("ours");
    }
}
