//! Bytes that are written once and read once, in memory or in a file without a name.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};

/// No process counts to the same number twice.
static COUNTER: AtomicU64 = AtomicU64::new(0);

/// Takes the segments of a build.
#[derive(Debug)]
pub(crate) enum Spill {
    Memory,
    File { file: Arc<File>, path: PathBuf, length: u64 },
}

/// What was written at one time, in the order in which it was written.
#[derive(Debug)]
pub(crate) struct Segment {
    source: Source,
    /// What was read and not yet taken: `buffer[at..]`.
    buffer: Vec<u8>,
    at: usize,
}

#[derive(Debug)]
enum Source {
    /// All of it is in the buffer.
    Memory,
    File {
        file: Arc<File>,
        path: PathBuf,
        next: u64,
        end: u64,
        step: usize,
    },
}

impl Spill {
    /// A file in the directory of `beside`. It has no name, or loses it with its last handle: a killed build leaves nothing.
    pub(crate) fn beside(beside: &Path) -> Result<Self> {
        loop {
            let path = beside.with_file_name(format!("{}{}.spill", prefix(), COUNTER.fetch_add(1, Ordering::Relaxed)));
            match open_nameless(&path) {
                Ok(file) => return Ok(Self::File { file: Arc::new(file), path, length: 0 }),
                // Left by a process that had our process id, and was killed before the name was gone.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(Error::write(&path, source)),
            }
        }
    }

    /// Takes `bytes`, which are to be read a `step` at a time.
    pub(crate) fn segment(&mut self, bytes: Vec<u8>, step: usize) -> Result<Segment> {
        match self {
            Self::Memory => Ok(Segment { source: Source::Memory, buffer: bytes, at: 0 }),
            Self::File { file, path, length } => {
                (&**file).write_all(&bytes).map_err(|source| Error::write(path, source))?;
                let next = *length;
                *length += bytes.len() as u64;
                let source = Source::File { file: Arc::clone(file), path: path.clone(), next, end: *length, step };
                Ok(Segment { source, buffer: Vec::new(), at: 0 })
            }
        }
    }
}

impl Segment {
    /// What comes next: at least `wanted` bytes, unless fewer are left.
    #[inline]
    pub(crate) fn peek(&mut self, wanted: usize) -> Result<&[u8]> {
        if self.buffer.len() - self.at < wanted {
            self.read(wanted)?;
        }
        Ok(&self.buffer[self.at..])
    }

    /// Passes over bytes that were peeked at.
    #[inline]
    pub(crate) fn take(&mut self, bytes: usize) {
        self.at += bytes;
    }

    fn read(&mut self, wanted: usize) -> Result<()> {
        let Source::File { file, path, next, end, step } = &mut self.source else { return Ok(()) };
        self.buffer.drain(..self.at);
        self.at = 0;
        let have = self.buffer.len();
        let more = wanted.max(*step).saturating_sub(have).min((*end - *next) as usize);
        self.buffer.resize(have + more, 0);
        read_exact_at(file, &mut self.buffer[have..], *next).map_err(|source| Error::io(path, source))?;
        *next += more as u64;
        Ok(())
    }
}

/// What the names of this process's files begin with.
fn prefix() -> String {
    format!(".maouidx.{}.", process::id())
}

#[cfg(unix)]
fn open_nameless(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).append(true).create_new(true).open(path)?;
    std::fs::remove_file(path)?;
    Ok(file)
}

#[cfg(windows)]
fn open_nameless(path: &Path) -> io::Result<File> {
    use std::os::windows::fs::OpenOptionsExt;
    const FILE_FLAG_DELETE_ON_CLOSE: u32 = 0x0400_0000;
    OpenOptions::new().read(true).append(true).create_new(true).custom_flags(FILE_FLAG_DELETE_ON_CLOSE).open(path)
}

#[cfg(unix)]
fn read_exact_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, at)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut buffer: &mut [u8], mut at: u64) -> io::Result<()> {
    use std::os::windows::fs::FileExt;
    while !buffer.is_empty() {
        match file.seek_read(buffer, at)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                buffer = &mut buffer[read..];
                at += read as u64;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_name_that_is_taken_is_passed_over() {
        let directory = tempfile::tempdir().unwrap();
        // Other tests count as well, but not as far.
        let next = COUNTER.load(Ordering::Relaxed);
        let taken: Vec<_> = (next..next + 100).map(|counter| format!("{}{counter}.spill", prefix())).collect();
        taken.iter().for_each(|name| fs::write(directory.path().join(name), b"left").unwrap());

        Spill::beside(&directory.path().join("a.maouidx")).unwrap();

        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 100);
    }

    #[test]
    fn segments_come_back_from_memory_and_from_a_file_that_has_no_name() {
        let directory = tempfile::tempdir().unwrap();
        let beside = directory.path().join("a.maouidx");
        for mut spill in [Spill::Memory, Spill::beside(&beside).unwrap()] {
            let mut first = spill.segment((0..200).collect(), 7).unwrap();
            let mut second = spill.segment(vec![9; 5], 7).unwrap();
            let mut read = Vec::new();
            while let Some(byte) = first.peek(3).unwrap().first().copied() {
                read.push(byte);
                first.take(1);
            }
            assert_eq!(read, (0..200).collect::<Vec<u8>>());
            assert_eq!(second.peek(5).unwrap(), [9; 5]);
            assert_eq!(second.peek(50).unwrap().len(), 5);
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
