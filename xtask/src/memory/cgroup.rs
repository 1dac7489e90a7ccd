//! Control groups, versions 1 and 2: where a process is, and what each level above it allows.
//!
//! `/proc/PID/cgroup` has the group's path, `/proc/PID/mountinfo` where its hierarchy is mounted, and the two need not
//! fit together:
//!
//! - Only part of a hierarchy is mounted (a bind mount, as in Docker): the mount's root is a prefix of the path, and
//!   the levels above it cannot be seen.
//! - The path is another namespace's (Docker with version 1, or a process that was moved: `/../other`): it does not
//!   exist here, and what is mounted is the container's own group.
//! - Both versions are mounted (hybrid): a controller is in one of them, and it is the one whose line names it.

use std::fs;
use std::path::{Component, Path, PathBuf};

use super::mounts::Mount;
use super::{CgroupLevel, CgroupVersion, Psi};

/// From here on a version 1 limit means "none". The kernel shows the largest whole number of pages, which depends on
/// their size: 9223372036854771712 with 4 KiB.
const V1_UNLIMITED: u64 = 1 << 62;

/// The groups of one controller that a process is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Groups {
    pub(super) version: CgroupVersion,
    /// Innermost first, up to the mount point.
    pub(super) directories: Vec<PathBuf>,
}

/// What is needed to find groups.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lookup<'a> {
    pub(super) files: Files<'a>,
    pub(super) mounts: &'a [Mount],
    /// The text of `/proc/PID/cgroup`.
    pub(super) memberships: &'a str,
}

/// Reads files below a root, which is `/` but for recorded trees.
#[derive(Debug, Clone, Copy)]
pub(super) struct Files<'a> {
    pub(super) root: &'a Path,
}

impl<'a> Lookup<'a> {
    /// The groups with `controller`, in whichever version has it.
    pub(super) fn groups(self, controller: &str) -> Option<Groups> {
        self.groups_v1(controller).or_else(|| self.groups_v2())
    }

    pub(super) fn groups_v2(self) -> Option<Groups> {
        let path = self.membership(str::is_empty)?;
        let mount = self.mounts.iter().find(|mount| mount.kind == "cgroup2")?;
        Some(Groups { version: CgroupVersion::V2, directories: self.directories(path, mount) })
    }

    fn groups_v1(self, controller: &str) -> Option<Groups> {
        let named = |list: &str| list.split(',').any(|name| name == controller);
        let path = self.membership(named)?;
        let mount = self.mounts.iter().find(|mount| mount.kind == "cgroup" && named(&mount.super_options))?;
        Some(Groups { version: CgroupVersion::V1, directories: self.directories(path, mount) })
    }

    /// The path in the line, `4:memory:/a/b` or `0::/a/b`, whose controllers are `wanted`.
    fn membership(self, wanted: impl Fn(&str) -> bool) -> Option<&'a Path> {
        self.memberships.lines().find_map(|line| {
            let (_, rest) = line.split_once(':')?;
            let (controllers, path) = rest.split_once(':')?;
            wanted(controllers).then_some(Path::new(path))
        })
    }

    fn directories(self, path: &Path, mount: &Mount) -> Vec<PathBuf> {
        let own = below_mount(path, mount).filter(|own| self.files.path(own).is_dir());
        let own = own.unwrap_or_else(|| mount.point.clone());
        own.ancestors().take_while(|level| level.starts_with(&mount.point)).map(Path::to_owned).collect()
    }
}

/// Where the group `path` is, if it is inside what was mounted.
fn below_mount(path: &Path, mount: &Mount) -> Option<PathBuf> {
    let inside = path.strip_prefix(&mount.root).ok()?;
    let plain = inside.components().all(|part| matches!(part, Component::Normal(_)));
    plain.then(|| mount.point.join(inside))
}

impl<'a> Files<'a> {
    pub(super) fn path(self, absolute: &Path) -> PathBuf {
        self.root.join(absolute.strip_prefix("/").unwrap_or(absolute))
    }

    pub(super) fn text(self, absolute: impl AsRef<Path>) -> Option<String> {
        fs::read_to_string(self.path(absolute.as_ref())).ok()
    }

    /// The memory levels of `groups`; without those that have no memory controller, as version 2's root.
    pub(super) fn levels(self, groups: &Groups) -> Vec<CgroupLevel> {
        let directories = groups.directories.iter();
        match groups.version {
            CgroupVersion::V2 => directories.filter_map(|level| self.level_v2(level)).collect(),
            // Without use_hierarchy (Linux before 5.11) a group's memory is not charged to the groups above it.
            CgroupVersion::V1 => directories
                .enumerate()
                .take_while(|(depth, level)| *depth == 0 || self.number(level, "memory.use_hierarchy") != Some(0))
                .filter_map(|(_, level)| self.level_v1(level))
                .collect(),
        }
    }

    /// One level, read again.
    pub(super) fn level(self, known: &CgroupLevel) -> Option<CgroupLevel> {
        match known.version {
            CgroupVersion::V2 => self.level_v2(&known.path),
            CgroupVersion::V1 => self.level_v1(&known.path),
        }
    }

    fn level_v2(self, directory: &Path) -> Option<CgroupLevel> {
        let usage = self.number(directory, "memory.current")?;
        let stat = self.text(directory.join("memory.stat")).unwrap_or_default();
        let count = |name| keyed(&stat, name);
        let inactive = count("inactive_file");
        let reclaimable = inactive.unwrap_or(0) + count("slab_reclaimable").unwrap_or(0);
        let max = self.number(directory, "memory.max");
        let high = self.number(directory, "memory.high");
        Some(level(CgroupLevel {
            path: directory.to_owned(),
            version: CgroupVersion::V2,
            limit: max.into_iter().chain(high).min(),
            throttles: high.is_some_and(|high| max.is_none_or(|max| high < max)),
            used: usage.saturating_sub(reclaimable),
            anon: count("anon"),
            cached: sum(inactive, count("active_file")),
            active_files: count("active_file"),
            headroom: None,
        }))
    }

    fn level_v1(self, directory: &Path) -> Option<CgroupLevel> {
        let usage = self.number(directory, "memory.usage_in_bytes")?;
        let stat = self.text(directory.join("memory.stat")).unwrap_or_default();
        // The totals include the groups below, as the usage does.
        let count = |total: &str, own: &str| keyed(&stat, total).or_else(|| keyed(&stat, own));
        let inactive = count("total_inactive_file", "inactive_file");
        let limit = self.number(directory, "memory.limit_in_bytes");
        Some(level(CgroupLevel {
            path: directory.to_owned(),
            version: CgroupVersion::V1,
            limit: limit.filter(|limit| *limit < V1_UNLIMITED),
            throttles: false,
            used: usage.saturating_sub(inactive.unwrap_or(0)),
            anon: count("total_rss", "rss"),
            cached: sum(inactive, count("total_active_file", "active_file")),
            active_files: count("total_active_file", "active_file"),
            headroom: None,
        }))
    }

    /// Swap that the level `directory` still allows. `None`: as much as there is.
    pub(super) fn swap_room(self, directory: &Path, version: CgroupVersion) -> Option<u64> {
        let number = |name| self.number(directory, name);
        match version {
            CgroupVersion::V2 => {
                let used = number("memory.swap.current").unwrap_or(0);
                Some(number("memory.swap.max")?.saturating_sub(used))
            }
            // Version 1 counts memory and swap together.
            CgroupVersion::V1 => {
                let limit = number("memory.memsw.limit_in_bytes").filter(|limit| *limit < V1_UNLIMITED)?;
                let used = number("memory.memsw.usage_in_bytes")?.saturating_sub(number("memory.usage_in_bytes")?);
                Some(limit.saturating_sub(number("memory.limit_in_bytes")?).saturating_sub(used))
            }
        }
    }

    /// Kills among the processes of `directory`.
    ///
    /// This process's own group is the one to ask, in both versions: the kernel counts a kill at the victim's group,
    /// whichever level's limit was the reason. The count of a level above it has its neighbours' too.
    pub(super) fn oom_kills(self, directory: &Path, version: CgroupVersion) -> Option<u64> {
        let file = match version {
            CgroupVersion::V2 => "memory.events",
            CgroupVersion::V1 => "memory.oom_control",
        };
        keyed(&self.text(directory.join(file))?, "oom_kill")
    }

    /// Processors' worth of time that `directory` may use.
    pub(super) fn cpu_quota(self, directory: &Path, version: CgroupVersion) -> Option<f64> {
        let text = |name| self.text(directory.join(name));
        let (quota, period) = match version {
            CgroupVersion::V2 => {
                let both = text("cpu.max")?;
                let (quota, period) = both.trim().split_once(' ')?;
                (quota.to_owned(), period.to_owned())
            }
            CgroupVersion::V1 => (text("cpu.cfs_quota_us")?, text("cpu.cfs_period_us")?),
        };
        // "max" and "-1" are no numbers of this kind, and mean that there is no quota.
        let quota: u64 = quota.trim().parse().ok()?;
        let period: u64 = period.trim().parse().ok()?;
        (period > 0).then(|| quota as f64 / period as f64)
    }

    /// The only number in a file. `max` is none.
    fn number(self, directory: &Path, name: &str) -> Option<u64> {
        self.text(directory.join(name))?.trim().parse().ok()
    }
}

fn level(level: CgroupLevel) -> CgroupLevel {
    CgroupLevel { headroom: level.limit.map(|limit| limit.saturating_sub(level.used)), ..level }
}

fn sum(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    Some(one? + other?)
}

/// The number behind `name` in lines of names and numbers; a colon and a unit, as in `/proc/meminfo`, are allowed.
pub(super) fn keyed(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let rest = line.strip_prefix(name)?;
        let rest = rest.strip_prefix(':').unwrap_or(rest);
        // Else `active` would find `active_file`.
        let number = rest.starts_with(char::is_whitespace).then(|| rest.split_whitespace().next())??;
        number.parse().ok()
    })
}

/// `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`, and the same with `full`.
pub(super) fn parse_pressure(text: &str) -> Option<Psi> {
    let average = |kind: &str| {
        let line = text.lines().find(|line| line.starts_with(kind))?;
        line.split(' ').find_map(|field| field.strip_prefix("avg10="))?.parse().ok()
    };
    Some(Psi { some_avg10: average("some")?, full_avg10: average("full")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(root: &str) -> Mount {
        Mount {
            root: root.into(),
            point: "/sys/fs/cgroup".into(),
            kind: "cgroup2".to_owned(),
            super_options: "rw".to_owned(),
        }
    }

    #[test]
    fn a_group_is_found_below_what_is_mounted_and_nowhere_else() {
        let found = |path: &str, root: &str| below_mount(Path::new(path), &mount(root));
        assert_eq!(found("/", "/"), Some("/sys/fs/cgroup".into()));
        assert_eq!(found("/a/b", "/"), Some("/sys/fs/cgroup/a/b".into()));
        assert_eq!(found("/docker/x/b", "/docker/x"), Some("/sys/fs/cgroup/b".into()));
        assert_eq!(found("/docker/xy", "/docker/x"), None);
        assert_eq!(found("/../other", "/"), None);
    }

    #[test]
    fn keys_are_whole_words() {
        let stat = "anon_thp 1\nanon 2\nMemFree:   3 kB\n";
        assert_eq!(keyed(stat, "anon"), Some(2));
        assert_eq!(keyed(stat, "MemFree"), Some(3));
        assert_eq!(keyed(stat, "Mem"), None);
    }

    #[test]
    fn pressure() {
        let text = "some avg10=1.25 avg60=0.00 avg300=0.00 total=5\nfull avg10=0.50 avg60=0.00 avg300=0.00 total=2\n";
        assert_eq!(parse_pressure(text), Some(Psi { some_avg10: 1.25, full_avg10: 0.5 }));
        assert_eq!(parse_pressure("some avg10=1.25\n"), None);
    }
}
