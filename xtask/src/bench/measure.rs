//! One run of one command, measured from outside.

use std::fmt;
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::matrix::CageLimit;
use crate::cage::Cage;
use crate::memory::{self, Sensing, Sensor};
use crate::proc::{End, Group};
use crate::terminal::say;

/// What a run came to. Sizes are bytes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Measured {
    pub(super) verdict: Verdict,
    /// How the process that was started ended, for people.
    pub(super) end: String,
    pub(super) wall_s: f64,
    /// Of everything that ran in the cage.
    pub(super) cpu_s: Option<f64>,
    /// The highest of the samples.
    pub(super) peak_anon: u64,
    /// File pages included.
    pub(super) peak_usage: Option<u64>,
    pub(super) oom_kills: Option<u64>,
    pub(super) instrument: Instrument,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Finished,
    /// It did not finish, and a signal or the kernel's OOM killer ended it or a part of it.
    Killed,
    Timeout,
    /// It did not finish for a reason that is not memory: the log has it.
    Failed,
}

/// What measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Instrument {
    /// The cage's own control group.
    Cgroup,
    /// The process tree: what leaves the tree is not seen.
    Tree,
}

/// The instrument, at work.
enum Gauge {
    Cgroup(Cage),
    Tree { sensor: Box<dyn Sensor>, cpu_before: Option<f64> },
}

/// Twenty samples a second: polars-core is near its peak for seconds.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(50);

/// Runs `command` to its end, with its output in `log` and nothing to read.
///
/// # Errors
///
/// When no cage of that limit can be made, the log cannot be written, or the command cannot be started. A command that
/// fails is no error: it is the result.
pub(super) fn measure(
    mut command: Command,
    limit: CageLimit,
    timeout: Duration,
    log: &Path,
) -> anyhow::Result<Measured> {
    let mut gauge = Gauge::open(limit)?;
    let output = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let errors = output.try_clone().context("cannot share the log")?;
    command.stdin(Stdio::null()).stdout(output).stderr(errors);
    gauge.around(&mut command);
    let started = Instant::now();
    let mut group = Group::spawn(command)?;
    let mut peak_anon = 0;
    let mut timed_out = false;
    let end = loop {
        peak_anon = peak_anon.max(gauge.anon(group.pid()));
        if let Some(end) = group.poll()? {
            break end;
        }
        group.pass_on_signals();
        if started.elapsed() >= timeout {
            timed_out = true;
            group.kill();
            gauge.kill();
        }
        std::thread::sleep(SAMPLE_INTERVAL);
    };
    let wall_s = tenths(started.elapsed().as_secs_f64());
    let oom_kills = gauge.oom_kills();
    Ok(Measured {
        verdict: verdict(end, timed_out, oom_kills),
        end: end.to_string(),
        wall_s,
        cpu_s: gauge.cpu_seconds().map(tenths),
        peak_anon,
        peak_usage: gauge.peak_usage(),
        oom_kills,
        instrument: gauge.instrument(),
    })
}

fn verdict(end: End, timed_out: bool, oom_kills: Option<u64>) -> Verdict {
    match end {
        _ if timed_out => Verdict::Timeout,
        end if end.succeeded() => Verdict::Finished,
        End::Signal(_) => Verdict::Killed,
        End::Code(_) if oom_kills.is_some_and(|kills| kills > 0) => Verdict::Killed,
        End::Code(_) => Verdict::Failed,
    }
}

impl Gauge {
    /// Without a limit, a build can be measured where no cage can be made.
    fn open(limit: CageLimit) -> anyhow::Result<Self> {
        match Cage::make(limit.0) {
            Ok(cage) => Ok(Gauge::Cgroup(cage)),
            Err(error) if limit.0.is_none() => {
                say!("        measuring the process tree instead: {error:#}");
                Ok(Gauge::Tree { sensor: memory::sensor(Sensing::best()), cpu_before: os::children_cpu_seconds() })
            }
            Err(error) => Err(error),
        }
    }

    fn around(&self, command: &mut Command) {
        if let Gauge::Cgroup(cage) = self {
            cage.enter(command);
        }
    }

    fn anon(&mut self, root: u32) -> u64 {
        match self {
            Gauge::Cgroup(cage) => cage.anon().unwrap_or(0),
            Gauge::Tree { sensor, .. } => sensor.tree(&[root]).anon,
        }
    }

    fn kill(&self) {
        if let Gauge::Cgroup(cage) = self {
            cage.kill();
        }
    }

    fn cpu_seconds(&self) -> Option<f64> {
        match self {
            Gauge::Cgroup(cage) => cage.cpu_seconds(),
            Gauge::Tree { cpu_before, .. } => Some(os::children_cpu_seconds()? - (*cpu_before)?),
        }
    }

    fn peak_usage(&self) -> Option<u64> {
        let Gauge::Cgroup(cage) = self else { return None };
        cage.peak_usage()
    }

    fn oom_kills(&self) -> Option<u64> {
        let Gauge::Cgroup(cage) = self else { return None };
        cage.oom_kills()
    }

    fn instrument(&self) -> Instrument {
        match self {
            Gauge::Cgroup(_) => Instrument::Cgroup,
            Gauge::Tree { .. } => Instrument::Tree,
        }
    }
}

const VERDICTS: [Verdict; 4] = [Verdict::Finished, Verdict::Killed, Verdict::Timeout, Verdict::Failed];

impl Verdict {
    pub(super) fn name(self) -> &'static str {
        match self {
            Verdict::Finished => "finished",
            Verdict::Killed => "killed",
            Verdict::Timeout => "timeout",
            Verdict::Failed => "failed",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        VERDICTS.into_iter().find(|verdict| verdict.name() == name)
    }
}

impl Instrument {
    pub(super) fn name(self) -> &'static str {
        match self {
            Instrument::Cgroup => "cgroup",
            Instrument::Tree => "tree",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        [Instrument::Cgroup, Instrument::Tree].into_iter().find(|instrument| instrument.name() == name)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

fn tenths(seconds: f64) -> f64 {
    (seconds * 10.0).round() / 10.0
}

#[cfg(unix)]
mod os {
    /// Processor seconds of all children that have ended and were waited for, and of theirs.
    pub(super) fn children_cpu_seconds() -> Option<f64> {
        // SAFETY: an all-zero rusage is valid, and getrusage only fills it in.
        let usage = unsafe {
            let mut usage: libc::rusage = std::mem::zeroed();
            (libc::getrusage(libc::RUSAGE_CHILDREN, &mut usage) == 0).then_some(usage)
        }?;
        Some(seconds(usage.ru_utime) + seconds(usage.ru_stime))
    }

    /// Two integers of a few digits: exact in a float.
    fn seconds(time: libc::timeval) -> f64 {
        time.tv_sec as f64 + time.tv_usec as f64 / 1e6
    }
}

#[cfg(not(unix))]
mod os {
    /// Not asked on this system.
    pub(super) fn children_cpu_seconds() -> Option<f64> {
        None
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::proc;

    fn measured(name: &str, script: &str, limit: Option<u64>, timeout: Duration) -> Option<(Measured, String)> {
        let log = std::env::temp_dir().join(format!("xtask-bench-{name}-{}.log", std::process::id()));
        let mut command = proc::command("sh");
        command.args(["-c", script]);
        let measured = measure(command, CageLimit(limit), timeout, &log);
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        let _ = std::fs::remove_file(&log);
        measured.inspect_err(|error| eprintln!("skipped: {error:#}")).ok().map(|measured| (measured, text))
    }

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_run_is_measured_and_its_output_kept() {
        let script = "x=$(head -c 16M /dev/zero | tr '\\0' x); echo out; echo err >&2; sleep 0.3";
        let (run, log) = measured("plain", script, None, MINUTE).expect("needs no cage");
        assert_eq!((run.verdict, run.end.as_str()), (Verdict::Finished, "exit status 0"));
        assert_eq!(log, "out\nerr\n");
        assert!(run.wall_s >= 0.3 && run.peak_anon > 16 << 20, "{run:?}");
    }

    #[test]
    fn a_run_that_takes_too_much_is_killed() {
        let script = "head -c 64M /dev/zero | tail > /dev/null";
        let Some((run, _)) = measured("much", script, Some(32 << 20), MINUTE) else { return };
        assert_eq!(run.verdict, Verdict::Killed);
        assert!(run.oom_kills.is_some_and(|kills| kills > 0), "{run:?}");
    }

    #[test]
    fn a_run_that_takes_too_long_is_ended() {
        let began = Instant::now();
        let (run, _) = measured("long", "sleep 1000", None, Duration::from_millis(200)).expect("needs no cage");
        assert_eq!(run.verdict, Verdict::Timeout);
        assert!(began.elapsed() < MINUTE);
    }

    #[test]
    fn what_fails_without_a_kill_has_failed() {
        assert_eq!(verdict(End::Code(101), false, Some(0)), Verdict::Failed);
        assert_eq!(verdict(End::Code(101), false, Some(1)), Verdict::Killed);
        assert_eq!(verdict(End::Signal(9), false, None), Verdict::Killed);
        assert_eq!(verdict(End::Code(0), false, Some(3)), Verdict::Finished);
    }
}
