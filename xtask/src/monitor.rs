//! `cargo xtask monitor`: what `watch -n 1 'free -h && ps aux --sort=-%mem | head'` in a second terminal was for, true
//! in a container, and by crate.
//!
//! Without a command it watches every process until Ctrl-C. With one it starts it, measures its tree ten times a
//! second so that the peak is seen, shows a picture every interval, and ends as the command did. On a terminal the
//! picture stays below what the command prints; elsewhere it is a line on stderr; with `--json` it is an object on
//! stdout, and the command's own output moves to stderr.

#[cfg(test)]
mod examples;
mod json;
mod relay;
mod render;
mod view;

use std::ffi::OsString;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::memory::{self, PeakTracker, Sensing, Sensor, Snapshot, TreeSample};
use crate::proc::{self, End, Group};
use relay::Chunk;
use view::View;

/// What `cargo xtask monitor` was asked for.
#[derive(Debug)]
pub(crate) struct Options {
    /// Between two pictures.
    pub(crate) interval: Duration,
    pub(crate) json: bool,
    /// The program and its arguments; nothing: watch the machine.
    pub(crate) command: Vec<OsString>,
}

/// What one picture shows.
#[derive(Debug)]
struct Frame {
    /// What is watched: the command line, or nothing for the machine.
    title: String,
    /// Since the start.
    at: Duration,
    snapshot: Snapshot,
    tree: TreeSample,
    /// Highest anonymous memory of the command's tree so far, and when. `None` for the machine.
    peak: Option<(u64, Duration)>,
    /// Kernel OOM kills since the start, where the kernel counts them.
    oom_kills: Option<u64>,
}

/// How a command ended, and what it took.
#[derive(Debug)]
struct Ending {
    title: String,
    end: End,
    wall: Duration,
    oom_kills: Option<u64>,
    peaks: PeakTracker,
}

struct Monitor<'a> {
    options: &'a Options,
    sensor: Box<dyn Sensor>,
    view: View,
    started: Instant,
    oom_kills_before: Option<u64>,
}

/// Ten samples a second see every peak that lasts.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(100);
/// How long the pipes of a command that has ended may stay open, held by a process that it left behind.
const PIPE_GRACE: Duration = Duration::from_millis(500);

/// Returns the exit status: the command's own, 128 and the signal's number where one ended it, 0 for the machine.
///
/// # Errors
///
/// When the command cannot be started.
pub(crate) fn run(options: &Options) -> anyhow::Result<i32> {
    let mut monitor = Monitor::new(options);
    if options.command.is_empty() {
        // An error means that whoever reads has gone away, as in `monitor | head`: one way to end it.
        let _ = monitor.watch_machine();
        return Ok(0);
    }
    monitor.watch_command()
}

impl<'a> Monitor<'a> {
    fn new(options: &'a Options) -> Self {
        let mut sensor = memory::sensor(Sensing::best());
        let oom_kills_before = sensor.snapshot().oom_kills.map(|kills| kills.count);
        let view = View::open(options);
        Self { options, sensor, view, started: Instant::now(), oom_kills_before }
    }

    fn watch_machine(&mut self) -> io::Result<()> {
        let mut due = Instant::now();
        while !proc::interrupted() {
            if Instant::now() >= due {
                due = Instant::now() + self.options.interval;
                let tree = self.sensor.everything();
                let frame = self.frame(tree, None);
                self.view.show(&frame)?;
            }
            thread::sleep(SAMPLE_INTERVAL.min(due.saturating_duration_since(Instant::now())));
        }
        self.view.finish_machine(self.started.elapsed())
    }

    fn watch_command(&mut self) -> anyhow::Result<i32> {
        let mut command = proc::command(&self.options.command[0]);
        command.args(&self.options.command[1..]);
        self.view.connect(&mut command);
        let mut group = Group::spawn(command)?;
        let output = relay::read(&mut group);
        let mut peaks = PeakTracker::default();
        let end = self.follow(&mut group, &output, &mut peaks)?;
        let wall = self.started.elapsed();
        let oom_kills = self.sensor.snapshot().oom_kills_since(self.oom_kills_before);
        // The exit status is what counts, whether the summary can be written or not.
        let _ = self.view.finish_command(&Ending { title: self.title(), end, wall, oom_kills, peaks });
        Ok(exit_status(end))
    }

    /// The loop: output as it comes, a sample and now and then a picture when they are due, until the command has
    /// ended and all that it printed has been passed on.
    fn follow(&mut self, group: &mut Group, output: &Receiver<Chunk>, peaks: &mut PeakTracker) -> anyhow::Result<End> {
        let mut next_sample = Instant::now();
        let mut next_picture = next_sample + SAMPLE_INTERVAL;
        let mut ended: Option<(End, Instant)> = None;
        loop {
            let wait = next_sample.saturating_duration_since(Instant::now());
            let closed = match output.recv_timeout(wait) {
                Ok(chunk) => {
                    self.view.relay(chunk, output);
                    if Instant::now() < next_sample {
                        continue;
                    }
                    // One that never stops talking is looked at, and hears Ctrl-C, all the same.
                    false
                }
                Err(RecvTimeoutError::Timeout) => false,
                Err(RecvTimeoutError::Disconnected) => {
                    // Nothing to wait for any more: all pipes are closed, or there were none.
                    thread::sleep(if ended.is_some() { Duration::ZERO } else { wait });
                    true
                }
            };
            if let Some((end, _)) = ended.filter(|(_, at)| closed || at.elapsed() > PIPE_GRACE) {
                return Ok(end);
            }
            next_sample = Instant::now() + SAMPLE_INTERVAL;
            self.sample(&mut next_picture, peaks);
            group.pass_on_signals();
            ended = ended.or(group.poll()?.map(|end| (end, Instant::now())));
        }
    }

    fn sample(&mut self, next_picture: &mut Instant, peaks: &mut PeakTracker) {
        // From ourselves on: what the command orphans becomes our child, and goes on being counted.
        let own = std::process::id();
        let tree = without(self.sensor.tree(&[own]), own);
        peaks.feed(self.started.elapsed(), &tree);
        if Instant::now() >= *next_picture {
            *next_picture += self.options.interval;
            let frame = self.frame(tree, Some((peaks.peak().anon, peaks.peak_at())));
            // A command is not ended because nobody looks.
            let _ = self.view.show(&frame);
        }
    }

    fn frame(&mut self, tree: TreeSample, peak: Option<(u64, Duration)>) -> Frame {
        let snapshot = self.sensor.snapshot();
        let oom_kills = snapshot.oom_kills_since(self.oom_kills_before);
        Frame { title: self.title(), at: self.started.elapsed(), snapshot, tree, peak, oom_kills }
    }

    fn title(&self) -> String {
        let words = self.options.command.iter().map(|word| word.to_string_lossy());
        words.collect::<Vec<_>>().join(" ")
    }
}

/// The sample without one process, which is not the command's.
fn without(mut tree: TreeSample, pid: u32) -> TreeSample {
    if let Some(index) = tree.processes.iter().position(|process| process.pid == pid) {
        let process = tree.processes.remove(index);
        tree.anon = tree.anon.saturating_sub(process.anon);
        tree.resident = tree.resident.saturating_sub(process.resident);
    }
    tree
}

/// As a shell has it.
fn exit_status(end: End) -> i32 {
    match end {
        End::Code(code) => code,
        End::Signal(signal) => 128 + signal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::ProcessSample;

    #[test]
    fn our_own_memory_is_not_the_commands() {
        let process = |pid, anon| ProcessSample {
            pid,
            ppid: 1,
            start_time: 0,
            command: "x".into(),
            unit: None,
            anon,
            resident: 2 * anon,
            cpu_s: 0.0,
            waited_s: 0.0,
        };
        let tree = TreeSample { anon: 30, resident: 60, processes: vec![process(7, 10), process(8, 20)] };
        let rest = without(tree, 7);
        assert_eq!((rest.anon, rest.resident, rest.processes.len()), (20, 40, 1));
    }

    #[test]
    fn a_command_that_was_killed_ends_as_in_a_shell() {
        assert_eq!(exit_status(End::Code(101)), 101);
        assert_eq!(exit_status(End::Signal(9)), 137);
    }

    #[test]
    fn a_commands_exit_status_is_ours() {
        let words = ["sh", "-c", "exit 7"].map(OsString::from);
        let options = Options { interval: Duration::from_secs(60), json: false, command: words.to_vec() };
        assert_eq!(run(&options).expect("sh runs"), 7);
    }

    #[test]
    fn a_command_that_does_not_exist_is_an_error() {
        let command = vec![OsString::from("/no/such/program")];
        let options = Options { interval: Duration::from_secs(1), json: false, command };
        assert!(run(&options).unwrap_err().to_string().contains("/no/such/program"));
    }
}
