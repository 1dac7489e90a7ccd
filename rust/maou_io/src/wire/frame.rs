//! Finding and checking the messages of an Arrow IPC file, before Arrow's decoder sees them.
//!
//! The two layouts hold the same messages. A *stream* is a schema message, then dictionaries and batches, then an
//! optional end marker. A *file* is the magic, a stream, and a footer that repeats the schema and says where each
//! message is. Format: <https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc>.
//!
//! Each length in a message is held against the bytes there are, so that a damaged file is an error and not an allocation
//! failure, which would end the process.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use arrow_buffer::{Buffer, MutableBuffer};
use arrow_ipc::{Message, MessageHeader};

use super::mapping;
use super::message::limits;
use super::realign::realign;
use crate::error::{Error, Result};
use crate::regular::open_regular;

/// What precedes a message's length since Arrow 0.15. Before, there was the length alone.
const CONTINUATION: [u8; 4] = [0xff; 4];

/// An open file and the bytes it has. Reads past the end are errors that name the file.
#[derive(Debug)]
pub(crate) struct Source {
    path: PathBuf,
    file: File,
    len: u64,
    /// All of it, where it is read without a copy.
    mapping: Option<Buffer>,
}

/// One message, without its body.
#[derive(Debug)]
pub(crate) struct Frame {
    offset: u64,
    /// Bytes from `offset` to the body: prefix, flatbuffer, padding.
    header_len: usize,
    body_len: usize,
    kind: MessageHeader,
    flatbuffer: Vec<u8>,
}

impl Source {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = open_regular(path)?;
        // Of the open file: what has the name may be replaced meanwhile.
        let len = file.metadata().map_err(|error| Error::io("read", path, error))?.len();
        Ok(Self { path: path.to_owned(), file, len, mapping: None })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Length of the file, in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Maps the file into memory: from now on it is read where it is.
    pub(crate) fn map(&mut self) -> Result<()> {
        let mapping = mapping::map(&self.file).map_err(|error| Error::io("map into memory", &self.path, error))?;
        if mapping.len() as u64 != self.len {
            return Err(self.refuse("it is being written to: wait until it is whole"));
        }
        self.mapping = Some(mapping);
        Ok(())
    }

    /// `len` bytes from `offset` on where they are, if the file is mapped.
    pub(crate) fn mapped(&self, offset: u64, len: usize) -> Result<Option<Buffer>> {
        let Some(mapping) = &self.mapping else { return Ok(None) };
        self.check(offset, len)?;
        // In memory: far below 2^63.
        Ok(Some(mapping.slice_with_length(offset as usize, len)))
    }

    /// As [`Source::mapped`], borrowed.
    pub(crate) fn mapped_bytes(&self, offset: u64, len: usize) -> Result<Option<&[u8]>> {
        let Some(mapping) = &self.mapping else { return Ok(None) };
        self.check(offset, len)?;
        Ok(Some(&mapping[offset as usize..][..len]))
    }

    /// `len` bytes from `offset` on.
    pub(crate) fn read(&self, offset: u64, len: usize) -> Result<Buffer> {
        if let Some(bytes) = self.mapped(offset, len)? {
            return Ok(bytes);
        }
        self.check(offset, len)?;
        let mut bytes = MutableBuffer::try_from_len_zeroed(len)
            .map_err(|error| self.bad(format!("cannot read {len} bytes at once: {error}")))?;
        self.read_exact_at(&mut bytes, offset)?;
        Ok(bytes.into())
    }

    /// Fills `bytes` with those from `offset` on.
    pub(crate) fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> Result<()> {
        if let Some(mapped) = self.mapped_bytes(offset, bytes.len())? {
            bytes.copy_from_slice(mapped);
            return Ok(());
        }
        self.check(offset, bytes.len())?;
        read_at(&self.file, bytes, offset).map_err(|error| Error::io("read", &self.path, error))
    }

    fn check(&self, offset: u64, len: usize) -> Result<()> {
        if offset.checked_add(len as u64).is_none_or(|end| end > self.len) {
            return Err(self
                .bad(format!("it is truncated: {len} bytes expected at {offset}, and the file ends at {}", self.len)));
        }
        Ok(())
    }

    /// The message at `offset`; nothing at the end of the file or at an end marker.
    pub(crate) fn frame(&self, offset: u64) -> Result<Option<Frame>> {
        if offset == self.len {
            // Streams may end without a marker.
            return Ok(None);
        }
        let start = self.read(offset, 4)?;
        let (prefix_len, length) =
            if start.as_slice() == CONTINUATION { (8, self.read(offset + 4, 4)?) } else { (4, start) };
        let flatbuffer_len = i32::from_le_bytes([length[0], length[1], length[2], length[3]]);
        match usize::try_from(flatbuffer_len) {
            Ok(0) => Ok(None),
            Ok(len) => self.framed(offset, prefix_len, len).map(Some),
            Err(_) => Err(self.bad(format!("the message at byte {offset} has the length {flatbuffer_len}"))),
        }
    }

    /// An error about something in this file.
    pub(crate) fn bad(&self, problem: impl std::fmt::Display) -> Error {
        self.refuse(format!("cannot read it as Arrow IPC: {problem}"))
    }

    /// An error about this file as a whole.
    pub(crate) fn refuse(&self, problem: impl Into<String>) -> Error {
        Error::data(&self.path, problem)
    }

    fn framed(&self, offset: u64, prefix_len: usize, len: usize) -> Result<Frame> {
        let header_len = prefix_len + len;
        let flatbuffer = self.read(offset + prefix_len as u64, len)?.to_vec();
        let mut frame = Frame { offset, header_len, body_len: 0, kind: MessageHeader::NONE, flatbuffer };
        if frame.message(&self.path).is_err()
            && let Some(flatbuffer) = realign(&frame.flatbuffer)
        {
            frame.flatbuffer = flatbuffer;
        }
        let message = frame.message(&self.path)?;
        let (kind, body_len) = (message.header_type(), message.bodyLength());
        let end = offset + header_len as u64;
        frame.kind = kind;
        frame.body_len = usize::try_from(body_len)
            .ok()
            .filter(|body_len| end.checked_add(*body_len as u64).is_some_and(|end| end <= self.len))
            .ok_or_else(|| {
                self.bad(format!(
                    "it is truncated or damaged: the message at byte {offset} announces {body_len} bytes after byte {end}, and the file ends at {}",
                    self.len
                ))
            })?;
        Ok(frame)
    }
}

impl Frame {
    pub(crate) fn kind(&self) -> MessageHeader {
        self.kind
    }

    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    pub(crate) fn body_offset(&self) -> u64 {
        self.offset + self.header_len as u64
    }

    /// Bytes of the body: they are in the file.
    pub(crate) fn body_len(&self) -> usize {
        self.body_len
    }

    /// Where the next message starts.
    pub(crate) fn end(&self) -> u64 {
        self.offset + (self.header_len + self.body_len) as u64
    }

    /// The message's metadata, verified. `path` is for the error.
    pub(crate) fn message(&self, path: &Path) -> Result<Message<'_>> {
        arrow_ipc::root_as_message_with_opts(&limits(&self.flatbuffer), &self.flatbuffer).map_err(|error| {
            let offset = self.offset;
            Error::data(path, format!("cannot read it as Arrow IPC: no message at byte {offset}: {error}"))
        })
    }

    /// Rows of a batch message. The number is not read from the body.
    pub(crate) fn rows(&self, path: &Path) -> Result<u64> {
        let rows = self.message(path)?.header_as_record_batch().map_or(0, |batch| batch.length());
        u64::try_from(rows)
            .map_err(|_| Error::data(path, format!("cannot read it as Arrow IPC: a batch of {rows} rows")))
    }
}

#[cfg(unix)]
fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

#[cfg(windows)]
fn read_at(file: &File, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, bytes, offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                bytes = &mut bytes[count..];
                offset += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::thread;

    use super::*;

    #[test]
    fn the_length_is_that_of_the_file_that_was_opened() {
        let directory = tempfile::tempdir().unwrap();
        let [path, next] = ["path", "next"].map(|name| directory.path().join(name));
        fs::write(&path, b"").unwrap();
        thread::scope(|scope| {
            let replacing = scope.spawn(|| {
                for number in 0..2000 {
                    fs::write(&next, vec![0; number % 2 * 1000]).unwrap();
                    fs::rename(&next, &path).unwrap();
                }
            });
            while !replacing.is_finished() {
                let source = Source::open(&path).unwrap();
                assert_eq!(source.len(), source.file.metadata().unwrap().len());
            }
        });
    }
}
