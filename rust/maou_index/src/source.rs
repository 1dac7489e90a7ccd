//! The files of an index, and whether they are still those that it was made of.

use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use xxhash_rust::xxh3::xxh3_64;

use crate::error::{Error, Result};
use crate::regular;

/// Bytes at the end of a file that tell it from another. The footer of a file that maou has written is there, and with it
/// the checksums of everything in front.
const TAIL: u64 = 4096;

/// A file that was indexed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SourceFile {
    /// As it was given.
    pub(crate) path: PathBuf,
    pub(crate) rows: u64,
    pub(crate) fingerprint: Fingerprint,
}

/// What changes when a file does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    /// Bytes.
    pub(crate) size: u64,
    /// When it was written last: nanoseconds since 1970, as far as the file system has them.
    pub(crate) modified: u64,
    /// XXH3 of its last bytes.
    pub(crate) tail: u64,
}

/// What has to be done for an index of some files to become one of others.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// They are the same.
    Reuse,
    /// The old ones are there, unchanged, in their order. For each new file: its place among the old ones, where it has one.
    Extend(Vec<Option<usize>>),
    Rebuild,
}

impl Fingerprint {
    /// Of the file at `path`.
    pub(crate) fn of(path: &Path) -> Result<Self> {
        let io = |source| Error::io(path, source);
        let mut file = regular::open(path, Error::data)?;
        let metadata = file.metadata().map_err(io)?;
        let since = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        file.seek(SeekFrom::Start(metadata.len().saturating_sub(TAIL))).map_err(io)?;
        let mut tail = Vec::new();
        file.take(TAIL).read_to_end(&mut tail).map_err(io)?;
        Ok(Self {
            size: metadata.len(),
            modified: since.map_or(0, |since| since.as_nanos() as u64),
            tail: xxh3_64(&tail),
        })
    }
}

impl Plan {
    /// From `old` to the files at `paths`, which have these `fingerprints`.
    pub(crate) fn new(old: &[SourceFile], paths: &[PathBuf], fingerprints: &[Fingerprint]) -> Self {
        let mut left = old.iter().enumerate().peekable();
        let place = |(path, fingerprint): (&PathBuf, &Fingerprint)| {
            left.next_if(|(_, old)| old.path == *path && old.fingerprint == *fingerprint).map(|(place, _)| place)
        };
        let places: Vec<Option<usize>> = paths.iter().zip(fingerprints).map(place).collect();
        if left.peek().is_some() {
            // One is gone, changed, or elsewhere in the order.
            Self::Rebuild
        } else if places.iter().all(Option::is_some) {
            Self::Reuse
        } else {
            Self::Extend(places)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;

    #[test]
    fn old_files_have_to_be_there_in_their_order() {
        let print = |tail| Fingerprint { size: 1, modified: 2, tail };
        let old = [("a", 1), ("b", 2)].map(|(path, tail)| SourceFile {
            path: PathBuf::from(path),
            rows: 5,
            fingerprint: print(tail),
        });
        let plan = |new: &[(&str, u64)]| {
            let paths: Vec<PathBuf> = new.iter().map(|(path, _)| PathBuf::from(path)).collect();
            let prints: Vec<Fingerprint> = new.iter().map(|(_, tail)| print(*tail)).collect();
            Plan::new(&old, &paths, &prints)
        };
        assert_eq!(plan(&[("a", 1), ("b", 2)]), Plan::Reuse);
        assert_eq!(plan(&[("a", 1), ("c", 3), ("b", 2), ("d", 4)]), Plan::Extend(vec![Some(0), None, Some(1), None]));
        assert_eq!(plan(&[("a", 1)]), Plan::Rebuild, "one is gone");
        assert_eq!(plan(&[("a", 1), ("b", 3)]), Plan::Rebuild, "one has changed");
        assert_eq!(plan(&[("b", 2), ("a", 1)]), Plan::Rebuild, "another order");
        assert_eq!(plan(&[("a", 1), ("a", 1), ("b", 2)]), Plan::Extend(vec![Some(0), None, Some(1)]), "one came twice");
    }

    #[test]
    fn a_changed_file_has_another_fingerprint() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        fs::write(&path, [1; 9000]).unwrap();
        let before = Fingerprint::of(&path).unwrap();
        assert_eq!(Fingerprint::of(&path).unwrap(), before);
        let time = fs::metadata(&path).unwrap().modified().unwrap();
        let mut bytes = vec![1; 9000];
        bytes[8999] = 2;
        fs::write(&path, bytes).unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        let after = Fingerprint::of(&path).unwrap();
        assert_eq!((after.size, after.modified), (before.size, before.modified));
        assert_ne!(after.tail, before.tail, "the time was set back, the last byte tells");
        assert!(Fingerprint::of(&directory.path().join("none")).is_err());
    }
}
