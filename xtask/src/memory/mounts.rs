//! `/proc/PID/mountinfo`: what is mounted where.

use std::path::{Component, Path, PathBuf};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    /// The directory of the file system that was mounted: not `/` for a bind mount, which is what Docker makes.
    pub(super) root: PathBuf,
    pub(super) point: PathBuf,
    pub(super) kind: String,
    /// Comma-separated; a version 1 control group names its controllers here.
    pub(super) super_options: String,
}

pub(super) fn parse(mountinfo: &str) -> Vec<Mount> {
    mountinfo.lines().filter_map(parse_line).collect()
}

/// The mount that `path`, absolute and without symbolic links, lies on.
pub(super) fn mount_of<'a>(mounts: &'a [Mount], path: &Path) -> Option<&'a Mount> {
    // The last of several equally long ones: it was mounted over the others.
    mounts.iter().filter(|mount| path.starts_with(&mount.point)).max_by_key(|mount| mount.point.components().count())
}

/// `path` without `..` and symbolic links as far as it exists. A path that is yet to be made lies where its deepest
/// existing directory does.
pub(super) fn resolve(path: &Path) -> Option<PathBuf> {
    let absolute = std::path::absolute(path).ok()?;
    let mut existing = absolute.as_path();
    loop {
        if let Ok(real) = existing.canonicalize() {
            let missing = absolute.strip_prefix(existing).ok()?;
            let plain = missing.components().filter(|part| matches!(part, Component::Normal(_)));
            return Some(real.join(plain.collect::<PathBuf>()));
        }
        existing = existing.parent()?;
    }
}

/// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue` (proc_pid_mountinfo(5)).
fn parse_line(line: &str) -> Option<Mount> {
    // The optional fields before the dash are any number, none included.
    let (before, after) = line.split_once(" - ")?;
    let mut before = before.split(' ').skip(3);
    let mut after = after.split(' ');
    Some(Mount {
        root: unescape(before.next()?),
        point: unescape(before.next()?),
        kind: after.next()?.to_owned(),
        super_options: after.nth(1).unwrap_or_default().to_owned(),
    })
}

/// The kernel writes space, tab, newline and backslash as three octal digits.
fn unescape(field: &str) -> PathBuf {
    let plain = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    plain.iter().fold(field.to_owned(), |text, (code, character)| text.replace(code, character)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTINFO: &str = "\
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
30 25 0:27 / /tmp rw,relatime shared:5 master:2 - tmpfs tmpfs rw,size=24682416k
31 27 254:1 / /my\\040disk rw - ext4 /dev/vdb rw
32 27 0:40 / /tmp rw - xfs /dev/vdc rw
35 31 0:32 /docker/abc /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
a line that is something else
";

    #[test]
    fn fields_are_found_behind_any_number_of_optional_ones() {
        let mounts = parse(MOUNTINFO);
        assert_eq!(mounts.len(), 5);
        assert_eq!(mounts[1].kind, "tmpfs");
        assert_eq!(mounts[2].point, Path::new("/my disk"));
        assert_eq!(mounts[4].root, Path::new("/docker/abc"));
        assert_eq!(mounts[4].super_options, "rw,memory");
    }

    #[test]
    fn a_path_lies_on_the_deepest_and_last_mount() {
        let mounts = parse(MOUNTINFO);
        let kind = |path: &str| mount_of(&mounts, Path::new(path)).map(|mount| mount.kind.as_str());
        assert_eq!(kind("/tmp/x"), Some("xfs"));
        assert_eq!(kind("/tmpfs"), Some("ext4"));
        assert_eq!(kind("relative"), None);
    }

    #[test]
    fn a_path_that_does_not_exist_yet_resolves() {
        assert_eq!(resolve(Path::new("/proc/no/such/thing")), Some("/proc/no/such/thing".into()));
        assert_eq!(resolve(Path::new("/proc/../proc")), Some("/proc".into()));
    }
}
