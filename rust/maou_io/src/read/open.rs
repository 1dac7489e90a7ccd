//! The beginning of a file: what it is, its schema, and where its batches are.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::{Block, MessageHeader, Schema as WireSchema};
use arrow_schema::{ArrowError, SchemaRef};

use super::selection::Selection;
use super::{BatchReader, Cursor};
use crate::error::{Error, Result};
use crate::guard::no_panic;
use crate::wire::{Checksums, Frame, MAGIC, Source, limits};

/// An IPC *file* has the magic, padded to 8 bytes, in front; the footer's length and the magic behind.
const HEAD: u64 = 8;
const TAIL: usize = 4 + MAGIC.len();

/// What a footer says: the schema, and where the dictionaries and batches are.
pub(super) struct Footer {
    schema: SchemaRef,
    pub(super) dictionaries: Vec<Place>,
    pub(super) batches: Vec<Place>,
    /// How many bytes it says that the metadata and the body of the message at a place have. We read what the message
    /// itself says; other readers do not.
    pub(super) lengths: HashMap<u64, (i64, i64)>,
    /// Where we have written it. As it stands there: it is of no account until something is to be verified.
    pub(super) checksums: Option<String>,
}

/// Where a message is: from its first byte to where the next one begins at the latest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) start: u64,
    pub(super) end: u64,
}

/// Finds out what `path` is, and reads its schema.
pub(super) fn open(path: &Path) -> Result<BatchReader> {
    let source = Source::open(path)?;
    let head = source.read(0, MAGIC.len().min(source.len() as usize))?;
    match head.as_slice() {
        b"" => {
            Err(source
                .refuse("it is empty (0 bytes). Its writer was interrupted, or wrote nothing: make the file again"))
        }
        magic if magic == MAGIC => open_file(source),
        head => match other_format(head) {
            Some(format) => Err(source.refuse(format!("it is {format}. Convert it to Arrow IPC first"))),
            None => open_stream(source),
        },
    }
}

fn open_stream(source: Source) -> Result<BatchReader> {
    let not_arrow = |source: &Source| {
        source.refuse("it is no Arrow IPC file, or one cut in its first message: it starts with neither `ARROW1` nor a whole schema message")
    };
    let frame = match source.frame(0) {
        Ok(Some(frame)) if frame.kind() == MessageHeader::Schema => frame,
        Ok(_) | Err(Error::Data { .. }) => return Err(not_arrow(&source)),
        Err(error) => return Err(error),
    };
    let schema = message_schema(&source, &frame)?;
    let cursor = Cursor::Stream { next: frame.end() };
    Ok(reader(source, cursor, schema, Vec::new()))
}

fn open_file(source: Source) -> Result<BatchReader> {
    let Footer { schema, dictionaries, batches, .. } = footer(&source)?;
    let cursor = Cursor::File { blocks: batches.into_iter() };
    Ok(reader(source, cursor, schema, dictionaries))
}

fn reader(source: Source, cursor: Cursor, schema: SchemaRef, unread_dictionaries: Vec<Place>) -> BatchReader {
    BatchReader {
        source,
        cursor,
        schema,
        selection: Selection::default(),
        most: usize::MAX,
        steps: None,
        dictionaries: HashMap::new(),
        unread_dictionaries,
        verification: None,
    }
}

/// What a schema message says.
pub(super) fn message_schema(source: &Source, frame: &Frame) -> Result<SchemaRef> {
    schema(frame.message(source.path())?.header_as_schema()).map_err(|error| source.bad(error))
}

/// The footer of a *file*.
pub(super) fn footer(source: &Source) -> Result<Footer> {
    parse_footer(&read_footer(source)?).map_err(|error| source.bad(error))
}

pub(super) fn read_footer(source: &Source) -> Result<arrow_buffer::Buffer> {
    let start = footer_start(source)?;
    source.read(start, (source.len() - TAIL as u64 - start) as usize)
}

/// Where the footer begins.
pub(super) fn footer_start(source: &Source) -> Result<u64> {
    let truncated = |source: &Source| {
        source.refuse("it has no footer, so it is truncated. Its writer was interrupted: make the file again")
    };
    let Some(tail_start) = source.len().checked_sub(TAIL as u64).filter(|start| *start >= HEAD) else {
        return Err(truncated(source));
    };
    let tail = source.read(tail_start, TAIL)?;
    let (length, magic) = tail.as_slice().split_at(4);
    if magic != MAGIC {
        return Err(truncated(source));
    }
    let length = i32::from_le_bytes([length[0], length[1], length[2], length[3]]);
    let start =
        u64::try_from(length).ok().and_then(|length| tail_start.checked_sub(length)).filter(|start| *start >= HEAD);
    start.ok_or_else(|| source.bad(format!("it is damaged: a footer of {length} bytes in a file of {}", source.len())))
}

fn parse_footer(bytes: &[u8]) -> Result<Footer, ArrowError> {
    let footer = arrow_ipc::root_as_footer_with_opts(&limits(bytes), bytes)
        .map_err(|error| ArrowError::IpcError(format!("its footer is damaged: {error}")))?;
    let mut lengths = HashMap::new();
    let mut offset = |block: &Block| -> Result<u64, ArrowError> {
        let offset = u64::try_from(block.offset())
            .map_err(|_| ArrowError::IpcError(format!("its footer names the offset {}", block.offset())))?;
        lengths.insert(offset, (i64::from(block.metaDataLength()), block.bodyLength()));
        Ok(offset)
    };
    let dictionaries = footer.dictionaries().into_iter().flatten().map(&mut offset).collect::<Result<Vec<_>, _>>()?;
    let batches = footer.recordBatches().into_iter().flatten().map(&mut offset).collect::<Result<Vec<_>, _>>()?;
    let mut starts = [&dictionaries[..], &batches].concat();
    starts.sort_unstable();
    Ok(Footer {
        schema: schema(footer.schema())?,
        dictionaries: places(&dictionaries, &starts)?,
        batches: places(&batches, &starts)?,
        lengths,
        checksums: footer
            .custom_metadata()
            .into_iter()
            .flatten()
            .find(|entry| entry.key() == Some(Checksums::KEY))
            .map(|entry| entry.value().unwrap_or_default().to_owned()),
    })
}

/// `offsets` with where the next of all `starts` is, which are in order. No message is there twice: a small file could ask
/// for its bytes again and again.
fn places(offsets: &[u64], starts: &[u64]) -> Result<Vec<Place>, ArrowError> {
    let place = |start: &u64| {
        let next = starts.partition_point(|other| other <= start);
        let first = starts.partition_point(|other| other < start);
        if next - first > 1 {
            return Err(ArrowError::IpcError(format!("its footer names the message at byte {start} twice")));
        }
        Ok(Place { start: *start, end: starts.get(next).copied().unwrap_or(u64::MAX) })
    };
    offsets.iter().map(place).collect()
}

fn schema(schema: Option<WireSchema<'_>>) -> Result<SchemaRef, ArrowError> {
    let schema = schema.ok_or_else(|| ArrowError::IpcError("it has no schema".to_owned()))?;
    if !schema.endianness().equals_to_target_endianness() {
        return Err(ArrowError::IpcError("it was written on a machine of the other byte order".to_owned()));
    }
    no_panic(|| try_fb_to_schema(schema)).map(Arc::new)
}

/// Files that end up with a `.feather` name, by their first bytes.
fn other_format(head: &[u8]) -> Option<&'static str> {
    [
        (&b"PAR1"[..], "a Parquet file"),
        (b"FEA1", "a Feather version 1 file"),
        (b"\x93NUMPY", "a NumPy file"),
        (b"PK\x03\x04", "a zip or npz archive"),
        (b"\x1f\x8b", "a gzip file"),
        (b"\x28\xb5\x2f\xfd", "a Zstandard file"),
    ]
    .into_iter()
    .find_map(|(magic, format)| head.starts_with(magic).then_some(format))
}
