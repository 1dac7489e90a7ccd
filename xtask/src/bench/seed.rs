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
}

const FILE: &str = "xtask/src/governor/seed-ledger.jsonl";

pub(super) fn run(workspace: &Workspace, options: &SeedBench) -> anyhow::Result<Outcome> {
    let target = workspace.own_files().join("bench").join("seed");
    if !options.keep {
        remove(&target)?;
    }
    for profile in &options.profiles {
        let jobs: &[Option<usize>] = if options.single { &[Some(1)] } else { &[None, Some(1)] };
        for jobs in jobs {
            remove_output(&target)?;
            build(workspace, &target, profile, *jobs)?;
        }
    }
    remove_output(&target)?;
    let text = Ledger::open(&target.join("xtask").join("ledger.jsonl")).export();
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
