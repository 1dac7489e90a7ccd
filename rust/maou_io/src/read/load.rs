//! Whole files.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, Field, SchemaRef};

use super::{BatchReader, Remaining, sliced};
use crate::coerce::coerce_record;
use crate::error::{Error, Result};
use crate::guard::no_panic;
use crate::schema::RecordKind;
use crate::wire::{self, Frame, Joint};

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
    BatchReader::open(path)?.read_record(kind)
}

impl BatchReader {
    /// All rows that are still to come, as one batch. Where there is no batch, one without rows.
    ///
    /// # Errors
    ///
    /// As [`BatchReader::read_all`], and [`Error::Data`] when there are more bytes of strings than their offsets can count.
    pub fn read_one(mut self) -> Result<RecordBatch> {
        let (schema, path) = (self.schema(), self.path().to_owned());
        let Some(Remaining { frames, slices }) = self.remaining()? else {
            return join(&path, &schema, self.collect::<Result<_>>()?);
        };
        let selected = self.selected();
        // Of one batch, nothing is copied anyway.
        let joint = if frames.len() > 1 { Joint::of(&self.source, &frames, &self.schema, &selected)? } else { None };
        match joint {
            Some(joint) => self.read_joint(joint, &selected, &frames, &slices),
            None => join(&path, &schema, self.load(&frames, slices)?),
        }
    }

    /// The columns of `joint` straight into one place, and the others joined when they have been read.
    fn read_joint(
        mut self,
        joint: Joint,
        selected: &[usize],
        frames: &[Frame],
        slices: &[Range<usize>],
    ) -> Result<RecordBatch> {
        let (schema, Joint { plan, columns }) = (self.schema(), joint);
        let body = wire::load(&self.source, plan)?;
        let mut arrays: HashMap<usize, ArrayRef> =
            columns.iter().copied().zip(self.decode_columns(&body, &columns)?).collect();
        let mut rest = selected.to_vec();
        rest.retain(|index| !columns.contains(index));
        if !rest.is_empty() {
            self.selection.indices(&self.schema, rest.clone()).map_err(|problem| self.source.bad(problem))?;
            let all = frames.iter().map(|_| 0..usize::MAX).collect();
            let rest_of = join(self.path(), &self.schema(), self.load(frames, all)?)?;
            arrays.extend(rest.into_iter().zip(rest_of.columns().iter().cloned()));
        }
        let columns = selected.iter().filter_map(|index| arrays.get(index).cloned()).collect();
        let batch = no_panic(|| RecordBatch::try_new(schema, columns)).map_err(|error| self.source.bad(error))?;
        // Only of the first and the last batch a part may be wanted, and those without rows may stand anywhere.
        let start = slices.iter().find(|slice| !slice.is_empty()).map_or(0, |slice| slice.start);
        let rows = slices.iter().map(ExactSizeIterator::len).sum::<usize>();
        Ok(sliced(&batch, start..start + rows))
    }

    /// All rows that are still to come, as one batch of `kind`; otherwise as [`load_record`].
    ///
    /// # Errors
    ///
    /// As [`load_record`].
    pub fn read_record(self, kind: RecordKind) -> Result<RecordBatch> {
        let path = self.path().to_owned();
        let coerce = |batch: &RecordBatch| coerce_record(batch, kind).map_err(|error| error.at(&path));
        coerce(&join(&path, &self.schema(), Vec::new())?)?;
        let is_of_kind = |field: &Arc<Field>| {
            kind.schema().field_with_name(field.name()).is_ok_and(|ours| ours.data_type() == field.data_type())
        };
        if self.schema().fields().iter().all(is_of_kind) {
            return coerce(&self.read_one()?);
        }
        // Each batch before they are joined: 32-bit string offsets would overflow in a large whole.
        let batches = self.read_all()?.iter().map(coerce).collect::<Result<Vec<_>>>()?;
        join(&path, &kind.schema(), batches)
    }
}

/// Joins batches of one schema. A single one is not copied, and none give an empty batch.
///
/// # Errors
///
/// When the batches have other columns than `schema`, or too many bytes of strings for their offsets.
pub fn concat(schema: &SchemaRef, mut batches: Vec<RecordBatch>) -> Result<RecordBatch, ArrowError> {
    match batches.len() {
        0 => no_panic(|| Ok(RecordBatch::new_empty(Arc::clone(schema)))),
        1 => Ok(batches.swap_remove(0)),
        _ => no_panic(|| arrow_select::concat::concat_batches(schema, &batches)),
    }
}

fn join(path: &Path, schema: &SchemaRef, batches: Vec<RecordBatch>) -> Result<RecordBatch> {
    concat(schema, batches).map_err(|error| Error::data(path, format!("cannot join its batches into one: {error}")))
}
