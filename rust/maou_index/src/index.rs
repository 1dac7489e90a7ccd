//! The index: files in, places out.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use crate::array_type::ArrayType;
use crate::error::{Error, Result};
use crate::eval::{Evals, EvalsBuilder};
use crate::ids::{Ids, IdsBuilder};
use crate::mock;
use crate::place::Place;
use crate::read::{self, FileColumns, IdColumn};

/// Finds records by id and by evaluation in a list of files.
///
/// A new index is empty: queries find nothing until [`build_from_files`](Self::build_from_files) has succeeded. A
/// record without an id (null) counts in [`total_records`](Self::total_records) and is found by evaluation only; one
/// without an evaluation (null, or no such column) is found by id only. Of several records with one id the first, by
/// file and row, is found by id.
///
/// Every method takes `&self` and may be called from several threads. A query sees one build or another, never a
/// mixture, and does not wait for a build that is under way.
///
/// Built, it takes 28 bytes a record with a 64-bit id, and 28 bytes and the text with a string id; 12 of them are for
/// the evaluation. While it is built, the columns of one file come on top, and string ids take twice their place.
#[derive(Debug)]
pub struct SearchIndex {
    files: Vec<PathBuf>,
    array_type: ArrayType,
    content: RwLock<Arc<Content>>,
}

/// Where a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location<'a> {
    /// As it was given to [`SearchIndex::new`].
    pub file: &'a Path,
    /// Within the file, from 0.
    pub row: u32,
}

/// What one build made.
#[derive(Debug, Default)]
pub(crate) struct Content {
    ids: Ids,
    evals: Evals,
    /// Including those that have neither.
    records: usize,
}

#[derive(Default)]
pub(crate) struct ContentBuilder {
    pub(crate) ids: IdsBuilder,
    pub(crate) evals: EvalsBuilder,
    pub(crate) records: usize,
}

impl SearchIndex {
    /// An empty index over `files`, whose order is the order of the results. Nothing is read yet.
    #[must_use]
    pub fn new(files: Vec<PathBuf>, array_type: ArrayType) -> Self {
        Self { files, array_type, content: RwLock::default() }
    }

    /// Reads all files and replaces what the index held.
    ///
    /// # Errors
    ///
    /// The first file that cannot be read or has no proper `id` ends the build; see [`Error`]. The index then holds
    /// what it held before.
    pub fn build_from_files(&self) -> Result<()> {
        let mut builder = ContentBuilder::default();
        for (number, path) in self.files.iter().enumerate() {
            let columns = read::read_columns(path)?;
            let file = u32::try_from(number).map_err(|_| Error::data(path, "an index takes 2^32 files"))?;
            builder.add_file(path, file, &columns)?;
        }
        self.replace(builder.finish());
        Ok(())
    }

    /// Replaces what the index held by `num_records` made-up records, all in the first file, without reading any.
    ///
    /// The same number gives the same records. Record `n` is in row `n`; its id is `mock_id_{n}` for
    /// [`ArrayType::Hcpe`] and the number `n` for the others, and with [`ArrayType::Hcpe`] it has an evaluation.
    pub fn build_mock(&self, num_records: u32) {
        self.replace(mock::content(self.array_type, num_records));
    }

    /// The record with this id. A 64-bit id goes by its decimal form, as in `"42"`.
    #[must_use]
    pub fn search_by_id(&self, id: &str) -> Option<Location<'_>> {
        self.content().ids.find(id).map(|place| self.locate(place))
    }

    /// The first `limit` ids that begin with `prefix`, each once, ascending as strings.
    #[must_use]
    pub fn search_id_prefix(&self, prefix: &str, limit: usize) -> Vec<String> {
        self.content().ids.with_prefix(prefix, limit)
    }

    /// The first `limit` ids or all, each once, ascending as strings.
    #[must_use]
    pub fn get_all_ids(&self, limit: Option<usize>) -> Vec<String> {
        self.search_id_prefix("", limit.unwrap_or(usize::MAX))
    }

    /// The records with `min_eval <= eval <= max_eval` (centipawns, `None` is no bound) by evaluation, then file, then
    /// row: at most `limit` of them after the first `offset`.
    #[must_use]
    pub fn search_by_eval_range(
        &self,
        min_eval: Option<i64>,
        max_eval: Option<i64>,
        offset: usize,
        limit: usize,
    ) -> Vec<Location<'_>> {
        self.content()
            .evals
            .places(min_eval, max_eval)
            .skip(offset)
            .take(limit)
            .map(|place| self.locate(place))
            .collect()
    }

    /// How many records [`search_by_eval_range`](Self::search_by_eval_range) would return without a limit.
    #[must_use]
    pub fn count_eval_range(&self, min_eval: Option<i64>, max_eval: Option<i64>) -> usize {
        self.content().evals.places(min_eval, max_eval).len()
    }

    /// Rows of all files of the last build.
    #[must_use]
    pub fn total_records(&self) -> usize {
        self.content().records
    }

    /// The files as they were given.
    #[must_use]
    pub fn file_paths(&self) -> &[PathBuf] {
        &self.files
    }

    /// What the records are.
    #[must_use]
    pub fn array_type(&self) -> ArrayType {
        self.array_type
    }

    // A poisoned lock is no reason to fail: the guarded value is one pointer, which no panic leaves half written.

    fn content(&self) -> Arc<Content> {
        Arc::clone(&self.content.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, content: Content) {
        let content = Arc::new(content);
        let old = {
            let mut current = self.content.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *current, content)
        };
        // Freeing gigabytes takes a while: not under the lock.
        drop(old);
    }

    fn locate(&self, place: Place) -> Location<'_> {
        let file = self.files.get(place.file as usize);
        Location {
            // Only mock records of an index without files have none.
            file: file.map_or(Path::new(mock::FILE), PathBuf::as_path),
            row: place.row,
        }
    }
}

impl ContentBuilder {
    pub(crate) fn finish(self) -> Content {
        Content { ids: self.ids.finish(), evals: self.evals.finish(), records: self.records }
    }

    fn add_file(&mut self, path: &Path, file: u32, columns: &FileColumns) -> Result<()> {
        if u32::try_from(columns.rows).is_err() {
            let problem = format!("its {} rows are more than 2^32; split it", columns.rows);
            return Err(Error::data(path, problem));
        }
        let places = || (0..).map(|row| Place { file, row });
        match &columns.ids {
            IdColumn::Numbers(ids) => {
                for (id, place) in ids.iter().zip(places()) {
                    id.into_iter().for_each(|id| self.ids.push_number(id, place));
                }
            }
            IdColumn::Texts(ids) => {
                for (id, place) in ids.iter().zip(places()) {
                    id.into_iter().for_each(|id| self.ids.push_text(id, place));
                }
            }
        }
        for (eval, place) in columns.evals.iter().flat_map(|evals| evals.iter()).zip(places()) {
            eval.into_iter().for_each(|eval| self.evals.push(eval, place));
        }
        self.records += columns.rows;
        Ok(())
    }
}
