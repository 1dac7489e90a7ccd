//! Temporary files: their names, and those that killed writers have left.
//!
//! | name | what it is |
//! |---|---|
//! | `.NAME.PID.COUNTER.tmp` | will be NAME |
//! | `.maou-pieces.PID.COUNTER.tmp` | the lock of a [`Group`](super::Group) |
//! | `.maou-pieces.PID.COUNTER.COUNTER.tmp` | a file of that group |
//!
//! The process is that of the writer, and no process counts to the same number twice. A long NAME is cut, and a hash of the
//! whole of it stands behind. Who writes holds a lock, on the file itself or on its group's: what nobody holds is litter.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use xxhash_rust::xxh3::xxh3_64;

/// What the names of temporary files end with.
const SUFFIX: &str = ".tmp";
/// What the names of a group's files begin with.
const GROUP: &str = ".maou-pieces.";
/// Characters of a name that are kept: most file systems stop at 255 bytes, and the name itself may be near that.
const KEPT: usize = 48;

/// What the names of this process's temporary files for `target` begin with. Nothing where it has no name.
pub(super) fn prefix(target: &Path) -> Option<String> {
    Some(format!("{}{}.", any_prefix(target)?, process::id()))
}

/// As [`prefix`], of the locks of groups.
pub(super) fn group_prefix() -> String {
    format!("{GROUP}{}.", process::id())
}

/// What the names of the files begin with whose group has the lock `lock`.
pub(super) fn member_prefix(lock: &Path) -> String {
    let name = lock.file_name().unwrap_or_default().to_string_lossy();
    format!("{}.", name.strip_suffix(SUFFIX).unwrap_or(&name))
}

/// A new file in `directory`, which is locked as long as it is open. `private`: nobody else may open it.
pub(super) fn create(directory: &Path, prefix: &str, private: bool) -> io::Result<(PathBuf, File)> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);

    loop {
        let counter = COUNTER.fetch_add(1, Ordering::Relaxed);
        let path = directory.join(format!("{prefix}{counter}{SUFFIX}"));
        match open_new(&path, private) {
            Ok(file) => {
                // Somebody may have taken it for litter before it was locked: then he has the lock, or it is gone. File
                // systems without locks have nobody who removes what is not locked.
                let is_taken = matches!(file.try_lock(), Err(TryLockError::WouldBlock));
                if !is_taken && path.exists() {
                    return Ok((path, file));
                }
            }
            // Left by a killed process that had our process id.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

/// Removes from `directory` what killed writers of `target` have left, and killed groups. A lock says that a writer
/// lives, wherever it runs.
pub(super) fn remove(directory: &Path, target: Option<&Path>) {
    // Best effort: where it fails, the save itself says why, or litter stays.
    let Ok(entries) = fs::read_dir(directory) else { return };
    let prefix = target.and_then(any_prefix);
    let mut locks = HashMap::new();
    for name in entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()) {
        if prefix.as_ref().is_some_and(|prefix| numbers(&name, prefix) == Some(2)) {
            drop(remove_unlocked(&directory.join(&name)));
        }
        let lock = match numbers(&name, GROUP) {
            Some(2) => name.clone(),
            Some(3) => lock_of(&name),
            _ => continue,
        };
        let path = directory.join(&lock);
        // Held until all of the group is gone.
        let is_dead = locks.entry(path.clone()).or_insert_with(|| hold(&path)).is_some();
        if is_dead && lock != name {
            drop(fs::remove_file(directory.join(&name)));
        }
    }
    for (path, _lock) in locks.into_iter().filter(|(_, lock)| lock.is_some()) {
        drop(fs::remove_file(path));
    }
}

/// What the names of all processes' temporary files for `target` begin with.
fn any_prefix(target: &Path) -> Option<String> {
    let name = target.file_name()?;
    match name.to_str() {
        Some(name) if name.chars().count() <= KEPT => Some(format!(".{name}.")),
        _ => Some(shortened(name)),
    }
}

fn shortened(name: &OsStr) -> String {
    let kept: String = name.to_string_lossy().chars().take(KEPT).collect();
    format!(".{kept}.{:016x}.", xxh3_64(name.as_encoded_bytes()))
}

/// How many numbers stand between `prefix` and the end of a temporary file's name. Nothing where there is something else.
fn numbers(name: &str, prefix: &str) -> Option<usize> {
    let middle = name.strip_prefix(prefix)?.strip_suffix(SUFFIX)?;
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    middle.split('.').all(is_number).then(|| middle.split('.').count())
}

/// The lock of the group that the file `name` belongs to.
fn lock_of(name: &str) -> String {
    let parts: Vec<&str> = name.rsplitn(3, '.').collect();
    format!("{}{SUFFIX}", parts.last().unwrap_or(&name))
}

fn remove_unlocked(path: &Path) -> io::Result<()> {
    match hold(path) {
        Some(_lock) => fs::remove_file(path),
        None => Ok(()),
    }
}

/// The file, locked, if nobody else has locked it.
fn hold(path: &Path) -> Option<File> {
    let file = OpenOptions::new().write(true).open(path).ok()?;
    file.try_lock().is_ok().then_some(file)
}

fn open_new(path: &Path, private: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if private {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    #[cfg(not(unix))]
    let _ = private;
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::names_in;

    #[test]
    fn names_that_begin_alike_have_other_temporary_names() {
        let long = "n".repeat(KEPT);
        for (a, b) in [(long.clone(), format!("{long}0")), (format!("{long}0"), format!("{long}1"))] {
            assert_ne!(any_prefix(Path::new(&a)), any_prefix(Path::new(&b)));
        }
        assert_eq!(any_prefix(Path::new("b/a.feather")).as_deref(), Some(".a.feather."));
        assert_eq!(any_prefix(Path::new("..")), None);
    }

    #[test]
    fn a_name_that_ends_in_numbers_is_another() {
        let directory = tempfile::tempdir().unwrap();
        // Of `a.1`, and as many numbers behind `a`.
        fs::write(directory.path().join(".a.1.2.3.tmp"), b"half").unwrap();
        remove(directory.path(), Some(Path::new("a")));
        assert_eq!(names_in(directory.path()), [".a.1.2.3.tmp"]);
        remove(directory.path(), Some(Path::new("a.1")));
        assert!(names_in(directory.path()).is_empty());
    }

    #[test]
    fn a_killed_group_is_removed_whole_and_a_living_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let names = [7, 8].map(|group| {
            let member = |number| format!("{GROUP}{group}.0.{number}.tmp");
            [member(1), member(2), format!("{GROUP}{group}.0.tmp")]
        });
        for name in names.iter().flatten() {
            fs::write(directory.path().join(name), b"").unwrap();
        }
        let _living = hold(&directory.path().join(&names[1][2])).unwrap();

        remove(directory.path(), None);

        assert_eq!(names_in(directory.path()), names[1]);
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_may_open_a_private_file() {
        use std::os::unix::fs::PermissionsExt;

        let directory = tempfile::tempdir().unwrap();
        let (_, file) = create(directory.path(), ".a.", true).unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o077, 0);
    }
}
