//! Which bytes of a file a read takes: for files that are elsewhere, and whose bytes are fetched before they are read.
//!
//! A file of the same length, with holes, takes the place of such a file. What it needs comes in three steps, each of which
//! looks at what the one before has brought: the footer, where the batches are, and what of them was asked for.

use std::ops::Range;
use std::path::Path;

use arrow_ipc::{Block, MessageHeader};

use super::{BatchReader, open};
use crate::error::Result;
use crate::wire::{self, Frame, Source, limits};

/// The footer of an IPC *file*, up to the end. Needs the first 8 bytes and the last 10.
///
/// # Errors
///
/// [`Error::Io`](crate::Error::Io) when the file cannot be opened or read, [`Error::Data`](crate::Error::Data) when it is no
/// IPC *file*.
pub fn footer_range(path: &Path) -> Result<Range<u64>> {
    let source = Source::open(path)?;
    Ok(open::footer_start(&source)?..source.len())
}

/// The metadata of all batches, and all dictionaries. Needs the footer.
///
/// # Errors
///
/// As [`footer_range`], and [`Error::Data`](crate::Error::Data) when the footer is damaged.
pub fn metadata_ranges(path: &Path) -> Result<Vec<Range<u64>>> {
    let source = Source::open(path)?;
    let bytes = open::read_footer(&source)?;
    let footer = arrow_ipc::root_as_footer_with_opts(&limits(&bytes), &bytes)
        .map_err(|error| source.bad(format!("its footer is damaged: {error}")))?;
    let dictionaries = footer.dictionaries().into_iter().flatten();
    let dictionaries = dictionaries.map(|block| placed(&source, block, block.bodyLength()));
    let batches = footer.recordBatches().into_iter().flatten().map(|block| placed(&source, block, 0));
    dictionaries.chain(batches).collect()
}

/// The data of `columns`, or of all, in the batches that have a row of `rows`: whole buffers. Needs the footer and what
/// [`metadata_ranges`] says.
///
/// # Errors
///
/// As [`metadata_ranges`], and [`Error::Argument`](crate::Error::Argument) for a column that the file has not.
///
/// ```
/// # use std::sync::Arc;
/// # use arrow_array::{Int16Array, RecordBatch};
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("a.feather");
/// # let column = |value| Arc::new(Int16Array::from(vec![value; 10_000])) as _;
/// # let batch = RecordBatch::try_from_iter([("hcp", column(1)), ("eval", column(2)), ("id", column(3))])?;
/// # maou_io::save_feather_file(&batch, &path)?;
/// let bytes = |columns| -> maou_io::Result<u64> {
///     Ok(maou_io::data_ranges(&path, columns, None)?.iter().map(|range| range.end - range.start).sum())
/// };
/// assert!(bytes(Some(&["eval".to_owned()]))? * 2 < bytes(None)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn data_ranges(path: &Path, columns: Option<&[String]>, rows: Option<Range<u64>>) -> Result<Vec<Range<u64>>> {
    let mut reader = BatchReader::open(path)?;
    if let Some(columns) = columns {
        reader = reader.with_columns(columns)?;
    }
    if let Some(rows) = rows {
        reader = reader.with_rows(rows);
    }
    let mut ranges = Vec::new();
    while !reader.selection.is_over()
        && let Some(frame) = reader.cursor.advance(&reader.source)?
    {
        let is_wanted =
            frame.kind() == MessageHeader::RecordBatch && reader.selection.slice(frame.rows(path)?).is_some();
        if is_wanted {
            ranges.extend(body_ranges(&reader, &frame)?);
        }
    }
    Ok(ranges)
}

/// What [`describe`](crate::describe) reads of the data: where each compressed buffer says how large it is. Needs the footer
/// and what [`metadata_ranges`] says.
///
/// # Errors
///
/// As [`metadata_ranges`].
pub fn size_ranges(path: &Path) -> Result<Vec<Range<u64>>> {
    let mut reader = BatchReader::open(path)?;
    let mut ranges = Vec::new();
    while let Some(frame) = reader.cursor.advance(&reader.source)? {
        if frame.kind() == MessageHeader::RecordBatch {
            ranges.extend(wire::prefixes(&reader.source, &frame)?);
        }
    }
    Ok(ranges)
}

/// The buffers of a batch that are wanted.
fn body_ranges(reader: &BatchReader, frame: &Frame) -> Result<Vec<Range<u64>>> {
    let whole = frame.body_offset()..frame.end();
    let Some(wanted) = reader.wanted(frame)? else { return Ok(vec![whole]) };
    let message = frame.message(reader.source.path())?;
    let buffers = message.header_as_record_batch().and_then(|batch| batch.buffers());
    let buffers = buffers.into_iter().flatten().zip(wanted).filter(|(buffer, wanted)| *wanted && buffer.length() != 0);
    let placed = |(buffer, _): (&arrow_ipc::Buffer, bool)| {
        let start = frame.body_offset().checked_add_signed(buffer.offset());
        let end = start.and_then(|start| start.checked_add_signed(buffer.length()));
        let range = start.zip(end).map(|(start, end)| start..end);
        // A length may be negative.
        let is_within =
            |range: &Range<u64>| whole.start <= range.start && range.start <= range.end && range.end <= whole.end;
        range.filter(is_within).ok_or_else(|| {
            let (offset, length) = (buffer.offset(), buffer.length());
            reader.source.bad(format!("a buffer of {length} bytes at {offset} in a body of {}", frame.body_len()))
        })
    };
    buffers.map(placed).collect()
}

/// The metadata of a message, and `body_len` bytes of its body.
fn placed(source: &Source, block: &Block, body_len: i64) -> Result<Range<u64>> {
    let start = u64::try_from(block.offset()).ok();
    let end = start
        .and_then(|start| start.checked_add_signed(i64::from(block.metaDataLength())))
        .and_then(|end| end.checked_add_signed(body_len));
    let range = start.zip(end).map(|(start, end)| start..end);
    range.filter(|range| range.start <= range.end && range.end <= source.len()).ok_or_else(|| {
        let (offset, length) = (block.offset(), block.metaDataLength());
        source.bad(format!("its footer names a message of {length} bytes at {offset} in a file of {}", source.len()))
    })
}

#[cfg(test)]
mod tests;
