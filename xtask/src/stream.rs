//! Runs one step of a build and watches it: reads what it prints, hears its governor, passes on Ctrl-C, and keeps a log.
//! Without a governor it samples the memory of the whole process tree itself.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use crate::disk;
use crate::events::Event;
use crate::governor::{Governor, Wishes};
use crate::memory::{PeakTracker, Sensor};
use crate::proc::{self, End, Group};
use crate::progress::{Progress, State};

mod cargo_output;
mod governed;
mod pipes;
mod watched;

pub(crate) use governed::Governed;
pub(crate) use watched::Watched;

pub(crate) use cargo_output::{Artifacts, CargoLine, parse_stderr};

/// What is shared by all steps of one command.
pub(crate) struct Watcher {
    pub(crate) sensor: Box<dyn Sensor>,
    pub(crate) progress: Progress,
    pub(crate) started: Instant,
    log: Option<File>,
    target: PathBuf,
    /// Decides which unit runs; lives as long as the command does.
    governor: Option<Governor>,
    messages: Receiver<Message>,
    sender: Sender<Message>,
    steps: u32,
}

enum Message {
    /// From the step with this number: what an earlier one left behind may still talk.
    Said(u32, Said),
    /// `None`: the governor has gone.
    Governor(Option<Event>),
}

enum Said {
    Stdout(String),
    Stderr(String),
    Closed,
}

/// One step while it runs.
struct Running {
    number: u32,
    group: Group,
    state: State,
    peaks: PeakTracker,
    collected: Collected,
    governed: Governed,
}

/// What is collected while a step runs.
#[derive(Default)]
struct Collected {
    artifacts: Artifacts,
    tail: VecDeque<String>,
    warnings: Vec<String>,
    /// Pipes that we read, and those of them that are closed.
    streams: usize,
    closed: usize,
}

/// Ten samples a second see every unit that matters; the sampler's own cost is in docs/how-it-works.md.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(100);
/// How long the pipes of a step that has ended may stay open, held by a process that it left behind.
const PIPE_GRACE: Duration = Duration::from_secs(2);
/// Between two looks at a step that has closed its pipes and not ended.
const CLOSED_POLL: Duration = Duration::from_millis(2);
/// Between two looks at one without pipes, which runs for long.
const OPEN_POLL: Duration = Duration::from_millis(20);
const TAIL_LINES: usize = 60;
/// Characters of a line that people are shown.
const LONGEST_LINE: usize = 400;

impl Watcher {
    pub(crate) fn new(sensor: Box<dyn Sensor>, log: Option<File>, target: &Path) -> Self {
        let (progress, started) = (Progress::on_stderr(), Instant::now());
        let (sender, messages) = mpsc::channel();
        let target = target.to_path_buf();
        Watcher { sensor, progress, started, log, target, governor: None, messages, sender, steps: 0 }
    }

    /// Draws no line: the command that is watched has the terminal.
    pub(crate) fn silent(self) -> Self {
        Watcher { progress: Progress::silent(), ..self }
    }

    /// Has every later step governed. One that cannot be is run all the same.
    pub(crate) fn govern(&mut self, wishes: Wishes) -> anyhow::Result<()> {
        self.governor = Some(Governor::start(wishes, hear(&self.sender))?);
        Ok(())
    }

    pub(crate) fn governor(&self) -> Option<&Governor> {
        self.governor.as_ref()
    }

    /// Runs `command` to its end. Its compiler diagnostics are shown as they come, its chatter goes to the log.
    pub(crate) fn run(&mut self, step: &str, mut command: Command) -> anyhow::Result<Watched> {
        self.write_log(&format!("\n--- {step}: {command:?}"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        self.watch(step, Group::spawn, command)
    }

    /// The same with the standard streams that we have: what it prints is its own affair.
    pub(crate) fn run_in_the_open(&mut self, step: &str, command: Command) -> anyhow::Result<Watched> {
        self.watch(step, Group::spawn_beside, command)
    }

    fn watch(
        &mut self,
        step: &str,
        spawn: fn(Command) -> anyhow::Result<Group>,
        mut command: Command,
    ) -> anyhow::Result<Watched> {
        if let Some(governor) = &self.governor {
            command.envs(governor.environment());
        }
        let before = self.sensor.snapshot();
        let begun = Instant::now();
        self.steps += 1;
        let mut running = Running {
            number: self.steps,
            group: spawn(command)?,
            state: State { step: step.to_owned(), available: before.available, ..State::default() },
            peaks: PeakTracker::default(),
            collected: Collected::default(),
            governed: Governed::default(),
        };
        running.collected.streams = pipes::read(running.group.child_mut(), running.number, &self.sender);
        let end = self.follow(&mut running)?;
        self.hear_the_rest(&mut running);
        self.progress.clear();
        let kills_before = before.oom_kills.map(|kills| kills.count);
        let Running { peaks, collected, governed, .. } = running;
        let by_governor = governed.peak_anon >= peaks.peak().anon;
        Ok(Watched {
            end,
            wall: begun.elapsed(),
            peak_anon: if by_governor { governed.peak_anon } else { peaks.peak().anon },
            peak_at: if by_governor { governed.peak_at } else { peaks.peak_at() },
            units: if governed.units.is_empty() { peaks.units() } else { governed.heaviest_first() },
            artifacts: collected.artifacts,
            oom_kills: self.sensor.snapshot().oom_kills_since(kills_before),
            disk_left: disk::free(&self.target),
            available_before: before.available,
            tail: collected.tail.into(),
            warnings: collected.warnings,
            interrupted: proc::interrupted(),
            governed,
        })
    }

    /// The loop: messages as they come, a sample when one is due, until the leader has ended and its pipes are closed.
    fn follow(&mut self, running: &mut Running) -> anyhow::Result<End> {
        let mut next_sample = Instant::now();
        let mut ended: Option<(End, Instant)> = None;
        loop {
            let closed = running.collected.closed >= running.collected.streams;
            let wait = next_sample.saturating_duration_since(Instant::now());
            let wait = if closed { wait.min(running.collected.poll_interval()) } else { wait };
            match self.messages.recv_timeout(wait) {
                Ok(Message::Said(number, said)) if number == running.number => self.take(said, running),
                Ok(Message::Said(..)) | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
                Ok(Message::Governor(event)) => self.hear(event, running),
            }
            let due = Instant::now() >= next_sample;
            if due {
                next_sample = Instant::now() + SAMPLE_INTERVAL;
                self.look(running);
            }
            if ended.is_none() && (due || closed) {
                ended = running.group.poll()?.map(|end| (end, Instant::now()));
            }
            let closed = running.collected.closed >= running.collected.streams;
            if let Some((end, _)) = ended.filter(|(_, at)| closed || at.elapsed() > PIPE_GRACE) {
                // Whatever the step left behind would hold memory that the next step is promised.
                running.group.kill();
                return Ok(end);
            }
        }
    }

    /// What is due ten times a second.
    fn look(&mut self, running: &mut Running) {
        if proc::interrupted()
            && let Some(governor) = &mut self.governor
        {
            governor.stop_admitting();
        }
        running.group.pass_on_signals();
        let governed = self.governor.as_ref().is_some_and(Governor::is_alive);
        if !governed {
            self.sample(running);
        }
        self.progress.update(self.started.elapsed(), &running.state);
    }

    fn sample(&mut self, running: &mut Running) {
        let at = self.started.elapsed();
        // From ourselves on: what a step orphans becomes our child, and goes on being counted.
        let tree = self.sensor.tree(&[std::process::id()]);
        running.peaks.feed(at, &tree);
        running.state.anon = tree.anon;
        // Reading the machine costs more than reading the tree, and changes more slowly than a line can be read.
        if at.subsec_millis() < 200 {
            running.state.available = self.sensor.snapshot().available;
        }
    }

    fn hear(&mut self, event: Option<Event>, running: &mut Running) {
        let Some(event) = event else { return self.governor_died() };
        if let Event::Sample(sample) = &event {
            running.state.anon = sample.anon;
            running.state.available = sample.available;
            running.state.show_units(&sample.units);
        }
        if let Some(line) = running.governed.take(event, self.started.elapsed()) {
            self.progress.say(&line);
            self.write_log(&line);
        }
    }

    /// What the governor knows of a step that has ended may still be on its way.
    fn hear_the_rest(&mut self, running: &mut Running) {
        let Some(governor) = self.governor.as_mut().filter(|governor| governor.is_alive()) else { return };
        governor.sync();
        let until = Instant::now() + PIPE_GRACE;
        while let Ok(message) = self.messages.recv_timeout(until.saturating_duration_since(Instant::now())) {
            match message {
                Message::Governor(Some(Event::Synced(totals))) => {
                    running.governed.totals = Some(totals);
                    return;
                }
                Message::Governor(None) => return self.governor_died(),
                Message::Governor(event) => self.hear(event, running),
                Message::Said(..) => {}
            }
        }
    }

    fn governor_died(&mut self) {
        let Some(governor) = &mut self.governor else { return };
        let text = if governor.revive(hear(&self.sender)) {
            "note: the governor was killed; another one has taken its place"
        } else {
            "note: the governor keeps dying; the build goes on without, one unit at a time"
        };
        self.progress.say(text);
        self.write_log(text);
    }

    fn take(&mut self, said: Said, running: &mut Running) {
        match said {
            Said::Closed => running.collected.closed += 1,
            Said::Stdout(line) => {
                if !running.collected.artifacts.take(&line) {
                    self.write_log(&line);
                    running.collected.remember(&line);
                }
            }
            Said::Stderr(line) => self.take_stderr(&line, running),
        }
    }

    fn take_stderr(&mut self, line: &str, running: &mut Running) {
        let Running { state, collected, .. } = running;
        match parse_stderr(line) {
            CargoLine::Progress { done, total, active } => {
                state.done = done;
                state.total = total;
                if !state.governed {
                    active.clone_into(&mut state.active);
                }
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
    /// How often to ask a step that no pipe tells of whether it has ended.
    fn poll_interval(&self) -> Duration {
        if self.streams == 0 { OPEN_POLL } else { CLOSED_POLL }
    }

    fn remember(&mut self, line: &str) {
        if self.tail.len() == TAIL_LINES {
            self.tail.pop_front();
        }
        self.tail.push_back(line.to_owned());
    }
}

/// What a governor's thread does with what it hears.
fn hear(sender: &Sender<Message>) -> impl FnMut(Option<Event>) + Send + 'static {
    let sender = sender.clone();
    move |event| drop(sender.send(Message::Governor(event)))
}

/// Cargo prints the whole command line of a compiler that was killed: pages of it. The log has it all.
fn shortened(line: &str) -> String {
    let Some((at, _)) = line.char_indices().nth(LONGEST_LINE) else { return line.to_owned() };
    let end: String = line.chars().rev().take(LONGEST_LINE / 4).collect::<Vec<_>>().into_iter().rev().collect();
    format!("{} […] {end}", &line[..at])
}
