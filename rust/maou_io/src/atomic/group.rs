use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::litter;

/// What says that files live that are written together. Of many there are more than a process may have open, so that
/// they cannot all be locked: one lock in each directory stands for those that are in it.
#[derive(Debug, Default)]
pub(crate) struct Group {
    locks: Vec<Lock>,
}

#[derive(Debug)]
struct Lock {
    path: PathBuf,
    /// Open, and so locked.
    _file: File,
}

impl Group {
    /// What the names of the group's files in `directory` begin with.
    pub(super) fn prefix_in(&mut self, directory: &Path) -> io::Result<String> {
        if let Some(lock) = self.locks.iter().find(|lock| lock.path.parent() == Some(directory)) {
            return Ok(litter::member_prefix(&lock.path));
        }
        litter::remove(directory, None);
        let (path, file) = litter::create(directory, &litter::group_prefix(), false)?;
        let prefix = litter::member_prefix(&path);
        self.locks.push(Lock { path, _file: file });
        Ok(prefix)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Best effort: what stays is removed by the next save.
        let _ = fs::remove_file(&self.path);
    }
}
