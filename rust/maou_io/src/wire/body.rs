//! The body of a batch message, decompressed.

use std::ops::Range;
use std::path::Path;

use arrow_buffer::Buffer;
use arrow_ipc::{Buffer as Place, CompressionType, Message, RecordBatch};
use arrow_schema::Schema;

use super::bytes::ByteStream;
use super::frame::{Frame, Source};
use super::inflate::{self, Encoding, Part};
use super::message::{record_batch, with_buffers};
use super::region::{ALIGNMENT, Region};
use super::rows::{ColumnStream, Parts};
use crate::error::{Error, Result};

/// What Arrow's decoder is given: an uncompressed body, and the metadata that describes it.
#[derive(Debug)]
pub(crate) struct Body {
    flatbuffer: Vec<u8>,
    pub(crate) data: Buffer,
}

/// One buffer of a body.
pub(super) struct Piece {
    /// In the file, behind what says its size.
    offset: u64,
    len: usize,
    encoding: Encoding,
    pub(super) size: usize,
    /// In the memory that it is read to.
    pub(super) at: usize,
}

/// What says how many bytes a compressed buffer has decompressed.
const PREFIX: usize = 8;
/// In place of a size: the buffer is stored as it is.
const STORED: i64 = -1;

impl Body {
    pub(crate) fn message(&self, path: &Path) -> Result<Message<'_>> {
        message(&self.flatbuffer, path)
    }
}

/// Where the buffers of a message are, and where they go.
pub(crate) struct Plan {
    flatbuffer: Vec<u8>,
    /// What is to be read.
    pieces: Vec<Piece>,
    /// Bytes of memory for all of them.
    size: usize,
    /// The body, where it can be used as it is.
    mapped: Option<Buffer>,
}

impl Plan {
    /// Looks up where the buffers of `frame` are, and how large they say that they are. Of those that are not `wanted`
    /// nothing is looked at, and they become empty.
    ///
    /// # Errors
    ///
    /// When a length is impossible.
    pub(crate) fn of(source: &Source, frame: &Frame, wanted: Option<&[bool]>) -> Result<Self> {
        let message = frame.message(source.path())?;
        let bad = |problem: String| source.bad(format!("the message at byte {}: {problem}", frame.offset()));
        let mut pieces = pieces(source, frame, wanted)?;
        let mut size = 0_usize;
        for piece in &mut pieces {
            piece.at = size.next_multiple_of(ALIGNMENT);
            let more = || bad("buffers of more bytes than there can be".to_owned());
            size = piece.at.checked_add(piece.size).ok_or_else(more)?;
        }
        let mapped = source.mapped(frame.body_offset(), frame.body_len())?;
        let mapped = mapped.filter(|_| pieces.iter().all(|piece| piece.encoding == Encoding::Plain));
        let place = |piece: &Piece| {
            // What is not wanted is nowhere.
            let in_place = piece.offset.saturating_sub(frame.body_offset());
            let at = if mapped.is_some() { in_place } else { piece.at as u64 };
            // Both are lengths in memory: far below 2^63.
            Place::new(at as i64, piece.size as i64)
        };
        let places: Vec<Place> = pieces.iter().map(place).collect();
        let len = mapped.as_ref().map_or(size, Buffer::len);
        let without = || bad("without a batch".to_owned());
        let flatbuffer = with_buffers(&message, &places, len, None).ok_or_else(without)?;
        if mapped.is_some() {
            (pieces, size) = (Vec::new(), 0);
        }
        Ok(Self { flatbuffer, pieces, size, mapped })
    }

    /// Of `pieces`, which lie one behind the other in `size` bytes, as `flatbuffer` has it.
    pub(super) fn laid_out(flatbuffer: Vec<u8>, pieces: Vec<Piece>, size: usize) -> Self {
        Self { flatbuffer, pieces, size, mapped: None }
    }

    /// Bytes of memory that the body takes: of an LZ4 file at most 255 times what it has, of a Zstandard file 32,768
    /// times, and none where it is used in its place.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// The columns of the batch, to be read some rows at a time. Their types must be readable.
    pub(crate) fn columns(&self, source: &Source, schema: &Schema) -> Result<Vec<ColumnStream>> {
        let buffers =
            self.pieces.iter().map(|piece| ByteStream::new(piece.offset, piece.len, piece.encoding, piece.size));
        let message = message(&self.flatbuffer, source.path())?;
        let batch = record_batch(&message).ok_or_else(|| source.bad("a batch message without a batch"))?;
        let mut parts = Parts::new(&batch, buffers.collect());
        let columns = schema.fields().iter().map(|field| ColumnStream::new(field, &mut parts));
        columns.collect::<Result<_, String>>().map_err(|problem| source.bad(problem))
    }
}

/// Reads one message's body, as [`load_all`].
pub(crate) fn load(source: &Source, plan: Plan) -> Result<Body> {
    let mut bodies = load_all(source, vec![plan])?;
    bodies.pop().ok_or_else(|| source.bad("no message to read"))
}

/// Reads the bodies of several messages at once, on as many threads as are worth it.
///
/// # Errors
///
/// When there is no memory, or the bytes cannot be read or do not decompress.
pub(crate) fn load_all(source: &Source, plans: Vec<Plan>) -> Result<Vec<Body>> {
    let mut regions = Vec::with_capacity(plans.len());
    for plan in &plans {
        let failed = |error| source.bad(format!("no memory for {} bytes: {error}", plan.size));
        regions.push(Region::new(plan.size).map_err(failed)?);
    }
    let parts = plans.iter().zip(&mut regions).flat_map(|(plan, region)| parts(&plan.pieces, region.bytes_mut()));
    inflate::fill(source, parts.collect())?;
    let bodies = plans.into_iter().zip(regions);
    Ok(bodies
        .map(|(plan, region)| {
            let data = plan.mapped.unwrap_or_else(|| region.into_buffer());
            Body { flatbuffer: plan.flatbuffer, data }
        })
        .collect())
}

/// The buffers of `frame`, in no place yet. Those that are not `wanted` are empty.
pub(super) fn pieces(source: &Source, frame: &Frame, wanted: Option<&[bool]>) -> Result<Vec<Piece>> {
    let message = frame.message(source.path())?;
    let bad = |problem: String| source.bad(format!("the message at byte {}: {problem}", frame.offset()));
    let batch = checked(source, frame, &message)?;
    let codec = batch.compression().map(|compression| compression.codec());
    let piece = |(index, place): (usize, &Place)| {
        if wanted.is_none_or(|wanted| wanted.get(index) == Some(&true)) {
            piece(source, frame, place, codec).map_err(|error| error.map_problem(bad))
        } else {
            Ok(Piece { offset: 0, len: 0, encoding: Encoding::Plain, size: 0, at: 0 })
        }
    };
    batch.buffers().into_iter().flatten().enumerate().map(piece).collect()
}

/// The batch in `message`, which is that of `frame`: what it says has been held against the body.
pub(super) fn checked<'a>(source: &Source, frame: &Frame, message: &Message<'a>) -> Result<RecordBatch<'a>> {
    let bad = |problem: String| source.bad(format!("the message at byte {}: {problem}", frame.offset()));
    let Some(batch) = record_batch(message) else {
        return Err(bad(format!("of kind {:?} where batches were expected", frame.kind())));
    };
    check_batch(&batch, frame.body_len()).map_err(bad)?;
    Ok(batch)
}

/// Where the buffers of `frame` say how large they are, as far as they are compressed.
pub(crate) fn prefixes(source: &Source, frame: &Frame) -> Result<Vec<Range<u64>>> {
    let message = frame.message(source.path())?;
    let batch = checked(source, frame, &message)?;
    if batch.compression().is_none() {
        return Ok(Vec::new());
    }
    let range = |place: &Place| {
        // Both are not negative, and within the body: `check_batch` has seen them.
        let start = frame.body_offset() + place.offset() as u64;
        start..start + (place.length() as u64).min(PREFIX as u64)
    };
    let places = batch.buffers().into_iter().flatten().filter(|place| place.length() > 0);
    Ok(places.map(range).collect())
}

fn message<'a>(flatbuffer: &'a [u8], path: &Path) -> Result<Message<'a>> {
    arrow_ipc::root_as_message(flatbuffer)
        .map_err(|error| Error::data(path, format!("cannot read it as Arrow IPC: {error}")))
}

/// Each piece with its own part of `memory`.
fn parts<'a>(pieces: &[Piece], mut memory: &'a mut [u8]) -> Vec<Part<'a>> {
    let mut parts = Vec::with_capacity(pieces.len());
    let mut start = 0;
    for piece in pieces {
        let (_, rest) = memory.split_at_mut(piece.at - start);
        let (target, rest) = rest.split_at_mut(piece.size);
        memory = rest;
        start = piece.at + piece.size;
        if !target.is_empty() {
            parts.push(Part { offset: piece.offset, len: piece.len, encoding: piece.encoding, target });
        }
    }
    parts
}

/// Why a buffer cannot be read: the file's fault, or the system's.
enum Failed {
    Problem(String),
    Error(Error),
}

impl Failed {
    fn map_problem(self, bad: impl Fn(String) -> Error) -> Error {
        match self {
            Self::Problem(problem) => bad(problem),
            Self::Error(error) => error,
        }
    }
}

/// Where a buffer is, which has been held against the body, and how large it says that it is.
fn piece(source: &Source, frame: &Frame, place: &Place, codec: Option<CompressionType>) -> Result<Piece, Failed> {
    // Both are not negative: `check_batch` has seen them.
    let (offset, len) = (frame.body_offset() + place.offset() as u64, place.length() as usize);
    let plain = |skipped: usize| Piece {
        offset: offset + skipped as u64,
        len: len - skipped,
        encoding: Encoding::Plain,
        size: len - skipped,
        at: 0,
    };
    let Some(codec) = codec.filter(|_| len > 0) else { return Ok(plain(0)) };
    if len < PREFIX {
        return Err(Failed::Problem(format!("a compressed buffer of {len} bytes, which cannot say its size")));
    }
    let mut prefix = [0; PREFIX];
    source.read_exact_at(&mut prefix, offset).map_err(Failed::Error)?;
    let announced = i64::from_le_bytes(prefix);
    if announced == STORED {
        return Ok(plain(PREFIX));
    }
    let encoding = match codec {
        CompressionType::LZ4_FRAME => Encoding::Lz4,
        CompressionType::ZSTD => Encoding::Zstd,
        other => return Err(Failed::Problem(format!("a compression {other:?} that we do not know"))),
    };
    let size = check_size(announced, len - PREFIX, encoding).map_err(Failed::Problem)?;
    Ok(Piece { size, encoding, ..plain(PREFIX) })
}

/// Holds the size that a compressed buffer announces against what its codec could make of its bytes.
fn check_size(announced: i64, compressed: usize, encoding: Encoding) -> Result<usize, String> {
    // Each byte of an LZ4 sequence's length adds 255 bytes. The smallest Zstandard block takes 4 bytes, and no block
    // holds more than 128 KiB.
    let ratio = if encoding == Encoding::Lz4 { 255 } else { 32 << 10 };
    match usize::try_from(announced) {
        Ok(size) if size <= compressed.saturating_mul(ratio) => Ok(size),
        Ok(size) => Err(format!("{compressed} compressed bytes that announce {size}")),
        Err(_) => Err(format!("a compressed buffer that announces {announced} bytes")),
    }
}

fn check_batch(batch: &RecordBatch<'_>, body_len: usize) -> Result<(), String> {
    if batch.length() < 0 {
        return Err(format!("a batch of {} rows", batch.length()));
    }
    for node in batch.nodes().iter().flatten() {
        if node.length() < 0 || node.null_count() < 0 || node.null_count() > node.length() {
            return Err(format!("a column of {} values, {} of them null", node.length(), node.null_count()));
        }
    }
    let mut sum = 0_usize;
    for buffer in batch.buffers().iter().flatten() {
        let end = usize::try_from(buffer.offset())
            .ok()
            .zip(usize::try_from(buffer.length()).ok())
            .and_then(|(offset, length)| offset.checked_add(length));
        if end.is_none_or(|end| end > body_len) {
            let (length, offset) = (buffer.length(), buffer.offset());
            return Err(format!("a buffer of {length} bytes at {offset} in a body of {body_len}"));
        }
        sum = sum.saturating_add(buffer.length() as usize);
    }
    // Else a small file could ask for its bytes again and again.
    if sum > body_len { Err(format!("buffers of {sum} bytes in a body of {body_len}")) } else { Ok(()) }
}
