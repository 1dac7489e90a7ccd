//! Writing files.

mod writer;

use std::path::Path;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{Field, Schema, SchemaRef};

use crate::coerce::coerce_record;
use crate::error::{Error, Result};
use crate::schema::RecordKind;
pub use crate::wire::Compression;
pub use writer::FeatherWriter;
pub(crate) use writer::Sealed;

/// How a file is saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SaveOptions {
    /// How its buffers are written.
    pub compression: Compression,
    /// Waits until the file has reached the disk before it takes the old one's place: without, a loss of power soon after
    /// may leave neither. Costs as much time as the disk needs.
    pub durable: bool,
}

impl Default for SaveOptions {
    fn default() -> Self {
        Self { compression: Compression::default(), durable: true }
    }
}

/// Writes `batch` to `path` as an LZ4-compressed Arrow IPC file of one batch, with its schema as it is.
///
/// The write is atomic: on any error an existing file stays as it was, and nothing else is left.
///
/// # Errors
///
/// [`Error::Io`] when the file cannot be written (a missing directory is named), [`Error::Data`] for a type that Arrow
/// IPC cannot express.
pub fn save_feather_file(batch: &RecordBatch, path: &Path) -> Result<()> {
    save_all(&batch.schema(), std::slice::from_ref(batch), path, SaveOptions::default())
}

/// Writes `batches` to `path`, chunking kept, otherwise as [`save_feather_file`].
///
/// # Errors
///
/// As [`save_feather_file`], and [`Error::Argument`] when there are no batches or when they differ in columns or types.
pub fn save_feather_batches(batches: &[RecordBatch], path: &Path) -> Result<()> {
    save_feather_batches_with(batches, path, SaveOptions::default())
}

/// As [`save_feather_batches`], with options.
///
/// # Errors
///
/// As [`save_feather_batches`].
pub fn save_feather_batches_with(batches: &[RecordBatch], path: &Path, options: SaveOptions) -> Result<()> {
    let schema = shared_schema(batches)?;
    save_all(&schema, batches, path, options)
}

/// Writes `batch` to `path` in the columns and types of `kind`; otherwise as [`save_feather_file`].
///
/// Lists, strings and binaries of other Arrow layouts become the schema's, and columns may come in any order.
///
/// # Errors
///
/// As [`save_feather_file`], and [`Error::Schema`], which names the column, what was expected and what came.
///
/// ```
/// use std::sync::Arc;
///
/// use arrow_array::{Int16Array, RecordBatch};
/// use maou_io::RecordKind;
///
/// let batch = RecordBatch::try_from_iter([("eval", Arc::new(Int16Array::from(vec![35])) as _)])?;
/// let error = maou_io::save_record(&batch, RecordKind::Hcpe, "evals.feather".as_ref()).unwrap_err();
/// assert!(error.to_string().starts_with("not a hcpe record: missing columns `hcp`, `bestMove16`"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn save_record(batch: &RecordBatch, kind: RecordKind, path: &Path) -> Result<()> {
    save_feather_file(&coerce_record(batch, kind)?, path)
}

fn save_all(schema: &SchemaRef, batches: &[RecordBatch], path: &Path, options: SaveOptions) -> Result<()> {
    let mut writer = FeatherWriter::create(path, schema, options)?;
    for batch in batches {
        writer.write(batch)?;
    }
    writer.finish()
}

/// The first batch's schema, with every column nullable that is so in any batch.
fn shared_schema(batches: &[RecordBatch]) -> Result<SchemaRef> {
    let Some((first, rest)) = batches.split_first() else {
        return Err(Error::Argument(
            "no batches to save: give at least one, an empty one if there are no rows".to_owned(),
        ));
    };
    let first = first.schema();
    let mut fields: Vec<Field> = first.fields().iter().map(|field| field.as_ref().clone()).collect();
    for (index, batch) in rest.iter().enumerate() {
        let schema = batch.schema();
        if let Some(difference) = difference(&first, &schema, "batch 0") {
            return Err(Error::Argument(format!(
                "batches of one file must share a schema: batch {} {difference}",
                index + 1
            )));
        }
        for (field, other) in fields.iter_mut().zip(schema.fields()) {
            field.set_nullable(field.is_nullable() || other.is_nullable());
        }
    }
    Ok(Arc::new(Schema::new_with_metadata(fields, first.metadata().clone())))
}

/// The first thing in which the columns of `found` are not those of `expected`, which `whose` has.
fn difference(expected: &Schema, found: &Schema, whose: &str) -> Option<String> {
    let counts = (expected.fields().len(), found.fields().len());
    if counts.0 != counts.1 {
        return Some(format!("has {} columns, and {whose} has {}", counts.1, counts.0));
    }
    expected.fields().iter().zip(found.fields()).enumerate().find_map(|(index, (a, b))| {
        if a.name() != b.name() {
            Some(format!("calls column {index} `{}`, and {whose} calls it `{}`", b.name(), a.name()))
        } else if a.data_type() != b.data_type() {
            Some(format!("has column `{}` as {}, and {whose} has it as {}", a.name(), b.data_type(), a.data_type()))
        } else {
            None
        }
    })
}

#[cfg(test)]
mod tests;
