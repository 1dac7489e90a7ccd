//! What was taken out of Python, to be looked at when other Python threads run.

use arrow_array::RecordBatch;
use arrow_array::ffi::FFI_ArrowArray;
use arrow_schema::{ArrowError, SchemaRef};
use pyo3::prelude::*;

use super::{import, invalid};

/// Chunks of so many bytes are worth a batch of their own.
const CHUNK_BYTES: usize = 8 << 20;

/// The arrays of an Arrow object, of which nothing was read yet. That takes as long as there are values, and needs no
/// interpreter.
pub(crate) struct Taken {
    pub(super) schema: SchemaRef,
    pub(super) arrays: Vec<FFI_ArrowArray>,
}

/// Batches to be written, one after the other; one at least.
pub(crate) struct Chunks {
    schema: SchemaRef,
    groups: std::vec::IntoIter<Vec<RecordBatch>>,
}

impl Taken {
    /// All rows as one batch.
    pub(crate) fn batch(self) -> PyResult<RecordBatch> {
        let (schema, batches) = self.batches()?;
        maou_io::concat(&schema, batches).map_err(invalid)
    }

    /// Its chunks, of which small ones are joined, when their turn comes. To join all of a large frame would take its
    /// memory once more.
    pub(crate) fn chunks(self) -> PyResult<Chunks> {
        let (schema, batches) = self.batches()?;
        Ok(Chunks { schema, groups: groups(batches).into_iter() })
    }

    /// One for each array.
    pub(super) fn split(self) -> Vec<Self> {
        let Self { schema, arrays } = self;
        arrays.into_iter().map(|array| Self { schema: SchemaRef::clone(&schema), arrays: vec![array] }).collect()
    }

    fn batches(self) -> PyResult<(SchemaRef, Vec<RecordBatch>)> {
        let Self { schema, arrays } = self;
        let batches = arrays.into_iter().map(|array| import::batch(array, &schema));
        let batches = batches.collect::<Result<_, ArrowError>>().map_err(invalid)?;
        Ok((schema, batches))
    }
}

impl Chunks {
    pub(crate) fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }
}

impl Iterator for Chunks {
    type Item = PyResult<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let group = self.groups.next()?;
        Some(maou_io::concat(&self.schema, group).map_err(invalid))
    }
}

/// Consecutive batches of [`CHUNK_BYTES`] in all; an empty group where there is no batch.
fn groups(batches: Vec<RecordBatch>) -> Vec<Vec<RecordBatch>> {
    let (mut groups, mut group, mut bytes) = (Vec::new(), Vec::new(), 0);
    for batch in batches {
        bytes += size(&batch);
        group.push(batch);
        if bytes >= CHUNK_BYTES {
            groups.push(std::mem::take(&mut group));
            bytes = 0;
        }
    }
    if !group.is_empty() || groups.is_empty() {
        groups.push(group);
    }
    groups
}

/// Bytes of its rows, and not of those that it shares buffers with.
fn size(batch: &RecordBatch) -> usize {
    let of_rows = |column: &arrow_array::ArrayRef| {
        let data = column.to_data();
        data.get_slice_memory_size().unwrap_or_else(|_| data.get_buffer_memory_size())
    };
    batch.columns().iter().map(of_rows).sum()
}
