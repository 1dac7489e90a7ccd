//! Batches out of bytes: columns that are those of a record, or near it in one of the layouts that Arrow has.

use std::sync::Arc;

use arrow_array::builder::{
    BinaryBuilder, BinaryViewBuilder, FixedSizeBinaryBuilder, LargeBinaryBuilder, LargeStringBuilder, StringBuilder,
    StringDictionaryBuilder, StringViewBuilder,
};
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Float32Type, Int8Type, Int16Type, Int32Type, UInt8Type, UInt16Type, UInt64Type,
};
use arrow_array::{
    Array, ArrayRef, FixedSizeListArray, GenericListArray, Int64Array, NullArray, OffsetSizeTrait, PrimitiveArray,
    RecordBatch, RecordBatchOptions,
};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, Field, FieldRef, Schema};
use maou_io::RecordKind;

/// Bytes that are taken one after the other, and zeros behind the last.
pub(crate) struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self(data)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> [u8; N] {
        let (taken, rest) = self.0.split_at(N.min(self.0.len()));
        self.0 = rest;
        let mut array = [0; N];
        array[..taken.len()].copy_from_slice(taken);
        array
    }

    pub(crate) fn u8(&mut self) -> u8 {
        u8::from_le_bytes(self.array())
    }

    pub(crate) fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.array())
    }

    pub(crate) fn below(&mut self, end: u8) -> u8 {
        self.u8() % end
    }

    /// What has not been taken.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }
}

/// Two batches that may be of the same kind.
pub(crate) fn records(data: &[u8]) -> (RecordKind, RecordBatch, RecordBatch) {
    let mut bytes = Bytes::new(data);
    let kind = RecordKind::ALL[usize::from(bytes.below(5))];
    let first = record(&mut bytes, kind);
    let second = record(&mut bytes, kind);
    (kind, first, second)
}

fn record(bytes: &mut Bytes<'_>, kind: RecordKind) -> RecordBatch {
    let rows = usize::from(bytes.below(6));
    let mut fields = Vec::new();
    let mut columns = Vec::new();
    for field in kind.schema().fields() {
        // Rarely a column that is missing, or twice there.
        for _ in 0..[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 2][usize::from(bytes.below(16))] {
            let column = column(bytes, field.data_type(), rows);
            fields.push(Field::new(field.name(), column.data_type().clone(), true));
            columns.push(column);
        }
    }
    if bytes.below(4) == 0 {
        fields.reverse();
        columns.reverse();
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options).expect("columns of one length")
}

/// `rows` values of `wanted` or of something like it, which may be a part of a longer array.
fn column(bytes: &mut Bytes<'_>, wanted: &DataType, rows: usize) -> ArrayRef {
    let (before, behind) = (usize::from(bytes.below(3)), usize::from(bytes.below(2)));
    let whole = values(bytes, wanted, before + rows + behind);
    whole.slice(before, rows)
}

fn values(bytes: &mut Bytes<'_>, wanted: &DataType, rows: usize) -> ArrayRef {
    match bytes.below(32) {
        0 => return Arc::new(NullArray::new(rows)),
        1 => return Arc::new(Int64Array::from(vec![7; rows])),
        _ => {}
    }
    match wanted {
        DataType::LargeUtf8 => text(bytes, rows),
        DataType::LargeBinary => binary(bytes, rows),
        DataType::LargeList(item) => {
            let length = usize::from(bytes.below(4));
            list(bytes, item, length, rows)
        }
        DataType::FixedSizeList(item, length) => list(bytes, item, *length as usize, rows),
        DataType::Int8 => numbers::<Int8Type, 1>(bytes, rows, i8::from_le_bytes),
        DataType::Int16 => numbers::<Int16Type, 2>(bytes, rows, i16::from_le_bytes),
        DataType::Int32 => numbers::<Int32Type, 4>(bytes, rows, i32::from_le_bytes),
        DataType::Date32 => numbers::<Date32Type, 4>(bytes, rows, i32::from_le_bytes),
        DataType::UInt8 => numbers::<UInt8Type, 1>(bytes, rows, u8::from_le_bytes),
        DataType::UInt16 => numbers::<UInt16Type, 2>(bytes, rows, u16::from_le_bytes),
        DataType::UInt64 => numbers::<UInt64Type, 8>(bytes, rows, u64::from_le_bytes),
        _ => numbers::<Float32Type, 4>(bytes, rows, f32::from_le_bytes),
    }
}

fn numbers<T: ArrowPrimitiveType, const N: usize>(
    bytes: &mut Bytes<'_>,
    rows: usize,
    number: impl Fn([u8; N]) -> T::Native,
) -> ArrayRef {
    let nulls = nulls(bytes, rows);
    // Thousands of move labels from a few bytes.
    let few: Vec<T::Native> = (0..rows.min(8)).map(|_| number(bytes.array())).collect();
    let values = (0..rows).map(|row| few[row % 8]).collect::<Vec<_>>();
    Arc::new(PrimitiveArray::<T>::new(values.into(), nulls))
}

/// The array of these values that a builder makes.
macro_rules! built {
    ($builder:expr, $values:expr) => {{
        let mut builder = $builder;
        $values.iter().for_each(|value| builder.append_option(value.as_deref()));
        Arc::new(builder.finish())
    }};
}

fn text(bytes: &mut Bytes<'_>, rows: usize) -> ArrayRef {
    let layout = bytes.below(5);
    let values = strings(bytes, rows);
    match layout {
        0 => built!(LargeStringBuilder::new(), values),
        1 => built!(StringBuilder::new(), values),
        2 => built!(StringViewBuilder::new(), values),
        3 => built!(StringDictionaryBuilder::<Int8Type>::new(), values),
        _ => built!(LargeBinaryBuilder::new(), values),
    }
}

fn binary(bytes: &mut Bytes<'_>, rows: usize) -> ArrayRef {
    let layout = bytes.below(5);
    let values = strings(bytes, rows);
    match layout {
        0 => built!(LargeBinaryBuilder::new(), values),
        1 => built!(BinaryBuilder::new(), values),
        2 => built!(BinaryViewBuilder::new(), values),
        3 => fixed_binary(bytes, rows),
        _ => built!(StringBuilder::new(), values),
    }
}

fn fixed_binary(bytes: &mut Bytes<'_>, rows: usize) -> ArrayRef {
    let width = usize::from(bytes.below(4));
    let mut builder = FixedSizeBinaryBuilder::new(width as i32);
    for _ in 0..rows {
        if bytes.below(4) == 0 {
            builder.append_null();
        } else {
            builder.append_value(&bytes.array::<4>()[..width]).expect("of this width");
        }
    }
    Arc::new(builder.finish())
}

/// Short ones and some that views have to keep elsewhere.
fn strings(bytes: &mut Bytes<'_>, rows: usize) -> Vec<Option<String>> {
    let one = |bytes: &mut Bytes<'_>| match bytes.below(8) {
        0 => None,
        1 => Some(String::new()),
        2 => Some("将棋の駒は二十枚ずつある".repeat(usize::from(bytes.below(3)) + 1)),
        _ => Some(format!("{:x}", u64::from_le_bytes(bytes.array()))),
    };
    (0..rows).map(|_| one(bytes)).collect()
}

/// Lists of `length`, of which some may have another one where the layout allows it.
fn list(bytes: &mut Bytes<'_>, item: &FieldRef, length: usize, rows: usize) -> ArrayRef {
    let odd = bytes.below(16) == 0;
    match bytes.below(3) {
        0 => variable::<i32>(bytes, item, length, rows, odd),
        1 => variable::<i64>(bytes, item, length, rows, odd),
        _ => {
            let length = length + usize::from(odd);
            let values = values(bytes, item.data_type(), length * rows);
            let field = Arc::new(Field::new("item", values.data_type().clone(), true));
            let nulls = nulls(bytes, rows);
            let list = FixedSizeListArray::try_new_with_length(field, length as i32, values, nulls, rows);
            Arc::new(list.expect("as many values as the lists have"))
        }
    }
}

fn variable<T: OffsetSizeTrait>(
    bytes: &mut Bytes<'_>,
    item: &FieldRef,
    length: usize,
    rows: usize,
    odd: bool,
) -> ArrayRef {
    let lengths: Vec<usize> = (0..rows).map(|row| if odd && row == rows / 2 { length + 1 } else { length }).collect();
    let values = values(bytes, item.data_type(), lengths.iter().sum());
    let field = Arc::new(Field::new("element", values.data_type().clone(), true));
    Arc::new(GenericListArray::<T>::new(field, OffsetBuffer::from_lengths(lengths), values, nulls(bytes, rows)))
}

/// Mostly none.
fn nulls(bytes: &mut Bytes<'_>, rows: usize) -> Option<NullBuffer> {
    let bits = if bytes.below(8) == 0 { bytes.u8() } else { return None };
    Some((0..rows).map(|row| bits >> (row % 8) & 1 == 0).collect())
}
