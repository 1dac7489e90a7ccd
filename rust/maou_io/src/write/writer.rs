//! A file that is written batch by batch.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::types::ByteViewType;
use arrow_array::{Array, ArrayRef, GenericByteViewArray, RecordBatch, RecordBatchOptions, cast::AsArray};
use arrow_schema::{ArrowError, DataType, SchemaRef};

use super::{SaveOptions, difference};
use crate::atomic::{AtomicFile, Group};
use crate::error::{Error, Result};
use crate::guard::no_panic;
use crate::wire::FileEncoder;

/// Writes a file batch by batch: one of them is in memory at a time.
///
/// It appears under its name when it is [finished](FeatherWriter::finish), and then all at once. Dropped before that, it
/// leaves the old file as it was, and nothing else.
///
/// ```
/// use std::sync::Arc;
///
/// use arrow_array::{Int16Array, RecordBatch};
/// use maou_io::{FeatherWriter, SaveOptions};
///
/// let directory = tempfile::tempdir()?;
/// let path = directory.path().join("evals.feather");
/// let batch = |start| RecordBatch::try_from_iter([("eval", Arc::new(Int16Array::from_iter_values(start..start + 9)) as _)]);
///
/// let mut writer = FeatherWriter::create(&path, &batch(0)?.schema(), SaveOptions::default())?;
/// for start in 0..5 {
///     writer.write(&batch(start)?)?;
/// }
/// assert!(!path.exists());
/// writer.finish()?;
///
/// assert_eq!(maou_io::load_feather_file(&path)?.num_rows(), 45);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct FeatherWriter {
    guard: AtomicFile,
    schema: SchemaRef,
    durable: bool,
    /// Batches that have been written.
    batches: usize,
    /// Nothing behind an error in the middle of a batch.
    encoder: Option<FileEncoder>,
}

/// A complete file that is still under its temporary name.
#[derive(Debug)]
pub(crate) struct Sealed {
    guard: AtomicFile,
    durable: bool,
    /// Open, and so locked: it is no litter. So is one of a group, open or not.
    file: Option<File>,
}

impl FeatherWriter {
    /// Begins a file for batches of `schema`.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when the file cannot be written (a missing directory is named), [`Error::Data`] for a type that
    /// Arrow IPC cannot express.
    pub fn create(path: &Path, schema: &SchemaRef, options: SaveOptions) -> Result<Self> {
        Self::begin(AtomicFile::create(path)?, path, schema, options)
    }

    /// As [`FeatherWriter::create`], for one of several files that are published together.
    pub(crate) fn create_in(group: &mut Group, path: &Path, schema: &SchemaRef, options: SaveOptions) -> Result<Self> {
        Self::begin(AtomicFile::create_in(group, path)?, path, schema, options)
    }

    fn begin((guard, file): (AtomicFile, File), path: &Path, schema: &SchemaRef, options: SaveOptions) -> Result<Self> {
        let encoder = no_panic(|| FileEncoder::new(file, schema, options.compression))
            .map_err(|error| Error::arrow("write", path, error))?;
        let SaveOptions { durable, .. } = options;
        Ok(Self { guard, schema: Arc::clone(schema), durable, batches: 0, encoder: Some(encoder) })
    }

    /// Adds `batch`.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] when its columns are not those of the file, or have nulls where the file has none: the writer
    /// goes on as if it had not been given. [`Error::Io`] and [`Error::Data`] when it cannot be written: the writer is
    /// of no use any more.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.check(batch)?;
        let mut encoder = self.take_encoder()?;
        no_panic(|| encoder.write(&compact(batch)?))
            .map_err(|error| Error::arrow("write", self.guard.target(), error))?;
        self.encoder = Some(encoder);
        self.batches += 1;
        Ok(())
    }

    /// Writes the end, and gives the file its name.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when that fails, and [`Error::Argument`] when a batch could not be written before: the old file is
    /// then as it was.
    pub fn finish(self) -> Result<()> {
        self.seal()?.publish()
    }

    /// Writes the footer and, where it is to be durable, waits until the bytes are on the disk.
    pub(crate) fn seal(mut self) -> Result<Sealed> {
        let encoder = self.take_encoder()?;
        let Self { guard, durable, .. } = self;
        let file = no_panic(|| encoder.finish()).map_err(|error| Error::arrow("write", guard.target(), error))?;
        if durable {
            file.sync_all().map_err(|error| Error::io("write", guard.target(), error))?;
        }
        Ok(Sealed { guard, durable, file: Some(file) })
    }

    fn check(&self, batch: &RecordBatch) -> Result<()> {
        let refuse = |problem: String| {
            let (path, number) = (self.guard.target().display(), self.batches);
            Err(Error::Argument(format!("cannot write {path}: batch {number} {problem}")))
        };
        if let Some(difference) = difference(&self.schema, batch.schema_ref(), "the file") {
            return refuse(difference);
        }
        let mut columns = self.schema.fields().iter().zip(batch.columns());
        match columns.find(|(field, column)| !field.is_nullable() && column.null_count() > 0) {
            Some((field, _)) => refuse(format!("has nulls in column `{}`, and the file has none there", field.name())),
            None => Ok(()),
        }
    }

    fn take_encoder(&mut self) -> Result<FileEncoder> {
        let path = self.guard.target().display();
        let broken = || Error::Argument(format!("cannot write {path}: an earlier batch could not be written"));
        self.encoder.take().ok_or_else(broken)
    }
}

impl std::fmt::Debug for FeatherWriter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("FeatherWriter").field("guard", &self.guard).finish_non_exhaustive()
    }
}

impl Sealed {
    /// The name that it will have.
    pub(crate) fn target(&self) -> &Path {
        self.guard.target()
    }

    /// Where it is until it is published.
    pub(crate) fn temporary(&self) -> &Path {
        self.guard.temporary()
    }

    /// Closes one of a group: of many there are more than a process may have open.
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
