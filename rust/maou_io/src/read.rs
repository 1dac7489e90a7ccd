//! Reading files, whole or in part.

mod check;
mod decode;
mod describe;
mod load;
mod open;
mod ranges;
mod selection;
mod steps;
mod verification;

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_ipc::MessageHeader;
use arrow_schema::SchemaRef;

use crate::error::{Error, Result};
use crate::wire::{self, Frame, Plan, Source};
pub use check::check_values;
pub use describe::{ColumnDescription, Description, describe, type_name};
pub use load::{concat, load_feather_batches, load_feather_file, load_record};
use open::Place;
pub use ranges::{data_ranges, footer_range, metadata_ranges, size_ranges};
use selection::Selection;
use steps::Steps;
use verification::Verification;

/// Bytes of a batch that are in memory at a time where files are split, merged or iterated over.
pub const STEP_BYTES: usize = 64 << 20;

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
    /// Where those of a *file* are, until they are read.
    unread_dictionaries: Vec<Place>,
    /// What each message is held against, if that was asked for.
    verification: Option<Verification>,
}

/// Where the next message is.
#[derive(Debug, Clone)]
enum Cursor {
    Stream { next: u64 },
    File { blocks: std::vec::IntoIter<Place> },
    Ended,
}

/// Batches that are to be read side by side.
struct Remaining {
    frames: Vec<Frame>,
    /// Of each, the rows that are wanted.
    slices: Vec<Range<usize>>,
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

    /// Maps the file into memory instead of reading it: the arrays of an uncompressed file share the mapping, nothing is
    /// copied, and only what is looked at is brought in. What is compressed is decompressed as always.
    ///
    /// Nobody may change the file while the reader, or an array that came from it, is there: who looks at what has been
    /// cut off is killed by the operating system (`SIGBUS`), and what has been overwritten is no longer what was checked.
    /// To replace the file by another, as all saves of this crate do, is harmless.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when the file cannot be mapped.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use arrow_array::{Int16Array, RecordBatch};
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("a.feather");
    /// # let batch = RecordBatch::try_from_iter([("eval", Arc::new(Int16Array::from(vec![1, 2])) as _)])?;
    /// # maou_io::save_feather_file(&batch, &path)?;
    /// let batches = maou_io::BatchReader::open(&path)?.with_memory_map(true)?.read_all()?;
    /// # assert_eq!(batches, [batch]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_memory_map(mut self, memory_map: bool) -> Result<Self> {
        if memory_map {
            self.source.map()?;
        }
        Ok(self)
    }

    /// Holds each message that is read against its checksum in the footer, before anything of it is decoded.
    ///
    /// A checksum is of a whole message: where a part of its columns is selected, all of it is read nevertheless. Batches
    /// without a row that is selected are passed over, and their number of rows is believed. Of a file that is not mapped,
    /// a message is read once to be hashed and once to be decoded.
    ///
    /// # Errors
    ///
    /// [`Error::Data`] for a file without checksums, which files of other writers and all streams are, and for one whose
    /// schema has changed.
    pub fn with_verification(mut self, verify: bool) -> Result<Self> {
        if verify {
            let verification = Verification::of(&self)?.ok_or_else(|| {
                self.source.refuse(
                    "it has no checksums, so it cannot be verified. Save it again with maou, or read it unverified",
                )
            })?;
            self.verification = Some(verification);
        }
        Ok(self)
    }

    /// As [`BatchReader::with_verification`], where there are checksums; and whether there are.
    pub(crate) fn with_verification_if_possible(mut self) -> Result<(Self, bool)> {
        self.verification = Verification::of(&self)?;
        let is_possible = self.verification.is_some();
        Ok((self, is_possible))
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
        Ok(self.tally()?.0)
    }

    /// Rows, and batches, that are still to come.
    pub(crate) fn tally(&self) -> Result<(u64, usize)> {
        let mut cursor = self.cursor.clone();
        let (mut rows, mut batches) = (0_u64, 0);
        while let Some(frame) = cursor.advance(&self.source)? {
            rows = rows.saturating_add(frame.rows(self.source.path())?);
            batches += usize::from(frame.kind() == MessageHeader::RecordBatch);
        }
        Ok((rows, batches))
    }

    /// All batches that are still to come, read side by side.
    ///
    /// # Errors
    ///
    /// As for reading them one after the other.
    pub fn read_all(mut self) -> Result<Vec<RecordBatch>> {
        match self.remaining()? {
            Some(Remaining { frames, slices }) => self.load(&frames, slices),
            None => self.collect(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.source.path()
    }

    /// The batches that are still to come, verified. Nothing where they have to be read one after the other.
    fn remaining(&mut self) -> Result<Option<Remaining>> {
        if self.steps.is_some() {
            // The rest of a batch comes first.
            return Ok(None);
        }
        self.read_dictionaries()?;
        let (mut cursor, mut selection) = (self.cursor.clone(), self.selection.clone());
        let (mut frames, mut slices) = (Vec::new(), Vec::new());
        while !selection.is_over()
            && let Some(frame) = cursor.advance(&self.source)?
        {
            if frame.kind() != MessageHeader::RecordBatch {
                // A dictionary, which only the batches behind it know, or damage, which has to be found in its place.
                return Ok(None);
            }
            if let Some(slice) = selection.slice(frame.rows(self.source.path())?) {
                frames.push(frame);
                slices.push(slice);
            }
        }
        self.verify(&frames)?;
        Ok(Some(Remaining { frames, slices }))
    }

    /// The batches in `frames`, side by side.
    fn load(&self, frames: &[Frame], slices: Vec<Range<usize>>) -> Result<Vec<RecordBatch>> {
        let plans = frames.iter().map(|frame| self.plan(frame)).collect::<Result<_>>()?;
        let bodies = wire::load_all(&self.source, plans)?;
        let batches = self.decode(&bodies)?;
        Ok(batches.iter().zip(slices).map(|(batch, slice)| sliced(batch, slice)).collect())
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        if let Some(steps) = &mut self.steps {
            if let Some(batch) = steps.next(&self.source)? {
                return Ok(Some(batch));
            }
            self.steps = None;
        }
        self.read_dictionaries()?;
        while !self.selection.is_over()
            && let Some(frame) = self.cursor.advance(&self.source)?
        {
            match frame.kind() {
                MessageHeader::RecordBatch => {
                    let rows = frame.rows(self.source.path())?;
                    let Some(slice) = self.selection.slice(rows) else { continue };
                    self.verify(std::slice::from_ref(&frame))?;
                    let plan = self.plan(&frame)?;
                    self.steps = self.steps(&plan, rows, slice.clone())?;
                    if let Some(steps) = &mut self.steps {
                        return steps.next(&self.source);
                    }
                    let body = wire::load(&self.source, plan)?;
                    return Ok(self.decode(&[body])?.first().map(|batch| sliced(batch, slice)));
                }
                MessageHeader::DictionaryBatch => self.decode_dictionary(&frame)?,
                kind => return Err(no_batch(&self.source, kind)),
            }
        }
        Ok(None)
    }

    /// The dictionaries of a *file*, which stand wherever the footer says.
    fn read_dictionaries(&mut self) -> Result<()> {
        for place in std::mem::take(&mut self.unread_dictionaries) {
            let frame = frame_at(&self.source, place)?;
            self.verify(std::slice::from_ref(&frame))?;
            self.decode_dictionary(&frame)?;
        }
        Ok(())
    }

    fn verify(&self, frames: &[Frame]) -> Result<()> {
        self.verification.as_ref().map_or(Ok(()), |verification| verification.hold(&self.source, frames))
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
        Plan::of(&self.source, frame, self.wanted(frame)?.as_deref())
    }

    /// Which buffers of a batch the selected columns need; nothing: all.
    fn wanted(&self, frame: &Frame) -> Result<Option<Vec<bool>>> {
        let Some(columns) = self.selection.selected() else { return Ok(None) };
        let message = frame.message(self.source.path())?;
        let Some(batch) = message.header_as_record_batch() else {
            return Err(self.source.bad("a batch message without a batch"));
        };
        let wanted = wire::wanted_buffers(&batch, &self.schema, columns, message.version());
        wanted.map(Some).map_err(|problem| self.source.bad(problem))
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
                Some(place) => frame_at(source, place).map(Some),
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

/// A message that the footer announced: its absence is damage, and so is one that reaches into the next.
fn frame_at(source: &Source, place: Place) -> Result<Frame> {
    let start = place.start;
    match source.frame(start)? {
        Some(frame) if frame.end() <= place.end => Ok(frame),
        Some(frame) => {
            let (end, next) = (frame.end(), place.end);
            Err(source.bad(format!("the message at byte {start} ends at {end}, and the next one begins at {next}")))
        }
        None => {
            Err(source.bad(format!("it is damaged: the footer names a batch at byte {start}, where there is none")))
        }
    }
}

fn no_batch(source: &Source, kind: MessageHeader) -> Error {
    source.bad(format!("a message of kind {kind:?} where batches were expected"))
}

fn sliced(batch: &RecordBatch, rows: Range<usize>) -> RecordBatch {
    // Not trusted to be as many as the message said.
    let end = rows.end.min(batch.num_rows());
    batch.slice(rows.start.min(end), end - rows.start.min(end))
}

#[cfg(test)]
mod tests;
