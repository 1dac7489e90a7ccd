//! Finding and checking the messages of an Arrow IPC file, before Arrow's decoder sees them.
//!
//! The two layouts hold the same messages. A *stream* is a schema message, then dictionaries and batches, then an
//! optional end marker. A *file* is the magic, a stream, and a footer that repeats the schema and says where each
//! message is. Format: <https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc>.
//!
//! The decoder allocates what a file says that it needs. Here each such length is held against the bytes there are, so
//! that a damaged file is an error and not an allocation failure, which would end the process.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use arrow_buffer::{Buffer, MutableBuffer};
use arrow_ipc::{BodyCompression, CompressionType, Message, MessageHeader, RecordBatch};

use crate::error::{Error, Result};
use crate::realign::realign;

/// What precedes a message's length since Arrow 0.15. Before, there was the length alone.
const CONTINUATION: [u8; 4] = [0xff; 4];

/// An open file and the bytes it has. Reads past the end are errors that name the file.
#[derive(Debug)]
pub(crate) struct Source {
    path: PathBuf,
    file: File,
    len: u64,
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
        let failed = |error| Error::io("read", path, error);
        // Before opening, which on a named pipe would wait for a writer.
        let metadata = fs::metadata(path).map_err(failed)?;
        if metadata.is_dir() {
            return Err(failed(io::ErrorKind::IsADirectory.into()));
        }
        if !metadata.is_file() {
            return Err(Error::data(path, "it is no regular file"));
        }
        let file = File::open(path).map_err(failed)?;
        Ok(Self { path: path.to_owned(), file, len: metadata.len() })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Length of the file, in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// `len` bytes from `offset` on.
    pub(crate) fn read(&mut self, offset: u64, len: usize) -> Result<Buffer> {
        if offset.checked_add(len as u64).is_none_or(|end| end > self.len) {
            return Err(self
                .bad(format!("it is truncated: {len} bytes expected at {offset}, and the file ends at {}", self.len)));
        }
        let mut bytes = MutableBuffer::try_from_len_zeroed(len)
            .map_err(|error| self.bad(format!("cannot read {len} bytes at once: {error}")))?;
        self.file
            .seek(SeekFrom::Start(offset))
            .and_then(|_| self.file.read_exact(&mut bytes))
            .map_err(|error| Error::io("read", &self.path, error))?;
        Ok(bytes.into())
    }

    /// The message at `offset`; nothing at the end of the file or at an end marker.
    pub(crate) fn frame(&mut self, offset: u64) -> Result<Option<Frame>> {
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

    /// The body of a message, every length in it checked.
    pub(crate) fn body(&mut self, frame: &Frame) -> Result<Buffer> {
        let body = self.read(frame.offset + frame.header_len as u64, frame.body_len)?;
        if let Some(batch) = record_batch(&frame.message(&self.path)?) {
            check_batch(batch, &body)
                .map_err(|problem| self.bad(format!("the message at byte {}: {problem}", frame.offset)))?;
        }
        Ok(body)
    }

    /// An error about something in this file.
    pub(crate) fn bad(&self, problem: impl std::fmt::Display) -> Error {
        self.refuse(format!("cannot read it as Arrow IPC: {problem}"))
    }

    /// An error about this file as a whole.
    pub(crate) fn refuse(&self, problem: impl Into<String>) -> Error {
        Error::data(&self.path, problem)
    }

    fn framed(&mut self, offset: u64, prefix_len: usize, len: usize) -> Result<Frame> {
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

    /// Where the next message starts.
    pub(crate) fn end(&self) -> u64 {
        self.offset + (self.header_len + self.body_len) as u64
    }

    /// The message's metadata, verified. `path` is for the error.
    pub(crate) fn message(&self, path: &Path) -> Result<Message<'_>> {
        arrow_ipc::root_as_message(&self.flatbuffer).map_err(|error| {
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

/// The batch in a batch message, or the values in a dictionary message.
fn record_batch<'a>(message: &Message<'a>) -> Option<RecordBatch<'a>> {
    message
        .header_as_record_batch()
        .or_else(|| message.header_as_dictionary_batch().and_then(|dictionary| dictionary.data()))
}

fn check_batch(batch: RecordBatch<'_>, body: &[u8]) -> Result<(), String> {
    if batch.length() < 0 {
        return Err(format!("a batch of {} rows", batch.length()));
    }
    for node in batch.nodes().iter().flatten() {
        if node.length() < 0 || node.null_count() < 0 || node.null_count() > node.length() {
            return Err(format!("a column of {} values, {} of them null", node.length(), node.null_count()));
        }
    }
    for buffer in batch.buffers().iter().flatten() {
        let bytes = usize::try_from(buffer.offset())
            .ok()
            .zip(usize::try_from(buffer.length()).ok())
            .and_then(|(offset, length)| body.get(offset..offset.checked_add(length)?))
            .ok_or_else(|| {
                format!("a buffer of {} bytes at {} in a body of {}", buffer.length(), buffer.offset(), body.len())
            })?;
        check_compression(batch.compression(), bytes)?;
    }
    Ok(())
}

/// Holds the size that a compressed buffer announces against what its codec could make of its bytes.
fn check_compression(compression: Option<BodyCompression<'_>>, bytes: &[u8]) -> Result<(), String> {
    let Some(compression) = compression else {
        return Ok(());
    };
    let Some((announced, compressed)) = bytes.split_first_chunk::<8>() else {
        return Ok(());
    };
    let announced = i64::from_le_bytes(*announced);
    // Each byte of an LZ4 sequence's length adds 255 bytes. The smallest Zstandard block takes 4 bytes, and no block
    // holds more than 128 KiB.
    let ratio = if compression.codec() == CompressionType::LZ4_FRAME { 255 } else { 32 << 10 };
    let most = compressed.len().saturating_mul(ratio);
    match usize::try_from(announced) {
        Ok(size) if size <= most => check_memory(size),
        Ok(size) => Err(format!("{} compressed bytes that announce {size}", compressed.len())),
        // -1: stored as it is.
        Err(_) if announced == -1 => Ok(()),
        Err(_) => Err(format!("a compressed buffer that announces {announced} bytes")),
    }
}

/// Asks for the memory and gives it back, because the decompressor aborts the process when it does not get it.
fn check_memory(size: usize) -> Result<(), String> {
    Vec::<u8>::new()
        .try_reserve_exact(size)
        .map_err(|error| format!("no memory for {size} decompressed bytes: {error}"))
}
