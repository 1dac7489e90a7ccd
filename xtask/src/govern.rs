//! `govern -- COMMAND`: any command that runs cargo somewhere below it, under the governor.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::build;
use crate::governor::Wishes;
use crate::memory::{self, human, mib};
use crate::outcome::{Outcome, UsageError, seconds};
use crate::proc::{self, End};
use crate::progress::clock;
use crate::run_record::{self, Heavy, RunFolder};
use crate::stream::{Watched, Watcher};
use crate::terminal::say;
use crate::workspace::{self, Places};

/// What may be said about a governed command.
#[derive(Debug, Default, Clone)]
pub(crate) struct Options {
    /// `--memory SIZE` in bytes.
    pub(crate) memory: Option<u64>,
    /// `--jobs N`.
    pub(crate) jobs: Option<usize>,
    pub(crate) command: Vec<OsString>,
}

/// Runs commands that have our terminal, governed where that is possible.
#[derive(Debug)]
pub(crate) struct Runner {
    watcher: Watcher,
    events: Option<PathBuf>,
}

/// Commands of cargo that go on where they were when they are run again.
const REPEATABLE: [&str; 10] = ["build", "b", "check", "c", "clippy", "rustc", "doc", "d", "install", "fetch"];

pub(crate) fn run(places: &Places, options: &Options) -> anyhow::Result<Outcome> {
    let Some(program) = options.command.first() else {
        return Err(UsageError::new("give a command to run: cargo xtask govern -- cargo build --release").into());
    };
    if !proc::is_on_path(program) {
        return Err(UsageError::new(format!("no program `{}` on PATH to govern", program.display())).into());
    }
    let mut runner = Runner::start(&places.target, options.memory, options.jobs);
    let make = || {
        let mut command = proc::command(program);
        command.args(&options.command[1..]);
        command
    };
    let watched =
        if is_repeatable(&options.command) { runner.run_on("govern", make)? } else { runner.run("govern", make())? };
    finish(&watched, runner.events.as_deref())
}

impl Runner {
    /// What is asked of it is run whether we can write in `target` or not.
    pub(crate) fn start(target: &Path, memory: Option<u64>, jobs: Option<usize>) -> Self {
        let mut sensor = memory::sensor(memory::Sensing::best());
        let machine = sensor.snapshot();
        let cores = machine.whole_cores();
        let slots = jobs.map_or(cores, |jobs| jobs.min(cores));
        let own_files = workspace::own_files(target);
        let mut watcher = Watcher::new(sensor, None, target).silent();
        let governed = RunFolder::create(&own_files).and_then(|folder| {
            let (available, events) = (machine.available, folder.events());
            watcher.govern(Wishes { slots, memory, available, own_files, events: events.clone() })?;
            Ok(events)
        });
        let events = governed.inspect_err(|error| say!("note: this runs without a governor: {error:#}")).ok();
        Runner { watcher, events }
    }

    /// Runs a command that goes on where it was when it is run again, which it is if something in it was killed.
    pub(crate) fn run_on(&mut self, name: &str, make: impl Fn() -> Command) -> anyhow::Result<Watched> {
        build::persist(|killed| {
            if let Some(why) = killed {
                say!("note: {why}; running the command again, it goes on where it was");
            }
            self.run(name, make())
        })
    }

    fn run(&mut self, name: &str, command: Command) -> anyhow::Result<Watched> {
        self.watcher.run_in_the_open(name, command)
    }
}

/// Whether running it a second time does what one run would have done.
fn is_repeatable(command: &[OsString]) -> bool {
    let name = Path::new(&command[0]).file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    let words = command[1..].iter().filter_map(|word| word.to_str());
    let verb = words.clone().find(|word| !word.starts_with(['-', '+'])).unwrap_or_default();
    match name {
        "cargo" => REPEATABLE.contains(&verb) || (verb == "test" && words.clone().any(|word| word == "--no-run")),
        "maturin" => ["build", "develop"].contains(&verb),
        _ => false,
    }
}

fn finish(watched: &Watched, events: Option<&Path>) -> anyhow::Result<Outcome> {
    let heaviest = run_record::heaviest(&watched.units);
    say!("{}", summary(watched, &heaviest, events));
    let serde_json::Value::Object(figures) = json!({
        "peak_anon_mib": mib(watched.peak_anon).round(),
        "peak_at_s": seconds(watched.peak_at),
        "command_wall_s": seconds(watched.wall),
        "units": watched.units.len(),
        "oom_kills": watched.oom_kills,
        "retried": watched.governed.retried,
        "evictions": watched.governed.evictions,
        "end": watched.end.to_string(),
        "events": events.map(Path::to_string_lossy),
    }) else {
        return Ok(Outcome::default());
    };
    Ok(match watched.end {
        End::Code(0) => Outcome::ok(figures),
        End::Code(code) => Outcome::failed(figures, build::explain_end(watched)).with_status(code),
        // As shells count it.
        End::Signal(signal) => Outcome::failed(figures, build::explain_end(watched)).with_status(128 + signal),
    })
}

fn summary(watched: &Watched, heaviest: &[Heavy], events: Option<&Path>) -> String {
    let governed = &watched.governed;
    let mut text = format!(
        "govern: {} in {}, peak {} anonymous at {}, {} units compiled, {} killed and run again, {} made room, OOM kills: {}",
        if watched.end.succeeded() { "done".to_owned() } else { watched.end.to_string() },
        clock(watched.wall),
        human(watched.peak_anon),
        clock(watched.peak_at),
        watched.units.len(),
        governed.retried.len(),
        governed.evictions,
        watched.oom_kills.map_or_else(|| "not counted here".to_owned(), |kills| kills.to_string()),
    );
    for unit in heaviest.iter().take(3) {
        let wall = Duration::try_from_secs_f64(unit.wall_s).unwrap_or_default();
        text.push_str(&format!("\n  {:<28} {:>5.0} MiB {:>8}", unit.name, unit.peak_anon_mib, clock(wall)));
    }
    if let Some(events) = events {
        text.push_str(&format!("\n  events: {}", events.display()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_does_nothing_twice_is_run_twice() {
        let repeatable = |line: &str| is_repeatable(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        for line in [
            "cargo build --release",
            "/x/cargo +nightly b",
            "cargo --locked install --path .",
            "cargo test --no-run",
            "maturin develop",
        ] {
            assert!(repeatable(line), "{line}");
        }
        for line in ["cargo run", "cargo test", "pip install .", "cargo publish", "sh -c build"] {
            assert!(!repeatable(line), "{line}");
        }
    }
}
