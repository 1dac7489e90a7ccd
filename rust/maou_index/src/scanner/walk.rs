//! Walks a directory tree. Links to directories are not followed, so that a loop of links cannot trap it.

use std::ffi::OsString;
use std::fs::{self, DirEntry, ReadDir};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

const EXTENSION: &str = "feather";

/// All directories from 1 to `max_depth` levels below `base`, in no order.
pub(super) fn directories(base: &Path, max_depth: usize) -> Result<Vec<OsString>> {
    let mut found = Vec::new();
    walk(base, max_depth.saturating_sub(1), |entry, path| {
        if max_depth > 0 && is_directory(entry) {
            found.push(path.as_os_str().to_owned());
        }
    })?;
    Ok(found)
}

/// All record files in `base` and, if `recursive`, at any depth below it, in no order.
pub(super) fn feather_files(base: &Path, recursive: bool) -> Result<Vec<OsString>> {
    let mut found = Vec::new();
    let depth = if recursive { usize::MAX } else { 0 };
    walk(base, depth, |_, path| {
        if path.extension().is_some_and(|extension| extension == EXTENSION) && path.is_file() {
            found.push(path.as_os_str().to_owned());
        }
    })?;
    Ok(found)
}

/// Shows every entry of `base` and of the directories up to `depth` levels below it.
///
/// Only `base` must be readable. A directory below it that is not, or is gone by now, is passed over: someone else's
/// directory in a shared tree must not hide all others.
fn walk(base: &Path, depth: usize, mut visit: impl FnMut(&DirEntry, &Path)) -> Result<()> {
    let entries = fs::read_dir(base).map_err(|source| Error::io(base, source))?;
    // Paths, not open directories: there may be more of them than a process may have open.
    let mut pending: Vec<(PathBuf, usize)> = Vec::new();
    let mut opened = Some((entries, depth));
    while let Some((entries, depth)) = opened {
        for entry in entries.flatten() {
            let path = entry.path();
            visit(&entry, &path);
            if depth > 0 && is_directory(&entry) {
                pending.push((path, depth - 1));
            }
        }
        opened = next_readable(&mut pending);
    }
    Ok(())
}

fn next_readable(pending: &mut Vec<(PathBuf, usize)>) -> Option<(ReadDir, usize)> {
    loop {
        let (path, depth) = pending.pop()?;
        if let Ok(entries) = fs::read_dir(path) {
            return Some((entries, depth));
        }
    }
}

/// Of the entry itself: a link to a directory is none.
fn is_directory(entry: &DirEntry) -> bool {
    entry.file_type().is_ok_and(|kind| kind.is_dir())
}
