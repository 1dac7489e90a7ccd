//! A process tree, sampled from `/proc` often and cheaply.
//!
//! Anonymous memory is `resident - shared` of `/proc/PID/statm`, where shared means pages of files and of shared
//! memory: one short line of seven numbers, and the same number as `RssAnon` in `status`. Not in it: what was swapped
//! out, and shared memory, which a build makes no use of. Since Linux 6.2 the kernel counts pages per processor first
//! and may be some hundred kilobytes late.
//!
//! What makes it cheap, for a tree of twenty processes with a hundred threads: the files stay open and are read again
//! from their beginning, two for each process and one for each thread, and reading one takes a microsecond or less
//! where opening it takes three. A command line is read once for each program that a process runs, and no string is
//! made for a process that is known. What the rest of the machine does costs nothing.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::process::{Buffer, Parent, Place, Process, Stat};
use super::{ProcessSample, TreeSample};

/// Processes whose files stay open, three to ten each. More of them are read the slower way: the limit on open files
/// is 1024 in many places.
const KEPT_OPEN: usize = 60;

/// Of kthreadd, the parent of the kernel's own threads, which have no memory.
const KTHREADD: u32 = 2;

/// `AT_PAGESZ` and `AT_CLKTCK` of getauxval(3).
const PAGE_SIZE: u64 = 6;
const CLOCK_TICKS: u64 = 17;

#[derive(Debug)]
pub(super) struct TreeSampler {
    proc: PathBuf,
    page: u64,
    ticks_per_second: f64,
    /// The kernel lists the children of a thread (CONFIG_PROC_CHILDREN). Else every process is asked for its parent.
    lists_children: bool,
    /// The members of the tree.
    known: HashMap<u32, Process>,
    census: Census,
    buffer: Buffer,
    passed_over: HashSet<u32>,
}

/// Who is whose child, of all processes that there are.
#[derive(Debug, Default)]
struct Census {
    /// `(child, parent)`, sorted.
    parents: Vec<(u32, u32)>,
    /// `(parent, child)`, sorted.
    families: Vec<(u32, u32)>,
    /// The ids in the last listing, sorted.
    alive: Vec<u32>,
}

/// One sample in the making.
#[derive(Debug, Default)]
struct Walk {
    sample: TreeSample,
    /// Of the command lines of `sample.processes`.
    hashes: Vec<u64>,
    met: HashSet<u32>,
    pending: Vec<Visit>,
}

/// A process to visit, and where its parent is in the sample.
#[derive(Debug, Clone, Copy)]
struct Visit {
    pid: u32,
    parent: Option<usize>,
}

impl TreeSampler {
    pub(super) fn here() -> Self {
        Self::at("/proc")
    }

    /// `proc` is `/proc`, or recorded.
    pub(super) fn at(proc: impl Into<PathBuf>) -> Self {
        let proc = proc.into();
        let auxiliary = fs::read(proc.join("self/auxv")).unwrap_or_default();
        Self {
            page: auxiliary_value(&auxiliary, PAGE_SIZE).unwrap_or(4096),
            ticks_per_second: auxiliary_value(&auxiliary, CLOCK_TICKS).unwrap_or(100) as f64,
            lists_children: proc.join("thread-self/children").exists(),
            proc,
            known: HashMap::new(),
            census: Census::default(),
            buffer: Buffer::default(),
            passed_over: HashSet::new(),
        }
    }

    pub(super) fn pass_over(&mut self, processes: HashSet<u32>) {
        self.passed_over = processes;
    }

    /// `roots` and their descendants.
    pub(super) fn sample(&mut self, roots: &[u32]) -> TreeSample {
        if !self.lists_children {
            self.census.take(&self.proc);
        }
        self.walk(roots, self.lists_children)
    }

    /// Every process but the kernel's own threads.
    pub(super) fn everything(&mut self) -> TreeSample {
        self.census.take(&self.proc);
        // Not only process 1: what enters a container from outside has a parent that cannot be seen, 0.
        let roots: Vec<_> = self.census.children(0).filter(|pid| *pid != KTHREADD).collect();
        self.walk(&roots, false)
    }

    /// Children are found in the kernel's lists of them, or else in the census.
    fn walk(&mut self, roots: &[u32], by_lists: bool) -> TreeSample {
        let mut walk = Walk::new(roots);
        while let Some(visit) = walk.pending.pop() {
            if !self.passed_over.contains(&visit.pid) && walk.met.insert(visit.pid) {
                self.visit(visit, by_lists, &mut walk);
            }
        }
        self.known.retain(|pid, _| walk.met.contains(pid));
        walk.sample
    }

    fn visit(&mut self, visit: Visit, by_lists: bool, walk: &mut Walk) {
        let keep = self.known.len() < KEPT_OPEN || self.known.contains_key(&visit.pid);
        let (page, ticks_per_second) = (self.page, self.ticks_per_second);
        let place = Place { pid: visit.pid, proc: &self.proc, keep, page, ticks_per_second };
        let process = self.known.entry(visit.pid).or_default();
        let Some(sample) = process.measure(place, walk.parent(visit), &mut self.buffer) else {
            self.known.remove(&visit.pid);
            return;
        };
        let parent = Some(walk.add(sample, process.hash()));
        let found = |pid| walk.pending.push(Visit { pid, parent });
        if by_lists {
            process.children(place, &mut self.buffer, found);
        } else {
            self.census.children(visit.pid).for_each(found);
        }
    }
}

impl Census {
    /// Lists all processes, and asks for the parent of each that is new, or whose parent has ended: it has another
    /// one now.
    fn take(&mut self, proc: &Path) {
        let before = std::mem::take(&mut self.alive);
        let entries = fs::read_dir(proc).into_iter().flatten().flatten();
        self.alive.extend(entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()));
        self.alive.sort_unstable();
        // Nobody came and nobody went, so nobody has another parent.
        if self.alive == before {
            return;
        }
        let known = std::mem::take(&mut self.parents);
        let mut known = known.into_iter().peekable();
        for pid in &self.alive {
            while known.next_if(|(other, _)| other < pid).is_some() {}
            let parent = known.next_if(|(other, _)| other == pid).map(|(_, parent)| parent);
            let parent = parent.filter(|parent| *parent == 0 || self.alive.binary_search(parent).is_ok());
            if let Some(parent) = parent.or_else(|| parent_of(proc, *pid)) {
                self.parents.push((*pid, parent));
            }
        }
        self.families.clear();
        self.families.extend(self.parents.iter().map(|(pid, parent)| (*parent, *pid)));
        self.families.sort_unstable();
    }

    fn children(&self, parent: u32) -> impl Iterator<Item = u32> {
        let first = self.families.partition_point(|family| *family < (parent, 0));
        let family = self.families[first..].iter().take_while(move |family| family.0 == parent);
        family.map(|(_, child)| *child)
    }
}

impl Walk {
    fn new(roots: &[u32]) -> Self {
        let pending = roots.iter().rev().map(|pid| Visit { pid: *pid, parent: None }).collect();
        Self { pending, ..Self::default() }
    }

    fn parent(&self, visit: Visit) -> Option<Parent<'_>> {
        let parent = visit.parent?;
        Some(Parent { sample: &self.sample.processes[parent], hash: self.hashes[parent] })
    }

    /// Returns where it is.
    fn add(&mut self, process: ProcessSample, hash: u64) -> usize {
        self.sample.anon += process.anon;
        self.sample.resident += process.resident;
        self.sample.processes.push(process);
        self.hashes.push(hash);
        self.hashes.len() - 1
    }
}

fn parent_of(proc: &Path, pid: u32) -> Option<u32> {
    let text = fs::read(proc.join(format!("{pid}/stat"))).ok()?;
    Some(Stat::parse(&text)?.ppid)
}

/// The value of `key` in `/proc/self/auxv`: pairs of machine words.
fn auxiliary_value(auxiliary: &[u8], key: u64) -> Option<u64> {
    let word = |bytes: &[u8]| match size_of::<usize>() {
        8 => bytes.try_into().map(u64::from_ne_bytes).ok(),
        _ => bytes.try_into().map(u32::from_ne_bytes).ok().map(u64::from),
    };
    let mut words = auxiliary.chunks_exact(size_of::<usize>()).map_while(word);
    while let (Some(name), Some(value)) = (words.next(), words.next()) {
        if name == key {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;
