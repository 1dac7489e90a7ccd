//! `bench wrapper`: what it costs to stand between cargo and the compiler.
//!
//! A workspace of crates with next to nothing in them is built cold, by plain cargo and by others in turn: the difference,
//! for each unit, is what it costs to be asked first. A chain of crates that take long to optimise tells whether their
//! dependents still start as soon as the metadata is there. And two governed builds are watched: what the governor and
//! the waiting wrappers take themselves.
//!
//! | module | is |
//! |---|---|
//! | `crates` | the workspaces |
//! | `rivals` | who is compared, and how each is called |
//! | `clock` | one build, timed or watched |
//! | `page` | the figures |

mod clock;
mod crates;
mod page;
mod rivals;

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use pico_args::Arguments;
use serde_json::Value;

use super::flags::{free_path, path};
use super::own::Own;
use super::{Folders, facts, make, options, print};
use crate::memory::{self, Sensing};
use crate::outcome::{Outcome, UsageError};
use crate::terminal::say;
use crate::workspace::Workspace;
use crate::{env, proc, run_record};
use clock::Lap;
use page::Measurements;
use rivals::{Found, RIVALS, Rival, Scene};

/// What `bench wrapper` builds.
#[derive(Debug)]
pub(crate) struct WrapperBench {
    crates: usize,
    /// Of the chain.
    links: usize,
    /// Builds of each kind.
    repeat: usize,
    /// Where to look for a tool before PATH.
    tool_path: Option<PathBuf>,
    file: Option<PathBuf>,
}

/// A folder for all that is made, gone with this: not in the checkout, whose settings would be found from there.
struct Stage {
    folder: PathBuf,
    many: Scene,
    chain: Scene,
    /// What the last build said.
    log: PathBuf,
    _lock: File,
}

const CRATES: usize = 300;
const LINKS: usize = 60;
const REPEAT: usize = 5;

impl WrapperBench {
    pub(super) fn parse(arguments: &mut Arguments) -> Result<Self, UsageError> {
        Ok(WrapperBench {
            crates: options::number(arguments, "--crates", CRATES, 1..=5000)?,
            links: options::number(arguments, "--links", LINKS, 1..=1000)?,
            repeat: options::number(arguments, "--repeat", REPEAT, 1..=100)?,
            tool_path: path(arguments, "--tool-path")?,
            file: free_path(arguments)?,
        })
    }
}

pub(super) fn run(workspace: &Workspace, options: &WrapperBench) -> anyhow::Result<Outcome> {
    let stage = Stage::set(workspace, options)?;
    let found = stage.find_rivals(options)?;
    let only =
        |rivals: &[Rival]| found.iter().filter(|found| rivals.contains(&found.rival)).cloned().collect::<Vec<_>>();
    let many = stage.in_turns(&stage.many, &found, options.repeat)?;
    let chain = stage.in_turns(&stage.chain, &only(&[Rival::Plain, Rival::Ours]), options.repeat)?;
    let nothing = (0..options.repeat).map(|_| stage.nothing()).collect::<anyhow::Result<_>>()?;
    let measurements = Measurements {
        facts: facts::gather(&workspace.root),
        // The binary is one, too.
        units: options.crates + 1,
        jobs: stage.many.jobs,
        many,
        links: options.links,
        chain,
        nothing,
        seen: Some(stage.watch(stage.many.jobs)?),
        seen_one_job: Some(stage.watch(1)?),
    };
    print(&measurements.markdown());
    if let Some(file) = &options.file {
        save(file, &measurements)?;
    }
    Ok(Outcome::ok(measurements.figures()))
}

impl Stage {
    fn set(workspace: &Workspace, options: &WrapperBench) -> anyhow::Result<Self> {
        let folders = Folders { root: workspace.root.clone(), base: workspace.own_files().join("bench") };
        let lock = folders.lock()?;
        let folder = env::temporary_folder().join(format!("xtask-bench-wrapper-{}", std::process::id()));
        let own = Own::copied_to(&folder)?;
        // Clamped before the cast: a machine has between 1 and 4096 processors.
        let jobs = memory::sensor(Sensing::best()).snapshot().cores.round().clamp(1.0, 4096.0) as usize;
        let scene = |name: &str| Scene {
            xtask: own.clone(),
            workspace: folder.join(name),
            target: folder.join("target"),
            cache: folder.join("cache"),
            jobs,
        };
        let logs = folders.base.join("logs");
        make(&logs)?;
        let log = logs.join("wrapper.log");
        let stage = Stage { many: scene("many"), chain: scene("chain"), folder: folder.clone(), log, _lock: lock };
        crates::write_many(&stage.many.workspace, options.crates)?;
        crates::write_chain(&stage.chain.workspace, options.links)?;
        for scene in [&stage.many, &stage.chain] {
            // The toolchain is the checkout's here, too.
            let toolchain = "rust-toolchain.toml";
            let _ = std::fs::copy(workspace.root.join(toolchain), scene.workspace.join(toolchain));
            lock_versions(scene)?;
        }
        Ok(stage)
    }

    fn find_rivals(&self, options: &WrapperBench) -> anyhow::Result<Vec<Found>> {
        let mut found = Vec::new();
        for rival in RIVALS {
            match rival.find(options.tool_path.as_deref(), &self.many)? {
                Some(rival) => found.push(rival),
                None => say!(
                    "skipped: no `{}` in --tool-path or on PATH; `cargo install {0} --locked` installs it",
                    rival.name()
                ),
            }
        }
        Ok(found)
    }

    /// `repeat` cold builds by each, every round beginning with another.
    fn in_turns(&self, scene: &Scene, found: &[Found], repeat: usize) -> anyhow::Result<Vec<(&'static str, Vec<Lap>)>> {
        let mut laps: Vec<(&'static str, Vec<Lap>)> =
            found.iter().map(|found| (found.rival.name(), Vec::new())).collect();
        // The very first build reads the compiler from the disk, for all that come after it.
        if let Some(found) = found.first() {
            self.lap(scene, found)?;
        }
        for round in 0..repeat {
            for turn in 0..found.len() {
                let index = (round + turn) % found.len();
                let lap = self.lap(scene, &found[index])?;
                say!("[{}/{repeat}] {}: {:.2} s", round + 1, found[index].rival.name(), lap.wall_s);
                laps[index].1.push(lap);
            }
        }
        Ok(laps)
    }

    fn lap(&self, scene: &Scene, found: &Found) -> anyhow::Result<Lap> {
        self.begin_cold(scene)?;
        let lap = clock::time(found.build(scene), &self.log);
        found.stop(scene);
        lap
    }

    /// What it takes to start a governor and to end it.
    fn nothing(&self) -> anyhow::Result<Lap> {
        self.begin_cold(&self.many)?;
        let mut command = rivals::govern(&self.many, "1");
        command.arg("--version");
        rivals::in_the_open(&mut command, &self.many);
        clock::time(command, &self.log)
    }

    fn watch(&self, jobs: usize) -> anyhow::Result<clock::Seen> {
        self.begin_cold(&self.many)?;
        let mut command = rivals::govern(&self.many, &jobs.to_string());
        command.args(["build", "--offline", "--locked", "--quiet"]);
        rivals::in_the_open(&mut command, &self.many);
        clock::watch(command, &self.log)
    }

    fn begin_cold(&self, scene: &Scene) -> anyhow::Result<()> {
        for folder in [&scene.target, &scene.cache] {
            let _ = std::fs::remove_dir_all(folder);
            if folder.exists() {
                bail!("cannot empty {}, so that no build would be cold; remove it by hand", folder.display());
            }
            make(folder)?;
        }
        Ok(())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Else the first of the builds would write it.
fn lock_versions(scene: &Scene) -> anyhow::Result<()> {
    let mut command = proc::cargo();
    command.args(["generate-lockfile", "--offline", "--quiet"]);
    rivals::in_the_open(&mut command, scene);
    if !command.status().context("cannot start cargo")?.success() {
        bail!("cargo cannot lock {}: it says why above", scene.workspace.display());
    }
    Ok(())
}

fn save(file: &Path, measurements: &Measurements) -> anyhow::Result<()> {
    let mut object = measurements.figures();
    object.insert("facts".into(), measurements.facts.to_json());
    let text = serde_json::to_string_pretty(&Value::Object(object)).context("cannot write the figures as JSON")?;
    run_record::write_atomically(file, &(text + "\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &str) -> Result<WrapperBench, UsageError> {
        WrapperBench::parse(&mut Arguments::from_vec(words.split_whitespace().map(Into::into).collect()))
    }

    #[test]
    fn more_crates_than_a_byte_can_count() {
        let options = parse("").expect("valid");
        assert_eq!((options.crates, options.links, options.repeat), (300, 60, 5));
        let options = parse("w.json --crates 1000 --links 2 --repeat 1 --tool-path /opt").expect("valid");
        assert_eq!((options.crates, options.links, options.repeat), (1000, 2, 1));
        assert_eq!((options.tool_path, options.file), (Some("/opt".into()), Some("w.json".into())));
        assert!(parse("--crates 0").expect_err("none").to_string().contains("--crates 0"));
    }
}
