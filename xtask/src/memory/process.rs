//! One process of a sampled tree: its files below `/proc`, and what is known of it from sample to sample.

use std::fmt;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use super::ProcessSample;
use super::unit::Role;

/// A process with more threads has their lists of children opened each time; one that has children, as cargo with a
/// thread for each of them, may have some more.
const THREADS_KEPT_OPEN: usize = 8;
const THREADS_OF_PARENTS_KEPT_OPEN: usize = 64;
const SAMPLES_PER_LISTING: u32 = 5;

/// A process that was met before.
#[derive(Debug)]
pub(super) struct Process {
    stat: ProcFile,
    statm: ProcFile,
    start_time: u64,
    command: Arc<str>,
    role: Role,
    /// Of its command line.
    hash: u64,
    /// Its command line is still its parent's: a fork whose exec is to come.
    forked: bool,
    threads: u64,
    /// `task/TID/children` of each of its threads, as far as they were last listed.
    tasks: Vec<Task>,
    /// Samples until its threads are listed again.
    listed_for: u32,
}

#[derive(Debug)]
struct Task {
    id: u32,
    children: ProcFile,
}

/// Where and how to read a process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) pid: u32,
    /// `/proc`.
    pub(super) proc: &'a Path,
    /// Keep its files open for the next sample.
    pub(super) keep: bool,
    pub(super) page: u64,
    pub(super) ticks_per_second: f64,
}

/// A parent as the same sample has it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parent<'a> {
    pub(super) sample: &'a ProcessSample,
    pub(super) hash: u64,
}

/// The parts of `/proc/PID/stat` that matter.
#[derive(Debug, PartialEq)]
pub(super) struct Stat<'a> {
    pub(super) command: &'a [u8],
    pub(super) state: u8,
    pub(super) ppid: u32,
    pub(super) cpu_ticks: u64,
    /// Of children that have ended and were waited for.
    pub(super) waited_ticks: u64,
    pub(super) threads: u64,
    pub(super) start_time: u64,
}

/// A file of `/proc` that is read again and again.
#[derive(Debug, Default)]
struct ProcFile(Option<File>);

/// The name of a thread's list of children; made only when the file is opened.
struct TaskFile(u32);

impl fmt::Display for TaskFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task/{}/children", self.0)
    }
}

/// What was read last. Its memory is kept, and not cleared: that would cost more than the reading.
#[derive(Debug)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    length: usize,
}

impl Default for Process {
    fn default() -> Self {
        Self {
            stat: ProcFile::default(),
            statm: ProcFile::default(),
            start_time: 0,
            command: "".into(),
            role: Role::Other,
            hash: 0,
            forked: false,
            threads: 1,
            tasks: Vec::new(),
            listed_for: 0,
        }
    }
}

impl Process {
    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    /// `None`: it has ended.
    pub(super) fn measure(
        &mut self,
        place: Place<'_>,
        parent: Option<Parent<'_>>,
        buffer: &mut Buffer,
    ) -> Option<ProcessSample> {
        self.stat.read(place, "stat", buffer)?;
        let stat = Stat::parse(buffer.text()).filter(|stat| !matches!(stat.state, b'Z' | b'X'))?;
        let (ppid, cpu_ticks, waited_ticks) = (stat.ppid, stat.cpu_ticks, stat.waited_ticks);
        let is_new = self.recognize(&stat);
        if is_new || self.forked {
            self.identify(place, parent, buffer);
        }
        self.statm.read(place, "statm", buffer)?;
        let mut pages = numbers(buffer.text()).skip(1).map(|pages| pages * place.page);
        let (resident, shared) = (pages.next()?, pages.next()?);
        let borrowed = self.forked && parent.is_some_and(|parent| is_near(resident, parent.sample.resident));
        Some(ProcessSample {
            pid: place.pid,
            ppid,
            start_time: self.start_time,
            command: Arc::clone(&self.command),
            unit: self.role.unit(place.pid, parent.and_then(|parent| parent.sample.unit.as_ref())),
            anon: if borrowed { 0 } else { resident.saturating_sub(shared) },
            resident,
            cpu_s: cpu_ticks as f64 / place.ticks_per_second,
            waited_s: waited_ticks as f64 / place.ticks_per_second,
        })
    }

    /// Calls `found` with each child, whichever of its threads started it: cargo has a thread for each compiler.
    ///
    /// The threads are listed anew when their number has changed, and always while there are children: a thread that
    /// starts one is then new itself, as cargo's are. A thread that ended, with another in its place, is noticed a
    /// little later otherwise: its file reads as empty.
    pub(super) fn children(&mut self, place: Place<'_>, buffer: &mut Buffer, mut found: impl FnMut(u32)) {
        let had_children = self.listed_for == 0;
        if had_children {
            self.list_threads(place);
        }
        let most = if had_children { THREADS_OF_PARENTS_KEPT_OPEN } else { THREADS_KEPT_OPEN };
        let keep = place.keep && self.tasks.len() <= most;
        let mut has_children = false;
        for task in &mut self.tasks {
            let name = TaskFile(task.id);
            if task.children.read(Place { keep, ..place }, name, buffer).is_some() {
                for child in numbers(buffer.text()) {
                    has_children = true;
                    found(child as u32);
                }
            }
        }
        self.listed_for = if has_children { 0 } else { self.listed_for.saturating_sub(1) };
    }

    fn list_threads(&mut self, place: Place<'_>) {
        self.listed_for = SAMPLES_PER_LISTING;
        let mut before = std::mem::take(&mut self.tasks);
        if self.threads == 1 {
            before.retain(|task| task.id == place.pid);
            self.tasks = before;
            if self.tasks.is_empty() {
                self.tasks.push(Task { id: place.pid, children: ProcFile::default() });
            }
            return;
        }
        let entries = fs::read_dir(place.proc.join(format!("{}/task", place.pid))).into_iter().flatten().flatten();
        let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        self.tasks.extend(ids.map(|id| {
            let known = before.iter().position(|task| task.id == id).map(|index| before.swap_remove(index));
            known.unwrap_or(Task { id, children: ProcFile::default() })
        }));
    }

    /// Whether this is another program than last time. An exec keeps the id and the start time, but not the name.
    fn recognize(&mut self, stat: &Stat<'_>) -> bool {
        if self.threads != stat.threads {
            self.threads = stat.threads;
            self.listed_for = 0;
        }
        let same = self.start_time == stat.start_time && self.command.as_bytes() == stat.command;
        if !same {
            self.start_time = stat.start_time;
            self.listed_for = 0;
            self.command = String::from_utf8_lossy(stat.command).into();
        }
        !same
    }

    fn identify(&mut self, place: Place<'_>, parent: Option<Parent<'_>>, buffer: &mut Buffer) {
        let once = Place { keep: false, ..place };
        let text = match ProcFile::default().read(once, "cmdline", buffer) {
            Some(()) => buffer.text(),
            None => &[],
        };
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        self.hash = hasher.finish();
        self.forked = parent.is_some_and(|parent| parent.hash == self.hash);
        let arguments = text.split(|byte| *byte == 0).filter(|argument| !argument.is_empty());
        self.role = Role::of(&arguments.map(|argument| String::from_utf8_lossy(argument).into()).collect::<Vec<_>>());
    }
}

impl<'a> Stat<'a> {
    /// `123 (name) S 1 …` (proc_pid_stat(5)). A name can have spaces and parentheses itself.
    pub(super) fn parse(text: &'a [u8]) -> Option<Self> {
        let open = text.iter().position(|byte| *byte == b'(')?;
        // A name is 64 bytes at most. To search backwards from the end of the line would take longest of all.
        let name = &text[..text.len().min(open + 80)];
        let close = name.iter().rposition(|byte| *byte == b')')?;
        let state = *text.get(close + 2)?;
        // The manual counts from 1, the process id; the first number here is the fourth.
        let mut fields = numbers(text.get(close + 3..)?);
        let ppid = fields.next()?;
        let (user, system) = (fields.nth(14 - 5)?, fields.next()?);
        let waited_ticks = fields.next()? + fields.next()?;
        let threads = fields.nth(20 - 18)?;
        let start_time = fields.nth(22 - 21)?;
        let command = text.get(open + 1..close)?;
        let (ppid, cpu_ticks) = (ppid as u32, user + system);
        Some(Self { command, state, ppid, cpu_ticks, waited_ticks, threads, start_time })
    }
}

impl ProcFile {
    /// Reads `name` into `buffer`. An open file of a process that has ended cannot be read, also not when its id has
    /// been given to another one since: that one's file is opened instead.
    fn read(&mut self, place: Place<'_>, name: impl fmt::Display, buffer: &mut Buffer) -> Option<()> {
        if let Some(file) = &self.0 {
            if buffer.fill(file).is_some() {
                return Some(());
            }
            self.0 = None;
        }
        let file = File::open(place.proc.join(format!("{}/{name}", place.pid))).ok()?;
        buffer.fill(&file)?;
        if place.keep {
            self.0 = Some(file);
        }
        Some(())
    }
}

impl Buffer {
    fn text(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// Reads `file` from its beginning: one system call for what fits, and all but long command lines do.
    fn fill(&mut self, file: &File) -> Option<()> {
        self.length = 0;
        loop {
            let count = file.read_at(&mut self.bytes[self.length..], self.length as u64).ok()?;
            self.length += count;
            if self.length < self.bytes.len() {
                return Some(());
            }
            self.bytes.resize(self.bytes.len() * 2, 0);
        }
    }
}

impl Default for Buffer {
    fn default() -> Self {
        Self { bytes: vec![0; 4096], length: 0 }
    }
}

fn is_near(one: u64, other: u64) -> bool {
    one.abs_diff(other) <= other / 16
}

/// The unsigned numbers in `text`, signs left out: no field that is read here can be negative.
pub(super) fn numbers(text: &[u8]) -> impl Iterator<Item = u64> {
    let fields = text.split(|byte| !byte.is_ascii_digit()).filter(|field| !field.is_empty());
    fields.map(|field| {
        field.iter().fold(0_u64, |number, digit| number.wrapping_mul(10).wrapping_add(u64::from(digit - b'0')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses() {
        let text = b"42 (a) b (c) R 7 42 42 0 -1 4194304 1 2 3 4 150 50 9 9 20 0 12 0 4711 99 100 5 x\n";
        let stat = Stat::parse(text).unwrap();
        let expected = Stat {
            command: b"a) b (c",
            state: b'R',
            ppid: 7,
            cpu_ticks: 200,
            waited_ticks: 18,
            threads: 12,
            start_time: 4711,
        };
        assert_eq!(stat, expected);
        assert_eq!(Stat::parse(b"42 (a"), None);
        assert_eq!(Stat::parse(b"42 (a) R 7"), None);
    }

    #[test]
    fn numbers_in_text() {
        assert_eq!(numbers(b"12 0 -1\n7").collect::<Vec<_>>(), [12, 0, 1, 7]);
        assert_eq!(numbers(b" \n").count(), 0);
    }
}
