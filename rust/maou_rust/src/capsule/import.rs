//! Arrays and schemas of the C data interface, held against its rules before they are believed.
//!
//! The interface says how many values there are, and not how many bytes: that a buffer has as many as its values take is
//! the producer's word, and so is that pointers which are not null lead somewhere. All else is checked here, because
//! Arrow's import checks none of it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_array::ffi::{FFI_ArrowArray, FFI_ArrowSchema, from_ffi_and_data_type};
use arrow_array::{Array, RecordBatch, RecordBatchOptions, StructArray};
use arrow_data::layout;
use arrow_schema::{ArrowError, DataType, Schema, SchemaRef};

use super::nulls;

/// Types within types: a schema that is its own child has no end.
const DEEPEST: usize = 64;
/// The format of a struct, whose children are columns.
const TABLE: &str = "+s";
/// No buffer is longer: what Rust may have of anything.
const LONGEST: usize = isize::MAX as usize;

/// Why there are no columns.
pub(super) enum Refused {
    /// It describes something else.
    NoTable(ArrowError),
    /// It describes nothing.
    Damaged(ArrowError),
}

/// The columns that `schema` describes.
pub(super) fn schema(schema: &FFI_ArrowSchema) -> Result<Schema, Refused> {
    let read = || {
        check_schema(schema, DEEPEST)?;
        let columns = Schema::try_from(schema);
        if schema.format() == TABLE { columns.map(Ok) } else { Ok(columns) }
    };
    no_panic(read).map_err(Refused::Damaged)?.map_err(Refused::NoTable)
}

/// The rows of `array`, which is of `schema`.
pub(super) fn batch(array: FFI_ArrowArray, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let rows = rows(array, schema)?;
    if rows.null_count() > 0 {
        return Err(ArrowError::InvalidArgumentError(
            "a record batch has no null rows, and this struct array has".to_owned(),
        ));
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    no_panic(|| RecordBatch::try_new_with_options(Arc::clone(schema), rows.columns().to_vec(), &options))
}

/// With every value in its place.
fn rows(array: FFI_ArrowArray, schema: &Schema) -> Result<StructArray, ArrowError> {
    let data_type = DataType::Struct(schema.fields().clone());
    no_panic(|| {
        if array.is_released() {
            return Err(refused("the Arrow array was taken out of its capsule before"));
        }
        check_array(&array, &data_type)?;
        // SAFETY: its buffers have as many bytes as they must, by the producer's word; all else was checked.
        let data = unsafe { from_ffi_and_data_type(array, nulls::importable(&data_type)) }?;
        // SAFETY: the next line.
        let data = unsafe { nulls::restored(data, &data_type) };
        data.validate()?;
        let rows = StructArray::from(data);
        for column in rows.columns() {
            maou_io::check_values(column)?;
        }
        Ok(rows)
    })
}

/// Runs what asserts instead of returning errors, and returns an error.
fn no_panic<T>(work: impl FnOnce() -> Result<T, ArrowError>) -> Result<T, ArrowError> {
    // What `work` has made is dropped by then.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let message = panic.downcast_ref::<&str>().map(|message| (*message).to_owned());
        let message = message.or_else(|| panic.downcast_ref::<String>().cloned());
        Err(refused(message.unwrap_or_else(|| "no message".to_owned())))
    })
}

fn refused(problem: impl Into<String>) -> ArrowError {
    ArrowError::CDataInterface(problem.into())
}

fn check_schema(schema: &FFI_ArrowSchema, depth: usize) -> Result<(), ArrowError> {
    if schema.release().is_none() {
        return Err(refused("the Arrow schema was taken out of its capsule before"));
    }
    let Some(depth) = depth.checked_sub(1) else {
        return Err(refused(format!("types within types, more than {DEEPEST} deep")));
    };
    // A negative number, as Arrow takes it.
    if schema.children().size_hint().0 > LONGEST {
        return Err(refused("a schema with fewer than no children"));
    }
    for child in schema.children().chain(schema.dictionary()) {
        check_schema(child, depth)?;
    }
    Ok(())
}

/// What Arrow's import reads through pointers, or computes without looking.
fn check_array(array: &FFI_ArrowArray, data_type: &DataType) -> Result<(), ArrowError> {
    let bad = |problem: String| Err(refused(format!("an array of the type {data_type} with {problem}")));
    // Negative numbers become larger than any length.
    let (len, offset) = (array.len(), array.offset());
    let Some(end) = len.checked_add(offset).filter(|end| len.max(offset).max(*end) < LONGEST) else {
        return bad(format!("the length {} and the offset {}", len.cast_signed(), offset.cast_signed()));
    };
    let width = data_type.primitive_width().unwrap_or(size_of::<u128>());
    let width = if let DataType::FixedSizeBinary(width) = data_type { width.unsigned_abs() as usize } else { width };
    if end.checked_add(1).and_then(|end| end.checked_mul(width)).is_none_or(|bytes| bytes > LONGEST) {
        return bad(format!("the length {len}"));
    }
    let layout = layout(data_type);
    let expected = layout.buffers.len() + usize::from(layout.can_contain_null_mask) + usize::from(layout.variadic);
    let found = array.num_buffers();
    let is_absent = || *data_type == DataType::Null && found == 1 && array.buffer(0).is_null();
    if found < expected || (found > expected && !layout.variadic && !is_absent()) {
        return bad(format!("{} buffers in place of {expected}", found.cast_signed()));
    }
    match data_type {
        DataType::Utf8 | DataType::Binary => check_last_offset::<i32>(array, end)?,
        DataType::LargeUtf8 | DataType::LargeBinary => check_last_offset::<i64>(array, end)?,
        DataType::Utf8View | DataType::BinaryView => check_lengths(array, found - expected)?,
        _ => {}
    }
    check_children(array, data_type)
}

fn check_children(array: &FFI_ArrowArray, data_type: &DataType) -> Result<(), ArrowError> {
    let types = child_types(data_type);
    let found = array.num_children();
    if found != types.len() {
        let (expected, found) = (types.len(), found.cast_signed());
        return Err(refused(format!("an array of the type {data_type} with {found} children in place of {expected}")));
    }
    for (index, child) in types.into_iter().enumerate() {
        check_array(array.child(index), child)?;
    }
    match (array.dictionary(), data_type) {
        (Some(values), DataType::Dictionary(_, value)) => check_array(values, value),
        _ => Ok(()),
    }
}

/// Types of the arrays within one of `data_type`, but for a dictionary's values.
pub(super) fn child_types(data_type: &DataType) -> Vec<&DataType> {
    match data_type {
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::FixedSizeList(field, _)
        | DataType::ListView(field)
        | DataType::LargeListView(field)
        | DataType::Map(field, _) => vec![field.data_type()],
        DataType::Struct(fields) => fields.iter().map(|field| field.data_type()).collect(),
        DataType::Union(fields, _) => fields.iter().map(|(_, field)| field.data_type()).collect(),
        DataType::RunEndEncoded(run_ends, values) => vec![run_ends.data_type(), values.data_type()],
        _ => Vec::new(),
    }
}

/// The last offset says how many bytes there are, as Arrow takes it.
fn check_last_offset<T: Copy + TryInto<usize>>(array: &FFI_ArrowArray, end: usize) -> Result<(), ArrowError> {
    // Arrow does not look at those of an array without values, of which there may be none.
    if end == 0 {
        return Ok(());
    }
    let offsets = array.buffer(1).cast::<T>();
    if offsets.is_null() || !offsets.is_aligned() {
        return Err(refused("offsets that are not there, or not aligned"));
    }
    // SAFETY: by the producer's word there is one offset more than values.
    let last: Option<usize> = unsafe { *offsets.add(end) }.try_into().ok();
    if last.is_none_or(|last| last > LONGEST) { Err(refused("a negative offset")) } else { Ok(()) }
}

/// The last buffer of views says how long the others are.
fn check_lengths(array: &FFI_ArrowArray, count: usize) -> Result<(), ArrowError> {
    if count == 0 {
        return Ok(());
    }
    let lengths = array.buffer(array.num_buffers() - 1).cast::<i64>();
    if lengths.is_null() || !lengths.is_aligned() {
        return Err(refused("lengths of buffers that are not there, or not aligned"));
    }
    // SAFETY: by the producer's word there is a length for each buffer.
    let lengths = unsafe { std::slice::from_raw_parts(lengths, count) };
    if lengths.iter().any(|length| *length < 0) { Err(refused("a buffer of negative length")) } else { Ok(()) }
}
