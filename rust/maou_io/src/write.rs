use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::types::ByteViewType;
use arrow_array::{Array, ArrayRef, GenericByteViewArray, RecordBatch, RecordBatchOptions, cast::AsArray};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};

use crate::atomic::AtomicFile;
use crate::coerce::coerce_record;
use crate::error::{Error, Result};
use crate::guard::no_panic;
use crate::schema::RecordKind;
use crate::wire::FileEncoder;

/// How a file is saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SaveOptions {
    /// Waits until the file has reached the disk before it takes the old one's place: without, a loss of power soon after
    /// may leave neither. Costs as much time as the disk needs.
    pub durable: bool,
}

impl Default for SaveOptions {
    fn default() -> Self {
        Self { durable: true }
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

/// A file that is being written. It appears under its name on [`Sealed::publish`].
pub(crate) struct BatchFile {
    guard: AtomicFile,
    encoder: FileEncoder,
}

/// A complete file that is still under its temporary name.
#[derive(Debug)]
pub(crate) struct Sealed {
    guard: AtomicFile,
    durable: bool,
    /// Open, and so locked: it is no litter.
    file: Option<File>,
}

impl BatchFile {
    pub(crate) fn create(path: &Path, schema: &Schema) -> Result<Self> {
        let (guard, file) = AtomicFile::create(path)?;
        let encoder =
            no_panic(|| FileEncoder::new(file, schema)).map_err(|error| Error::arrow("write", path, error))?;
        Ok(Self { guard, encoder })
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        no_panic(|| self.encoder.write(&compact(batch)?))
            .map_err(|error| Error::arrow("write", self.guard.target(), error))
    }

    /// Writes the footer and, `durable`, waits until the bytes are on the disk.
    pub(crate) fn seal(self, options: SaveOptions) -> Result<Sealed> {
        let Self { guard, encoder } = self;
        let file = no_panic(|| encoder.finish()).map_err(|error| Error::arrow("write", guard.target(), error))?;
        if options.durable {
            file.sync_all().map_err(|error| Error::io("write", guard.target(), error))?;
        }
        Ok(Sealed { guard, durable: options.durable, file: Some(file) })
    }
}

impl std::fmt::Debug for BatchFile {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("BatchFile").field("guard", &self.guard).finish_non_exhaustive()
    }
}

impl Sealed {
    /// Where it is until it is published.
    pub(crate) fn temporary(&self) -> &Path {
        self.guard.temporary()
    }

    /// Closes it: of many there are more than a process may have open.
    pub(crate) fn close(&mut self) {
        self.file = None;
    }

    pub(crate) fn publish(self) -> Result<()> {
        let Self { guard, durable, mut file } = self;
        if cfg!(windows) {
            // It does not rename open files.
            file = None;
        }
        guard.publish(durable)?;
        drop(file);
        Ok(())
    }
}

fn save_all(schema: &Schema, batches: &[RecordBatch], path: &Path, options: SaveOptions) -> Result<()> {
    let mut file = BatchFile::create(path, schema)?;
    for batch in batches {
        file.write(batch)?;
    }
    file.seal(options)?.publish()
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
        if let Some(difference) = difference(&first, &schema) {
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

/// The first thing in which `other`'s columns are not `first`'s.
fn difference(first: &Schema, other: &Schema) -> Option<String> {
    let (expected, found) = (first.fields().len(), other.fields().len());
    if expected != found {
        return Some(format!("has {found} columns, and batch 0 has {expected}"));
    }
    first.fields().iter().zip(other.fields()).enumerate().find_map(|(index, (a, b))| {
        if a.name() != b.name() {
            Some(format!("calls column {index} `{}`, and batch 0 calls it `{}`", b.name(), a.name()))
        } else if a.data_type() != b.data_type() {
            Some(format!("has column `{}` as {}, and batch 0 has it as {}", a.name(), b.data_type(), a.data_type()))
        } else {
            None
        }
    })
}

/// The batch without string bytes that none of its rows refer to.
///
/// A slice of a view array still owns the data buffers of the whole, and Arrow IPC writes them all: without this, each
/// piece of a split file would be as large as the file. Views inside lists stay as they are; no maou record has them.
fn compact(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let columns = batch.columns().iter().map(compact_column).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(batch.schema(), columns, &options)
}

fn compact_column(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Utf8View => compact_views(column, column.as_string_view()),
        DataType::BinaryView => compact_views(column, column.as_binary_view()),
        _ => Arc::clone(column),
    }
}

fn compact_views<T: ByteViewType + ?Sized>(column: &ArrayRef, views: &GenericByteViewArray<T>) -> ArrayRef {
    let owned: usize = views.data_buffers().iter().map(|buffer| buffer.len()).sum();
    // Collecting copies what is used, so it has to save at least as much.
    if owned / 2 > views.total_buffer_bytes_used() { Arc::new(views.gc()) } else { Arc::clone(column) }
}

#[cfg(test)]
mod tests;
