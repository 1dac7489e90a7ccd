//! Finds directories and record files below a directory, and remembers them for a while.
//!
//! Time is a parameter here: every method that depends on it takes `now`.

mod walk;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::error::Result;

/// Lists directories and `.feather` files, and searches in what it listed by path prefix.
///
/// Paths begin with the base as it was given and are sorted by their bytes. Every method takes `&self` and may be
/// called from several threads; the file system is walked without a lock.
#[derive(Debug)]
pub struct PathScanner {
    ttl: Duration,
    scans: Mutex<Scans>,
}

/// What a [`PathScanner`] remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheStats {
    /// Distinct directories.
    pub directories: usize,
    /// Distinct files.
    pub files: usize,
    /// Since the last scan; `None` before the first.
    pub age: Option<Duration>,
    /// After which age a scan is made anew.
    pub ttl: Duration,
}

/// `usize` is the depth, `bool` whether to descend.
#[derive(Debug, Default)]
struct Scans {
    directories: Cache<(PathBuf, usize)>,
    files: Cache<(PathBuf, bool)>,
    last: Option<Instant>,
}

#[derive(Debug)]
struct Cache<K> {
    scans: Vec<Scan<K>>,
}

#[derive(Debug)]
struct Scan<K> {
    arguments: K,
    at: Instant,
    /// Sorted by [`bytes`].
    paths: Arc<[OsString]>,
}

impl PathScanner {
    /// `ttl` is how long a scan is good for.
    #[must_use]
    pub fn new(ttl: Duration) -> Self {
        Self { ttl, scans: Mutex::default() }
    }

    /// The directories below `base`, without `base` itself, at most `max_depth` levels down (1: those directly in
    /// it). Links to directories are not followed and not listed. A directory that cannot be read is listed, what is
    /// in it is not.
    ///
    /// A scan of the same arguments that is not older than the time to live is returned again.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error::Io) if `base` cannot be read.
    pub fn scan_directories(&self, base: &Path, max_depth: usize, now: Instant) -> Result<Arc<[OsString]>> {
        let arguments = (base.to_path_buf(), max_depth);
        if let Some(paths) = self.scans().directories.fresh(&arguments, self.ttl, now) {
            return Ok(paths);
        }
        let paths = sorted(walk::directories(base, max_depth)?);
        let mut scans = self.scans();
        scans.last = Some(now);
        Ok(scans.directories.keep(arguments, paths, self.ttl, now))
    }

    /// The `.feather` files in `base` and, if `recursive`, in all directories below it. Links to files are listed,
    /// links to directories not followed.
    ///
    /// A scan of the same arguments that is not older than the time to live is returned again.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error::Io) if `base` cannot be read.
    pub fn scan_feather_files(&self, base: &Path, recursive: bool, now: Instant) -> Result<Arc<[OsString]>> {
        let arguments = (base.to_path_buf(), recursive);
        if let Some(paths) = self.scans().files.fresh(&arguments, self.ttl, now) {
            return Ok(paths);
        }
        let paths = sorted(walk::feather_files(base, recursive)?);
        let mut scans = self.scans();
        scans.last = Some(now);
        Ok(scans.files.keep(arguments, paths, self.ttl, now))
    }

    /// The first `limit` directories of the remembered scans whose path begins with `prefix`, sorted.
    #[must_use]
    pub fn search_directory_prefix(&self, prefix: &OsStr, limit: usize) -> Vec<OsString> {
        self.scans().directories.with_prefix(prefix, limit)
    }

    /// The first `limit` files of the remembered scans whose path begins with `prefix`, sorted.
    #[must_use]
    pub fn search_file_prefix(&self, prefix: &OsStr, limit: usize) -> Vec<OsString> {
        self.scans().files.with_prefix(prefix, limit)
    }

    /// Whether the last scan is older than the time to live, or there was none.
    #[must_use]
    pub fn is_stale(&self, now: Instant) -> bool {
        self.scans().last.is_none_or(|at| !is_fresh(at, self.ttl, now))
    }

    /// Sizes and age.
    #[must_use]
    pub fn cache_stats(&self, now: Instant) -> CacheStats {
        let scans = self.scans();
        let everything = OsStr::new("");
        CacheStats {
            directories: scans.directories.with_prefix(everything, usize::MAX).len(),
            files: scans.files.with_prefix(everything, usize::MAX).len(),
            age: scans.last.map(|at| now.saturating_duration_since(at)),
            ttl: self.ttl,
        }
    }

    /// A poisoned lock is no reason to fail: a panic leaves out a scan at worst.
    fn scans(&self) -> MutexGuard<'_, Scans> {
        self.scans.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: PartialEq> Cache<K> {
    fn fresh(&self, arguments: &K, ttl: Duration, now: Instant) -> Option<Arc<[OsString]>> {
        self.scans
            .iter()
            .find(|scan| scan.arguments == *arguments && is_fresh(scan.at, ttl, now))
            .map(|scan| Arc::clone(&scan.paths))
    }

    /// Replaces the scan of the same arguments, and forgets those that are out of date.
    fn keep(&mut self, arguments: K, paths: Arc<[OsString]>, ttl: Duration, now: Instant) -> Arc<[OsString]> {
        self.scans.retain(|scan| scan.arguments != arguments && is_fresh(scan.at, ttl, now));
        self.scans.push(Scan { arguments, at: now, paths: Arc::clone(&paths) });
        paths
    }

    fn with_prefix(&self, prefix: &OsStr, limit: usize) -> Vec<OsString> {
        let mut found: Vec<OsString> = self
            .scans
            .iter()
            .flat_map(|scan| run_with_prefix(&scan.paths, prefix).iter().take(limit))
            .cloned()
            .collect();
        found.sort_unstable_by(|left, right| bytes(left).cmp(bytes(right)));
        // Scans overlap when one base is within another.
        found.dedup();
        found.truncate(limit);
        found
    }
}

// Derived, it would ask the same of `K`.
impl<K> Default for Cache<K> {
    fn default() -> Self {
        Self { scans: Vec::new() }
    }
}

fn is_fresh(at: Instant, ttl: Duration, now: Instant) -> bool {
    now.saturating_duration_since(at) < ttl
}

fn sorted(mut paths: Vec<OsString>) -> Arc<[OsString]> {
    paths.sort_unstable_by(|left, right| bytes(left).cmp(bytes(right)));
    paths.into()
}

/// The run of `sorted` that begins with `prefix`.
fn run_with_prefix<'a>(sorted: &'a [OsString], prefix: &OsStr) -> &'a [OsString] {
    let prefix = bytes(prefix);
    let from = sorted.partition_point(|path| bytes(path) < prefix);
    let length = sorted[from..].partition_point(|path| bytes(path).starts_with(prefix));
    &sorted[from..from + length]
}

/// The order of paths here: also for names that are no Unicode, and on every platform the same.
fn bytes(path: &OsStr) -> &[u8] {
    path.as_encoded_bytes()
}

#[cfg(test)]
mod tests;
