//! The files of an index, and whether they are still those that it was made of.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use xxhash_rust::xxh3::xxh3_64;

use crate::error::{Error, Result};

/// Bytes at the end of a file that tell it from another, at least.
const TAIL: u64 = 4096;
/// What an Arrow IPC *file* ends with: the length of its footer, 32 bits, and this.
const MAGIC: &[u8; 6] = b"ARROW1";
/// Of a longer footer both ends are read, half of it each: one of some hundred thousand batches.
const LONGEST_FOOTER: u64 = 16 << 20;

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
    /// XXH3 of its end. All of the footer is there, and with it, in a file that maou has written, the checksums of
    /// everything in front.
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
        let mut file = maou_io::open_regular(path).map_err(Error::read)?;
        let metadata = file.metadata().map_err(io)?;
        let since = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let mut end = Vec::new();
        for range in end_ranges(&mut file, metadata.len()).map_err(io)? {
            append(&mut file, range, &mut end).map_err(io)?;
        }
        Ok(Self {
            size: metadata.len(),
            modified: since.map_or(0, |since| since.as_nanos() as u64),
            tail: xxh3_64(&end),
        })
    }
}

/// The bytes at the end of a file of `size` bytes: with its footer if it has one.
fn end_ranges(file: &mut File, size: u64) -> io::Result<[Range<u64>; 2]> {
    let mut last = Vec::new();
    append(file, size.saturating_sub(4 + MAGIC.len() as u64)..size, &mut last)?;
    let footer = match last.split_first_chunk::<4>() {
        Some((length, magic)) if magic == MAGIC => u64::try_from(i32::from_le_bytes(*length)).unwrap_or(0),
        _ => 0,
    };
    let end = (footer + last.len() as u64).max(TAIL);
    Ok(match size.checked_sub(end) {
        Some(start) if end > LONGEST_FOOTER => [start..start + LONGEST_FOOTER / 2, size - LONGEST_FOOTER / 2..size],
        Some(start) => [start..size, size..size],
        // No footer, whatever its length says.
        None => [size.saturating_sub(TAIL)..size, size..size],
    })
}

/// The bytes of a range, as far as they are there.
fn append(file: &mut File, range: Range<u64>, bytes: &mut Vec<u8>) -> io::Result<()> {
    file.seek(SeekFrom::Start(range.start))?;
    file.take(range.end - range.start).read_to_end(bytes).map(drop)
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
    use std::fs;
    use std::sync::Arc;

    use arrow_array::{ArrayRef, RecordBatch, UInt64Array};

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

    /// The fingerprint of `content`, in a file whose time is always the same.
    fn of(content: &[u8]) -> Fingerprint {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        fs::write(&path, content).unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(UNIX_EPOCH).unwrap();
        Fingerprint::of(&path).unwrap()
    }

    #[test]
    fn a_changed_file_has_another_fingerprint() {
        for size in [0, 1, 9, 10, 4096, 9000] {
            let mut content = vec![1; size];
            let before = of(&content);
            assert_eq!(of(&content), before);
            if let Some(last) = content.last_mut() {
                *last = 2;
                let after = of(&content);
                assert_eq!((after.size, after.modified), (before.size, before.modified));
                assert_ne!(after.tail, before.tail, "the time is the same, the last byte tells");
            }
        }
        assert!(Fingerprint::of(Path::new("none")).is_err());
    }

    #[test]
    fn a_file_of_many_batches_is_another_when_one_of_them_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.feather");
        let batches = |changed: usize| -> Vec<RecordBatch> {
            let column = |batch| Arc::new(UInt64Array::from(vec![u64::from(batch == changed); 10])) as ArrayRef;
            (0..400).map(|batch| RecordBatch::try_from_iter([("id", column(batch))]).unwrap()).collect()
        };
        let options =
            maou_io::SaveOptions { compression: maou_io::Compression::None, ..maou_io::SaveOptions::default() };
        let saved = |changed| {
            maou_io::save_feather_batches_with(&batches(changed), &path, options).unwrap();
            of(&fs::read(&path).unwrap())
        };
        let before = saved(usize::MAX);
        for changed in [0, 200, 399] {
            let after = saved(changed);
            assert_eq!(after.size, before.size);
            assert_ne!(after.tail, before.tail, "batch {changed}");
        }
    }

    #[test]
    fn of_an_endless_footer_both_ends_are_looked_at_and_of_a_wrong_one_the_last_bytes() {
        let size = LONGEST_FOOTER as usize * 2;
        let file = |footer: i32| [&vec![0; size - 10][..], &footer.to_le_bytes(), MAGIC].concat();
        let is_seen = |footer: i32, at: usize| {
            let mut content = file(footer);
            content[at] ^= 1;
            of(&content) != of(&file(footer))
        };
        let footer = size as i32 - 10_000;
        assert!(is_seen(footer, size - 10 - footer as usize) && is_seen(footer, size - 11));
        assert!(!is_seen(footer, size - 11 - footer as usize) && !is_seen(footer, size / 2), "bounded");
        for footer in [-1, i32::MIN, i32::MAX, size as i32, 0, 1] {
            assert!(is_seen(footer, size - 4000) && !is_seen(footer, size - 5000), "{footer}");
        }
    }
}
