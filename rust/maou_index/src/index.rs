//! The index: files in, places out.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use crate::array_type::ArrayType;
use crate::build::{self, BUILD_MEMORY, BuildOptions};
use crate::error::{Error, Result};
use crate::mock;
use crate::source::SourceFile;
use crate::stale::Stale;
use crate::store::Store;

/// Finds records by id and by evaluation in a list of files.
///
/// A new index is empty: queries find nothing until a build has succeeded. A record without an id (null) counts in
/// [`total_records`](Self::total_records) and is found by evaluation only; one without an evaluation (null, or no such
/// column) is found by id only. Of several records with one id the first, by file and row, is found by id.
///
/// Every method takes `&self` and may be called from several threads. A query sees one build or another, never a
/// mixture, and does not wait for a build that is under way.
///
/// An index takes 13 bytes a record with a 64-bit id, or 5 and the text without what it shares with the one before it in
/// order, and 5 more with an evaluation. In memory ([`build_from_files`](Self::build_from_files)) a build takes twice
/// that. In a file ([`build_into`](Self::build_into)) it takes as much memory as it is given, and the index itself only the
/// pages that queries touch. The file is mapped: nobody may truncate or change it in place while it is open. A build never
/// does, it replaces the file.
#[derive(Debug)]
pub struct SearchIndex {
    files: Vec<PathBuf>,
    array_type: ArrayType,
    content: RwLock<Option<Arc<Content>>>,
}

/// Where a record is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// As it was given.
    pub file: Arc<Path>,
    /// Within the file, from 0.
    pub row: u32,
}

/// What one build made.
#[derive(Debug)]
struct Content {
    store: Store,
    /// Where the records of each file begin, and its path.
    files: Vec<(u64, Arc<Path>)>,
}

impl SearchIndex {
    /// An empty index over `files`, whose order is the order of the results. Nothing is read yet.
    #[must_use]
    pub fn new(files: Vec<PathBuf>, array_type: ArrayType) -> Self {
        Self { files, array_type, content: RwLock::default() }
    }

    /// The index in the file `path`, over the files that it was built of, whether or not they are still what they were; see
    /// [`is_stale`](Self::is_stale).
    ///
    /// # Errors
    ///
    /// [`Error::Io`], and [`Error::Index`] for a file that is no index, of another version, truncated or damaged as far as
    /// its footer tells; [`verify`](Self::verify) looks at every byte.
    pub fn open(path: &Path) -> Result<Self> {
        let store = Store::open(path)?;
        let (files, array_type) = (paths(&store.footer().files), store.footer().array_type);
        let index = Self::new(files, array_type);
        index.replace(store);
        Ok(index)
    }

    /// Reads all files into memory and replaces what the index held.
    ///
    /// # Errors
    ///
    /// The first file that cannot be read or has no proper `id` ends the build; see [`Error`]. The index then holds
    /// what it held before.
    pub fn build_from_files(&self) -> Result<()> {
        let mut silent = |_| ControlFlow::Continue(());
        self.build_with(&mut BuildOptions { memory: BUILD_MEMORY, progress: &mut silent })
    }

    /// As [`build_from_files`](Self::build_from_files). The `memory` of `options` is not a bound here.
    ///
    /// # Errors
    ///
    /// As there, and [`Error::Cancelled`].
    pub fn build_with(&self, options: &mut BuildOptions<'_>) -> Result<()> {
        self.replace(build::in_memory(&self.files, self.array_type, options)?);
        Ok(())
    }

    /// Makes the file `path` the index of all files and maps it. If it is that already, nothing is read; if it is one of some
    /// of the files, unchanged and in their order, only the others are; anything else of a name that ends in `.maouidx` is
    /// replaced. A file has changed when its size, its time of modification or its end have, which is its footer or 4 KiB.
    ///
    /// # Errors
    ///
    /// As [`build_with`](Self::build_with), and [`Error::Write`]. The file and the index are then what they were.
    pub fn build_into(&self, path: &Path, options: &mut BuildOptions<'_>) -> Result<()> {
        self.replace(build::in_file(&self.files, self.array_type, path, options)?);
        Ok(())
    }

    /// Replaces what the index held by `num_records` made-up records, all in the first file, without reading any.
    ///
    /// The same number gives the same records. Record `n` is in row `n`; its id is `mock_id_{n}` for
    /// [`ArrayType::Hcpe`] and the number `n` for the others, and with [`ArrayType::Hcpe`] it has an evaluation.
    ///
    /// # Errors
    ///
    /// None that a user could bring about.
    pub fn build_mock(&self, num_records: u32) -> Result<()> {
        self.replace(mock::store(self.array_type, num_records, self.files.first())?);
        Ok(())
    }

    /// Whether a file of the last build has changed since, or is gone. An index without a build is not stale.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.stale_reason().is_some()
    }

    /// What is the matter with the first file that makes the index [stale](Self::is_stale).
    #[must_use]
    pub fn stale_reason(&self) -> Option<Stale> {
        self.content()?.store.footer().files.iter().find_map(Stale::of)
    }

    /// Compares every byte of the index with what was written.
    ///
    /// # Errors
    ///
    /// [`Error::Index`] with the part that is damaged.
    pub fn verify(&self) -> Result<()> {
        let Some(content) = self.content() else { return Ok(()) };
        content.store.verify().map_err(|problem| Error::index(content.store.path(), problem))
    }

    /// The record with this id. A 64-bit id goes by its decimal form, as in `"42"`.
    #[must_use]
    pub fn search_by_id(&self, id: &str) -> Option<Location> {
        let content = self.content()?;
        content.store.ids().find(id).and_then(|record| self.locate(&content, record))
    }

    /// The first `limit` ids that begin with `prefix`, each once, ascending as strings.
    #[must_use]
    pub fn search_id_prefix(&self, prefix: &str, limit: usize) -> Vec<String> {
        self.content().map(|content| content.store.ids().with_prefix(prefix, limit)).unwrap_or_default()
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
    ) -> Vec<Location> {
        let Some(content) = self.content() else { return Vec::new() };
        let records = content.store.evals().records(min_eval, max_eval).page(offset, limit);
        records.filter_map(|record| self.locate(&content, record)).collect()
    }

    /// How many records [`search_by_eval_range`](Self::search_by_eval_range) would return without a limit.
    #[must_use]
    pub fn count_eval_range(&self, min_eval: Option<i64>, max_eval: Option<i64>) -> usize {
        self.content().map_or(0, |content| content.store.evals().records(min_eval, max_eval).len())
    }

    /// Rows of all files of the last build.
    #[must_use]
    pub fn total_records(&self) -> usize {
        self.content().map_or(0, |content| content.store.footer().records as usize)
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

    fn content(&self) -> Option<Arc<Content>> {
        self.content.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn replace(&self, store: Store) {
        let content = Some(Arc::new(Content::new(store)));
        let old = {
            let mut current = self.content.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *current, content)
        };
        // Freeing gigabytes takes a while: not under the lock.
        drop(old);
    }

    /// Nothing for a number that only a damaged index has.
    fn locate(&self, content: &Content, record: u64) -> Option<Location> {
        let after = content.files.partition_point(|(start, _)| *start <= record);
        let (start, file) = content.files.get(after.checked_sub(1)?)?;
        Some(Location { file: Arc::clone(file), row: u32::try_from(record - start).ok()? })
    }
}

impl Content {
    fn new(store: Store) -> Self {
        let mut next = 0;
        let files = store.footer().files.iter().map(|file| {
            let start = next;
            next += file.rows;
            (start, Arc::from(file.path.as_path()))
        });
        let files = files.collect();
        Self { store, files }
    }
}

fn paths(files: &[SourceFile]) -> Vec<PathBuf> {
    files.iter().map(|file| file.path.clone()).collect()
}
