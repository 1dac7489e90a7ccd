//! `cargo xtask …`: builds, measures, verifies and tests maou in the memory there is.

mod bench;
mod build;
mod cage;
mod cargo_config;
mod checks;
mod clean;
mod disk;
mod env;
mod events;
mod flags;
mod fnv;
mod govern;
mod governor;
mod memory;
mod monitor;
mod oom_score;
mod outcome;
mod preflight;
mod proc;
mod progress;
mod python;
mod run_record;
mod stream;
mod terminal;
mod verify;
mod workspace;
#[cfg(unix)]
mod wrapper;

use std::process::ExitCode;
use std::time::Instant;

use crate::flags::{Command, Flags};
use crate::outcome::{Outcome, UsageError};
use crate::workspace::Workspace;

fn main() -> ExitCode {
    if let Some(status) = other_roles() {
        return status;
    }
    proc::catch_signals();
    let started = Instant::now();
    let arguments = env::arguments();
    let wants_json = flags::wants_json(&arguments);
    let (name, result) = match flags::parse(arguments) {
        Ok(flags) => (flags.command.name(), dispatch(&flags)),
        Err(error) => ("xtask", Err(error.into())),
    };
    outcome::finish(name, result, started.elapsed(), wants_json)
}

/// The same binary stands in for rustc in a governed build, is its governor and its decoys: asked before anything else, since the
/// first happens hundreds of times.
#[cfg(unix)]
fn other_roles() -> Option<ExitCode> {
    wrapper::run_if_asked().or_else(governor::server::run_if_asked).or_else(governor::decoy::run_if_asked)
}

#[cfg(not(unix))]
fn other_roles() -> Option<ExitCode> {
    None
}

fn dispatch(flags: &Flags) -> anyhow::Result<Outcome> {
    match &flags.command {
        Command::Help(topic) => flags::help(topic.as_deref()),
        Command::Monitor(options) => monitor_command(options),
        Command::Preflight(options) => preflight::run(&Workspace::load()?, options),
        Command::Build(options) => build::run(&Workspace::load()?, options),
        Command::BuildSplit(options) => build::run_split(&Workspace::load()?, options),
        Command::Verify(options) => verify::run(&Workspace::load()?, options),
        Command::Test(options) => checks::test(&Workspace::load()?, options),
        Command::Ci(options) => checks::ci(&Workspace::load()?, options),
        Command::Bench(options) => bench::run(options),
        Command::Govern(options) => govern::run(&Workspace::locate()?, options),
        Command::Clean(options) => clean::run(&Workspace::locate()?, options),
    }
}

/// The monitor prints its own JSON stream, so nothing is added to it here but the exit status.
fn monitor_command(options: &monitor::Options) -> anyhow::Result<Outcome> {
    if let Some(program) = options.command.first()
        && !proc::is_on_path(program)
    {
        return Err(UsageError::new(format!("no program `{}` on PATH to watch", program.display())).into());
    }
    Ok(Outcome::printed_by_itself(monitor::run(options)?))
}
