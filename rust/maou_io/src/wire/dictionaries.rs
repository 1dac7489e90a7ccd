//! Batches without rows, where there are dictionaries. A file has one for each column, and a batch without rows comes
//! with another all the same: an empty one, or none of its own.

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, new_empty_array};
use arrow_schema::{ArrowError, DataType, Schema};

/// Which batches are to be written, of those that come.
pub(super) enum Dictionaries {
    /// There are none: those that come.
    Absent,
    /// Those without rows wait until a batch comes whose dictionaries they can have.
    Unknown(Vec<RecordBatch>),
    /// Of a batch that had rows: no rows, and its dictionaries.
    Known(RecordBatch),
}

/// Whether a column of `schema` is, or contains, a dictionary.
pub(crate) fn has_dictionaries(schema: &Schema) -> bool {
    schema.flattened_fields().iter().any(|field| matches!(field.data_type(), DataType::Dictionary(..)))
}

impl Dictionaries {
    pub(super) fn of(schema: &Schema) -> Self {
        if has_dictionaries(schema) { Self::Unknown(Vec::new()) } else { Self::Absent }
    }

    /// What is to be written when `batch` comes.
    pub(super) fn pass(&mut self, batch: &RecordBatch) -> Result<Vec<RecordBatch>, ArrowError> {
        match self {
            Self::Absent => Ok(vec![batch.clone()]),
            Self::Unknown(waiting) if batch.num_rows() == 0 => {
                waiting.push(batch.clone());
                Ok(Vec::new())
            }
            Self::Unknown(waiting) => {
                let without_rows = without_rows(batch)?;
                let mut batches = vec![without_rows.clone(); waiting.len()];
                batches.push(batch.clone());
                *self = Self::Known(without_rows);
                Ok(batches)
            }
            Self::Known(without_rows) if batch.num_rows() == 0 => Ok(vec![without_rows.clone()]),
            Self::Known(_) => Ok(vec![batch.clone()]),
        }
    }

    /// What is to be written when no batch comes any more.
    pub(super) fn rest(&mut self) -> Vec<RecordBatch> {
        match self {
            // One is as good as the other.
            Self::Unknown(waiting) => waiting.first().map_or_else(Vec::new, |first| vec![first.clone(); waiting.len()]),
            Self::Absent | Self::Known(_) => Vec::new(),
        }
    }
}

/// Nothing of `batch` but its dictionaries, so that the memory of its rows is free.
fn without_rows(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let fields = batch.schema_ref().fields().iter();
    let columns: Vec<ArrayRef> = fields
        .zip(batch.columns())
        .map(|(field, column)| {
            let has_dictionaries = has_dictionaries(&Schema::new(vec![field.clone()]));
            if has_dictionaries { column.slice(0, 0) } else { new_empty_array(field.data_type()) }
        })
        .collect();
    let options = RecordBatchOptions::new().with_row_count(Some(0));
    RecordBatch::try_new_with_options(batch.schema(), columns, &options)
}
