//! Columns of the type Null: Polars exports them with a buffer, which is absent, and Arrow imports them without any only.
//!
//! They are imported as structs without fields, of which no buffer is read either, and get their type back then. Polars has
//! them in lists and structs, too.

use std::sync::Arc;

use arrow_data::ArrayData;
use arrow_schema::{DataType, FieldRef, Fields};

use super::import::child_types;

/// The type that Arrow imports arrays of `data_type` as.
pub(super) fn importable(data_type: &DataType) -> DataType {
    let field = |field: &FieldRef| Arc::new(field.as_ref().clone().with_data_type(importable(field.data_type())));
    match data_type {
        DataType::Null => DataType::Struct(Fields::empty()),
        DataType::List(item) => DataType::List(field(item)),
        DataType::LargeList(item) => DataType::LargeList(field(item)),
        DataType::FixedSizeList(item, length) => DataType::FixedSizeList(field(item), *length),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(field).collect()),
        other => other.clone(),
    }
}

/// What was imported as [`importable`] of `data_type`, as that type.
///
/// # Safety
///
/// The result is validated before it is used.
pub(super) unsafe fn restored(data: ArrayData, data_type: &DataType) -> ArrayData {
    if data.data_type() == data_type {
        return data;
    }
    let children = data.child_data().iter().zip(child_types(data_type));
    // SAFETY: as for the whole, which is validated with its children.
    let children = children.map(|(child, data_type)| unsafe { restored(child.clone(), data_type) }).collect();
    let builder = data.into_builder().data_type(data_type.clone()).child_data(children);
    // SAFETY: the caller validates it.
    unsafe { builder.build_unchecked() }
}
