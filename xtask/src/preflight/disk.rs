//! Free disk space where the target directory is.

use std::path::Path;

use super::Finding;
use crate::disk;
use crate::memory::human;

/// Bytes free for this user; `None` when the system does not tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Disk {
    pub(super) free: Option<u64>,
    /// Where it was asked for: the target directory, or the closest folder above it that exists.
    pub(super) path: String,
    pub(super) writable: bool,
}

/// A cold build of one profile and xtask itself, and room for a second profile, bytes. docs/profiles.md has the sizes.
const ENOUGH: u64 = 2 << 30;
const LEAST: u64 = 1 << 30;

pub(super) fn free(disk: &Disk, on_tmpfs: Option<bool>) -> Finding {
    if !disk.writable {
        let fix = format!("chown or chmod {}, or set CARGO_TARGET_DIR to a folder of yours", disk.path);
        return Finding::failure("disk", format!("{} cannot be written", disk.path), fix);
    }
    let Some(free) = disk.free else { return Finding::ok("disk", "free space unknown") };
    let message = format!("{} free at {}", human(free), disk.path);
    if free < LEAST {
        return Finding::failure("disk", format!("{message}; a build needs {}", human(LEAST)), "cargo xtask clean");
    }
    if on_tmpfs == Some(true) {
        let fix = "set CARGO_TARGET_DIR to a folder on a disk";
        return Finding::warning("disk", format!("{message}, on tmpfs: what is written there takes memory"), fix);
    }
    if free < ENOUGH {
        return Finding::warning(
            "disk",
            format!("{message}; two profiles need {}", human(ENOUGH)),
            "cargo xtask clean",
        );
    }
    Finding::ok("disk", message)
}

pub(super) fn measure(target: &Path) -> Disk {
    let existing = target.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("/"));
    Disk { free: disk::free(existing), path: existing.display().to_string(), writable: disk::is_writable(existing) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::Verdict;

    fn disk(free: u64) -> Disk {
        Disk { free: Some(free), path: "/work".into(), writable: true }
    }

    #[test]
    fn little_space_is_said_before_the_build_finds_out() {
        assert_eq!(free(&disk(80 << 30), Some(false)).verdict, Verdict::Ok);
        assert_eq!(free(&disk(3 << 29), Some(false)).verdict, Verdict::Warning);
        assert_eq!(free(&disk(1 << 20), Some(false)).verdict, Verdict::Failure);
    }

    #[test]
    fn tmpfs_is_memory() {
        let finding = free(&disk(80 << 30), Some(true));
        assert_eq!(finding.verdict, Verdict::Warning);
        assert!(finding.message.contains("memory"));
    }

    #[test]
    fn a_folder_that_cannot_be_written_fails() {
        let locked = Disk { writable: false, ..disk(80 << 30) };
        assert_eq!(free(&locked, None).verdict, Verdict::Failure);
    }

    #[test]
    fn a_target_that_is_not_there_yet_is_measured_above() {
        let measured = measure(&std::env::temp_dir().join("no").join("such").join("folder"));
        assert!(measured.writable);
        assert!(cfg!(not(unix)) || measured.free.is_some());
    }
}
