//! From the Arrow layouts that others write to the ones of [`crate::schema`].
//!
//! Polars has no fixed-size lists unless asked, and its strings are views; pyarrow prefers 32-bit offsets. These differ
//! in layout and not in content, so they are taken. A number of another width is another content, and is not.

use std::fmt;
use std::sync::Arc;

use arrow_array::builder::GenericByteBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    BinaryType, BinaryViewType, ByteArrayType, ByteViewType, LargeBinaryType, LargeUtf8Type, StringViewType, Utf8Type,
};
use arrow_array::{
    AnyDictionaryArray, Array, ArrayRef, FixedSizeBinaryArray, FixedSizeListArray, GenericByteArray,
    GenericByteViewArray, GenericListArray, OffsetSizeTrait, RecordBatch, RecordBatchOptions, new_null_array,
};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Schema};

use crate::error::{Error, Result};
use crate::schema::RecordKind;

/// Why a column does not have the type that it has to have.
#[derive(Debug)]
pub(crate) enum Mismatch {
    /// No layout of the expected type holds the found one.
    Type { expected: DataType, found: DataType },
    /// A list of another length than the expected type has.
    Length { row: usize, expected: usize, found: usize },
    /// A null where there may be none.
    Null { row: usize },
    /// Arrow refused to build the array.
    Arrow(ArrowError),
}

/// The same rows in the column order and the types of `kind`.
///
/// # Errors
///
/// [`Error::Schema`] when columns are missing, unexpected, null where they must not be, or of another type; it names
/// the column, what was expected and what came.
pub fn coerce_record(batch: &RecordBatch, kind: RecordKind) -> Result<RecordBatch> {
    let refuse = |problem: String| Error::schema(format!("not a {kind} record: {problem}"));
    let schema = kind.schema();
    check_names(&schema, batch.schema_ref()).map_err(refuse)?;
    let mut columns = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        let Some(column) = batch.column_by_name(field.name()) else {
            return Err(refuse(format!("missing column `{}`", field.name())));
        };
        let column = coerce_column(column, field)
            .map_err(|mismatch| refuse(format!("column `{}`: {mismatch}", field.name())))?;
        columns.push(column);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(schema, columns, &options).map_err(|error| refuse(error.to_string()))
}

/// `array` as `target`. The array itself when it is one already; otherwise data is shared wherever layouts allow.
pub(crate) fn coerce_array(array: &ArrayRef, target: &DataType) -> Result<ArrayRef, Mismatch> {
    let found = array.data_type();
    if found == target {
        return Ok(Arc::clone(array));
    }
    match (found, target) {
        (DataType::Null, _) => nulls(array.len(), target),
        (DataType::Dictionary(_, _), _) => coerce_array(&decode_dictionary(array)?, target),
        (DataType::Utf8, DataType::LargeUtf8) => widen::<Utf8Type, LargeUtf8Type>(array.as_string()),
        (DataType::Utf8View, DataType::LargeUtf8) => flatten::<StringViewType, LargeUtf8Type>(array.as_string_view()),
        (DataType::Binary, DataType::LargeBinary) => widen::<BinaryType, LargeBinaryType>(array.as_binary()),
        (DataType::BinaryView, DataType::LargeBinary) => {
            flatten::<BinaryViewType, LargeBinaryType>(array.as_binary_view())
        }
        (DataType::FixedSizeBinary(_), DataType::LargeBinary) => widen_fixed(array.as_fixed_size_binary()),
        (DataType::List(_), DataType::List(item)) => relist::<i32, i32>(array.as_list(), item),
        (DataType::List(_), DataType::LargeList(item)) => relist::<i32, i64>(array.as_list(), item),
        (DataType::LargeList(_), DataType::LargeList(item)) => relist::<i64, i64>(array.as_list(), item),
        (DataType::FixedSizeList(_, _), DataType::LargeList(item)) => unfix(array.as_fixed_size_list(), item),
        (DataType::List(_), DataType::FixedSizeList(item, length)) => fix::<i32>(array.as_list(), item, *length),
        (DataType::LargeList(_), DataType::FixedSizeList(item, length)) => fix::<i64>(array.as_list(), item, *length),
        (DataType::FixedSizeList(_, found), DataType::FixedSizeList(item, length)) if found == length => {
            refix(array.as_fixed_size_list(), item, *length)
        }
        _ => Err(Mismatch::Type { expected: target.clone(), found: found.clone() }),
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Type { expected, found } => write!(formatter, "expected {expected}, got {found}"),
            Self::Length { row, expected, found } => {
                write!(formatter, "expected lists of {expected} values, got one of {found} in row {row}")
            }
            Self::Null { row } => write!(formatter, "expected no nulls, got one in row {row}"),
            Self::Arrow(error) => write!(formatter, "{error}"),
        }
    }
}

impl Mismatch {
    /// A mismatch of the values of fixed-size lists, counted in rows of the lists.
    fn in_lists_of(self, length: usize) -> Self {
        let length = length.max(1);
        match self {
            Self::Length { row, expected, found } => Self::Length { row: row / length, expected, found },
            Self::Null { row } => Self::Null { row: row / length },
            other => other,
        }
    }
}

impl From<ArrowError> for Mismatch {
    fn from(error: ArrowError) -> Self {
        Self::Arrow(error)
    }
}

fn check_names(expected: &Schema, found: &Schema) -> Result<(), String> {
    let missing = names(expected.fields(), |field| found.column_with_name(field.name()).is_none());
    let unexpected = names(found.fields(), |field| expected.column_with_name(field.name()).is_none());
    let twice = names(expected.fields(), |field| {
        found.fields().iter().filter(|other| other.name() == field.name()).count() > 1
    });
    let problems: Vec<_> = [("missing", missing), ("unexpected", unexpected), ("repeated", twice)]
        .into_iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(what, names)| format!("{what} column{} {}", if names.len() == 1 { "" } else { "s" }, names.join(", ")))
        .collect();
    if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) }
}

fn names(fields: &[FieldRef], wanted: impl Fn(&Field) -> bool) -> Vec<String> {
    fields.iter().filter(|field| wanted(field)).map(|field| format!("`{}`", field.name())).collect()
}

fn coerce_column(column: &ArrayRef, field: &Field) -> Result<ArrayRef, Mismatch> {
    if column.data_type() == &DataType::Null && !field.is_nullable() && !column.is_empty() {
        return Err(Mismatch::Null { row: 0 });
    }
    let column = match coerce_array(column, field.data_type()) {
        // Of a nested type, the part that differs says little without the whole.
        Err(Mismatch::Type { .. }) => {
            Err(Mismatch::Type { expected: field.data_type().clone(), found: column.data_type().clone() })
        }
        coerced => coerced,
    }?;
    match first_null(&column, 1) {
        Some(row) if !field.is_nullable() => Err(Mismatch::Null { row }),
        _ => Ok(column),
    }
}

/// The first row with a null in it, or in its fixed-size list. `width` is how many values of `array` make a row.
fn first_null(array: &ArrayRef, width: usize) -> Option<usize> {
    if array.null_count() > 0 {
        return (0..array.len()).find(|index| array.is_null(*index)).map(|index| index / width);
    }
    let list = array.as_fixed_size_list_opt()?;
    first_null(list.values(), width * (list.value_length().max(1) as usize))
}

/// Whether there is memory for so many values of so many bytes: in a file, neither nulls, nor lists without values, nor
/// rows that share a value take as much as they come to, and Arrow ends the process where there is none.
fn room(values: usize, width: usize) -> Result<(), Mismatch> {
    let refused = || ArrowError::MemoryError(format!("no memory for {values} values of {width} bytes"));
    let bytes = values.checked_mul(width).ok_or_else(refused)?;
    Ok(Vec::<u8>::new().try_reserve_exact(bytes).map_err(|_| refused())?)
}

fn nulls(len: usize, target: &DataType) -> Result<ArrayRef, Mismatch> {
    let (mut values, mut item) = (len, target);
    while let DataType::FixedSizeList(field, length) = item {
        // Larger than there can be is refused by `room`.
        values = values.saturating_mul(*length as usize);
        item = field.data_type();
    }
    // Offsets, where no value has a width; and a bit for each row.
    room(values, item.primitive_width().unwrap_or(size_of::<i64>()) + 1)?;
    Ok(new_null_array(target, len))
}

fn decode_dictionary(array: &ArrayRef) -> Result<ArrayRef, Mismatch> {
    let dictionary = array.as_any_dictionary();
    room(taken_bytes(dictionary), 1)?;
    Ok(arrow_select::take::take(dictionary.values(), dictionary.keys(), None)?)
}

/// Bytes of the values of all rows.
fn taken_bytes(dictionary: &dyn AnyDictionaryArray) -> usize {
    let values = dictionary.values();
    if values.is_empty() {
        return 0;
    }
    let average = values.get_buffer_memory_size().div_ceil(values.len());
    let bytes = |key| match values.data_type() {
        DataType::Utf8 => values.as_string::<i32>().value(key).len(),
        DataType::LargeUtf8 => values.as_string::<i64>().value(key).len(),
        DataType::Binary => values.as_binary::<i32>().value(key).len(),
        DataType::LargeBinary => values.as_binary::<i64>().value(key).len(),
        // Exact where each value has the same width.
        _ => average,
    };
    dictionary.normalized_keys().into_iter().map(bytes).fold(0, usize::saturating_add)
}

/// 64-bit offsets for the same bytes.
fn widen<S, T>(array: &GenericByteArray<S>) -> Result<ArrayRef, Mismatch>
where
    S: ByteArrayType<Offset = i32>,
    T: ByteArrayType<Offset = i64>,
{
    let wide =
        GenericByteArray::<T>::try_new(wide_offsets(array.offsets()), array.values().clone(), array.nulls().cloned())?;
    Ok(Arc::new(wide))
}

/// Views, written one after the other.
fn flatten<V, T>(array: &GenericByteViewArray<V>) -> Result<ArrayRef, Mismatch>
where
    V: ByteViewType,
    T: ByteArrayType<Offset = i64, Native = V::Native>,
{
    let bytes = array.total_bytes_len();
    room(bytes, 1)?;
    let mut builder = GenericByteBuilder::<T>::with_capacity(array.len(), bytes);
    for value in array {
        builder.append_option(value);
    }
    Ok(Arc::new(builder.finish()))
}

fn widen_fixed(array: &FixedSizeBinaryArray) -> Result<ArrayRef, Mismatch> {
    let width = array.value_length() as usize;
    room(array.len(), size_of::<i64>())?;
    let offsets = OffsetBuffer::<i64>::from_repeated_length(width, array.len());
    let wide = GenericByteArray::<LargeBinaryType>::try_new(offsets, array.values().clone(), array.nulls().cloned())?;
    Ok(Arc::new(wide))
}

/// A list with another element type or wider offsets.
fn relist<S: OffsetSizeTrait, T: OffsetSizeTrait + From<S>>(
    array: &GenericListArray<S>,
    item: &FieldRef,
) -> Result<ArrayRef, Mismatch> {
    let values = coerce_array(array.values(), item.data_type())?;
    let list = GenericListArray::<T>::try_new(
        Arc::clone(item),
        wide_offsets(array.offsets()),
        values,
        array.nulls().cloned(),
    )?;
    Ok(Arc::new(list))
}

/// A list of fixed length, as one that might have had others.
fn unfix(array: &FixedSizeListArray, item: &FieldRef) -> Result<ArrayRef, Mismatch> {
    room(array.len(), size_of::<i64>())?;
    let values = coerce_array(array.values(), item.data_type())?;
    let offsets = OffsetBuffer::<i64>::from_repeated_length(array.value_length() as usize, array.len());
    let list = GenericListArray::<i64>::try_new(Arc::clone(item), offsets, values, array.nulls().cloned())?;
    Ok(Arc::new(list))
}

/// A list whose rows all have `length` values, as one that cannot have others.
fn fix<S: OffsetSizeTrait>(array: &GenericListArray<S>, item: &FieldRef, length: i32) -> Result<ArrayRef, Mismatch> {
    let expected = length as usize;
    if let Some(row) = (0..array.len()).find(|row| array.is_null(*row)) {
        return Err(Mismatch::Null { row });
    }
    if let Some((row, found)) = array.offsets().lengths().enumerate().find(|(_, found)| *found != expected) {
        return Err(Mismatch::Length { row, expected, found });
    }
    let values = array.values().slice(array.offsets().first().as_usize(), expected * array.len());
    let values = coerce_array(&values, item.data_type()).map_err(|mismatch| mismatch.in_lists_of(expected))?;
    let list = FixedSizeListArray::try_new_with_length(Arc::clone(item), length, values, None, array.len())?;
    Ok(Arc::new(list))
}

/// A list of fixed length with another element type.
fn refix(array: &FixedSizeListArray, item: &FieldRef, length: i32) -> Result<ArrayRef, Mismatch> {
    let values =
        coerce_array(array.values(), item.data_type()).map_err(|mismatch| mismatch.in_lists_of(length as usize))?;
    let list =
        FixedSizeListArray::try_new_with_length(Arc::clone(item), length, values, array.nulls().cloned(), array.len())?;
    Ok(Arc::new(list))
}

fn wide_offsets<S: OffsetSizeTrait, T: OffsetSizeTrait + From<S>>(offsets: &OffsetBuffer<S>) -> OffsetBuffer<T> {
    OffsetBuffer::new(offsets.iter().map(|offset| T::from(*offset)).collect())
}

#[cfg(test)]
mod tests;
