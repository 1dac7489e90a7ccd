//! `bench foreign`: published programs that nobody has prepared for this, installed by plain cargo and by a governed one,
//! in a cage that is too small for what cargo would do and large enough for the largest unit.
//!
//! The governor knows nothing of these crates: its ledger is new for each run, so that it goes by what it can see of
//! their sources. Each run begins with an empty target directory.
//!
//! | module | is |
//! |---|---|
//! | `source` | the crates, from cargo's registry, and the cage around one |
//! | `record` | the file, and the table |

mod record;
mod source;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::bail;
use pico_args::Arguments;

use super::flags::{count, free_path, list};
use super::matrix::CageLimit;
use super::measure::{self, Measured};
use super::own::{self, Own};
use super::{Folders, facts, make, options, print};
use crate::cage::Cage;
use crate::events::Event;
use crate::memory::human;
use crate::outcome::{Outcome, UsageError};
use crate::terminal::say;
use crate::workspace::Workspace;
use crate::{env, proc};
use record::{Report, Run, Told};
use source::Wanted;

/// What `bench foreign` installs.
#[derive(Debug)]
pub(crate) struct ForeignBench {
    crates: Vec<Wanted>,
    jobs: usize,
    /// A run that takes longer is ended.
    timeout: Duration,
    fresh: bool,
    file: Option<PathBuf>,
}

struct Foreign<'a> {
    options: &'a ForeignBench,
    folders: Folders,
    own: Own,
    report: Report,
    file: PathBuf,
    _lock: File,
}

const JOBS: usize = 8;
const TIMEOUT_MINUTES: u64 = 60;

impl ForeignBench {
    pub(super) fn parse(arguments: &mut Arguments) -> Result<Self, UsageError> {
        if options::text(&mut arguments.clone(), "--crates")?.is_none() {
            let message = "bench foreign: name programs of crates.io: --crates NAME@VERSION,NAME@VERSION:700M";
            return Err(UsageError::new(message));
        }
        Ok(ForeignBench {
            crates: list(arguments, "--crates", "")?,
            jobs: options::number(arguments, "--jobs", JOBS, 1..=4096)?,
            timeout: Duration::from_secs(60 * count(arguments, "--timeout", TIMEOUT_MINUTES)?),
            fresh: arguments.contains("--fresh"),
            file: free_path(arguments)?,
        })
    }
}

pub(super) fn run(workspace: &Workspace, options: &ForeignBench) -> anyhow::Result<Outcome> {
    let mut bench = Foreign::open(workspace, options)?;
    let ran = bench.run_all();
    bench.folders.remove_cold();
    ran?;
    print(&bench.report.markdown());
    let mut figures = bench.report.figures();
    figures.insert("file".into(), bench.file.display().to_string().into());
    Ok(Outcome::ok(figures))
}

impl<'a> Foreign<'a> {
    fn open(workspace: &Workspace, options: &'a ForeignBench) -> anyhow::Result<Self> {
        let folders = Folders { root: workspace.root.clone(), base: workspace.own_files().join("bench") };
        let lock = folders.lock()?;
        let own = Own::copied_to(&folders.base)?;
        let file = options.file.clone().unwrap_or_else(|| folders.base.join("foreign.json"));
        let report = Report::resume(&file, facts::gather(&folders.root), options.fresh)?;
        Ok(Foreign { options, folders, own, report, file, _lock: lock })
    }

    fn run_all(&mut self) -> anyhow::Result<()> {
        // An hour later would be a bad moment to find out.
        Cage::make(Some(1 << 30))?;
        let sources: Vec<PathBuf> = self.options.crates.iter().map(source::of).collect::<anyhow::Result<_>>()?;
        for (wanted, source) in self.options.crates.iter().zip(&sources) {
            let cage = match wanted.cage {
                Some(bytes) => CageLimit(Some(bytes)),
                None => self.choose_cage(wanted, source)?,
            };
            self.install(wanted, source, cage, false)?;
            self.install(wanted, source, cage, true)?;
        }
        Ok(())
    }

    /// Measures the units, without a limit, and chooses one around the largest.
    fn choose_cage(&mut self, wanted: &Wanted, source: &Path) -> anyhow::Result<CageLimit> {
        let run = self.install(wanted, source, CageLimit(None), true)?;
        let Some(told) = run.told.filter(|told| told.largest_peak > 0) else {
            bail!("{}: no unit was measured, so that no cage can be chosen; {} says why", wanted.id(), run.log);
        };
        let cage = source::cage_around(told.largest_peak);
        let id = wanted.id();
        say!(
            "{id}: the largest of {} units is {} with {}; the cage is {cage}, and all took {} without one",
            told.units,
            told.largest,
            human(told.largest_peak),
            human(run.peak_anon),
        );
        Ok(cage)
    }

    fn install(&mut self, wanted: &Wanted, source: &Path, cage: CageLimit, governed: bool) -> anyhow::Result<Run> {
        let jobs = self.options.jobs;
        if let Some(run) = self.report.find(&wanted.id(), cage, jobs, governed) {
            return Ok(run.clone());
        }
        let who = if governed { "governed" } else { "plain" };
        say!("{}, cage {cage}, jobs {jobs}, {who} …", wanted.id());
        self.folders.begin_cold()?;
        let logs = self.folders.base.join("logs");
        make(&logs)?;
        let log = logs.join(format!("foreign-{}-{cage}-{who}.log", wanted.file_name()));
        let measured = measure::measure(self.command(source, governed), cage, self.options.timeout, &log)?;
        if proc::interrupted() {
            bail!("interrupted; {} has all finished runs, and the same command goes on there", self.file.display());
        }
        self.folders.keep_records(&log);
        let run = self.run_of(wanted, cage, governed, measured, &log);
        say!("        {}", line(&run));
        self.report.runs.push(run.clone());
        self.report.save(&self.file)?;
        Ok(run)
    }

    /// The very same command, alone or behind ours.
    fn command(&self, source: &Path, governed: bool) -> Command {
        let mut command = if governed {
            let mut command = self.own.command();
            command.args(["govern", "--json", "--jobs", &self.options.jobs.to_string(), "--"]);
            command.arg(env::path(env::CARGO).unwrap_or_else(|| "cargo".into()));
            command
        } else {
            proc::cargo()
        };
        command.args(["install", "--locked", "--offline", "--no-track", "--path"]).arg(source);
        command.args(["--jobs", &self.options.jobs.to_string(), "--root"]).arg(self.folders.cache());
        // The checkout says which toolchain, for all alike.
        command.current_dir(&self.folders.root).env("CARGO_TARGET_DIR", self.folders.target());
        own::undisturbed(&mut command);
        command
    }

    fn run_of(&self, wanted: &Wanted, cage: CageLimit, governed: bool, measured: Measured, log: &Path) -> Run {
        Run {
            id: wanted.id(),
            cage,
            jobs: self.options.jobs,
            governed,
            verdict: measured.verdict,
            end: measured.end,
            wall_s: measured.wall_s,
            peak_anon: measured.peak_anon,
            oom_kills: measured.oom_kills,
            told: governed.then(|| told(&log.with_extension("runs"))),
            log: log.strip_prefix(&self.folders.root).unwrap_or(log).display().to_string(),
        }
    }
}

/// What the events of the one run below `runs` come to.
fn told(runs: &Path) -> Told {
    let mut told = Told::default();
    let folders = std::fs::read_dir(runs).into_iter().flatten().flatten();
    let texts = folders.filter_map(|folder| std::fs::read_to_string(folder.path().join("events.jsonl")).ok());
    for event in texts.flat_map(|text| text.lines().filter_map(Event::parse).collect::<Vec<_>>()) {
        match event.1 {
            Event::Ended(ended) if ended.code == 0 => {
                told.units += 1;
                if ended.peak > told.largest_peak {
                    (told.largest, told.largest_peak) = (ended.unit, ended.peak);
                }
            }
            Event::Killed { again: true, .. } => told.killed += 1,
            Event::Evicted { .. } => told.evicted += 1,
            _ => {}
        }
    }
    told
}

fn line(run: &Run) -> String {
    let kills = run.oom_kills.map_or_else(|| "not counted".to_owned(), |kills| kills.to_string());
    let mut text =
        format!("{} after {:.1} s, peak {}, OOM kills: {kills}", run.verdict, run.wall_s, human(run.peak_anon));
    if let Some(Told { units, killed, evicted, .. }) = &run.told {
        text += &format!(", {units} units, {killed} killed and run again, {evicted} made room");
    }
    if run.verdict == measure::Verdict::Failed {
        text += &format!(" ({}): {} says why", run.end, run.log);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::Ended;

    fn parse(words: &str) -> Result<ForeignBench, UsageError> {
        ForeignBench::parse(&mut Arguments::from_vec(words.split_whitespace().map(Into::into).collect()))
    }

    #[test]
    fn crates_are_named_with_their_versions() {
        let options = parse("f.json --crates bat@0.25.0,mdbook@0.4.48:600M --jobs 4").expect("valid");
        assert_eq!((options.crates.len(), options.jobs, options.file), (2, 4, Some("f.json".into())));
        assert!(parse("").expect_err("nothing to do").to_string().contains("--crates"));
        assert!(parse("--crates bat").expect_err("no version").to_string().contains("NAME@VERSION"));
    }

    #[test]
    fn events_say_how_many_units_and_which_is_the_largest() {
        let runs = std::env::temp_dir().join(format!("xtask-bench-told-{}", std::process::id()));
        std::fs::create_dir_all(runs.join("1")).expect("writable");
        let ended = |unit: &str, code: i64, mib: u64| {
            let ended = Ended { unit: unit.into(), code, peak: mib << 20, ..Ended::default() };
            Event::Ended(ended).to_line(1.0) + "\n"
        };
        let evicted = Event::Evicted { ticket: 1, unit: "a".into(), held: 1, headroom: 1 }.to_line(1.0);
        let text = ended("a", 0, 100) + &ended("b", 0, 300) + &ended("c", 1, 900) + &evicted;
        std::fs::write(runs.join("1/events.jsonl"), text).expect("writable");
        let expected = Told { units: 2, largest: "b".into(), largest_peak: 300 << 20, killed: 0, evicted: 1 };
        assert_eq!(told(&runs), expected);
        std::fs::remove_dir_all(&runs).expect("ours");
        assert_eq!(told(&runs), Told::default());
    }
}
