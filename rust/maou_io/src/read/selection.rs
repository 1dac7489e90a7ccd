//! What of a file is wanted.

use std::ops::Range;
use std::sync::Arc;

use arrow_schema::{Schema, SchemaRef};

/// Columns and rows; all of them, unless something else was said.
#[derive(Debug, Clone)]
pub(super) struct Selection {
    columns: Option<(Vec<usize>, SchemaRef)>,
    /// Rows to be passed over, and those to be given behind them.
    skip: u64,
    left: u64,
}

impl Default for Selection {
    fn default() -> Self {
        Self { columns: None, skip: 0, left: u64::MAX }
    }
}

impl Selection {
    /// Selects columns of `schema` by name.
    pub(super) fn columns(&mut self, schema: &Schema, names: &[impl AsRef<str>]) -> Result<(), String> {
        let index = |name: &str| {
            schema.index_of(name).map_err(|_| {
                let there: Vec<_> = schema.fields().iter().map(|field| format!("`{}`", field.name())).collect();
                format!("no column `{name}`: there are {}", there.join(", "))
            })
        };
        let columns = names.iter().map(|name| index(name.as_ref())).collect::<Result<Vec<_>, _>>()?;
        self.indices(schema, columns)
    }

    /// Selects columns of `schema` by their indices.
    pub(super) fn indices(&mut self, schema: &Schema, columns: Vec<usize>) -> Result<(), String> {
        let projected = schema.project(&columns).map_err(|error| error.to_string())?;
        self.columns = Some((columns, Arc::new(projected)));
        Ok(())
    }

    /// Selects rows of the file.
    pub(super) fn rows(&mut self, rows: Range<u64>) {
        (self.skip, self.left) = (rows.start, rows.end.saturating_sub(rows.start));
    }

    /// Indices of the selected columns; nothing where all are.
    pub(super) fn selected(&self) -> Option<&[usize]> {
        self.columns.as_ref().map(|(columns, _)| columns.as_slice())
    }

    /// The schema of the selected columns of `schema`.
    pub(super) fn schema(&self, schema: &SchemaRef) -> SchemaRef {
        Arc::clone(self.columns.as_ref().map_or(schema, |(_, projected)| projected))
    }

    /// Whether no row behind those that were given is wanted.
    pub(super) fn is_over(&self) -> bool {
        self.left == 0
    }

    /// Goes on to the next batch, which has so many rows, and says which of them are wanted; nothing: none.
    pub(super) fn slice(&mut self, rows: u64) -> Option<Range<usize>> {
        let start = self.skip.min(rows);
        self.skip -= start;
        let count = (rows - start).min(self.left);
        self.left -= count;
        // A batch without rows is a batch all the same, where all are wanted.
        if count == 0 && (rows > 0 || start > 0) {
            return None;
        }
        let in_memory = |rows: u64| usize::try_from(rows).unwrap_or(usize::MAX);
        Some(in_memory(start)..in_memory(start + count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_over_batches() {
        let slices = |rows: Range<u64>| {
            let mut selection = Selection::default();
            selection.rows(rows);
            [10, 5, 10].map(|rows| selection.slice(rows))
        };
        assert_eq!(slices(0..u64::MAX), [Some(0..10), Some(0..5), Some(0..10)]);
        assert_eq!(slices(3..12), [Some(3..10), Some(0..2), None]);
        assert_eq!(slices(10..15), [None, Some(0..5), None]);
        assert_eq!(slices(25..30), [None, None, None]);
        assert_eq!(slices(Range { start: 9, end: 3 }), [None, None, None]);
        let mut all = Selection::default();
        assert_eq!([all.slice(0), all.slice(4)], [Some(0..0), Some(0..4)]);
    }
}
