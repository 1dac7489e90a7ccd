//! A memory cage: a control group of one's own, with a limit for all that is started in it, and its figures.
//!
//! Measuring from outside costs the measured nothing and misses nothing: a group's memory and processor time include
//! every process that was ever in it, however short its life, daemons and adopted grandchildren too. That is why a
//! cage without a limit is made as well.
//!
//! The cage is made in the first place that lets us, from this process's own group outwards. Version 2 forbids a
//! group to have both processes and limited children, so there it is mostly a neighbour of our own group.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::memory::{self, CgroupVersion, Sensing};
use crate::proc;

/// Dropped, it ends whatever is still in it and is gone.
#[derive(Debug)]
pub(crate) struct Cage {
    memory: PathBuf,
    version: CgroupVersion,
    /// Version 1 counts processor time in another hierarchy, where the group has a twin.
    clock: Option<PathBuf>,
    /// `cgroup.procs` of each group, open for writing.
    entrances: Arc<[File]>,
}

/// A group that a cage could be made in.
#[derive(Debug)]
struct Place {
    path: PathBuf,
    version: CgroupVersion,
}

/// A killed process leaves its group within milliseconds, unless it waits for a disk.
const REMOVAL_ATTEMPTS: usize = 250;
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(20);

/// Makes the names of one process's cages differ.
static MADE: AtomicUsize = AtomicUsize::new(0);

impl Cage {
    /// A cage of `limit` bytes, without swap; `None`: without a limit.
    ///
    /// # Errors
    ///
    /// When no place lets this user make one. The message says what to do.
    pub(crate) fn make(limit: Option<u64>) -> anyhow::Result<Self> {
        let mut refusals = Vec::new();
        for place in places() {
            match Self::make_in(&place, limit) {
                Ok(cage) => return Ok(cage),
                Err(error) => refusals.push(format!("{}: {error:#}", place.path.display())),
            }
        }
        if refusals.is_empty() {
            refusals.push("this system has no memory control groups".to_owned());
        }
        bail!(
            "cannot make a memory cage ({}); it takes Linux, and root or a group of one's own: \
             `systemd-run --user --scope -p Delegate=yes cargo xtask …`",
            refusals.join("; ")
        )
    }

    /// `command` will be in the cage from its first instruction on.
    pub(crate) fn enter(&self, command: &mut Command) {
        os::enter(command, Arc::clone(&self.entrances));
    }

    /// Anonymous memory of all that is in the cage now, bytes.
    pub(crate) fn anon(&self) -> Option<u64> {
        let name = match self.version {
            CgroupVersion::V2 => "anon",
            CgroupVersion::V1 => "total_rss",
        };
        keyed(&self.memory.join("memory.stat"), name)
    }

    /// The highest usage so far, file pages included, bytes: what the limit is compared with. `None` before Linux 5.19
    /// with version 2.
    pub(crate) fn peak_usage(&self) -> Option<u64> {
        number(&self.memory.join(match self.version {
            CgroupVersion::V2 => "memory.peak",
            CgroupVersion::V1 => "memory.max_usage_in_bytes",
        }))
    }

    /// Processes of the cage that the kernel has killed for want of memory.
    pub(crate) fn oom_kills(&self) -> Option<u64> {
        let file = match self.version {
            CgroupVersion::V2 => "memory.events",
            CgroupVersion::V1 => "memory.oom_control",
        };
        keyed(&self.memory.join(file), "oom_kill")
    }

    /// Processor seconds of all that is and was in the cage.
    pub(crate) fn cpu_seconds(&self) -> Option<f64> {
        match (self.version, &self.clock) {
            (CgroupVersion::V2, _) => Some(keyed(&self.memory.join("cpu.stat"), "usage_usec")? as f64 / 1e6),
            (CgroupVersion::V1, Some(clock)) => Some(number(&clock.join("cpuacct.usage"))? as f64 / 1e9),
            (CgroupVersion::V1, None) => None,
        }
    }

    /// Ends everything in the cage, at once. A process that is being forked meanwhile can survive: ask again.
    pub(crate) fn kill(&self) {
        // Linux 5.14 and later, version 2.
        let _ = fs::write(self.memory.join("cgroup.kill"), "1");
        let members = fs::read_to_string(self.memory.join("cgroup.procs")).unwrap_or_default();
        for member in members.lines().filter_map(|line| line.parse().ok()) {
            os::kill(member);
        }
    }

    fn make_in(place: &Place, limit: Option<u64>) -> anyhow::Result<Self> {
        if place.version == CgroupVersion::V2 {
            control_memory_below(&place.path)?;
        }
        let name = unique_name();
        let memory = place.path.join(&name);
        fs::create_dir(&memory).context("cannot make a group")?;
        // From here on, leaving by an error removes what was made.
        let mut cage = Cage { memory, version: place.version, clock: None, entrances: Arc::new([]) };
        cage.set_limit(limit)?;
        if cage.version == CgroupVersion::V1 {
            cage.clock = make_clock(&name);
        }
        cage.entrances = cage.open_entrances()?;
        cage.try_out()?;
        Ok(cage)
    }

    fn set_limit(&self, limit: Option<u64>) -> anyhow::Result<()> {
        let Some(limit) = limit.map(|limit| limit.to_string()) else { return Ok(()) };
        // Swap is not there on every kernel; what has to be set comes first in each row, since memory and swap together
        // may not be limited below memory alone.
        let (needed, swap) = match self.version {
            CgroupVersion::V2 => (("memory.max", &limit), ("memory.swap.max", "0")),
            CgroupVersion::V1 => (("memory.limit_in_bytes", &limit), ("memory.memsw.limit_in_bytes", limit.as_str())),
        };
        fs::write(self.memory.join(needed.0), needed.1).with_context(|| format!("cannot set {}", needed.0))?;
        if self.memory.join(swap.0).exists() {
            fs::write(self.memory.join(swap.0), swap.1).with_context(|| format!("cannot set {}", swap.0))?;
        }
        Ok(())
    }

    fn groups(&self) -> impl Iterator<Item = &PathBuf> {
        self.clock.iter().chain([&self.memory])
    }

    fn open_entrances(&self) -> anyhow::Result<Arc<[File]>> {
        let open = |group: &PathBuf| OpenOptions::new().write(true).open(group.join("cgroup.procs"));
        self.groups().map(open).collect::<Result<_, _>>().context("cannot open the group's cgroup.procs")
    }

    /// Making a group and moving a process into it are two permissions. Only doing it tells.
    fn try_out(&self) -> anyhow::Result<()> {
        let mut command = proc::command("true");
        self.enter(&mut command);
        command.status().context("cannot start a process in the group")?;
        Ok(())
    }

    fn is_removed(&self) -> bool {
        self.groups().all(|group| fs::remove_dir(group).is_ok() || !group.exists())
    }
}

impl Drop for Cage {
    fn drop(&mut self) {
        for _ in 0..REMOVAL_ATTEMPTS {
            self.kill();
            if self.is_removed() {
                return;
            }
            std::thread::sleep(BETWEEN_ATTEMPTS);
        }
    }
}

/// Our own group and those around it, innermost first, then the roots.
fn places() -> Vec<Place> {
    let levels = memory::sensor(Sensing::best()).snapshot().levels;
    let mut places: Vec<Place> =
        levels.into_iter().map(|level| Place { path: level.path, version: level.version }).collect();
    // Version 2's root has no figures of its own, so that it is no level.
    let roots = [("/sys/fs/cgroup", CgroupVersion::V2), ("/sys/fs/cgroup/memory", CgroupVersion::V1)];
    for (path, version) in roots {
        let path = PathBuf::from(path);
        if is_root(&path, version) && places.iter().all(|place| place.path != path) {
            places.push(Place { path, version });
        }
    }
    places
}

fn is_root(path: &Path, version: CgroupVersion) -> bool {
    path.join(match version {
        CgroupVersion::V2 => "cgroup.controllers",
        CgroupVersion::V1 => "memory.limit_in_bytes",
    })
    .exists()
}

/// Lets the groups below `place` have limits.
fn control_memory_below(place: &Path) -> anyhow::Result<()> {
    let file = place.join("cgroup.subtree_control");
    let on = fs::read_to_string(&file).context("cannot read cgroup.subtree_control")?;
    if on.split_whitespace().any(|controller| controller == "memory") {
        return Ok(());
    }
    fs::write(&file, "+memory").context("cannot turn the memory controller on below it")
}

/// A group of version 1's `cpuacct`; `None` leaves processor time to whoever can measure it otherwise.
fn make_clock(name: &str) -> Option<PathBuf> {
    let memberships = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let own = membership(&memberships, "cpuacct")?;
    let roots = ["/sys/fs/cgroup/cpuacct", "/sys/fs/cgroup/cpu,cpuacct"].map(PathBuf::from);
    let root = roots.into_iter().find(|root| root.join("cpuacct.usage").exists())?;
    // Inside a container the path can be the host's, and what is mounted is the container's own group.
    let places = [root.join(own.trim_start_matches('/')), root];
    places.into_iter().map(|place| place.join(name)).find(|group| fs::create_dir(group).is_ok())
}

/// The path in the line `2:cpuacct:/a/b` of `/proc/self/cgroup`.
fn membership<'a>(memberships: &'a str, controller: &str) -> Option<&'a str> {
    memberships.lines().find_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        controllers.split(',').any(|name| name == controller).then_some(path)
    })
}

fn unique_name() -> String {
    format!("xtask-cage-{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed))
}

/// The number behind `name` in a file of names and numbers.
fn keyed(file: &Path, name: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| line.split_once(' ').filter(|(key, _)| *key == name)?.1.trim().parse().ok())
}

fn number(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

#[cfg(unix)]
mod os {
    use std::fs::File;
    use std::io;
    use std::os::fd::AsRawFd as _;
    use std::os::unix::process::CommandExt as _;
    use std::process::Command;
    use std::sync::Arc;

    pub(super) fn enter(command: &mut Command, entrances: Arc<[File]>) {
        // SAFETY: between fork and exec this only writes to files that were opened before: no allocation, no lock.
        unsafe {
            command.pre_exec(move || {
                for entrance in entrances.iter() {
                    // "0" is whoever writes it.
                    if libc::write(entrance.as_raw_fd(), b"0".as_ptr().cast(), 1) != 1 {
                        return Err(io::Error::last_os_error());
                    }
                }
                Ok(())
            });
        }
    }

    pub(super) fn kill(process: libc::pid_t) {
        // A process of another namespace is listed as 0, which kill takes for our own group.
        if process > 0 {
            // SAFETY: kill takes two integers; a process that is gone is an error that we want to ignore.
            unsafe {
                libc::kill(process, libc::SIGKILL);
            }
        }
    }
}

#[cfg(not(unix))]
mod os {
    //! Never reached: no cage is made here.
    use std::fs::File;
    use std::process::Command;
    use std::sync::Arc;

    pub(super) fn enter(_command: &mut Command, _entrances: Arc<[File]>) {}

    pub(super) fn kill(_process: i32) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `None`, said aloud, where this user may not make one.
    fn cage(limit: Option<u64>) -> Option<Cage> {
        Cage::make(limit).inspect_err(|error| eprintln!("skipped: {error:#}")).ok()
    }

    fn shell(script: &str) -> Command {
        let mut command = proc::command("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_membership_is_found_by_its_controller() {
        let memberships = "3:cpuset:/\n2:cpu,cpuacct:/a/b\n0::/c\n";
        assert_eq!(membership(memberships, "cpuacct"), Some("/a/b"));
        assert_eq!(membership(memberships, "memory"), None);
    }

    #[test]
    fn what_takes_more_than_the_limit_is_killed_and_counted() {
        let Some(cage) = cage(Some(32 << 20)) else { return };
        // Without a line break in sight, tail keeps everything it reads.
        let mut command = shell("head -c 64M /dev/zero | tail > /dev/null");
        cage.enter(&mut command);
        assert!(!command.status().expect("sh runs").success());
        assert!(cage.oom_kills().is_some_and(|kills| kills > 0), "{cage:?}");
        assert!(cage.peak_usage().is_none_or(|peak| (16 << 20..=32 << 20).contains(&peak)), "{cage:?}");
    }

    #[test]
    fn a_cage_without_a_limit_measures_all_the_same() {
        let Some(cage) = cage(None) else { return };
        let mut command = shell("x=$(head -c 16M /dev/zero | tr '\\0' x); sleep 1000");
        cage.enter(&mut command);
        let mut child = command.spawn().expect("sh runs");
        let deadline = std::time::Instant::now() + Duration::from_secs(30);
        while cage.anon().is_none_or(|anon| anon < 16 << 20) {
            assert!(std::time::Instant::now() < deadline, "{:?} bytes", cage.anon());
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(cage.cpu_seconds().is_none_or(|seconds| seconds > 0.0));
        assert_eq!(cage.oom_kills(), Some(0));
        let path = cage.memory.clone();
        drop(cage);
        assert!(!path.exists());
        assert!(!child.wait().expect("killed with its cage").success());
    }
}
