//! One build from its first step to its record: what it may use, what it ran, what that took.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::bail;
use serde_json::{Map, Value};

use super::environment::{Change, harmless_environment};
use super::lock::BuildLock;
use super::plan::{Plan, least_memory, plan_jobs};
use super::rerun::persist;
use super::{diagnose, install};
use crate::flags::BuildFlags;
use crate::governor::Wishes;
use crate::memory::{self, UnitPeak, human, mib};
use crate::outcome::{UsageError, seconds};
use crate::proc;
use crate::run_record::{self, BuildRecord, RunFolder};
use crate::stream::{Watched, Watcher};
use crate::terminal::say;
use crate::workspace::Workspace;

/// The state of `build` and `build-split`.
pub(super) struct Session<'a> {
    pub(super) workspace: &'a Workspace,
    pub(super) flags: &'a BuildFlags,
    pub(super) profile: String,
    pub(super) plan: Plan,
    pub(super) steps: Vec<Step>,
    /// Where Python found the extension, once it is installed.
    pub(super) module: Option<String>,
    pub(super) build_id: Option<String>,
    pub(super) wheel: Option<PathBuf>,
    changes: Vec<Change>,
    watcher: Watcher,
    folder: RunFolder,
    _lock: BuildLock,
}

/// One step that has run.
pub(super) struct Step {
    pub(super) name: String,
    pub(super) watched: Watched,
}

impl<'a> Session<'a> {
    pub(super) fn open(workspace: &'a Workspace, flags: &'a BuildFlags) -> anyhow::Result<Self> {
        let profile = workspace.profile(flags)?;
        let mut sensor = memory::sensor(memory::Sensing::best());
        check_memory_flag(flags.memory, sensor.snapshot().limit)?;
        let lock = BuildLock::take(&workspace.own_files(), &mut |line| say!("{line}"))?;
        // Now, and not before another build of this checkout has ended.
        let machine = sensor.snapshot();
        let folder = RunFolder::create(&workspace.own_files())?;
        let plan = plan_jobs(flags.jobs, flags.memory, &machine, &profile);
        let watcher = Watcher::new(sensor, folder.open_log(), &workspace.target);
        let changes = harmless_environment();
        let mut session = Session {
            workspace,
            flags,
            profile,
            plan,
            steps: Vec::new(),
            module: None,
            build_id: None,
            wheel: None,
            changes,
            watcher,
            folder,
            _lock: lock,
        };
        session.govern();
        session.announce();
        Ok(session)
    }

    /// Compiles one crate of the workspace and all that it needs.
    pub(super) fn compile(&mut self, name: &str) -> anyhow::Result<()> {
        self.step(name, |session| {
            let mut command = session.cargo("build");
            command.args(["--package", name, "--message-format", "json-render-diagnostics"]);
            command
        })
    }

    /// Installs the extension into `.venv`, makes the wheel if asked, and asks Python whether it is there.
    pub(super) fn install(&mut self) -> anyhow::Result<()> {
        install::run(self)
    }

    /// Runs a step to its end; a step that fails is an error that explains itself.
    pub(super) fn step(&mut self, name: &str, make: impl Fn(&Self) -> Command) -> anyhow::Result<()> {
        if proc::interrupted() {
            bail!("{name}: interrupted; run the same command again, it goes on where it was");
        }
        let watched = persist(|killed| {
            if let Some(why) = killed {
                self.say(&format!("note: {why}; running {name} again, it goes on where it was"));
            }
            self.run_once(name, &make)
        })?;
        let ok = watched.end.succeeded() && !watched.interrupted;
        let message = (!ok).then(|| diagnose::explain(name, &watched, self.allowed(), &self.log_path()));
        self.steps.push(Step { name: name.to_owned(), watched });
        match message {
            None => Ok(()),
            Some(message) => bail!(message),
        }
    }

    fn run_once(&mut self, name: &str, make: impl Fn(&Self) -> Command) -> anyhow::Result<Watched> {
        let mut command = make(self);
        for change in &self.changes {
            change.apply(&mut command);
        }
        self.watcher.run(name, command)
    }

    /// `cargo SUBCOMMAND` with the session's profile, jobs and network rule, in the checkout.
    pub(super) fn cargo(&self, subcommand: &str) -> Command {
        let mut command = proc::cargo();
        command.current_dir(&self.workspace.root).arg(subcommand);
        self.add_build_flags(&mut command);
        if self.flags.locked {
            command.arg("--locked");
        }
        // Cargo's own bar tells how many units there are; nothing else on stable does.
        command.env("CARGO_TERM_PROGRESS_WHEN", "always").env("CARGO_TERM_PROGRESS_WIDTH", "160");
        command.env("CARGO_TERM_COLOR", "never");
        command
    }

    /// The flags that cargo and maturin spell alike.
    pub(super) fn add_build_flags(&self, command: &mut Command) {
        command.args(["--profile", &self.profile]);
        if self.watcher.governor().is_none() {
            command.args(["--jobs", &self.plan.jobs.to_string()]);
        }
        if self.flags.offline {
            command.arg("--offline");
        }
        if let Some(features) = &self.flags.features {
            command.args(["--features", features]);
        }
    }

    /// A line that stays on the screen.
    pub(super) fn say(&mut self, text: &str) {
        self.watcher.progress.say(text);
    }

    pub(super) fn log_path(&self) -> String {
        let path = self.folder.log();
        path.strip_prefix(&self.workspace.root).unwrap_or(&path).display().to_string()
    }

    pub(super) fn extension_name(&self) -> &str {
        self.workspace.extension()
    }

    /// The library that cargo made of the extension crate.
    pub(super) fn extension_file(&self) -> Option<&Path> {
        self.steps.iter().rev().find_map(|step| step.watched.artifacts.extension.as_deref())
    }

    /// What the build took, written down where that is possible: a full disk does not undo a build.
    pub(super) fn record(&mut self) -> BuildRecord {
        let record = self.measured();
        if let Err(error) = record.save(&self.workspace.own_files()) {
            self.say(&format!("note: what this build took is not on record: {error:#}"));
        }
        record
    }

    /// The figures of a build that did not end well.
    pub(super) fn figures_so_far(&self) -> Map<String, Value> {
        let mut figures = self.measured().figures();
        figures.insert("log".into(), self.log_path().into());
        figures
    }

    fn allowed(&self) -> diagnose::Allowed<'_> {
        diagnose::Allowed { profile: &self.profile, jobs: self.plan.jobs }
    }

    /// Without a governor a build is what it was before there was one: as many jobs as are likely to fit.
    fn govern(&mut self) {
        let wishes = Wishes {
            slots: self.plan.slots,
            memory: self.plan.ceiling,
            available: self.plan.budget,
            own_files: self.workspace.own_files(),
            events: self.folder.events(),
        };
        match self.watcher.govern(wishes) {
            Ok(()) => self.plan.governed(),
            Err(error) => self.say(&format!("note: this build runs without a governor: {error:#}")),
        }
    }

    fn announce(&mut self) {
        let plan = self.plan.clone();
        let mut text = format!(
            "building {} ({}) with {} job{} ({}), {} available",
            self.extension_name(),
            self.profile,
            plan.jobs,
            if plan.jobs == 1 { "" } else { "s" },
            plan.reason,
            human(plan.budget),
        );
        for change in &self.changes {
            text.push_str(&format!("\nnote: {}", change.why));
        }
        let least = least_memory(&self.profile);
        if plan.budget > 0 && plan.budget < least {
            text.push_str(&format!(
                "\nwarning: {} is less than the {} that profile {} has needed; trying all the same",
                human(plan.budget),
                human(least),
                self.profile
            ));
        }
        self.say(&text);
    }

    /// What the governor saw: retries, evictions, and what no schedule could have been shorter than.
    pub(super) fn governor_figures(&self) -> Map<String, Value> {
        let governed: Vec<_> = self.steps.iter().map(|step| &step.watched.governed).collect();
        let mut figures = Map::new();
        figures.insert("governed".into(), governed.iter().any(|step| step.is_there).into());
        figures.insert("retried".into(), governed.iter().map(|step| step.retried.len()).sum::<usize>().into());
        figures.insert("evictions".into(), governed.iter().map(|step| step.evictions).sum::<usize>().into());
        if let Some(totals) = governed.iter().rev().find_map(|step| step.totals) {
            figures.insert("cpu_s".into(), totals.cpu_s.into());
            figures.insert("critical_path_s".into(), totals.critical_path_s.into());
            let budget = self.plan.ceiling.unwrap_or(self.plan.budget);
            let bound = totals.bound_s(self.plan.slots, budget);
            figures.insert("bound_s".into(), ((bound * 10.0).round() / 10.0).into());
        }
        figures
    }

    fn measured(&self) -> BuildRecord {
        let peak = self.steps.iter().max_by_key(|step| step.watched.peak_anon);
        let units: Vec<UnitPeak> = self.steps.iter().flat_map(|step| step.watched.units.clone()).collect();
        let total = self.steps.iter().map(|step| step.watched.artifacts.units).max().unwrap_or(0);
        let compiled: usize = self.steps.iter().map(|step| step.watched.artifacts.compiled()).sum();
        BuildRecord {
            profile: self.profile.clone(),
            jobs: self.plan.jobs,
            budget_mib: mib(self.plan.budget).round(),
            peak_anon_mib: peak.map_or(0.0, |step| mib(step.watched.peak_anon).round()),
            peak_at_s: seconds(peak.map_or(Duration::ZERO, |step| step.watched.peak_at)),
            wall_s: seconds(self.watcher.started.elapsed()),
            units: total.max(compiled),
            fresh_units: total.saturating_sub(compiled),
            oom_kills: self.steps.iter().map(|step| step.watched.oom_kills).sum(),
            heaviest: run_record::heaviest(&units),
            warnings: self.steps.iter().flat_map(|step| step.watched.warnings.clone()).collect(),
            extension: self.extension_file().map(Path::to_path_buf).unwrap_or_default(),
            build_id: self.build_id.clone().unwrap_or_default(),
            lock_hash: run_record::lock_hash(&self.workspace.root),
        }
    }
}

impl Step {
    /// Units that this step compiled. Where maturin reads cargo's JSON itself, its `Compiling` lines are the count.
    pub(super) fn compiled(&self) -> usize {
        let artifacts = &self.watched.artifacts;
        if artifacts.units > 0 { artifacts.compiled() } else { artifacts.announced }
    }

    pub(super) fn was_done_before(&self) -> bool {
        self.watched.end.succeeded() && self.watched.artifacts.units > 0 && self.compiled() == 0
    }
}

fn check_memory_flag(memory: Option<u64>, limit: u64) -> Result<(), UsageError> {
    match memory {
        Some(memory) if limit > 0 && memory > limit => Err(UsageError::new(format!(
            "--memory {}: this machine or container has {}; give at most that, or leave the flag out",
            human(memory),
            human(limit)
        ))),
        _ => Ok(()),
    }
}
