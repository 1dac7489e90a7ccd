//! Columns of several batches, read as if they had been written as one: each buffer behind the one before it.
//!
//! That works where a column is nothing but values of one width, in lists of fixed length or not, and has no nulls. Others
//! would have offsets to be moved and bits to be shifted.

use arrow_ipc::{Buffer as Place, FieldNode, RecordBatch};
use arrow_schema::{DataType, Field, Schema};

use super::body::{Piece, Plan, pieces};
use super::frame::{Frame, Source};
use super::layout::{buffers_of, nodes_of};
use super::message::{record_batch, with_layout};
use super::region::ALIGNMENT;
use crate::error::Result;

/// What is read of several batches as if they were one.
pub(crate) struct Joint {
    pub(crate) plan: Plan,
    /// Indices of the columns that it has.
    pub(crate) columns: Vec<usize>,
}

/// A column whose values lie one behind the other.
struct Column {
    index: usize,
    /// Its first node, and how many values of the next a value of each has.
    node: usize,
    lengths: Vec<usize>,
    /// Of the values.
    buffer: usize,
    width: usize,
}

impl Joint {
    /// Those of `columns` that can be read so out of all `frames`; nothing where none can.
    pub(crate) fn of(source: &Source, frames: &[Frame], schema: &Schema, columns: &[usize]) -> Result<Option<Self>> {
        let Some(first) = frames.first() else { return Ok(None) };
        let message = first.message(source.path())?;
        let Some(batch) = record_batch(&message) else { return Ok(None) };
        let mut fixed = fixed_columns(schema, &batch, message.version())
            .map_err(|problem| source.bad(problem))?
            .into_iter()
            .filter(|column| columns.contains(&column.index))
            .collect::<Vec<_>>();
        for frame in frames {
            let message = frame.message(source.path())?;
            let batch = record_batch(&message);
            fixed.retain(|column| batch.as_ref().is_some_and(|batch| column.values_in(batch).is_some()));
        }
        if fixed.is_empty() {
            return Ok(None);
        }
        let count = batch.buffers().map_or(0, |buffers| buffers.len());
        let wanted: Vec<bool> = (0..count).map(|index| fixed.iter().any(|column| column.buffer == index)).collect();
        let mut batches = Vec::with_capacity(frames.len());
        for frame in frames {
            let pieces = pieces(source, frame, Some(&wanted))?;
            let message = frame.message(source.path())?;
            let Some(batch) = record_batch(&message) else { return Ok(None) };
            let is_whole = |column: &Column| {
                let bytes = column.values_in(&batch).and_then(|values| values.checked_mul(column.width));
                bytes.is_some() && bytes == pieces.get(column.buffer).map(|piece| piece.size)
            };
            if pieces.len() != count || !fixed.iter().all(is_whole) {
                return Ok(None);
            }
            batches.push(pieces);
        }
        let Some((rows, nodes)) = summed(source, frames)? else { return Ok(None) };
        let Some((places, pieces, size)) = laid_out(batches) else { return Ok(None) };
        let flatbuffer = with_layout(&message, (rows, &nodes), &places, size, None);
        let columns = fixed.iter().map(|column| column.index).collect();
        Ok(flatbuffer.map(|flatbuffer| Self { plan: Plan::laid_out(flatbuffer, pieces, size), columns }))
    }
}

impl Column {
    fn of(field: &Field, index: usize, node: usize, buffer: usize) -> Option<Self> {
        let (mut lengths, mut data_type) = (Vec::new(), field.data_type());
        while let DataType::FixedSizeList(item, length) = data_type {
            lengths.push(usize::try_from(*length).ok()?);
            data_type = item.data_type();
        }
        let width = data_type.primitive_width()?;
        // A bitmap of nulls for each list and one for the values stand before them.
        let buffer = buffer + lengths.len() + 1;
        Some(Self { index, node, lengths, buffer, width })
    }

    /// How many values `batch` has of it; nothing where there are nulls, or not as many values as its rows ask for.
    fn values_in(&self, batch: &RecordBatch<'_>) -> Option<usize> {
        let nodes = batch.nodes()?;
        let mut expected = usize::try_from(batch.length()).ok()?;
        for depth in 0..=self.lengths.len() {
            if self.node + depth >= nodes.len() {
                return None;
            }
            let node = nodes.get(self.node + depth);
            if node.null_count() != 0 || usize::try_from(node.length()) != Ok(expected) {
                return None;
            }
            if let Some(length) = self.lengths.get(depth) {
                expected = expected.checked_mul(*length)?;
            }
        }
        Some(expected)
    }
}

/// The columns of fixed width in batches of `schema`, of which `batch` is one.
fn fixed_columns(
    schema: &Schema,
    batch: &RecordBatch<'_>,
    version: arrow_ipc::MetadataVersion,
) -> Result<Vec<Column>, String> {
    let mut variadic = batch.variadicBufferCounts().into_iter().flatten();
    let (mut node, mut buffer) = (0_usize, 0_usize);
    let mut columns = Vec::new();
    for (index, field) in schema.fields().iter().enumerate() {
        columns.extend(Column::of(field, index, node, buffer));
        node += nodes_of(field);
        buffer = buffer.saturating_add(buffers_of(field, &mut variadic, version)?);
    }
    Ok(columns)
}

/// The rows of all `frames`, and their nodes as one batch would have them; nothing where they are not of one layout.
fn summed(source: &Source, frames: &[Frame]) -> Result<Option<(i64, Vec<FieldNode>)>> {
    let mut rows = 0_i64;
    let mut sums: Vec<FieldNode> = Vec::new();
    for frame in frames {
        let message = frame.message(source.path())?;
        let Some(batch) = record_batch(&message) else { return Ok(None) };
        let nodes: Vec<FieldNode> = batch.nodes().iter().flatten().copied().collect();
        sums.resize(nodes.len().max(sums.len()), FieldNode::new(0, 0));
        if sums.len() != nodes.len() {
            return Ok(None);
        }
        rows = rows.saturating_add(batch.length());
        for (sum, node) in sums.iter_mut().zip(nodes) {
            let length = sum.length().saturating_add(node.length());
            *sum = FieldNode::new(length, sum.null_count().saturating_add(node.null_count()));
        }
    }
    Ok(Some((rows, sums)))
}

/// Each buffer of `batches` behind that of the batch before; nothing where there is more than can be.
fn laid_out(batches: Vec<Vec<Piece>>) -> Option<(Vec<Place>, Vec<Piece>, usize)> {
    let buffers = batches.first().map_or(0, Vec::len);
    let mut batches: Vec<_> = batches.into_iter().map(Vec::into_iter).collect();
    let (mut places, mut pieces, mut size) = (Vec::with_capacity(buffers), Vec::new(), 0_usize);
    for _ in 0..buffers {
        let start = size.checked_next_multiple_of(ALIGNMENT)?;
        size = start;
        for mut piece in batches.iter_mut().filter_map(Iterator::next) {
            piece.at = size;
            size = size.checked_add(piece.size)?;
            pieces.push(piece);
        }
        // Lengths in memory: far below 2^63.
        places.push(Place::new(start as i64, (size - start) as i64));
    }
    Some((places, pieces, size))
}
