//! Which buffers of a batch belong to which column.

use arrow_ipc::{MetadataVersion, RecordBatch};
use arrow_schema::{DataType, Field, Schema, UnionMode};

/// For each buffer of `batch`, whether a column of `columns` needs it.
///
/// # Errors
///
/// When the batch has not the buffers that its schema asks for.
pub(crate) fn wanted_buffers(
    batch: &RecordBatch<'_>,
    schema: &Schema,
    columns: &[usize],
    version: MetadataVersion,
) -> Result<Vec<bool>, String> {
    let mut variadic = batch.variadicBufferCounts().into_iter().flatten();
    let mut wanted = Vec::new();
    let there = batch.buffers().map_or(0, |buffers| buffers.len());
    for (index, field) in schema.fields().iter().enumerate() {
        let more = buffers_of(field, &mut variadic, version)?;
        if wanted.len().saturating_add(more) > there {
            return Err(format!("{there} buffers, and the schema asks for more"));
        }
        wanted.resize(wanted.len() + more, columns.contains(&index));
    }
    if wanted.len() == there { Ok(wanted) } else { Err(format!("{there} buffers, and {} expected", wanted.len())) }
}

/// How many nodes a field has, those of its children included.
pub(super) fn nodes_of(field: &Field) -> usize {
    let children = match field.data_type() {
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::Map(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _) => nodes_of(item),
        DataType::Struct(fields) => fields.iter().map(|field| nodes_of(field)).sum(),
        DataType::RunEndEncoded(ends, values) => nodes_of(ends) + nodes_of(values),
        DataType::Union(fields, _) => fields.iter().map(|(_, field)| nodes_of(field)).sum(),
        _ => 0,
    };
    1 + children
}

/// How many buffers a field has, those of its children included.
pub(super) fn buffers_of(
    field: &Field,
    variadic: &mut impl Iterator<Item = i64>,
    version: MetadataVersion,
) -> Result<usize, String> {
    Ok(match field.data_type() {
        DataType::Null => 0,
        DataType::Utf8 | DataType::Binary | DataType::LargeUtf8 | DataType::LargeBinary => 3,
        DataType::Utf8View | DataType::BinaryView => {
            let count = variadic.next().and_then(|count| usize::try_from(count).ok());
            count.and_then(|count| count.checked_add(2)).ok_or("a column of views without their number of buffers")?
        }
        DataType::List(item) | DataType::LargeList(item) | DataType::Map(item, _) => {
            buffers_of(item, variadic, version)?.saturating_add(2)
        }
        DataType::ListView(item) | DataType::LargeListView(item) => {
            buffers_of(item, variadic, version)?.saturating_add(3)
        }
        DataType::FixedSizeList(item, _) => buffers_of(item, variadic, version)?.saturating_add(1),
        DataType::Struct(fields) => {
            let mut sum = 1_usize;
            for field in fields {
                sum = sum.saturating_add(buffers_of(field, variadic, version)?);
            }
            sum
        }
        DataType::RunEndEncoded(ends, values) => {
            buffers_of(ends, variadic, version)?.saturating_add(buffers_of(values, variadic, version)?)
        }
        DataType::Union(fields, mode) => {
            let mut sum = usize::from(version < MetadataVersion::V5) + 1 + usize::from(*mode == UnionMode::Dense);
            for (_, field) in fields.iter() {
                sum = sum.saturating_add(buffers_of(field, variadic, version)?);
            }
            sum
        }
        // A bitmap of nulls and the values.
        _ => 2,
    })
}

#[cfg(test)]
mod tests;
