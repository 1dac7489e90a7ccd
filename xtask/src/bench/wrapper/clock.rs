//! Builds with a clock beside them, and builds that are watched from within their process tree. Each has its own: to
//! look at a build takes time from it.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::cage::Cage;
use crate::governor::server;
use crate::memory::{self, Sensing, TreeSample};
use crate::proc::{self, Group};
use crate::wrapper;

/// What one build took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Lap {
    pub(super) wall_s: f64,
    /// Of all that it started, servers too, where a cage could be made.
    pub(super) cpu_s: Option<f64>,
}

/// What was seen of a governed build.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Seen {
    pub(super) wall_s: f64,
    /// Processor time of `xtask govern` itself, and of its governor.
    pub(super) front_cpu_s: f64,
    pub(super) governor_cpu_s: f64,
    /// Wrappers that have waited for a while, one each.
    pub(super) waiting: Vec<Waiter>,
    pub(super) most_waiting: usize,
}

/// A wrapper that waits for its turn. KiB, as `/proc/PID/status` has them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Waiter {
    pub(super) resident: u64,
    pub(super) anon: u64,
}

/// A build while it is watched.
#[derive(Debug, Default)]
struct Watch {
    root: u32,
    /// When a wrapper was first seen to wait, and what it had when it was last looked at.
    waiters: HashMap<u32, (Instant, Option<Waiter>)>,
    front_cpu_s: f64,
    /// By process: there can be one after the other.
    governors: HashMap<u32, f64>,
    most_waiting: usize,
}

/// A hundredth of a millisecond for each of a few hundred units.
const POLL: Duration = Duration::from_millis(3);
const LOOK: Duration = Duration::from_millis(100);
/// One that has just started has not come to rest.
const SETTLED: Duration = Duration::from_millis(500);

/// Runs `command` to its good end.
///
/// # Errors
///
/// When it cannot be started, or does not end well: then there is nothing to measure.
pub(super) fn time(mut command: Command, log: &Path) -> anyhow::Result<Lap> {
    // With what is still in it when the build has ended, a server or an agent, it goes at the end of this.
    let cage = Cage::make(None).ok();
    if let Some(cage) = &cage {
        cage.enter(&mut command);
    }
    let wall_s = run(command, log, POLL, |_, _| {})?;
    Ok(Lap { wall_s, cpu_s: cage.and_then(|cage| cage.cpu_seconds()) })
}

/// The same with a governed build that is watched.
pub(super) fn watch(command: Command, log: &Path) -> anyhow::Result<Seen> {
    let mut sensor = memory::sensor(Sensing::best());
    let mut watch = Watch::default();
    let wall_s = run(command, log, LOOK, |root, now| {
        watch.root = root;
        watch.look(&sensor.tree(&[root]), now, waiter);
    })?;
    Ok(watch.seen(wall_s))
}

fn run(mut command: Command, log: &Path, every: Duration, mut look: impl FnMut(u32, Instant)) -> anyhow::Result<f64> {
    let output = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let errors = output.try_clone().context("cannot share the log")?;
    command.stdin(Stdio::null()).stdout(output).stderr(errors);
    let began = Instant::now();
    let mut group = Group::spawn(command)?;
    let end = loop {
        look(group.pid(), Instant::now());
        if let Some(end) = group.poll()? {
            break end;
        }
        group.pass_on_signals();
        std::thread::sleep(every);
    };
    let wall_s = began.elapsed().as_secs_f64();
    if proc::interrupted() {
        bail!("interrupted; nothing was written");
    }
    if !end.succeeded() {
        bail!("a build ended with {end}; {} says why", log.display());
    }
    Ok(wall_s)
}

impl Watch {
    fn look(&mut self, tree: &TreeSample, now: Instant, measure: impl Fn(u32) -> Option<Waiter>) {
        let is_parent = |pid: u32| tree.processes.iter().any(|process| process.ppid == pid);
        let mut waiting = 0;
        for process in &tree.processes {
            if process.pid == self.root {
                self.front_cpu_s = process.cpu_s;
            } else if *process.command == *server::NAME {
                self.governors.insert(process.pid, process.cpu_s);
            } else if *process.command == *wrapper::NAME && !is_parent(process.pid) {
                waiting += 1;
                let (since, last) = self.waiters.entry(process.pid).or_insert((now, None));
                if now - *since >= SETTLED {
                    *last = measure(process.pid).or(*last);
                }
            }
        }
        self.most_waiting = self.most_waiting.max(waiting);
    }

    fn seen(self, wall_s: f64) -> Seen {
        Seen {
            wall_s,
            front_cpu_s: self.front_cpu_s,
            governor_cpu_s: self.governors.values().sum(),
            waiting: self.waiters.into_values().filter_map(|(_, waiter)| waiter).collect(),
            most_waiting: self.most_waiting,
        }
    }
}

fn waiter(pid: u32) -> Option<Waiter> {
    parse(&std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}

fn parse(status: &str) -> Option<Waiter> {
    let kib = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse().ok()
    };
    Some(Waiter { resident: kib("VmRSS:")?, anon: kib("RssAnon:")? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::ProcessSample;

    fn process(pid: u32, ppid: u32, command: &str, cpu_s: f64) -> ProcessSample {
        let command = command.into();
        ProcessSample { pid, ppid, start_time: 0, command, unit: None, anon: 0, resident: 0, cpu_s, waited_s: 0.0 }
    }

    #[test]
    fn who_waits_is_measured_when_it_has_come_to_rest() {
        let processes = vec![
            process(1, 0, "xtask", 0.25),
            process(2, 1, "maou-governor", 0.5),
            process(3, 1, "cargo", 2.0),
            process(4, 3, "maou-rustc", 0.0),
            process(5, 4, "rustc", 1.0),
            process(6, 3, "maou-rustc", 0.0),
        ];
        let tree = TreeSample { processes, ..TreeSample::default() };
        let mut watch = Watch { root: 1, ..Watch::default() };
        let measure = |pid: u32| Some(Waiter { resident: u64::from(pid), anon: 1 });
        let began = Instant::now();
        watch.look(&tree, began, measure);
        assert!(watch.waiters.values().all(|(_, waiter)| waiter.is_none()));
        watch.look(&tree, began + SETTLED, measure);
        let seen = watch.seen(10.0);
        assert_eq!((seen.front_cpu_s, seen.governor_cpu_s, seen.most_waiting), (0.25, 0.5, 1));
        assert_eq!(seen.waiting, [Waiter { resident: 6, anon: 1 }]);
    }

    #[test]
    fn a_status_is_read_in_kib() {
        let status = "Name:\tmaou-rustc\nVmRSS:\t    1204 kB\nRssAnon:\t     132 kB\nRssFile:\t 1072 kB\n";
        assert_eq!(parse(status), Some(Waiter { resident: 1204, anon: 132 }));
        assert_eq!(parse("Name:\tkthreadd\n"), None);
    }

    #[test]
    fn a_build_that_fails_measures_nothing() {
        let log = std::env::temp_dir().join(format!("xtask-bench-clock-{}.log", std::process::id()));
        let mut command = proc::command("sh");
        command.args(["-c", "echo why; exit 3"]);
        let error = time(command, &log).expect_err("it failed").to_string();
        assert!(error.contains("exit status 3") && error.contains("clock"), "{error}");
        let mut command = proc::command("sh");
        command.args(["-c", "exit 0"]);
        assert!(time(command, &log).expect("it ended well").wall_s < 60.0);
        std::fs::remove_file(&log).expect("ours");
    }
}
