//! What a command leaves behind: its figures, its verdict, one JSON line, an exit status.

use std::fmt;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::proc;
use crate::terminal::say;

/// Exit status of a task that was stopped by Ctrl-C or SIGTERM, as shells count it.
const INTERRUPTED: u8 = 130;

/// The end of a command that ran to its end, well or not.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// The command's own figures, for `--json`.
    pub(crate) figures: Map<String, Value>,
    /// Why the task failed; `None` when it did not. People have been told the details by then.
    pub(crate) failure: Option<String>,
    /// The exit status of a watched command, which is passed on.
    own_exit_status: Option<i32>,
    /// The command has printed its JSON itself, as the monitor does.
    printed: bool,
}

/// A command line that cannot be carried out as written: exit status 2 instead of 1.
#[derive(Debug)]
pub(crate) struct UsageError(String);

impl Outcome {
    pub(crate) fn ok(figures: Map<String, Value>) -> Self {
        Outcome { figures, ..Outcome::default() }
    }

    pub(crate) fn failed(figures: Map<String, Value>, why: impl Into<String>) -> Self {
        Outcome { figures, failure: Some(why.into()), ..Outcome::default() }
    }

    /// Ends with the status of a command that was run.
    pub(crate) fn with_status(self, exit_status: i32) -> Self {
        Outcome { own_exit_status: Some(exit_status), ..self }
    }

    pub(crate) fn printed_by_itself(exit_status: i32) -> Self {
        Outcome { own_exit_status: Some(exit_status), printed: true, ..Outcome::default() }
    }
}

impl UsageError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        UsageError(message.into())
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

/// Tells people on stderr what went wrong, scripts on stdout what came out, and the shell whether it did.
pub(crate) fn finish(command: &str, result: anyhow::Result<Outcome>, wall: Duration, json: bool) -> ExitCode {
    let usage = matches!(&result, Err(error) if error.downcast_ref::<UsageError>().is_some());
    let outcome = result.unwrap_or_else(|error| {
        let message = format!("{error:#}");
        say!("error: {message}");
        if usage {
            say!("\nRun `cargo xtask help` for what there is.");
        }
        Outcome::failed(Map::new(), message)
    });
    let own = outcome.own_exit_status.filter(|_| !proc::interrupted() || outcome.printed);
    let status = own.map_or_else(|| exit_status(&outcome, usage), |status| u8::try_from(status).unwrap_or(1));
    if json && !outcome.printed {
        print_json(command, outcome, wall);
    }
    ExitCode::from(status)
}

fn exit_status(outcome: &Outcome, usage: bool) -> u8 {
    match (&outcome.failure, usage) {
        (None, _) => 0,
        (Some(_), true) => 2,
        (Some(_), false) if proc::interrupted() => INTERRUPTED,
        (Some(_), false) => 1,
    }
}

fn print_json(command: &str, outcome: Outcome, wall: Duration) {
    let status = if outcome.failure.is_none() { "ok" } else { "failed" };
    let mut object = Map::new();
    object.insert("command".into(), command.into());
    object.insert("status".into(), status.into());
    object.insert("wall_s".into(), seconds(wall).into());
    object.extend(outcome.figures);
    if let Some(why) = outcome.failure {
        object.insert("error".into(), why.into());
    }
    // A reader that went away is no reason to panic: the exit status still tells.
    let _ = writeln!(std::io::stdout(), "{}", Value::Object(object));
}

/// Seconds with a tenth: finer is noise.
pub(crate) fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10.0).round() / 10.0
}
