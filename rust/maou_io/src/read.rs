//! Reading files, whole or in part.

mod check;
mod open;
mod ranges;
mod selection;
mod steps;

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_data::UnsafeFlag;
use arrow_ipc::MessageHeader;
use arrow_ipc::reader::{RecordBatchDecoder, read_dictionary};
use arrow_schema::{ArrowError, SchemaRef};

use crate::coerce::coerce_record;
use crate::error::{Error, Result};
use crate::guard::no_panic;
use crate::schema::RecordKind;
use crate::threads;
use crate::wire::{self, Body, Frame, Plan, Source};
pub(crate) use open::footer;
pub use ranges::{data_ranges, footer_range, metadata_ranges};
use selection::Selection;
use steps::Steps;

/// Bytes of a batch that are in memory at a time where files are split, merged or iterated over.
pub const STEP_BYTES: usize = 64 << 20;

/// Checking a byte takes so much less than copying one.
const CHECKED_PER_COPIED: usize = 4;

/// Reads a file batch by batch. The layout, *file* or *stream*, is found in the content.
///
/// An iterator over the batches, in order. It holds one batch's bytes at a time, and the dictionaries if there are any.
/// After an error it ends.
#[derive(Debug)]
pub struct BatchReader {
    source: Source,
    cursor: Cursor,
    /// Of the file: a part of its columns may be selected.
    schema: SchemaRef,
    selection: Selection,
    /// Bytes of a batch above which it is read in parts, and what is left of one that is.
    most: usize,
    steps: Option<Steps>,
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
        open::open(path)
    }

    /// Gives only these columns, in this order. Of the others no data is read.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for a column that the file has not, with those that it has.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use arrow_array::{Int16Array, RecordBatch};
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("a.feather");
    /// # let column = |value| Arc::new(Int16Array::from(vec![value])) as _;
    /// # let batch = RecordBatch::try_from_iter([("hcp", column(1)), ("eval", column(2)), ("id", column(3))])?;
    /// # maou_io::save_feather_file(&batch, &path)?;
    /// let evals = maou_io::BatchReader::open(&path)?.with_columns(&["id", "eval"])?.read_all()?;
    /// assert_eq!(evals[0].schema().field(1).name(), "eval");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_columns(mut self, names: &[impl AsRef<str>]) -> Result<Self> {
        self.selection.columns(&self.schema, names).map_err(Error::Argument)?;
        Ok(self)
    }

    /// Gives only the rows of `rows`, counted from the beginning of the file. Of batches without any, no data is read.
    pub fn with_rows(mut self, rows: Range<u64>) -> Self {
        self.selection.rows(rows);
        self
    }

    /// Gives batches that would take more than `bytes` of memory in parts that take about as much, and reads them a part
    /// at a time. Batches with columns of views, dictionaries, structs or unions are given whole all the same.
    pub fn with_steps(mut self, bytes: usize) -> Self {
        self.most = bytes;
        self
    }

    /// The schema of every batch.
    pub fn schema(&self) -> SchemaRef {
        self.selection.schema(&self.schema)
    }

    /// Rows in all batches of the file that are still to come. Reads message headers, and no data.
    ///
    /// # Errors
    ///
    /// As for reading: [`Error::Io`] and [`Error::Data`].
    pub fn count_rows(&self) -> Result<u64> {
        let mut cursor = self.cursor.clone();
        let mut rows = 0_u64;
        while let Some(frame) = cursor.advance(&self.source)? {
            rows = rows.saturating_add(frame.rows(self.source.path())?);
        }
        Ok(rows)
    }

    /// All batches that are still to come, read side by side.
    ///
    /// # Errors
    ///
    /// As for reading them one after the other.
    pub fn read_all(mut self) -> Result<Vec<RecordBatch>> {
        if self.steps.is_some() {
            // The rest of a batch comes first.
            return self.collect();
        }
        let (mut cursor, mut selection) = (self.cursor.clone(), self.selection.clone());
        let (mut plans, mut slices) = (Vec::new(), Vec::new());
        while !selection.is_over()
            && let Some(frame) = cursor.advance(&self.source)?
        {
            if frame.kind() != MessageHeader::RecordBatch {
                // A dictionary, which only the batches behind it know, or damage, which has to be found in its place.
                return self.collect();
            }
            if let Some(slice) = selection.slice(frame.rows(self.source.path())?) {
                plans.push(self.plan(&frame)?);
                slices.push(slice);
            }
        }
        self.cursor = Cursor::Ended;
        let bodies = wire::load_all(&self.source, plans)?;
        let batches = self.decode(&bodies)?;
        Ok(batches.iter().zip(slices).map(|(batch, slice)| sliced(batch, slice)).collect())
    }

    /// All rows that are still to come, as one batch. Where there is no batch, one without rows.
    ///
    /// # Errors
    ///
    /// As [`BatchReader::read_all`], and [`Error::Data`] when there are more bytes of strings than their offsets can count.
    pub fn read_one(self) -> Result<RecordBatch> {
        let (schema, path) = (self.schema(), self.source.path().to_owned());
        let batches = self.read_all()?;
        concat(&schema, batches)
            .map_err(|error| Error::data(&path, format!("cannot join its batches into one: {error}")))
    }

    /// Whether the file is an IPC *stream*, which has no footer.
    pub(crate) fn is_stream(&self) -> bool {
        matches!(self.cursor, Cursor::Stream { .. })
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        if let Some(steps) = &mut self.steps {
            if let Some(batch) = steps.next(&self.source)? {
                return Ok(Some(batch));
            }
            self.steps = None;
        }
        while !self.selection.is_over()
            && let Some(frame) = self.cursor.advance(&self.source)?
        {
            match frame.kind() {
                MessageHeader::RecordBatch => {
                    let rows = frame.rows(self.source.path())?;
                    let Some(slice) = self.selection.slice(rows) else { continue };
                    let plan = self.plan(&frame)?;
                    self.steps = self.steps(&plan, rows, slice.clone())?;
                    if let Some(steps) = &mut self.steps {
                        return steps.next(&self.source);
                    }
                    let body = wire::load(&self.source, plan)?;
                    return Ok(self.decode(&[body])?.first().map(|batch| sliced(batch, slice)));
                }
                MessageHeader::DictionaryBatch => self.decode_dictionary(&frame)?,
                kind => {
                    return Err(self.source.bad(format!("a message of kind {kind:?} where batches were expected")));
                }
            }
        }
        Ok(None)
    }

    /// A batch of `all` rows in parts, where it is too large to be read at once.
    fn steps(&self, plan: &Plan, all: u64, rows: Range<usize>) -> Result<Option<Steps>> {
        let size = plan.size();
        let types = self.schema.fields().iter().map(|field| field.data_type());
        if size <= self.most || rows.is_empty() || !types.into_iter().all(wire::is_readable) {
            return Ok(None);
        }
        // Each row takes its share.
        let step = (all as f64 / size as f64 * self.most as f64) as usize;
        let selected = (self.schema(), &self.selected()[..]);
        let columns = plan.columns(&self.source, &self.schema)?;
        Ok(Some(Steps::new(columns, selected, rows, (step, self.most))))
    }

    /// Where the buffers of a batch are that the selected columns need.
    fn plan(&self, frame: &Frame) -> Result<Plan> {
        let Some(columns) = self.selection.selected() else { return Plan::of(&self.source, frame, None) };
        let message = frame.message(self.source.path())?;
        let Some(batch) = message.header_as_record_batch() else {
            return Err(self.source.bad("a batch message without a batch"));
        };
        let wanted = wire::wanted_buffers(&batch, &self.schema, columns, message.version())
            .map_err(|problem| self.source.bad(problem))?;
        Plan::of(&self.source, frame, Some(&wanted))
    }

    pub(super) fn decode_dictionary(&mut self, frame: &Frame) -> Result<()> {
        let body = wire::load(&self.source, Plan::of(&self.source, frame, None)?)?;
        let message = body.message(self.source.path())?;
        let Some(dictionary) = message.header_as_dictionary_batch() else {
            return Err(self.source.bad("a dictionary message without a dictionary"));
        };
        let version = message.version();
        no_panic(|| read_dictionary(&body.data, dictionary, &self.schema, &mut self.dictionaries, &version))
            .map_err(|error| self.source.bad(error))
    }

    /// The batches in `bodies`, column by column on the threads that are worth it.
    fn decode(&self, bodies: &[Body]) -> Result<Vec<RecordBatch>> {
        let columns = self.selected();
        let bytes: usize = bodies.iter().map(|body| body.data.len()).sum();
        let tasks: Vec<_> = bodies.iter().flat_map(|body| columns.iter().map(move |column| (body, *column))).collect();
        let threads = threads::worth(bytes / CHECKED_PER_COPIED, tasks.len());
        let mut decoded = threads::map(tasks, threads, |(body, column)| self.decode_column(body, column))?.into_iter();
        bodies.iter().map(|body| self.assemble(body, decoded.by_ref().take(columns.len()).collect())).collect()
    }

    fn assemble(&self, body: &Body, columns: Vec<ArrayRef>) -> Result<RecordBatch> {
        let message = body.message(self.source.path())?;
        let rows = message.header_as_record_batch().and_then(|batch| usize::try_from(batch.length()).ok());
        let rows = RecordBatchOptions::new().with_row_count(rows);
        no_panic(|| RecordBatch::try_new_with_options(self.schema(), columns, &rows))
            .map_err(|error| self.source.bad(error))
    }

    /// One column, whose values have been checked.
    fn decode_column(&self, body: &Body, index: usize) -> Result<ArrayRef> {
        let message = body.message(self.source.path())?;
        let Some(batch) = message.header_as_record_batch() else {
            return Err(self.source.bad("a batch message without a batch"));
        };
        let is_known = check::is_known(self.schema.field(index).data_type());
        let mut unchecked = UnsafeFlag::new();
        // SAFETY: what is decoded unchecked is checked right below, before anybody can use it.
        unsafe { unchecked.set(is_known) };
        let version = message.version();
        no_panic(|| {
            let decoder =
                RecordBatchDecoder::try_new(&body.data, batch, Arc::clone(&self.schema), &self.dictionaries, &version)?;
            let decoded =
                decoder.with_projection(Some(&[index])).with_skip_validation(unchecked).read_record_batch()?;
            let column = Arc::clone(decoded.column(0));
            if is_known {
                check::check(&column)?;
            }
            Ok(column)
        })
        .map_err(|error| self.source.bad(error))
    }

    /// Indices of the columns that are wanted, in their order.
    fn selected(&self) -> Vec<usize> {
        self.selection.selected().map_or_else(|| (0..self.schema.fields().len()).collect(), <[usize]>::to_vec)
    }
}

impl Iterator for BatchReader {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.next_batch();
        if next.is_err() {
            self.cursor = Cursor::Ended;
            self.steps = None;
        }
        next.transpose()
    }
}

impl Cursor {
    fn advance(&mut self, source: &Source) -> Result<Option<Frame>> {
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
    BatchReader::open(path)?.read_one()
}

/// Loads the batches of a file, as they were written.
///
/// # Errors
///
/// As [`load_feather_file`].
pub fn load_feather_batches(path: &Path) -> Result<Vec<RecordBatch>> {
    BatchReader::open(path)?.read_all()
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
    let batches = reader.read_all()?.into_iter();
    let batches =
        batches.map(|batch| coerce_record(&batch, kind).map_err(|error| error.at(path))).collect::<Result<Vec<_>>>()?;
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

/// A message that the footer announced: its absence is damage.
pub(crate) fn frame_at(source: &Source, offset: u64) -> Result<Frame> {
    match source.frame(offset)? {
        Some(frame) => Ok(frame),
        None => {
            Err(source.bad(format!("it is damaged: the footer names a batch at byte {offset}, where there is none")))
        }
    }
}

fn sliced(batch: &RecordBatch, rows: Range<usize>) -> RecordBatch {
    // Not trusted to be as many as the message said.
    let end = rows.end.min(batch.num_rows());
    batch.slice(rows.start.min(end), end - rows.start.min(end))
}

#[cfg(test)]
mod tests;
