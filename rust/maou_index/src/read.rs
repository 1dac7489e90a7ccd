//! Reads the two columns that an index is made of.
//!
//! Only `id` and `eval` are decoded: the projection is made on the Arrow schema, before Polars sees a dtype. The
//! other columns may therefore have dtypes that this build of Polars was compiled without, and their bytes are
//! skipped, not decompressed.

use std::any::Any;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use polars_core::prelude::{
    ArrowDataType, ArrowSchema, Column, DataFrame, Int16Chunked, PolarsError, StringChunked, UInt64Chunked,
};
use polars_io::SerReader;
use polars_io::ipc::{IpcReader, IpcStreamReader};

use crate::error::{Error, Result};

const ID: &str = "id";
const EVAL: &str = "eval";

/// The first bytes of an IPC *file*; a *stream* has none of its own.
const FILE_MAGIC: &[u8] = b"ARROW1";
/// The first bytes of what was called feather before it was Arrow IPC.
const FEATHER_V1_MAGIC: &[u8] = b"FEA1";
/// What a stream begins with since Arrow 0.15; before that, with the length of its first message.
const CONTINUATION: [u8; 4] = [0xFF; 4];

/// One file's columns, all of `rows` rows.
pub(crate) struct FileColumns {
    pub(crate) rows: usize,
    pub(crate) ids: IdColumn,
    /// `None` if the file has no such column.
    pub(crate) evals: Option<Int16Chunked>,
}

pub(crate) enum IdColumn {
    Numbers(UInt64Chunked),
    Texts(StringChunked),
}

#[derive(Clone, Copy)]
enum Format {
    File,
    Stream,
}

/// Reads `id` and, if it is there, `eval` of the whole file: ten bytes a row, or the text of the id and two.
///
/// # Errors
///
/// [`Error::Io`] if the operating system refuses, [`Error::MissingColumn`] without an `id`, [`Error::ColumnType`] if
/// `id` is neither UInt64 nor a string or `eval` is not Int16, [`Error::Data`] for all that is no readable Arrow IPC.
pub(crate) fn read_columns(path: &Path) -> Result<FileColumns> {
    let mut file = File::open(path).map_err(|source| Error::io(path, source))?;
    let format = detect(path, &mut file)?;
    let frame = shielded(path, || match format {
        Format::File => decode_file(path, &mut file),
        Format::Stream => decode_stream(path, &mut file),
    })?;
    columns_of(path, &frame)
}

/// By content, and leaves `file` at its start.
fn detect(path: &Path, file: &mut File) -> Result<Format> {
    let (head, length) = head_and_length(file).map_err(|source| Error::io(path, source))?;
    if head.starts_with(FILE_MAGIC) {
        return Ok(Format::File);
    }
    if head.starts_with(FEATHER_V1_MAGIC) {
        let problem = "it is Feather version 1; rewrite it as Arrow IPC (Feather version 2)";
        return Err(Error::data(path, problem));
    }
    match head.first_chunk::<4>() {
        Some(first) if *first == CONTINUATION => Ok(Format::Stream),
        // Without this check any text would be taken for a first message of a gigabyte or two.
        Some(first) if (1..length).contains(&i64::from(i32::from_le_bytes(*first))) => Ok(Format::Stream),
        _ if length == 0 => Err(Error::data(path, "it is empty, not Arrow IPC")),
        _ => Err(Error::data(path, "it is neither an Arrow IPC file nor an Arrow IPC stream")),
    }
}

fn head_and_length(file: &mut File) -> io::Result<(Vec<u8>, i64)> {
    let mut head = Vec::new();
    file.by_ref().take(8).read_to_end(&mut head)?;
    file.rewind()?;
    let length = i64::try_from(file.metadata()?.len()).unwrap_or(i64::MAX);
    Ok((head, length))
}

/// Turns a panic of `decode` into an error.
///
/// The IPC readers of Polars return errors for most damage, but index and unwrap by lengths and types that a damaged
/// file may give them. One bad file must not take down the process that indexes ten thousand. What `decode` leaves
/// half done is the frame that it did not return, hence the assertion.
///
/// Out of reach is one kind of damage: Polars believes the length that a compressed buffer says it unpacks to, and a
/// flipped high bit there is an allocation that ends the process.
fn shielded<T>(path: &Path, decode: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(decode)).unwrap_or_else(|panic| {
        let problem = format!("it is damaged, reading it panicked: {}", panic_message(&*panic));
        Err(Error::data(path, problem))
    })
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message")
}

fn decode_file(path: &Path, file: &mut File) -> Result<DataFrame> {
    let mut reader = IpcReader::new(file).set_rechunk(false);
    let schema = reader.schema().map_err(|error| decode_error(path, &error))?;
    let projection = projection(path, &schema)?;
    reader.with_projection(Some(projection)).finish().map_err(|error| decode_error(path, &error))
}

fn decode_stream(path: &Path, file: &mut File) -> Result<DataFrame> {
    let mut reader = IpcStreamReader::new(&mut *file).set_rechunk(false);
    let schema = reader.arrow_schema().map_err(|error| decode_error(path, &error))?;
    let projection = projection(path, &schema)?;
    let frame = reader.with_projection(Some(projection)).finish().map_err(|error| decode_error(path, &error))?;
    check_complete(path, file)?;
    Ok(frame)
}

/// The reader seeks past the columns that it skips, also past the end of the file, and takes that for the end of the
/// stream. A stream without its end marker is complete, one that ends within a message is not.
fn check_complete(path: &Path, file: &mut File) -> Result<()> {
    let (at, length) = file
        .stream_position()
        .and_then(|at| Ok((at, file.metadata()?.len())))
        .map_err(|source| Error::io(path, source))?;
    if at > length {
        let problem = format!("it is truncated: its last batch ends at byte {at}, the file at byte {length}");
        return Err(Error::data(path, problem));
    }
    Ok(())
}

/// Which columns to decode, ascending.
fn projection(path: &Path, schema: &ArrowSchema) -> Result<Vec<usize>> {
    let id = index_of(path, schema, ID, "UInt64 or String", |dtype| {
        matches!(
            dtype,
            ArrowDataType::UInt64 | ArrowDataType::Utf8 | ArrowDataType::LargeUtf8 | ArrowDataType::Utf8View
        )
    })?
    .ok_or_else(|| Error::MissingColumn { path: path.to_path_buf(), column: ID })?;
    let eval = index_of(path, schema, EVAL, "Int16", |dtype| matches!(dtype, ArrowDataType::Int16))?;
    let mut projection = vec![id];
    projection.extend(eval);
    projection.sort_unstable();
    Ok(projection)
}

fn index_of(
    path: &Path,
    schema: &ArrowSchema,
    column: &'static str,
    expected: &'static str,
    is_expected: impl FnOnce(&ArrowDataType) -> bool,
) -> Result<Option<usize>> {
    let Some((index, _, field)) = schema.get_full(column) else {
        return Ok(None);
    };
    if is_expected(&field.dtype) {
        return Ok(Some(index));
    }
    Err(Error::ColumnType { path: path.to_path_buf(), column, expected, found: format!("{:?}", field.dtype) })
}

fn columns_of(path: &Path, frame: &DataFrame) -> Result<FileColumns> {
    let typed = |error: PolarsError| decode_error(path, &error);
    let id = frame.column(ID).map_err(typed)?;
    let ids = match id.u64() {
        Ok(numbers) => IdColumn::Numbers(numbers.clone()),
        Err(_) => IdColumn::Texts(id.str().map_err(typed)?.clone()),
    };
    let evals = frame.column(EVAL).ok().map(Column::i16).transpose().map_err(typed)?;
    Ok(FileColumns { rows: frame.height(), ids, evals: evals.cloned() })
}

/// An error with a number is the operating system's, one without about what the file holds, as is a seek before its
/// start, which is what a reader makes of a length that the file does not have.
fn decode_error(path: &Path, error: &PolarsError) -> Error {
    if let PolarsError::IO { error, .. } = error
        && error.kind() != io::ErrorKind::InvalidInput
        && let Some(number) = error.raw_os_error()
    {
        return Error::io(path, io::Error::from_raw_os_error(number));
    }
    Error::data(path, format!("it is damaged or no Arrow IPC: {error}"))
}
