use std::fs::{File, Metadata};
use std::io;

/// Gives `file` the permissions of `old`, and its owner and group where that is allowed.
#[cfg(unix)]
pub(super) fn keep(file: &File, old: &Metadata) -> io::Result<()> {
    use std::fs::Permissions;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};

    let new = file.metadata()?;
    // The group before the permissions, and the owner behind: at no moment may anybody do more than with the old file.
    let has_group = new.gid() == old.gid() || fchown(file, None, Some(old.gid())).is_ok();
    let mode = if has_group { old.mode() } else { without_group(old.mode()) };
    file.set_permissions(Permissions::from_mode(mode & 0o7777))?;
    if new.uid() != old.uid() {
        // Best effort: only root may, and nobody else has ever kept it.
        let _ = fchown(file, Some(old.uid()), None);
    }
    Ok(())
}

#[cfg(not(unix))]
pub(super) fn keep(file: &File, old: &Metadata) -> io::Result<()> {
    file.set_permissions(old.permissions())
}

/// `mode` with no more for the group, which is another, than for everybody.
#[cfg(unix)]
fn without_group(mode: u32) -> u32 {
    mode & !0o2070 | mode & (mode & 0o007) << 3
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, chown};

    use super::*;

    #[test]
    fn another_group_may_do_what_everybody_may() {
        for (mode, expected) in [(0o640, 0o600), (0o664, 0o644), (0o604, 0o604), (0o2777, 0o777), (0o646, 0o646)] {
            assert_eq!(without_group(mode), expected, "{mode:o}");
        }
    }

    #[test]
    fn the_owner_is_kept_where_that_is_allowed() {
        let directory = tempfile::tempdir().unwrap();
        let [old, new] = ["old", "new"].map(|name| directory.path().join(name));
        fs::write(&old, b"").unwrap();
        let file = File::create(&new).unwrap();
        if chown(&old, Some(12345), Some(23456)).is_err() {
            // Only root can make such a file.
            return;
        }
        let old = fs::metadata(&old).unwrap();

        keep(&file, &old).unwrap();

        let new = file.metadata().unwrap();
        assert_eq!((new.uid(), new.gid(), new.mode()), (12345, 23456, old.mode()));
    }
}
