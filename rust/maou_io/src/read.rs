use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_ipc::MessageHeader;
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::{read_dictionary, read_record_batch};
use arrow_ipc::{Block, Schema as WireSchema};
use arrow_schema::{ArrowError, SchemaRef};

use crate::coerce::coerce_record;
use crate::error::{Error, Result};
use crate::frame::{Frame, Source};
use crate::guard::no_panic;
use crate::schema::RecordKind;

/// First and last bytes of an IPC *file*.
const MAGIC: &[u8; 6] = b"ARROW1";

/// The magic, padded to 8 bytes, in front; the footer's length and the magic behind.
const HEAD: u64 = 8;
const TAIL: usize = 4 + MAGIC.len();

/// Reads a file batch by batch. The layout, *file* or *stream*, is found in the content.
///
/// An iterator over the batches, in order. It holds one batch's bytes at a time, and the dictionaries if there are any.
/// After an error it ends.
#[derive(Debug)]
pub struct BatchReader {
    source: Source,
    cursor: Cursor,
    schema: SchemaRef,
    /// The values of dictionary columns, by the ids that the schema has for them.
    dictionaries: HashMap<i64, ArrayRef>,
}

/// Where the next message is.
#[derive(Debug, Clone)]
enum Cursor {
    Stream { next: u64 },
    File { blocks: std::vec::IntoIter<u64> },
    Ended,
}

impl BatchReader {
    /// Opens `path` and reads its schema.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when the file cannot be opened, [`Error::Data`] when it is no Arrow IPC file, or a truncated one.
    pub fn open(path: &Path) -> Result<Self> {
        let mut source = Source::open(path)?;
        let head = source.read(0, MAGIC.len().min(source.len() as usize))?;
        match head.as_slice() {
            b"" => Err(source
                .refuse("it is empty (0 bytes). Its writer was interrupted, or wrote nothing: make the file again")),
            magic if magic == MAGIC => open_file(source),
            head => match other_format(head) {
                Some(format) => Err(source.refuse(format!("it is {format}. Convert it to Arrow IPC first"))),
                None => open_stream(source),
            },
        }
    }

    /// The schema of every batch.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Rows in all batches that are still to come. Reads message headers, and no data.
    ///
    /// # Errors
    ///
    /// As for reading: [`Error::Io`] and [`Error::Data`].
    pub fn count_rows(&mut self) -> Result<u64> {
        let mut cursor = self.cursor.clone();
        let mut rows = 0_u64;
        while let Some(frame) = cursor.advance(&mut self.source)? {
            rows = rows.saturating_add(frame.rows(self.source.path())?);
        }
        Ok(rows)
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        while let Some(frame) = self.cursor.advance(&mut self.source)? {
            if let Some(batch) = self.decode(&frame)? {
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }

    /// The batch in a message, or nothing when the message was a dictionary.
    fn decode(&mut self, frame: &Frame) -> Result<Option<RecordBatch>> {
        let body = self.source.body(frame)?;
        let message = frame.message(self.source.path())?;
        let version = message.version();
        let decoded = if let Some(batch) = message.header_as_record_batch() {
            let schema = Arc::clone(&self.schema);
            no_panic(|| read_record_batch(&body, batch, schema, &self.dictionaries, None, &version)).map(Some)
        } else if let Some(dictionary) = message.header_as_dictionary_batch() {
            no_panic(|| read_dictionary(&body, dictionary, &self.schema, &mut self.dictionaries, &version))
                .map(|()| None)
        } else {
            let kind = frame.kind();
            Err(ArrowError::IpcError(format!("a message of kind {kind:?} where batches were expected")))
        };
        decoded.map_err(|error| self.source.bad(error))
    }
}

impl Iterator for BatchReader {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.next_batch();
        if next.is_err() {
            self.cursor = Cursor::Ended;
        }
        next.transpose()
    }
}

impl Cursor {
    fn advance(&mut self, source: &mut Source) -> Result<Option<Frame>> {
        match self {
            Self::Ended => Ok(None),
            Self::File { blocks } => match blocks.next() {
                Some(offset) => frame_at(source, offset).map(Some),
                None => Ok(None),
            },
            Self::Stream { next } => {
                let frame = source.frame(*next)?;
                match &frame {
                    Some(frame) => *next = frame.end(),
                    None => *self = Self::Ended,
                }
                Ok(frame)
            }
        }
    }
}

/// Loads a whole file as one batch. A file without batches gives an empty batch with its schema.
///
/// # Errors
///
/// [`Error::Io`] when the file cannot be opened or read, [`Error::Data`] when it is no Arrow IPC file, or a damaged one.
pub fn load_feather_file(path: &Path) -> Result<RecordBatch> {
    let reader = BatchReader::open(path)?;
    let schema = reader.schema();
    let batches = reader.collect::<Result<Vec<_>>>()?;
    concat(&schema, batches).map_err(|error| Error::data(path, format!("cannot join its batches into one: {error}")))
}

/// Loads the batches of a file, as they were written.
///
/// # Errors
///
/// As [`load_feather_file`].
pub fn load_feather_batches(path: &Path) -> Result<Vec<RecordBatch>> {
    BatchReader::open(path)?.collect()
}

/// Loads a whole file as one batch of `kind`, in that kind's column order and types ([`crate::schema`]).
///
/// Files of Polars and pyarrow are welcome: their lists and strings become the schema's.
///
/// # Errors
///
/// As [`load_feather_file`], and [`Error::Schema`] when columns are missing, unexpected, null where they must not be, or
/// of another type.
pub fn load_record(kind: RecordKind, path: &Path) -> Result<RecordBatch> {
    let reader = BatchReader::open(path)?;
    let empty = RecordBatch::new_empty(reader.schema());
    coerce_record(&empty, kind).map_err(|error| error.at(path))?;
    // Each batch before they are joined: 32-bit string offsets would overflow in a large whole.
    let batches =
        reader.map(|batch| coerce_record(&batch?, kind).map_err(|error| error.at(path))).collect::<Result<Vec<_>>>()?;
    concat(&kind.schema(), batches)
        .map_err(|error| Error::data(path, format!("cannot join its batches into one: {error}")))
}

/// Joins batches of one schema. A single one is not copied, and none give an empty batch.
///
/// # Errors
///
/// When the batches have other columns than `schema`, or too many bytes of strings for their offsets.
pub fn concat(schema: &SchemaRef, mut batches: Vec<RecordBatch>) -> Result<RecordBatch, ArrowError> {
    match batches.len() {
        0 => Ok(RecordBatch::new_empty(Arc::clone(schema))),
        1 => Ok(batches.swap_remove(0)),
        _ => no_panic(|| arrow_select::concat::concat_batches(schema, &batches)),
    }
}

fn open_stream(mut source: Source) -> Result<BatchReader> {
    let not_arrow = |source: &Source| {
        source.refuse("it is no Arrow IPC file, or one cut in its first message: it starts with neither `ARROW1` nor a whole schema message")
    };
    let frame = match source.frame(0) {
        Ok(Some(frame)) if frame.kind() == MessageHeader::Schema => frame,
        Ok(_) | Err(Error::Data { .. }) => return Err(not_arrow(&source)),
        Err(error) => return Err(error),
    };
    let message = frame.message(source.path())?;
    let schema = schema(message.header_as_schema()).map_err(|error| source.bad(error))?;
    let cursor = Cursor::Stream { next: frame.end() };
    Ok(BatchReader { source, cursor, schema, dictionaries: HashMap::new() })
}

fn open_file(mut source: Source) -> Result<BatchReader> {
    let footer = read_footer(&mut source)?;
    let Footer { schema, dictionaries, batches } = parse_footer(&footer).map_err(|error| source.bad(error))?;
    let cursor = Cursor::File { blocks: batches.into_iter() };
    let mut reader = BatchReader { source, cursor, schema, dictionaries: HashMap::new() };
    for offset in dictionaries {
        let frame = frame_at(&mut reader.source, offset)?;
        reader.decode(&frame)?;
    }
    Ok(reader)
}

fn read_footer(source: &mut Source) -> Result<arrow_buffer::Buffer> {
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
    match start {
        Some(start) => source.read(start, (tail_start - start) as usize),
        None => Err(source.bad(format!("it is damaged: a footer of {length} bytes in a file of {}", source.len()))),
    }
}

/// What a footer says: the schema, and where the dictionaries and batches are.
struct Footer {
    schema: SchemaRef,
    dictionaries: Vec<u64>,
    batches: Vec<u64>,
}

fn parse_footer(bytes: &[u8]) -> Result<Footer, ArrowError> {
    let footer = arrow_ipc::root_as_footer(bytes)
        .map_err(|error| ArrowError::IpcError(format!("its footer is damaged: {error}")))?;
    let offset = |block: &Block| {
        u64::try_from(block.offset())
            .map_err(|_| ArrowError::IpcError(format!("its footer names the offset {}", block.offset())))
    };
    Ok(Footer {
        schema: schema(footer.schema())?,
        dictionaries: footer.dictionaries().into_iter().flatten().map(offset).collect::<Result<_, _>>()?,
        batches: footer.recordBatches().into_iter().flatten().map(offset).collect::<Result<_, _>>()?,
    })
}

fn schema(schema: Option<WireSchema<'_>>) -> Result<SchemaRef, ArrowError> {
    let schema = schema.ok_or_else(|| ArrowError::IpcError("it has no schema".to_owned()))?;
    if !schema.endianness().equals_to_target_endianness() {
        return Err(ArrowError::IpcError("it was written on a machine of the other byte order".to_owned()));
    }
    no_panic(|| try_fb_to_schema(schema)).map(Arc::new)
}

/// A message that the footer announced: its absence is damage.
fn frame_at(source: &mut Source, offset: u64) -> Result<Frame> {
    match source.frame(offset)? {
        Some(frame) => Ok(frame),
        None => {
            Err(source.bad(format!("it is damaged: the footer names a batch at byte {offset}, where there is none")))
        }
    }
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

#[cfg(test)]
mod tests;
