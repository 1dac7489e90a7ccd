//! The snapshot of a Linux machine, or of a recorded tree of its files.

use std::path::{Path, PathBuf};

use super::cgroup::{Files, Groups, Lookup, keyed, parse_pressure};
use super::mounts::{self, Mount};
use super::{OomKills, OomSource, Psi, Snapshot};

/// Where `/proc` and `/sys` are, and whose limits count.
#[derive(Debug)]
pub(super) struct Machine {
    root: PathBuf,
    /// `self`, or a process id.
    process: String,
    /// Read once: mounts stay, while a process can be moved to another group at any time.
    mounts: Vec<Mount>,
}

/// The control groups of one process.
#[derive(Debug)]
struct Membership {
    memory: Option<Groups>,
    cpu: Option<Groups>,
    /// Version 2's, with or without a memory controller: pressure is told there in either case.
    unified: Option<Groups>,
}

impl Machine {
    pub(super) fn here() -> Self {
        Self::of("/", "self")
    }

    /// A recorded tree: `root` has `proc/self/cgroup` and so on.
    #[cfg(test)]
    pub(super) fn at(root: impl Into<PathBuf>) -> Self {
        Self::of(root, "self")
    }

    pub(super) fn of(root: impl Into<PathBuf>, process: &str) -> Self {
        let root = root.into();
        let mountinfo = Files { root: &root }.text(format!("/proc/{process}/mountinfo"));
        let mounts = mounts::parse(&mountinfo.unwrap_or_default());
        Self { root, process: process.to_owned(), mounts }
    }

    pub(super) fn read(&self) -> Snapshot {
        let files = self.files();
        let membership = self.membership();
        let meminfo = files.text("/proc/meminfo").unwrap_or_default();
        let kilobytes = |name| keyed(&meminfo, name)?.checked_mul(1024);
        let cached = file_pages(&meminfo);
        let swap_free = kilobytes("SwapFree");
        let memory = membership.memory.as_ref();
        Snapshot {
            mem_total: kilobytes("MemTotal"),
            // Linux before 3.14 has no estimate.
            mem_available: kilobytes("MemAvailable").or_else(|| Some(kilobytes("MemFree")? + cached?)),
            anon: kilobytes("AnonPages"),
            cached,
            swap_total: kilobytes("SwapTotal"),
            swap_free,
            swap_available: swap_available(files, memory, swap_free),
            levels: memory.map(|groups| files.levels(groups)).unwrap_or_default(),
            cores: self.cores(membership.cpu.as_ref()),
            oom_kills: oom_kills(files, memory),
            psi: pressure(files, membership.unified.as_ref()),
            ..Snapshot::unknown()
        }
        .decide()
    }

    /// Brings up to date what decides how much is available: a tenth of the files that [`Machine::read`] reads.
    pub(super) fn refresh(&self, snapshot: &mut Snapshot) {
        let files = self.files();
        for level in snapshot.levels.iter_mut().filter(|level| level.limit.is_some()) {
            if let Some(read) = files.level(level) {
                *level = read;
            }
        }
        let meminfo = files.text("/proc/meminfo").unwrap_or_default();
        if let Some(available) = keyed(&meminfo, "MemAvailable") {
            snapshot.mem_available = available.checked_mul(1024);
        }
        *snapshot = std::mem::replace(snapshot, Snapshot::unknown()).decide();
    }

    /// Whether `path`, which need not exist yet, lies in memory.
    pub(super) fn on_tmpfs(&self, path: &Path) -> Option<bool> {
        // In a recorded tree paths are what they seem: its links would lead into the real machine.
        let path = if self.root == Path::new("/") { mounts::resolve(path)? } else { path.to_owned() };
        let mount = mounts::mount_of(&self.mounts, &path)?;
        Some(mount.kind == "tmpfs" || mount.kind == "ramfs")
    }

    fn files(&self) -> Files<'_> {
        Files { root: &self.root }
    }

    fn membership(&self) -> Membership {
        let memberships = self.files().text(format!("/proc/{}/cgroup", self.process)).unwrap_or_default();
        let lookup = Lookup { files: self.files(), mounts: &self.mounts, memberships: &memberships };
        Membership { memory: lookup.groups("memory"), cpu: lookup.groups("cpu"), unified: lookup.groups_v2() }
    }

    fn cores(&self, groups: Option<&Groups>) -> f64 {
        let processors = self.processors().unwrap_or(1) as f64;
        let Some(groups) = groups else { return processors };
        let files = self.files();
        let quotas = groups.directories.iter().filter_map(|level| files.cpu_quota(level, groups.version));
        quotas.fold(processors, f64::min)
    }

    /// Processors that this process may run on, and that are there.
    ///
    /// The mask in `/proc/PID/status` is the scheduler's: `taskset` and cpusets are in it already. It may have
    /// processors that could be plugged in one day, which virtual machines have many of.
    fn processors(&self) -> Option<usize> {
        let files = self.files();
        let status = files.text(format!("/proc/{}/status", self.process));
        let allowed = status.as_deref().and_then(|text| {
            let list = text.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
            Some(parse_list(list))
        });
        let online = files.text("/sys/devices/system/cpu/online").map(|text| parse_list(&text));
        let count = match (allowed, online) {
            (Some(allowed), Some(online)) => allowed.iter().filter(|cpu| online.contains(cpu)).count(),
            (Some(list), None) | (None, Some(list)) => list.len(),
            (None, None) => 0,
        };
        (count > 0).then_some(count)
    }
}

/// `Cached` and `Buffers`, without the pages of tmpfs and shared memory that `Cached` has too.
fn file_pages(meminfo: &str) -> Option<u64> {
    let kilobytes = |name| keyed(meminfo, name);
    let all = kilobytes("Cached")? + kilobytes("Buffers").unwrap_or(0);
    all.saturating_sub(kilobytes("Shmem").unwrap_or(0)).checked_mul(1024)
}

fn swap_available(files: Files<'_>, groups: Option<&Groups>, free: Option<u64>) -> Option<u64> {
    let rooms = groups
        .into_iter()
        .flat_map(|groups| groups.directories.iter().filter_map(|level| files.swap_room(level, groups.version)));
    rooms.chain([free?]).min()
}

fn oom_kills(files: Files<'_>, groups: Option<&Groups>) -> Option<OomKills> {
    let own = groups.and_then(|groups| {
        let directory = groups.directories.first()?;
        let count = files.oom_kills(directory, groups.version)?;
        Some(OomKills { count, source: OomSource::Cgroup(directory.clone()) })
    });
    own.or_else(|| {
        let count = keyed(&files.text("/proc/vmstat")?, "oom_kill")?;
        Some(OomKills { count, source: OomSource::Machine })
    })
}

fn pressure(files: Files<'_>, unified: Option<&Groups>) -> Option<Psi> {
    let own = unified.and_then(|groups| files.text(groups.directories.first()?.join("memory.pressure")));
    // The files exist, and cannot be read, where pressure is compiled in but switched off.
    own.as_deref().and_then(parse_pressure).or_else(|| parse_pressure(&files.text("/proc/pressure/memory")?))
}

/// `0-3,8`: the kernel's list of processors. What is none is left out.
fn parse_list(text: &str) -> Vec<u32> {
    let ranges = text.trim().split(',').filter_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(first.parse::<u32>().ok()?..=last.parse::<u32>().ok()?)
    });
    ranges.flatten().collect()
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
