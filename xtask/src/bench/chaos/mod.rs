//! `bench chaos`: cold builds of the extension, each with accidents, and whether they end well all the same.
//!
//! | accident | is |
//! |---|---|
//! | `signals` | SIGKILL for compilers and linkers, some of them behind their metadata message |
//! | `hog` | a cage that just suits, and something in it that takes memory until the kernel kills |
//! | `governor`, `wrapper` | SIGKILL for processes of ours |
//! | `socket`, `ledger`, `disk` | the socket removed, the ledger garbage, no room for our own files |
//!
//! A build ends well when its status is 0, when nothing that it started goes on, and when the folder of its governor is
//! gone. Its extension is compared byte by byte with that of a build without accidents in a directory of the same name:
//! what is not the same has to pass the tests.
//!
//! | module | is |
//! |---|---|
//! | `plan` | what is done to which build and when: the same for the same seed |
//! | `siege` | one build |
//! | `heard` | what its governor says meanwhile |
//! | `victims`, `processes` | who can be struck, and who is left |
//! | `hog`, `full_disk` | accidents that are more than a signal |
//! | `verdict` | whether a build ended well |
//! | `record`, `page` | the file, and the table |

mod full_disk;
mod heard;
mod hog;
mod page;
mod plan;
mod processes;
mod record;
mod siege;
mod verdict;
mod victims;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail};
use pico_args::Arguments;

use super::flags::{count, free_path, list};
use super::matrix::Profile;
use super::own::{self, Own};
use super::{Folders, facts, make, options, print, tools};
use crate::cage::Cage;
use crate::outcome::{Outcome, UsageError};
use crate::terminal::say;
use crate::workspace::{self, Workspace};
use crate::{proc, run_record};
use plan::{Kind, Turn};
use record::{Build, Report, Setting};
use siege::{Endured, Siege};
use verdict::{extension, problems};

/// What `bench chaos` does.
#[derive(Debug)]
pub(crate) struct ChaosBench {
    builds: usize,
    /// Of the builds, those with hogs.
    hogs: usize,
    /// One build each.
    kinds: Vec<Kind>,
    profile: Profile,
    jobs: Option<usize>,
    seed: u64,
    /// The limit of the builds with hogs, bytes.
    cage: u64,
    timeout: Duration,
    fresh: bool,
    /// What an extension has to pass that is not the same, a line for a shell.
    tests: Option<String>,
    file: Option<PathBuf>,
}

struct Chaos<'a> {
    options: &'a ChaosBench,
    folders: Folders,
    own: Own,
    report: Report,
    file: PathBuf,
    /// Of the undisturbed extension.
    reference: String,
    /// Seconds that the last build took.
    expected_s: f64,
    _lock: File,
}

const CAGE: u64 = 1100 << 20;
const TIMEOUT_MINUTES: u64 = 40;
const KINDS: &str = "governor,wrapper,socket,ledger,disk";
/// What there is on the full disk besides room for xtask's two copies of itself: for the first of its events.
const ROOM: u64 = 32 << 10;

impl ChaosBench {
    pub(super) fn parse(arguments: &mut Arguments) -> Result<Self, UsageError> {
        let builds = options::number(arguments, "--builds", 30, 0..=1000)?;
        let jobs = options::number(arguments, "--jobs", 0, 1..=4096)?;
        let kinds = if options::text(&mut arguments.clone(), "--kinds")?.as_deref() == Some("none") {
            options::text(arguments, "--kinds")?;
            Vec::new()
        } else {
            list(arguments, "--kinds", KINDS)?
        };
        Ok(ChaosBench {
            builds,
            hogs: options::number(arguments, "--hogs", 10.min(builds), 0..=builds)?,
            kinds,
            profile: options::value(arguments, "--profile", "dev")?,
            jobs: (jobs > 0).then_some(jobs),
            seed: options::number(arguments, "--seed", 1, 0..=u64::MAX)?,
            cage: options::size(arguments, "--cage", CAGE)?,
            timeout: Duration::from_secs(60 * count(arguments, "--timeout", TIMEOUT_MINUTES)?),
            fresh: arguments.contains("--fresh"),
            tests: options::text(arguments, "--test-command")?,
            file: free_path(arguments)?,
        })
    }
}

pub(super) fn run(workspace: &Workspace, options: &ChaosBench) -> anyhow::Result<Outcome> {
    let mut chaos = Chaos::open(workspace, options)?;
    let ran = chaos.run_all();
    chaos.folders.remove_cold();
    ran?;
    let report = &chaos.report;
    print(&page::markdown(report));
    let mut figures = report.figures();
    figures.insert("file".into(), chaos.file.display().to_string().into());
    let failed = report.failed();
    if failed == 0 {
        return Ok(Outcome::ok(figures));
    }
    let why = format!("{failed} of {} builds did not end well; {} has them", report.builds.len(), chaos.file.display());
    say!("error: {why}");
    Ok(Outcome::failed(figures, why))
}

/// What `bench hog` does: see [`hog`].
pub(super) fn be_a_hog(mib: usize) -> Outcome {
    hog::be_one(mib);
    Outcome::default()
}

impl<'a> Chaos<'a> {
    fn open(workspace: &Workspace, options: &'a ChaosBench) -> anyhow::Result<Self> {
        if !cfg!(target_os = "linux") {
            bail!("bench chaos finds and ends processes by Linux's /proc; run it there");
        }
        workspace.check_profile(options.profile.of_cargo(), "--profile")?;
        let folders = Folders { root: workspace.root.clone(), base: workspace.own_files().join("bench") };
        let lock = folders.lock()?;
        let own = Own::copied_to(&folders.base)?;
        let file = options.file.clone().unwrap_or_else(|| folders.base.join("chaos.json"));
        let setting = Setting {
            seed: options.seed,
            profile: options.profile.name().to_owned(),
            jobs: options.jobs,
            cage: options.cage,
            version: own.version.clone(),
        };
        let report = Report::resume(&file, facts::gather(&folders.root), setting, options.fresh)?;
        let reference = String::new();
        Ok(Chaos { options, folders, own, report, file, reference, expected_s: 0.0, _lock: lock })
    }

    fn run_all(&mut self) -> anyhow::Result<()> {
        let mut turns = plan::turns(self.options.builds, self.options.hogs, &self.options.kinds);
        turns.retain(|turn| !self.report.has(*turn));
        if turns.is_empty() {
            say!("nothing left to build; `--fresh` builds everything again");
            return Ok(());
        }
        tools::fetch(&self.folders.root)?;
        self.build_reference()?;
        for (index, turn) in turns.iter().enumerate() {
            if let Some(why) = self.impossible(turn.kind) {
                say!("skipped {turn}: {why}");
                continue;
            }
            say!("[{}/{}] {turn} …", index + 1, turns.len());
            self.build(*turn)?;
        }
        Ok(())
    }

    /// Without accidents. It is built anew each time: sources may have changed since the file was written.
    fn build_reference(&mut self) -> anyhow::Result<()> {
        say!("one build without accidents, to compare with …");
        self.folders.begin_cold()?;
        let log = self.log("chaos-reference")?;
        let siege = Siege { hidden: false, ..self.siege(Turn { kind: Kind::Disk, number: 0 }, None) };
        let endured = siege.run(self.command(), &log)?;
        self.check_interruption()?;
        let extension = extension(&log).filter(|_| endured.end.succeeded());
        let Some((path, reference)) = extension else {
            bail!("a build without accidents ended with {}; {} says why", endured.end, log.display());
        };
        let _ = std::fs::copy(path, log.with_extension("so"));
        self.reference = reference;
        self.expected_s = endured.wall_s;
        self.report.reference_s = super::figures::rounded(endured.wall_s, 1);
        say!("        {:.1} s", endured.wall_s);
        Ok(())
    }

    fn build(&mut self, turn: Turn) -> anyhow::Result<()> {
        self.folders.begin_cold()?;
        let log = self.log(&format!("chaos-{}-{}", turn.kind.name(), turn.number))?;
        let began = run_record::timestamp(SystemTime::now());
        let limit = self.options.cage;
        let cage = if turn.kind == Kind::Hog { Some((Cage::make(Some(limit))?, limit)) } else { None };
        let mut command = self.command();
        if turn.kind == Kind::Disk {
            self.fill_disk(&mut command)?;
        }
        let endured = self.siege(turn, cage).run(command, &log)?;
        self.check_interruption()?;
        let build = self.judge(turn, began, endured, &log);
        self.folders.keep_records(&log);
        say!("        {build}");
        if build.problems.is_empty() {
            self.expected_s = build.wall_s;
        }
        self.report.builds.push(build);
        self.report.save(&self.file)
    }

    fn siege(&self, turn: Turn, cage: Option<(Cage, u64)>) -> Siege {
        Siege {
            program: self.own.program.clone(),
            target: self.folders.target(),
            blows: plan::blows(turn, self.options.seed, self.expected_s).into(),
            random: plan::random(turn, !self.options.seed),
            cage,
            timeout: self.options.timeout,
            hidden: turn.kind == Kind::Disk,
        }
    }

    fn command(&self) -> Command {
        let options = self.options;
        let mut command = self.own.command();
        command.args(["build", "--no-install", "--json", "--locked", "--offline"]);
        command.args(["--profile", options.profile.of_cargo()]);
        command.args(options.profile.features().map(|features| format!("--features={features}")));
        command.args(options.jobs.map(|jobs| format!("--jobs={jobs}")));
        command.current_dir(&self.folders.root).env("CARGO_TARGET_DIR", self.folders.target());
        own::undisturbed(&mut command);
        command
    }

    /// Why there can be no build with such an accident here.
    fn impossible(&self, kind: Kind) -> Option<String> {
        match kind {
            Kind::Hog => Cage::make(Some(self.options.cage)).err().map(|error| format!("{error:#}")),
            Kind::Disk if !full_disk::is_possible() => Some("a full disk takes root, to mount one".to_owned()),
            _ => None,
        }
    }

    /// xtask's own folder, with room for the two copies that it makes of itself and for little else.
    fn fill_disk(&self, command: &mut Command) -> anyhow::Result<()> {
        let folder = workspace::own_files(&self.folders.target());
        make(&folder)?;
        let program = self.own.program.metadata().context("cannot see the copy of xtask")?;
        full_disk::mount(command, &folder, 2 * program.len() + ROOM);
        Ok(())
    }

    fn judge(&self, turn: Turn, began: String, endured: Endured, log: &Path) -> Build {
        let mut problems = problems(&endured);
        let extension = extension(log).filter(|_| endured.end.succeeded());
        if extension.is_none() && endured.end.succeeded() {
            problems.push("it has not said where its extension is".to_owned());
        }
        let identical = extension.as_ref().map(|(_, fingerprint)| *fingerprint == self.reference);
        let differing = extension.filter(|_| identical == Some(false));
        let tests = differing.and_then(|(path, _)| self.test(&path, log));
        if tests == Some(false) {
            problems.push("its extension is not the same, and the tests fail with it".to_owned());
        }
        Build {
            turn,
            began,
            wall_s: super::figures::rounded(endured.wall_s, 1),
            strikes: endured.strikes,
            missed: endured.missed,
            counts: endured.counts,
            oom_kills: endured.oom_kills,
            identical,
            tests,
            problems,
            log: log.strip_prefix(&self.folders.root).unwrap_or(log).display().to_string(),
        }
    }

    /// Keeps an extension that is not the same, and runs the tests with it, where some were named.
    fn test(&self, extension: &Path, log: &Path) -> Option<bool> {
        let _ = std::fs::copy(extension, log.with_extension("so"));
        let Some(tests) = &self.options.tests else {
            say!("        its extension is not the same: {} has it, to be tested", log.with_extension("so").display());
            return None;
        };
        let output = File::create(log.with_extension("tests.log")).ok()?;
        let errors = output.try_clone().ok()?;
        let mut command = proc::command("sh");
        command.args(["-c", tests]).current_dir(&self.folders.root).env("EXTENSION", extension);
        command.env("CARGO_TARGET_DIR", self.folders.target());
        command.stdin(Stdio::null()).stdout(output).stderr(errors);
        Some(command.status().is_ok_and(|status| status.success()))
    }

    fn log(&self, name: &str) -> anyhow::Result<PathBuf> {
        let folder = self.folders.base.join("logs");
        make(&folder)?;
        Ok(folder.join(format!("{name}.log")))
    }

    fn check_interruption(&self) -> anyhow::Result<()> {
        if proc::interrupted() {
            bail!("interrupted; {} has all finished builds, and the same command goes on there", self.file.display());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &str) -> Result<ChaosBench, UsageError> {
        let mut arguments = Arguments::from_vec(words.split_whitespace().map(Into::into).collect());
        let options = ChaosBench::parse(&mut arguments)?;
        assert!(arguments.finish().is_empty(), "{words}");
        Ok(options)
    }

    #[test]
    fn a_bare_command_line_does_everything() {
        let options = parse("").expect("valid");
        assert_eq!((options.builds, options.hogs, options.kinds.len(), options.seed), (30, 10, 5, 1));
        assert_eq!((options.profile.name(), options.jobs, options.cage), ("dev", None, 1100 << 20));
    }

    #[test]
    fn what_is_given_is_taken() {
        let words = "a.json --builds 4 --seed 9 --kinds disk,socket --cage 900M --profile release --jobs 2 --fresh";
        let options = parse(words).expect("valid");
        assert_eq!((options.builds, options.hogs, options.seed, options.jobs), (4, 4, 9, Some(2)));
        assert_eq!((options.kinds.as_slice(), options.cage), (&[Kind::Disk, Kind::Socket][..], 900 << 20));
        assert!(options.fresh && options.file == Some("a.json".into()));
        assert!(parse("--builds 0 --kinds none").expect("valid").kinds.is_empty());
        assert!(parse("--builds 2 --hogs 3").expect_err("more than there are").to_string().contains("--hogs 3"));
        assert!(parse("--kinds disc").expect_err("unknown").to_string().contains("did you mean `disk`?"));
    }
}
