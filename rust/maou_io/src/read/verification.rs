//! Messages held against the checksums in the footer.

use std::collections::{BTreeMap, HashMap};

use arrow_ipc::MessageHeader;

use super::open::{Place, footer, message_schema};
use super::{BatchReader, Cursor, frame_at};
use crate::error::{Error, Result};
use crate::threads;
use crate::wire::{Checksums, Frame, Hasher, Source};

/// What the footer says of a file's messages, by the place where each begins.
#[derive(Debug)]
pub(super) struct Verification {
    hashes: BTreeMap<u64, u64>,
    /// Of metadata and body.
    lengths: HashMap<u64, (i64, i64)>,
}

/// Where the first message is: behind the magic.
const FIRST: u64 = 8;
/// Bytes that are hashed at a time.
const CHUNK: usize = 1 << 20;

impl Verification {
    /// Of the file that `reader` reads; nothing where it has no checksums. The schema has been verified.
    pub(super) fn of(reader: &BatchReader) -> Result<Option<Self>> {
        if matches!(reader.cursor, Cursor::Stream { .. }) {
            return Ok(None);
        }
        let source = &reader.source;
        let footer = footer(source)?;
        let Some(checksums) = footer.checksums else { return Ok(None) };
        let Some(checksums) = Checksums::parse(&checksums) else {
            return Err(damaged(source, "the checksums in its footer cannot be read"));
        };
        let mut offsets: Vec<u64> =
            footer.dictionaries.into_iter().chain(footer.batches).map(|place| place.start).collect();
        // As they stand in the file.
        offsets.sort_unstable();
        let first = Place { start: FIRST, end: offsets.first().copied().unwrap_or(u64::MAX) };
        offsets.insert(0, FIRST);
        if offsets.len() != checksums.as_slice().len() {
            let (there, found) = (checksums.as_slice().len(), offsets.len());
            return Err(source.bad(format!("its footer has {there} checksums for {found} messages")));
        }
        let hashes = offsets.into_iter().zip(checksums.as_slice().iter().copied()).collect();
        let verification = Self { hashes, lengths: footer.lengths };
        let first = frame_at(source, first)?;
        verification.hold_one(source, &first)?;
        if first.kind() != MessageHeader::Schema || message_schema(source, &first)? != reader.schema {
            return Err(damaged(source, "its footer has another schema than its first message"));
        }
        Ok(Some(verification))
    }

    /// Holds each of `frames` against what it has to be, side by side.
    pub(super) fn hold(&self, source: &Source, frames: &[Frame]) -> Result<()> {
        let bytes = frames.iter().map(Frame::body_len).sum();
        let threads = threads::worth(bytes, frames.len());
        threads::for_each(frames.iter().collect(), threads, || (), |(), frame| self.hold_one(source, frame))
    }

    fn hold_one(&self, source: &Source, frame: &Frame) -> Result<()> {
        let (start, end) = (frame.offset(), frame.end());
        // Both are below the length of the file.
        let lengths = ((frame.body_offset() - start) as i64, frame.body_len() as i64);
        if self.lengths.get(&start).is_some_and(|said| *said != lengths) {
            return Err(damaged(source, &format!("its footer has other lengths for the message at byte {start}")));
        }
        if self.hashes.get(&start) == Some(&hash(source, frame)?) {
            return Ok(());
        }
        Err(damaged(source, &format!("bytes {start} to {end} are not those that were written")))
    }
}

fn hash(source: &Source, frame: &Frame) -> Result<u64> {
    let mut hasher = Hasher::default();
    let mut buffer = Vec::new();
    let (mut at, end) = (frame.body_offset(), frame.end());
    while at < end {
        let len = usize::try_from(end - at).map_or(CHUNK, |left| left.min(CHUNK));
        match source.mapped_bytes(at, len)? {
            Some(bytes) => hasher.update(bytes),
            None => {
                buffer.resize(len, 0);
                source.read_exact_at(&mut buffer, at)?;
                hasher.update(&buffer);
            }
        }
        at += len as u64;
    }
    // Metadata is at most 2 GiB, and in the file: its length was checked.
    let header = source.read(frame.offset(), (frame.body_offset() - frame.offset()) as usize)?;
    Ok(hasher.finish(&header))
}

fn damaged(source: &Source, how: &str) -> Error {
    source.refuse(format!("it is damaged: {how}. Restore it from a copy, or make it again"))
}
