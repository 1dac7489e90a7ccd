//! A batch, some of its rows at a time: for batches that are larger than memory.
//!
//! Each buffer is decompressed from its beginning to its end, and what the next rows need of it is taken. Types whose rows
//! are not in the order of their buffers (views, dictionaries) cannot be read so.

use std::sync::Arc;

use arrow_array::types::{BinaryType, LargeBinaryType, LargeUtf8Type, Utf8Type};
use arrow_array::{
    ArrayRef, BooleanArray, FixedSizeListArray, GenericByteArray, GenericListArray, NullArray, OffsetSizeTrait,
    make_array, types::ByteArrayType,
};
use arrow_buffer::{BooleanBuffer, Buffer, MutableBuffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_data::ArrayData;
use arrow_ipc::{FieldNode, RecordBatch};
use arrow_schema::{ArrowError, DataType, Field, FieldRef};

use super::bytes::ByteStream;
use super::frame::Source;
use crate::error::{Error, Result};

/// A column of a batch, whose next rows can be asked for.
pub(crate) struct ColumnStream {
    nulls: Option<Bits>,
    values: Values,
    data_type: DataType,
}

enum Values {
    Null,
    Bits(Bits),
    Fixed { bytes: ByteStream, width: usize },
    Text { offsets: Offsets, bytes: ByteStream },
    List { offsets: Offsets, item: FieldRef, values: Box<ColumnStream> },
    FixedList { item: FieldRef, length: usize, values: Box<ColumnStream> },
}

/// A bit for each value.
struct Bits {
    bytes: ByteStream,
    /// The byte that has been begun, and how many of its bits have been given.
    last: u8,
    given: usize,
}

struct Offsets {
    bytes: ByteStream,
    is_wide: bool,
    /// Where the last row ended; nothing before the first.
    last: Option<i64>,
}

/// The offsets of some rows.
struct Step {
    /// Where each row begins, and the last one ends, counted from the first.
    offsets: Vec<i64>,
    /// How many values stand before those of these rows and belong to no row: only in front of the first.
    before: usize,
    /// How many values these rows have.
    len: usize,
}

/// What is passed over at a time: bytes, or rows.
const PASSED: usize = 1 << 16;

/// What is left of a batch's nodes and buffers while its columns are made.
pub(crate) struct Parts<'a> {
    nodes: Box<dyn Iterator<Item = &'a FieldNode> + 'a>,
    buffers: std::vec::IntoIter<ByteStream>,
}

/// Whether columns of this type can be read so.
pub(crate) fn is_readable(data_type: &DataType) -> bool {
    match data_type {
        DataType::Null | DataType::Boolean | DataType::Utf8 | DataType::LargeUtf8 => true,
        DataType::Binary | DataType::LargeBinary => true,
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            is_readable(item.data_type())
        }
        other => other.primitive_width().is_some(),
    }
}

impl<'a> Parts<'a> {
    /// `buffers` in the order of the batch.
    pub(super) fn new(batch: &RecordBatch<'a>, buffers: Vec<ByteStream>) -> Self {
        Self { nodes: Box::new(batch.nodes().into_iter().flatten()), buffers: buffers.into_iter() }
    }

    fn node(&mut self) -> Result<&'a FieldNode, String> {
        self.nodes.next().ok_or_else(|| "a batch with fewer columns than its schema".to_owned())
    }

    fn buffer(&mut self) -> Result<ByteStream, String> {
        self.buffers.next().ok_or_else(|| "a batch with fewer buffers than its schema asks for".to_owned())
    }
}

impl ColumnStream {
    /// The next column of a batch. Its type must be readable.
    pub(crate) fn new(field: &Field, parts: &mut Parts<'_>) -> Result<Self, String> {
        let node = parts.node()?;
        let data_type = field.data_type().clone();
        if data_type == DataType::Null {
            return Ok(Self { nulls: None, values: Values::Null, data_type });
        }
        let bitmap = parts.buffer()?;
        let nulls = (node.null_count() > 0).then(|| Bits::new(bitmap));
        let values = match &data_type {
            DataType::Boolean => Values::Bits(Bits::new(parts.buffer()?)),
            DataType::Utf8 | DataType::Binary => Values::text(false, parts)?,
            DataType::LargeUtf8 | DataType::LargeBinary => Values::text(true, parts)?,
            DataType::List(item) => Values::list(false, item, parts)?,
            DataType::LargeList(item) => Values::list(true, item, parts)?,
            DataType::FixedSizeList(item, length) => {
                let length = usize::try_from(*length).map_err(|_| format!("lists of {length} values"))?;
                let values = Box::new(Self::new(item, parts)?);
                Values::FixedList { item: Arc::clone(item), length, values }
            }
            other => {
                let width = other.primitive_width().ok_or_else(|| format!("a column of the type {other}"))?;
                Values::Fixed { bytes: parts.buffer()?, width }
            }
        };
        Ok(Self { nulls, values, data_type })
    }

    /// The next `rows` rows.
    pub(crate) fn next(&mut self, source: &Source, rows: usize) -> Result<ArrayRef> {
        let nulls = match &mut self.nulls {
            Some(bits) => Some(NullBuffer::new(bits.next(source, rows)?)),
            None => None,
        };
        let bad = |error: ArrowError| source.bad(error);
        Ok(match &mut self.values {
            Values::Null => Arc::new(NullArray::new(rows)),
            Values::Bits(bits) => Arc::new(BooleanArray::new(bits.next(source, rows)?, nulls)),
            Values::Fixed { bytes, width } => {
                let values = read(source, bytes, rows.checked_mul(*width))?;
                let data = ArrayData::builder(self.data_type.clone()).len(rows).add_buffer(values).nulls(nulls);
                make_array(data.build().map_err(bad)?)
            }
            Values::Text { offsets, bytes } => {
                let Step { offsets, before, len } = offsets.next(source, rows)?;
                pass(source, bytes, Some(before))?;
                let values = read(source, bytes, Some(len))?;
                text(&self.data_type, &offsets, values, nulls).map_err(bad)?
            }
            Values::List { offsets, item, values } => {
                let Step { offsets, before, len } = offsets.next(source, rows)?;
                values.pass(source, before)?;
                let values = values.next(source, len)?;
                list(&self.data_type, item, &offsets, values, nulls).map_err(bad)?
            }
            Values::FixedList { item, length, values } => {
                let len =
                    rows.checked_mul(*length).ok_or_else(|| source.bad("lists of more values than there can be"))?;
                let values = values.next(source, len)?;
                // The length came from an i32.
                let list =
                    FixedSizeListArray::try_new_with_length(Arc::clone(item), *length as i32, values, nulls, rows);
                Arc::new(list.map_err(bad)?)
            }
        })
    }

    /// Passes over the next `rows` rows.
    fn pass(&mut self, source: &Source, rows: usize) -> Result<()> {
        if let Some(bits) = &mut self.nulls {
            bits.pass(source, rows)?;
        }
        match &mut self.values {
            Values::Null => Ok(()),
            Values::Bits(bits) => bits.pass(source, rows),
            Values::Fixed { bytes, width } => pass(source, bytes, rows.checked_mul(*width)),
            Values::Text { offsets, bytes } => offsets.pass(source, rows, |len| pass(source, bytes, Some(len))),
            Values::List { offsets, values, .. } => offsets.pass(source, rows, |len| values.pass(source, len)),
            Values::FixedList { length, values, .. } => {
                let len = rows.checked_mul(*length).ok_or_else(|| early(source))?;
                values.pass(source, len)
            }
        }
    }
}

impl Values {
    fn text(is_wide: bool, parts: &mut Parts<'_>) -> Result<Self, String> {
        Ok(Self::Text { offsets: Offsets::new(parts.buffer()?, is_wide), bytes: parts.buffer()? })
    }

    fn list(is_wide: bool, item: &FieldRef, parts: &mut Parts<'_>) -> Result<Self, String> {
        let offsets = Offsets::new(parts.buffer()?, is_wide);
        Ok(Self::List { offsets, item: Arc::clone(item), values: Box::new(ColumnStream::new(item, parts)?) })
    }
}

impl Bits {
    fn new(bytes: ByteStream) -> Self {
        Self { bytes, last: 0, given: 8 }
    }

    fn next(&mut self, source: &Source, count: usize) -> Result<BooleanBuffer> {
        // The byte that has been begun goes in front.
        let begun = usize::from(self.given < 8);
        let start = self.given % 8;
        let total = start.checked_add(count).map(|bits| bits.div_ceil(8).max(begun));
        // As in `read`: a batch may say that it has any number of rows.
        let total = total.filter(|total| total - begun <= self.bytes.left()).ok_or_else(|| early(source))?;
        let mut bytes = memory(source, total)?;
        if begun == 1 {
            bytes[0] = self.last;
        }
        self.bytes.read(source, &mut bytes[begun..])?;
        let end = start + count;
        self.given = if end == 0 { 8 } else { (end - 1) % 8 + 1 };
        if let Some(last) = bytes.as_slice().last() {
            self.last = *last;
        }
        Ok(BooleanBuffer::new(bytes.into(), start, count))
    }

    /// Passes over the next `count` bits.
    fn pass(&mut self, source: &Source, mut count: usize) -> Result<()> {
        while count > 0 {
            let now = count.min(PASSED);
            self.next(source, now)?;
            count -= now;
        }
        Ok(())
    }
}

impl Offsets {
    fn new(bytes: ByteStream, is_wide: bool) -> Self {
        Self { bytes, is_wide, last: None }
    }

    fn next(&mut self, source: &Source, rows: usize) -> Result<Step> {
        let mut offsets = vec![0_i64];
        // A column without rows may have no offsets at all.
        if rows == 0 {
            return Ok(Step { offsets, before: 0, len: 0 });
        }
        let (mut last, before) = match self.last {
            Some(last) => (last, 0),
            None => {
                let first = self.read(source, 1)?[0];
                (first, first)
            }
        };
        let base = last;
        for offset in self.read(source, rows)? {
            if offset < last || last < 0 {
                return Err(source.bad("offsets that go back"));
            }
            offsets.push(offset - base);
            last = offset;
        }
        self.last = Some(last);
        let count = |values: i64| usize::try_from(values).map_err(|_| source.bad("offsets that go back"));
        Ok(Step { offsets, before: count(before)?, len: count(last - base)? })
    }

    /// Passes over the next `rows` rows. `values` passes over so many of the values.
    fn pass(&mut self, source: &Source, mut rows: usize, mut values: impl FnMut(usize) -> Result<()>) -> Result<()> {
        while rows > 0 {
            let now = rows.min(PASSED);
            let Step { before, len, .. } = self.next(source, now)?;
            values(before)?;
            values(len)?;
            rows -= now;
        }
        Ok(())
    }

    fn read(&mut self, source: &Source, count: usize) -> Result<Vec<i64>> {
        let width = if self.is_wide { 8 } else { 4 };
        let bytes = read(source, &mut self.bytes, count.checked_mul(width))?;
        Ok(if self.is_wide {
            ScalarBuffer::<i64>::new(bytes, 0, count).to_vec()
        } else {
            ScalarBuffer::<i32>::new(bytes, 0, count).iter().map(|offset| i64::from(*offset)).collect()
        })
    }
}

/// The next `len` bytes; nothing is asked of memory that the stream has not.
fn read(source: &Source, bytes: &mut ByteStream, len: Option<usize>) -> Result<Buffer> {
    let len = len.filter(|len| *len <= bytes.left()).ok_or_else(|| early(source))?;
    let mut target = memory(source, len)?;
    bytes.read(source, &mut target)?;
    Ok(target.into())
}

/// Passes over the next `len` bytes.
fn pass(source: &Source, bytes: &mut ByteStream, len: Option<usize>) -> Result<()> {
    let mut left = len.filter(|len| *len <= bytes.left()).ok_or_else(|| early(source))?;
    let mut passed = vec![0; left.min(PASSED)];
    while left > 0 {
        let now = left.min(PASSED);
        bytes.read(source, &mut passed[..now])?;
        left -= now;
    }
    Ok(())
}

fn early(source: &Source) -> Error {
    source.bad("a buffer that ends early")
}

fn memory(source: &Source, len: usize) -> Result<MutableBuffer> {
    MutableBuffer::try_from_len_zeroed(len).map_err(|error| source.bad(format!("no memory for {len} bytes: {error}")))
}

fn text(
    data_type: &DataType,
    offsets: &[i64],
    values: Buffer,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef, ArrowError> {
    match data_type {
        DataType::Utf8 => byte_array::<Utf8Type>(offsets, values, nulls),
        DataType::LargeUtf8 => byte_array::<LargeUtf8Type>(offsets, values, nulls),
        DataType::Binary => byte_array::<BinaryType>(offsets, values, nulls),
        _ => byte_array::<LargeBinaryType>(offsets, values, nulls),
    }
}

fn byte_array<T: ByteArrayType>(
    offsets: &[i64],
    values: Buffer,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef, ArrowError> {
    Ok(Arc::new(GenericByteArray::<T>::try_new(typed(offsets)?, values, nulls)?))
}

fn list(
    data_type: &DataType,
    item: &FieldRef,
    offsets: &[i64],
    values: ArrayRef,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef, ArrowError> {
    let item = Arc::clone(item);
    Ok(match data_type {
        DataType::List(_) => Arc::new(GenericListArray::<i32>::try_new(item, typed(offsets)?, values, nulls)?),
        _ => Arc::new(GenericListArray::<i64>::try_new(item, typed(offsets)?, values, nulls)?),
    })
}

fn typed<T: OffsetSizeTrait>(offsets: &[i64]) -> Result<OffsetBuffer<T>, ArrowError> {
    let too_large = || ArrowError::IpcError("offsets of more than they can count".to_owned());
    let typed = offsets.iter().map(|offset| {
        let offset = usize::try_from(*offset).ok()?;
        T::from_usize(offset)
    });
    Ok(OffsetBuffer::new(typed.collect::<Option<Vec<T>>>().ok_or_else(too_large)?.into()))
}
