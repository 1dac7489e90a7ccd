//! `test` and `ci`: every check of the project, each a step that anyone can run alone.

use std::ffi::OsStr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::bail;
use serde_json::{Value, json};

use crate::flags::CheckFlags;
use crate::outcome::{Outcome, seconds};
use crate::progress::clock;
use crate::python::{Needs, Venv};
use crate::terminal::say;
use crate::workspace::Workspace;
use crate::{build, env, govern, proc};

/// One check: what it is called, and what a person would type.
struct Check {
    name: String,
    /// Arguments of a cargo that compiles: below a governor.
    compiles: Option<Vec<String>>,
    /// What is run then, with all of the machine to itself.
    runs: Option<Command>,
}

/// What checks are run with.
struct Runner<'a> {
    workspace: &'a Workspace,
    flags: &'a CheckFlags,
}

/// How a check ended.
struct Checked {
    name: String,
    ok: bool,
    wall: Duration,
}

pub(crate) fn test(workspace: &Workspace, flags: &CheckFlags) -> anyhow::Result<Outcome> {
    let venv = prepare(workspace, flags)?;
    let runner = Runner { workspace, flags };
    runner.run_all(tests(&runner, &venv))
}

pub(crate) fn ci(workspace: &Workspace, flags: &CheckFlags) -> anyhow::Result<Outcome> {
    let venv = prepare(workspace, flags)?;
    // What is quick and what breaks most often comes first.
    let runner = Runner { workspace, flags };
    let mut checks = style(&runner, &venv);
    checks.extend(tests(&runner, &venv));
    runner.run_all(checks)
}

/// The extension, and everything that checks import.
fn prepare(workspace: &Workspace, flags: &CheckFlags) -> anyhow::Result<Venv> {
    build::ensure(workspace, &flags.build)?;
    let mut say = |line: &str| say!("{line}");
    let venv = Venv::set_up(workspace, Needs::Checks, flags.build.offline, &mut say)?;
    if [env::TEST_AWS, env::TEST_GCP].into_iter().any(is_on) {
        Venv::set_up(workspace, Needs::Integration, flags.build.offline, &mut say)?;
    }
    Ok(venv)
}

/// As `tests/integration/conftest.py` has it: CI runs what nobody has turned off.
fn is_on(name: &str) -> bool {
    env::text(name).or_else(|| env::text(env::CI)).as_deref() == Some("true")
}

fn tests(runner: &Runner<'_>, venv: &Venv) -> Vec<Check> {
    // One crate at a time: together their test dependencies would change the features of what is already built.
    let mut checks: Vec<Check> = runner.workspace.tested.iter().map(|name| crate_tests(runner, name, "dev")).collect();
    // Its end-to-end tests start processes, cages and fake compilers: side by side they would starve each other.
    checks.push(crate_tests(runner, "xtask", "tool"));
    let mut pytest = venv.python();
    pytest.current_dir(&runner.workspace.root).args(["-m", "pytest", "-q"]).args(&runner.flags.pytest);
    checks.push(Check { name: "pytest".to_owned(), compiles: None, runs: Some(pytest) });
    checks
}

fn crate_tests(runner: &Runner<'_>, package: &str, profile: &str) -> Check {
    let words = ["test", "--package", package, "--profile", profile];
    Check {
        name: format!("test {package}"),
        compiles: Some(words.into_iter().chain(["--no-run"]).map(str::to_owned).collect()),
        runs: Some(runner.cargo(&words)),
    }
}

fn style(runner: &Runner<'_>, venv: &Venv) -> Vec<Check> {
    let tool = |name: &str, program: &str, arguments: &[&str]| {
        let mut command = venv.command(program);
        command.current_dir(&runner.workspace.root).args(arguments);
        Check { name: name.to_owned(), compiles: None, runs: Some(command) }
    };
    let rustfmt = runner.cargo(&["fmt", "--all", "--check"]);
    let mut checks = vec![Check { name: "rustfmt".to_owned(), compiles: None, runs: Some(rustfmt) }];
    checks.push(tool("ruff check", "ruff", &["check", "."]));
    checks.push(tool("ruff format", "ruff", &["format", "--check", "."]));
    checks.push(tool("mypy", "mypy", &[]));
    checks.push(tool("stub check", "stubtest", &["maou._rust", "--concise"]));
    let clippy = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"].map(str::to_owned);
    checks.push(Check { name: "clippy".to_owned(), compiles: Some(clippy.into()), runs: None });
    checks
}

impl Runner<'_> {
    /// Runs every check, then fails once: whoever mends one thing wants to know of the others.
    fn run_all(&self, checks: Vec<Check>) -> anyhow::Result<Outcome> {
        let mut done = Vec::new();
        for check in checks {
            say!("\n=== {}", check.name);
            done.push(self.run(check)?);
        }
        Ok(outcome(&done))
    }

    fn run(&self, check: Check) -> anyhow::Result<Checked> {
        let begun = Instant::now();
        let mut ok = true;
        if let Some(arguments) = &check.compiles {
            ok = self.compile(&check.name, arguments)?;
        }
        if let Some(command) = check.runs.filter(|_| ok) {
            ok = run_alone(&check.name, command)?;
        }
        Ok(Checked { name: check.name, ok, wall: begun.elapsed() })
    }

    /// A governor for each, so that none takes part in what tests do with theirs.
    fn compile(&self, name: &str, arguments: &[String]) -> anyhow::Result<bool> {
        let flags = &self.flags.build;
        let mut runner = govern::Runner::start(&self.workspace.target, flags.memory, flags.jobs);
        let watched = runner.run_on(name, || to_stderr(self.cargo(arguments)))?;
        stop_if_interrupted(name)?;
        if watched.governed.gave_up.is_some() {
            say!("error: {}", build::explain_end(&watched));
        }
        Ok(watched.end.succeeded())
    }

    fn cargo(&self, arguments: &[impl AsRef<OsStr>]) -> Command {
        let mut command = proc::cargo();
        command.current_dir(&self.workspace.root).args(arguments);
        if self.flags.build.offline {
            command.env("CARGO_NET_OFFLINE", "true");
        }
        for change in build::harmless_environment() {
            change.apply(&mut command);
        }
        // Behind what was taken out of the environment, which may be a number of jobs too.
        if let Some(jobs) = self.flags.build.jobs {
            command.env("CARGO_BUILD_JOBS", jobs.to_string());
        }
        command
    }
}

fn outcome(done: &[Checked]) -> Outcome {
    say!("");
    for check in done {
        say!("{}  {:>6}  {}", if check.ok { "ok  " } else { "FAIL" }, clock(check.wall), check.name);
    }
    let rows: Vec<Value> =
        done.iter().map(|check| json!({"name": check.name, "ok": check.ok, "wall_s": seconds(check.wall)})).collect();
    let failed: Vec<&str> = done.iter().filter(|check| !check.ok).map(|check| check.name.as_str()).collect();
    let mut outcome = if failed.is_empty() {
        Outcome::default()
    } else {
        let why = format!("{} of {} checks failed: {}", failed.len(), done.len(), failed.join(", "));
        say!("error: {why}");
        Outcome::failed(serde_json::Map::new(), why)
    };
    outcome.figures.insert("checks".into(), rows.into());
    outcome
}

fn run_alone(name: &str, command: Command) -> anyhow::Result<bool> {
    let mut group = proc::Group::spawn(to_stderr(command))?;
    loop {
        if let Some(end) = group.poll()? {
            stop_if_interrupted(name)?;
            return Ok(end.succeeded());
        }
        group.pass_on_signals();
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A check's own output goes where ours goes: stdout belongs to the JSON line, so all of it to stderr.
fn to_stderr(mut command: Command) -> Command {
    command.stdin(Stdio::null()).stdout(std::io::stderr());
    command
}

fn stop_if_interrupted(name: &str) -> anyhow::Result<()> {
    if proc::interrupted() {
        bail!("{name}: interrupted");
    }
    Ok(())
}
