//! Reads the two columns that an index is made of, a part of a file at a time.
//!
//! Files are read by `maou_io`: only `id` and `eval` are decompressed, side by side, and whatever a damaged file says of
//! itself is checked before it is believed.

use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int16Type, UInt64Type};
use arrow_array::{Int16Array, LargeStringArray, RecordBatch, StringArray, StringViewArray, UInt64Array};
use arrow_schema::{DataType, Schema};
use maou_io::BatchReader;

use crate::error::{Error, Result};
use crate::store::footer::IdKind;

const ID: &str = "id";
const EVAL: &str = "eval";

/// Memory that a part of a file takes.
const PART: usize = 16 << 20;

/// A file that can be indexed.
#[derive(Debug)]
pub(crate) struct Columns {
    reader: BatchReader,
    pub(crate) kind: IdKind,
    pub(crate) rows: u64,
}

/// The columns of some rows.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) rows: usize,
    pub(crate) ids: Ids,
    /// `None` if the file has no such column.
    pub(crate) evals: Option<Int16Array>,
}

#[derive(Debug)]
pub(crate) enum Ids {
    Numbers(UInt64Array),
    Texts(StringArray),
    LargeTexts(LargeStringArray),
    TextViews(StringViewArray),
}

/// Opens a file, and checks and counts what is in it without reading it.
///
/// # Errors
///
/// [`Error::Io`] if the operating system refuses, [`Error::MissingColumn`] without an `id`, [`Error::ColumnType`] if `id`
/// is neither UInt64 nor a string or `eval` is not Int16, [`Error::Data`] for all that is no readable Arrow IPC.
pub(crate) fn open(path: &Path) -> Result<Columns> {
    let reader = BatchReader::open(path).map_err(Error::read)?;
    let schema = reader.schema();
    let id = column(path, &schema, ID, "UInt64 or String", |data_type| {
        matches!(data_type, DataType::UInt64 | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
    })?;
    let id = id.ok_or_else(|| Error::MissingColumn { path: path.to_path_buf(), column: ID })?;
    let eval = column(path, &schema, EVAL, "Int16", |data_type| *data_type == DataType::Int16)?;
    let names: Vec<&str> = std::iter::once(ID).chain(eval.map(|_| EVAL)).collect();
    let reader = reader.with_columns(&names).map_err(Error::read)?.with_steps(PART);
    let kind = if *id == DataType::UInt64 { IdKind::Numbers } else { IdKind::Texts };
    let rows = reader.count_rows().map_err(Error::read)?;
    Ok(Columns { reader, kind, rows })
}

impl Columns {
    /// The rows, in order.
    pub(crate) fn parts(self) -> impl Iterator<Item = Result<Part>> {
        self.reader.map(|batch| batch.map(|batch| part(&batch)).map_err(Error::read))
    }
}

fn part(batch: &RecordBatch) -> Part {
    let id = batch.column(0);
    let ids = match id.data_type() {
        DataType::UInt64 => Ids::Numbers(id.as_primitive::<UInt64Type>().clone()),
        DataType::Utf8 => Ids::Texts(id.as_string().clone()),
        DataType::LargeUtf8 => Ids::LargeTexts(id.as_string().clone()),
        _ => Ids::TextViews(id.as_string_view().clone()),
    };
    let evals = (batch.num_columns() > 1).then(|| batch.column(1).as_primitive::<Int16Type>().clone());
    Part { rows: batch.num_rows(), ids, evals }
}

fn column<'a>(
    path: &Path,
    schema: &'a Schema,
    column: &'static str,
    expected: &'static str,
    is_expected: impl FnOnce(&DataType) -> bool,
) -> Result<Option<&'a DataType>> {
    let Some((_, field)) = schema.column_with_name(column) else { return Ok(None) };
    if is_expected(field.data_type()) {
        return Ok(Some(field.data_type()));
    }
    let found = field.data_type().to_string();
    Err(Error::ColumnType { path: path.to_path_buf(), column, expected, found })
}
