//! Runs one step of a build and watches it: reads what it prints, samples the memory of its whole process tree ten
//! times a second, passes on Ctrl-C, and keeps a log.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::disk;
use crate::memory::{PeakTracker, Sensor, UnitPeak};
use crate::proc::{self, End, Group};
use crate::progress::{Progress, State};

mod cargo_output;

pub(crate) use cargo_output::{Artifacts, CargoLine, parse_stderr};

/// What is shared by all steps of one command.
pub(crate) struct Watcher {
    pub(crate) sensor: Box<dyn Sensor>,
    pub(crate) progress: Progress,
    pub(crate) started: Instant,
    log: Option<File>,
    target: PathBuf,
}

/// What one step did and took.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) end: End,
    pub(crate) wall: Duration,
    /// Highest anonymous memory of the step's process tree, bytes, and when: since the start of the whole command.
    pub(crate) peak_anon: u64,
    pub(crate) peak_at: Duration,
    pub(crate) units: Vec<UnitPeak>,
    pub(crate) artifacts: Artifacts,
    /// Kernel OOM kills during the step, where the kernel counts them.
    pub(crate) oom_kills: Option<u64>,
    /// Space that was left where the target directory is when the step ended, bytes.
    pub(crate) disk_left: Option<u64>,
    /// Memory that could be had when the step began, bytes.
    pub(crate) available_before: u64,
    /// The end of what the step said on stderr, without progress.
    pub(crate) tail: Vec<String>,
    /// Every warning, once.
    pub(crate) warnings: Vec<String>,
    pub(crate) interrupted: bool,
}

enum Message {
    Stdout(String),
    Stderr(String),
    Closed,
}

/// What is collected while a step runs.
#[derive(Default)]
struct Collected {
    artifacts: Artifacts,
    tail: VecDeque<String>,
    warnings: Vec<String>,
    closed: usize,
}

/// Ten samples a second see every unit that matters; the sampler's own cost is in docs/how-it-works.md.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(100);
/// How long the pipes of a step that has ended may stay open, held by a process that it left behind.
const PIPE_GRACE: Duration = Duration::from_secs(2);
/// Between two looks at a step that has closed its pipes and not ended.
const CLOSED_POLL: Duration = Duration::from_millis(2);
const TAIL_LINES: usize = 60;
/// Characters of a line that people are shown.
const LONGEST_LINE: usize = 400;
const STREAMS: usize = 2;

impl Watcher {
    pub(crate) fn new(sensor: Box<dyn Sensor>, log: Option<File>, target: &Path) -> Self {
        let (progress, started) = (Progress::on_stderr(), Instant::now());
        Watcher { sensor, progress, started, log, target: target.to_path_buf() }
    }

    /// Runs `command` to its end. Its compiler diagnostics are shown as they come, its chatter goes to the log.
    pub(crate) fn run(&mut self, step: &str, mut command: Command) -> anyhow::Result<Watched> {
        self.write_log(&format!("\n--- {step}: {command:?}"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let before = self.sensor.snapshot();
        let begun = Instant::now();
        let mut group = Group::spawn(command)?;
        let messages = read_pipes(&mut group)?;
        let mut state = State { step: step.to_owned(), available: before.available, ..State::default() };
        let mut peaks = PeakTracker::default();
        let mut collected = Collected::default();
        let end = self.follow(&mut group, &messages, &mut state, &mut peaks, &mut collected)?;
        self.progress.clear();
        let kills_before = before.oom_kills.map(|kills| kills.count);
        Ok(Watched {
            end,
            wall: begun.elapsed(),
            peak_anon: peaks.peak().anon,
            peak_at: peaks.peak_at(),
            units: peaks.units(),
            artifacts: collected.artifacts,
            oom_kills: self.sensor.snapshot().oom_kills_since(kills_before),
            disk_left: disk::free(&self.target),
            available_before: before.available,
            tail: collected.tail.into(),
            warnings: collected.warnings,
            interrupted: proc::interrupted(),
        })
    }

    /// The loop: messages as they come, a sample when one is due, until the leader has ended and its pipes are closed.
    fn follow(
        &mut self,
        group: &mut Group,
        messages: &Receiver<Message>,
        state: &mut State,
        peaks: &mut PeakTracker,
        collected: &mut Collected,
    ) -> anyhow::Result<End> {
        let mut next_sample = Instant::now();
        let mut ended: Option<(End, Instant)> = None;
        loop {
            let wait = next_sample.saturating_duration_since(Instant::now());
            match messages.recv_timeout(wait) {
                Ok(message) => self.take(message, state, collected),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    collected.closed = STREAMS;
                    std::thread::sleep(wait.min(CLOSED_POLL));
                }
            }
            let due = Instant::now() >= next_sample;
            if due {
                next_sample = Instant::now() + SAMPLE_INTERVAL;
                self.sample(state, peaks);
                group.pass_on_signals();
            }
            let closed = collected.closed >= STREAMS;
            if ended.is_none() && (due || closed) {
                ended = group.poll()?.map(|end| (end, Instant::now()));
            }
            if let Some((end, _)) = ended.filter(|(_, at)| closed || at.elapsed() > PIPE_GRACE) {
                // Whatever the step left behind would hold memory that the next step is promised.
                group.kill();
                return Ok(end);
            }
        }
    }

    fn sample(&mut self, state: &mut State, peaks: &mut PeakTracker) {
        let at = self.started.elapsed();
        // From ourselves on: what a step orphans becomes our child, and goes on being counted.
        let tree = self.sensor.tree(&[std::process::id()]);
        peaks.feed(at, &tree);
        state.anon = tree.anon;
        // Reading the machine costs more than reading the tree, and changes more slowly than a line can be read.
        if at.subsec_millis() < 200 {
            state.available = self.sensor.snapshot().available;
        }
        self.progress.update(at, state);
    }

    fn take(&mut self, message: Message, state: &mut State, collected: &mut Collected) {
        match message {
            Message::Closed => collected.closed += 1,
            Message::Stdout(line) => {
                if !collected.artifacts.take(&line) {
                    self.write_log(&line);
                    collected.remember(&line);
                }
            }
            Message::Stderr(line) => self.take_stderr(&line, state, collected),
        }
    }

    fn take_stderr(&mut self, line: &str, state: &mut State, collected: &mut Collected) {
        match parse_stderr(line) {
            CargoLine::Progress { done, total, active } => {
                state.done = done;
                state.total = total;
                active.clone_into(&mut state.active);
                return;
            }
            CargoLine::Status { compiles } => {
                collected.artifacts.announced += usize::from(compiles);
                if !compiles {
                    // Downloading, or waiting for another cargo: there is no bar for it.
                    line.trim().clone_into(&mut state.active);
                }
            }
            CargoLine::Warning => {
                self.progress.say(line);
                if !collected.warnings.iter().any(|known| known == line) {
                    collected.warnings.push(line.to_owned());
                }
            }
            CargoLine::Text => self.progress.say(&shortened(line)),
            CargoLine::Chatter => {}
        }
        self.write_log(line);
        collected.remember(line);
    }

    fn write_log(&mut self, line: &str) {
        // A full disk must not end a build that would have passed: stop logging instead.
        if self.log.as_mut().is_some_and(|log| writeln!(log, "{line}").is_err()) {
            self.log = None;
        }
    }
}

impl std::fmt::Debug for Watcher {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Watcher").field("started", &self.started).finish_non_exhaustive()
    }
}

impl Collected {
    fn remember(&mut self, line: &str) {
        if self.tail.len() == TAIL_LINES {
            self.tail.pop_front();
        }
        self.tail.push_back(line.to_owned());
    }
}

/// Two threads that only read: a step must never wait for us to look at what it printed.
fn read_pipes(group: &mut Group) -> anyhow::Result<Receiver<Message>> {
    let (sender, receiver) = mpsc::channel();
    let child = group.child_mut();
    let stdout = child.stdout.take().context("a step has no stdout")?;
    let stderr = child.stderr.take().context("a step has no stderr")?;
    let sender_of_stdout = sender.clone();
    std::thread::spawn(move || read_lines(stdout, &sender_of_stdout, Message::Stdout));
    std::thread::spawn(move || read_lines(stderr, &sender, Message::Stderr));
    Ok(receiver)
}

/// Splits at newlines and at carriage returns: cargo rewrites its progress line with the latter.
fn read_lines(pipe: impl Read, sender: &Sender<Message>, wrap: fn(String) -> Message) {
    let mut reader = BufReader::new(pipe);
    let mut bytes = Vec::new();
    while reader.read_until(b'\n', &mut bytes).is_ok_and(|count| count > 0) {
        for part in String::from_utf8_lossy(&bytes).split(['\n', '\r']) {
            if !part.is_empty() && sender.send(wrap(part.to_owned())).is_err() {
                return;
            }
        }
        bytes.clear();
    }
    let _ = sender.send(Message::Closed);
}

/// Cargo prints the whole command line of a compiler that was killed: pages of it. The log has it all.
fn shortened(line: &str) -> String {
    let Some((at, _)) = line.char_indices().nth(LONGEST_LINE) else { return line.to_owned() };
    let end: String = line.chars().rev().take(LONGEST_LINE / 4).collect::<Vec<_>>().into_iter().rev().collect();
    format!("{} […] {end}", &line[..at])
}
