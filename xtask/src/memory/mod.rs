//! What the machine gives, and what a process tree takes.
//!
//! Two questions decide whether a build survives, and both have a popular wrong answer.
//!
//! *How much may this build use?* Not the installed RAM, and not `free`: the smallest of the kernel's own estimate
//! (`MemAvailable`) and the headroom of **every** control group between this process and the root. In a container the
//! group decides, and often not the innermost one. [`Snapshot::available`] is that number and
//! [`Snapshot::constraint`] says where it came from.
//!
//! *How much does this build use?* Not the sum of resident sizes: a linker that maps 900 MB of rlibs shows 900 MB
//! resident, and the kernel can drop every page of it. What gets a build killed is anonymous memory, and
//! [`ProcessSample::anon`] is that.
//!
//! Everything here reads files and never fails: what a kernel does not tell is `None`, and a build on such a kernel
//! must run all the same. All sizes are bytes.
//!
//! | module | is |
//! |---|---|
//! | `size` | `"1.5GiB"` to bytes and back |
//! | `machine`, `cgroup`, `mounts` | the snapshot, from `/proc` and `/sys` of this machine or of a recorded tree |
//! | `tree`, `process` | the process tree, sampled ten times a second for less than a hundredth of a core |
//! | `linux` | the two of them as one [`Sensor`] |
//! | `unit` | which crate a process works for |
//! | `peak` | the highest sample, of the tree and of each unit |
//! | `portable` | both questions for macOS and Windows, with fewer details |

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[cfg(target_os = "linux")]
mod cgroup;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod machine;
#[cfg(target_os = "linux")]
mod mounts;
mod peak;
mod portable;
#[cfg(target_os = "linux")]
mod process;
mod size;
#[cfg(target_os = "linux")]
mod tree;
mod unit;

pub(crate) use peak::{PeakTracker, UnitPeak};
pub(crate) use size::{human, mib, parse_size};

/// What the machine gives at one moment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Snapshot {
    /// RAM that the kernel manages.
    pub(crate) mem_total: Option<u64>,
    /// The kernel's estimate of what can be had without swapping.
    pub(crate) mem_available: Option<u64>,
    /// Anonymous memory of the whole machine. [`CgroupLevel::anon`] has a group's.
    pub(crate) anon: Option<u64>,
    /// File pages of the whole machine, those of tmpfs not counted: the kernel can drop them.
    pub(crate) cached: Option<u64>,
    pub(crate) swap_total: Option<u64>,
    pub(crate) swap_free: Option<u64>,
    /// Swap that is left for this process: `swap_free`, or less where a control group allows less. Shown to people,
    /// never counted as available: a build that swaps does not die, it stops.
    pub(crate) swap_available: Option<u64>,
    /// From this process's own control group to the outermost that can be seen. Empty where there are none.
    pub(crate) levels: Vec<CgroupLevel>,
    /// What decides [`Snapshot::available`].
    pub(crate) constraint: Constraint,
    /// Memory that this build may still take: the smallest of `mem_available` and every level's headroom. 0 with
    /// [`Constraint::Unknown`].
    pub(crate) available: u64,
    /// The smallest limit: `mem_total`, or a level's. 0 with [`Constraint::Unknown`].
    pub(crate) limit: u64,
    /// Processors that this process may keep busy: the affinity mask, or less where a group has a quota. A quota of
    /// one and a half processors is 1.5.
    pub(crate) cores: f64,
    pub(crate) oom_kills: Option<OomKills>,
    pub(crate) psi: Option<Psi>,
}

/// One control group with a memory controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CgroupLevel {
    /// Its directory, where a reader can look: `/sys/fs/cgroup/user.slice`.
    pub(crate) path: PathBuf,
    pub(crate) version: CgroupVersion,
    /// `memory.max` or `memory.limit_in_bytes`, or `memory.high` where that is lower: above it the kernel does not
    /// kill, it slows every allocation down until a build stands still, so that both are limits to stay below.
    pub(crate) limit: Option<u64>,
    /// `limit` is `memory.high`.
    pub(crate) throttles: bool,
    /// Usage that cannot be had back for the asking: usage minus inactive file pages, and minus reclaimable slab where
    /// the kernel counts it (version 2). Active file pages stay in: dropping those slows the build down.
    pub(crate) used: u64,
    pub(crate) anon: Option<u64>,
    /// File pages, active and inactive, those of tmpfs not counted.
    pub(crate) cached: Option<u64>,
    /// File pages that were used lately: in `used`, since dropping them slows the build down, and yet the kernel drops
    /// them before it kills.
    pub(crate) active_files: Option<u64>,
    /// `limit` minus `used`, 0 when above.
    pub(crate) headroom: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CgroupVersion {
    V1,
    V2,
}

/// Which number decided [`Snapshot::available`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Constraint {
    MemAvailable,
    Cgroup(PathBuf),
    /// Neither was readable. Nothing can be promised, so nothing should be held back.
    Unknown,
}

/// How often the kernel has killed for want of memory, and where it was counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OomKills {
    pub(crate) count: u64,
    pub(crate) source: OomSource,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OomSource {
    /// Processes of this process's own group: a rise during a build is the build's.
    Cgroup(PathBuf),
    /// Processes anywhere on the machine: a rise during a build is probably the build's.
    Machine,
}

/// Pressure stall information: percent of the last ten seconds in which some, or all, tasks waited for memory.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Psi {
    pub(crate) some_avg10: f64,
    pub(crate) full_avg10: f64,
}

/// What a set of processes takes at one moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct TreeSample {
    pub(crate) anon: u64,
    /// Sum of resident sizes. Shared pages count once for each process: an upper bound, for people only.
    pub(crate) resident: u64,
    /// Parents before children.
    pub(crate) processes: Vec<ProcessSample>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ProcessSample {
    pub(crate) pid: u32,
    pub(crate) ppid: u32,
    /// Distinguishes two processes that had one pid after the other. Clock ticks since boot on Linux, seconds since
    /// 1970 elsewhere: compare it, do not compute with it.
    pub(crate) start_time: u64,
    /// The kernel's short name: `rustc`, `rust-lld`.
    pub(crate) command: Arc<str>,
    pub(crate) unit: Option<UnitName>,
    /// Anonymous memory. 0 for a process that is still its parent's image (between fork and exec): those pages are
    /// counted once, at the parent. On macOS and Windows the resident size, which counts file pages too.
    pub(crate) anon: u64,
    pub(crate) resident: u64,
    /// Processor time since its start.
    pub(crate) cpu_s: f64,
    /// Of its children that have ended and were waited for, and of theirs; 0 but on Linux.
    pub(crate) waited_s: f64,
}

/// What a process works for: one compiler invocation, or one run of a build script, with all that it started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnitName {
    /// As rustc has it (`polars_core`); for build scripts the package (`proc-macro2`).
    pub(crate) crate_name: Arc<str>,
    pub(crate) kind: UnitKind,
    /// The first process of the unit: processes with the same leader belong together.
    pub(crate) leader: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum UnitKind {
    Compile,
    /// The linker of a compilation, and what it started.
    Link,
    /// Compiling a build script, its linker excepted.
    BuildScript,
    /// Running one.
    BuildScriptRun,
}

/// The two questions, for whatever system this is.
pub(crate) trait Sensor: Send {
    fn snapshot(&mut self) -> Snapshot;
    /// Brings `available` up to date, and what it is derived from, for less than a snapshot costs.
    fn refresh(&mut self, snapshot: &mut Snapshot) {
        *snapshot = self.snapshot();
    }
    /// `roots` and all their descendants. A root that has ended is left out.
    fn tree(&mut self, roots: &[u32]) -> TreeSample;
    /// Leaves these processes, and what they start, out of [`Sensor::tree`] from now on: they only wait, and there may be a
    /// hundred of them. Where that saves nothing, nothing is left out.
    fn pass_over(&mut self, _processes: HashSet<u32>) {}
    /// Every process that has memory of its own.
    fn everything(&mut self) -> TreeSample;
    /// Whether what is written to `path` stays in memory. `None`: cannot be known here.
    fn on_tmpfs(&self, path: &Path) -> Option<bool>;
}

/// Which [`Sensor`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sensing {
    Linux,
    Portable,
}

impl Sensing {
    /// The most exact one that this system has.
    pub(crate) fn best() -> Self {
        if cfg!(target_os = "linux") { Self::Linux } else { Self::Portable }
    }
}

/// Opens a sensor. On systems other than Linux it is always the portable one.
pub(crate) fn sensor(sensing: Sensing) -> Box<dyn Sensor> {
    match sensing {
        #[cfg(target_os = "linux")]
        Sensing::Linux => Box::new(linux::LinuxSensor::new()),
        #[cfg(not(target_os = "linux"))]
        Sensing::Linux => Box::new(portable::PortableSensor::new()),
        Sensing::Portable => Box::new(portable::PortableSensor::new()),
    }
}

impl Snapshot {
    /// A snapshot of a system that tells nothing.
    pub(crate) fn unknown() -> Self {
        Self {
            mem_total: None,
            mem_available: None,
            anon: None,
            cached: None,
            swap_total: None,
            swap_free: None,
            swap_available: None,
            levels: Vec::new(),
            constraint: Constraint::Unknown,
            available: 0,
            limit: 0,
            cores: 1.0,
            oom_kills: None,
            psi: None,
        }
    }

    /// The control group that decides, where one does.
    pub(crate) fn deciding_level(&self) -> Option<&CgroupLevel> {
        let Constraint::Cgroup(path) = &self.constraint else { return None };
        self.levels.iter().find(|level| level.path == *path)
    }

    /// Cores as jobs: half a core more is worth a job, since a compiler waits for the disk now and then.
    pub(crate) fn whole_cores(&self) -> usize {
        // Clamped before the cast: a machine has between 1 and 4096 cores.
        self.cores.round().clamp(1.0, 4096.0) as usize
    }

    /// Kernel OOM kills since the count was `before`; `None` where the kernel does not count.
    pub(crate) fn oom_kills_since(&self, before: Option<u64>) -> Option<u64> {
        Some(self.oom_kills.as_ref()?.count.saturating_sub(before?))
    }

    /// Derives `constraint`, `available` and `limit` from the rest.
    ///
    /// A level wins over `MemAvailable` on a tie, and the inner level over the outer: the name of a group is the more
    /// useful thing to tell a user.
    pub(crate) fn decide(mut self) -> Self {
        let groups = self.levels.iter().filter_map(|level| {
            let room = level.headroom?;
            Some((room, Constraint::Cgroup(level.path.clone())))
        });
        let machine = self.mem_available.map(|room| (room, Constraint::MemAvailable));
        let tightest = groups.chain(machine).min_by_key(|(room, _)| *room);
        (self.available, self.constraint) = tightest.unwrap_or((0, Constraint::Unknown));
        let limits = self.levels.iter().filter_map(|level| level.limit);
        self.limit = limits.chain(self.mem_total).min().unwrap_or(0);
        self
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MemAvailable => f.write_str("MemAvailable"),
            Self::Cgroup(path) => write!(f, "cgroup {}", path.display()),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

impl fmt::Display for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            UnitKind::Compile => "",
            UnitKind::Link => " (link)",
            UnitKind::BuildScript => " (build script)",
            UnitKind::BuildScriptRun => " (build script run)",
        };
        write!(f, "{}{what}", self.crate_name)
    }
}
