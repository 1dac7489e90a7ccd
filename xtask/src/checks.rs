//! `test` and `ci`: every check of the project, each a step that anyone can run alone.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::bail;
use serde_json::{Value, json};

use crate::flags::CheckFlags;
use crate::outcome::{Outcome, seconds};
use crate::progress::clock;
use crate::python::{Needs, Venv};
use crate::terminal::say;
use crate::workspace::Workspace;
use crate::{build, env, proc};

/// One check: what it is called, and the command that a person would type.
struct Check {
    name: String,
    command: Command,
}

/// How a check ended.
struct Checked {
    name: String,
    ok: bool,
    wall: Duration,
}

pub(crate) fn test(workspace: &Workspace, flags: &CheckFlags) -> anyhow::Result<Outcome> {
    let venv = prepare(workspace, flags)?;
    run_all(tests(workspace, flags, &venv))
}

pub(crate) fn ci(workspace: &Workspace, flags: &CheckFlags) -> anyhow::Result<Outcome> {
    let venv = prepare(workspace, flags)?;
    // What is quick and what breaks most often comes first.
    let mut checks = style(workspace, flags, &venv);
    checks.extend(tests(workspace, flags, &venv));
    run_all(checks)
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

fn tests(workspace: &Workspace, flags: &CheckFlags, venv: &Venv) -> Vec<Check> {
    let mut checks = Vec::new();
    for name in &workspace.tested {
        // One crate at a time: together their test dependencies would change the features of what is already built.
        checks.push(cargo(workspace, flags, &format!("test {name}"), &["test", "--package", name, "--profile", "dev"]));
    }
    // Its end-to-end tests start processes, cages and fake compilers: side by side they would starve each other.
    checks.push(cargo(workspace, flags, "test xtask", &["test", "--package", "xtask", "--profile", "tool"]));
    let mut pytest = venv.python();
    pytest.current_dir(&workspace.root).args(["-m", "pytest", "-q"]).args(&flags.pytest);
    checks.push(Check { name: "pytest".to_owned(), command: pytest });
    checks
}

fn style(workspace: &Workspace, flags: &CheckFlags, venv: &Venv) -> Vec<Check> {
    let mut checks = vec![cargo(workspace, flags, "rustfmt", &["fmt", "--all", "--check"])];
    let tool = |name: &str, program: &str, arguments: &[&str]| {
        let mut command = venv.command(program);
        command.current_dir(&workspace.root).args(arguments);
        Check { name: name.to_owned(), command }
    };
    checks.push(tool("ruff check", "ruff", &["check", "."]));
    checks.push(tool("ruff format", "ruff", &["format", "--check", "."]));
    checks.push(tool("mypy", "mypy", &[]));
    checks.push(tool("stub check", "stubtest", &["maou._rust", "--concise"]));
    checks.push(cargo(workspace, flags, "clippy", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]));
    checks
}

fn cargo(workspace: &Workspace, flags: &CheckFlags, name: &str, arguments: &[&str]) -> Check {
    let mut command = proc::cargo();
    command.current_dir(&workspace.root).args(arguments);
    if flags.build.offline && arguments[0] != "fmt" {
        command.env("CARGO_NET_OFFLINE", "true");
    }
    for change in build::harmless_environment() {
        change.apply(&mut command);
    }
    // Behind what was taken out of the environment, which may be a number of jobs too.
    if let Some(jobs) = flags.build.jobs {
        command.env("CARGO_BUILD_JOBS", jobs.to_string());
    }
    Check { name: name.to_owned(), command }
}

/// Runs every check, then fails once: whoever mends one thing wants to know of the others.
fn run_all(checks: Vec<Check>) -> anyhow::Result<Outcome> {
    let mut done = Vec::new();
    for check in checks {
        say!("\n=== {}", check.name);
        done.push(run(check)?);
    }
    say!("");
    for check in &done {
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
    Ok(outcome)
}

/// The check's own output goes where ours goes: stdout belongs to the JSON line, so all of it to stderr.
fn run(mut check: Check) -> anyhow::Result<Checked> {
    let begun = Instant::now();
    check.command.stdin(std::process::Stdio::null()).stdout(std::io::stderr());
    let mut group = proc::Group::spawn(check.command)?;
    loop {
        if let Some(end) = group.poll()? {
            if proc::interrupted() {
                bail!("{}: interrupted", check.name);
            }
            return Ok(Checked { name: check.name, ok: end.succeeded(), wall: begun.elapsed() });
        }
        group.pass_on_signals();
        std::thread::sleep(Duration::from_millis(20));
    }
}
