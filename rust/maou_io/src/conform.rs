//! Batches of one origin in the columns of another.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef};

use crate::coerce::coerce_array;

/// Columns with their values in place of dictionaries: inputs may have several, and an IPC file has one per column.
pub(crate) fn without_dictionaries(schema: &Schema) -> Schema {
    let fields = schema.fields().iter().map(|field| match field.data_type() {
        // Without the metadata, in which Polars describes the dictionary.
        DataType::Dictionary(_, value) => Arc::new(Field::new(field.name(), value.as_ref().clone(), true)),
        _ => Arc::clone(field),
    });
    Schema::new_with_metadata(fields.collect::<Fields>(), schema.metadata().clone())
}

/// `batch` in the columns and types of `schema`.
pub(crate) fn conform(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, String> {
    let places = places(schema, batch.schema_ref())?;
    let mut columns = Vec::with_capacity(places.len());
    for (field, place) in schema.fields().iter().zip(places) {
        let column = coerce_array(batch.column(place), field.data_type())
            .map_err(|mismatch| format!("column `{}`: {mismatch}", field.name()))?;
        columns.push(column);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options).map_err(|error| error.to_string())
}

/// Where `second` has each of `first`'s columns.
pub(crate) fn places(first: &Schema, second: &Schema) -> Result<Vec<usize>, String> {
    let mut places = Vec::with_capacity(first.fields().len());
    for (index, field) in first.fields().iter().enumerate() {
        let same_place = second.fields().get(index).is_some_and(|other| other.name() == field.name());
        let place = if same_place { Some(index) } else { second.index_of(field.name()).ok() };
        places.push(place.ok_or_else(|| format!("the second has no column `{}`", field.name()))?);
    }
    let used: HashSet<usize> = places.iter().copied().collect();
    match (0..second.fields().len()).find(|place| !used.contains(place)) {
        Some(place) => Err(format!("only the second has the column `{}`", second.field(place).name())),
        None => Ok(places),
    }
}
