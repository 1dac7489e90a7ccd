//! Messages that have been read, as arrays.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_data::UnsafeFlag;
use arrow_ipc::MessageHeader;
use arrow_ipc::reader::{RecordBatchDecoder, read_dictionary};

use super::{BatchReader, Cursor, check};
use crate::error::Result;
use crate::guard::no_panic;
use crate::threads;
use crate::wire::{self, Body, Frame, Plan};

/// Checking a byte takes so much less than copying one.
const CHECKED_PER_COPIED: usize = 4;

impl BatchReader {
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

    /// Whether the batches that are still to come have more than one dictionary for a column. Reads them all.
    pub(crate) fn dictionaries_change(mut self) -> Result<bool> {
        if !wire::has_dictionaries(&self.schema) || !matches!(self.cursor, Cursor::Stream { .. }) {
            return Ok(false);
        }
        while let Some(frame) = self.cursor.advance(&self.source)? {
            if frame.kind() == MessageHeader::DictionaryBatch {
                let known = self.dictionaries.clone();
                self.decode_dictionary(&frame)?;
                let changed = |(id, old): (&i64, &ArrayRef)| self.dictionaries.get(id).is_none_or(|new| new != old);
                if known.iter().any(changed) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// The batches in `bodies`, column by column on the threads that are worth it.
    pub(super) fn decode(&self, bodies: &[Body]) -> Result<Vec<RecordBatch>> {
        let columns = self.selected();
        let bytes: usize = bodies.iter().map(|body| body.data.len()).sum();
        let tasks: Vec<_> = bodies.iter().flat_map(|body| columns.iter().map(move |column| (body, *column))).collect();
        let threads = threads::worth(bytes / CHECKED_PER_COPIED, tasks.len());
        let mut decoded = threads::map(tasks, threads, |(body, column)| self.decode_column(body, column))?.into_iter();
        bodies.iter().map(|body| self.assemble(body, decoded.by_ref().take(columns.len()).collect())).collect()
    }

    /// `columns` of `body`, side by side.
    pub(super) fn decode_columns(&self, body: &Body, columns: &[usize]) -> Result<Vec<ArrayRef>> {
        let threads = threads::worth(body.data.len() / CHECKED_PER_COPIED, columns.len());
        threads::map(columns.to_vec(), threads, |column| self.decode_column(body, column))
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
}
