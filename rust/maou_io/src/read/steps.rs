//! A batch that is larger than it may be in memory, read a part at a time.

use std::ops::Range;
use std::sync::Mutex;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;

use crate::error::Result;
use crate::guard::no_panic;
use crate::threads;
use crate::wire::{ColumnStream, Source};

/// The rest of a batch.
pub(super) struct Steps {
    columns: Vec<Mutex<ColumnStream>>,
    /// Of the selected columns, in their order: columns that are selected twice are read once.
    places: Vec<usize>,
    schema: SchemaRef,
    /// Rows that are to be passed over, and those to be given behind them.
    skip: usize,
    left: usize,
    /// Rows of a step, and the threads that are worth it.
    rows: usize,
    threads: usize,
}

impl Steps {
    /// `rows` of a batch whose columns are `all`, of which those that are `selected` have `schema`. Steps are of so many
    /// rows, and take about so many bytes.
    pub(super) fn new(
        all: Vec<ColumnStream>,
        (schema, selected): (SchemaRef, &[usize]),
        rows: Range<usize>,
        (step, bytes): (usize, usize),
    ) -> Self {
        let mut distinct: Vec<usize> = selected.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        let places = selected.iter().filter_map(|index| distinct.binary_search(index).ok()).collect();
        let columns = all.into_iter().enumerate().filter(|(index, _)| distinct.contains(index));
        let columns: Vec<_> = columns.map(|(_, column)| Mutex::new(column)).collect();
        let threads = threads::worth(bytes, columns.len());
        Self { columns, places, schema, skip: rows.start, left: rows.len(), rows: step.max(1), threads }
    }

    /// The next rows; nothing where all have been given.
    pub(super) fn next(&mut self, source: &Source) -> Result<Option<RecordBatch>> {
        while self.skip > 0 {
            let rows = self.skip.min(self.rows);
            self.read(source, rows)?;
            self.skip -= rows;
        }
        if self.left == 0 {
            return Ok(None);
        }
        let rows = self.left.min(self.rows);
        let columns = self.read(source, rows)?;
        self.left -= rows;
        let columns = self.places.iter().filter_map(|place| columns.get(*place).cloned()).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = no_panic(|| RecordBatch::try_new_with_options(SchemaRef::clone(&self.schema), columns, &options));
        batch.map(Some).map_err(|error| source.bad(error))
    }

    /// The next `rows` of each column, side by side.
    fn read(&self, source: &Source, rows: usize) -> Result<Vec<ArrayRef>> {
        let columns = self.columns.iter().collect();
        threads::map(columns, self.threads, |column| threads::locked(column).next(source, rows))
    }
}

impl std::fmt::Debug for Steps {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Steps").field("left", &self.left).finish_non_exhaustive()
    }
}
