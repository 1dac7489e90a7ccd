//! `maou._rust.maou_index`: the index and the path scanner of [`maou_index`].

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use maou_index::{BuildOptions, Location, Progress};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::error::to_python;
use crate::numbers::{Whole, bound, count};

const NAME: &str = "maou_index";
const FULL_NAME: &str = "maou._rust.maou_index";

/// Places that are made into Python's before other threads have a turn: a millisecond's work.
const PLACES: usize = 1 << 13;

/// Finds records by id and by evaluation in a list of Arrow IPC files.
#[pyclass(frozen, module = "maou._rust.maou_index")]
struct SearchIndex {
    index: maou_index::SearchIndex,
}

/// Lists directories and `.feather` files, and searches in what it listed by path prefix.
#[pyclass(frozen, module = "maou._rust.maou_index")]
struct PathScanner {
    scanner: maou_index::PathScanner,
}

/// Adds the submodule to `parent`, and to `sys.modules`, without which `import maou._rust.maou_index` fails.
pub(crate) fn register(parent: &Bound<'_, PyModule>) -> PyResult<()> {
    let module = PyModule::new(parent.py(), FULL_NAME)?;
    module.setattr("__doc__", "Finding records in Arrow IPC files, and the files themselves.")?;
    module.add_class::<SearchIndex>()?;
    module.add_class::<PathScanner>()?;
    parent.add(NAME, &module)?;
    parent.py().import("sys")?.getattr("modules")?.set_item(FULL_NAME, module)
}

// `detach` wherever files are read, or where a result may be as long as the index. A query by itself takes
// microseconds and waits for nobody.
#[expect(clippy::needless_pass_by_value, reason = "paths and callbacks come out of Python owned")]
#[pymethods]
impl SearchIndex {
    /// An empty index; `build_from_files` fills it. `array_type` is hcpe, preprocessing, stage1 or stage2, any case.
    #[new]
    fn new(file_paths: Vec<PathBuf>, array_type: &str) -> PyResult<Self> {
        let array_type = array_type.parse().map_err(index_error)?;
        let index = maou_index::SearchIndex::new(file_paths, array_type);
        Ok(Self { index })
    }

    /// The index in a file, over the files that it was built of.
    #[staticmethod]
    fn open(py: Python<'_>, index_path: PathBuf) -> PyResult<Self> {
        let index = py.detach(|| maou_index::SearchIndex::open(&index_path)).map_err(index_error)?;
        Ok(Self { index })
    }

    /// Reads all files and replaces what the index held. If it raises, the index holds what it held before.
    ///
    /// With `index_path` the index lives in that file: it is used again if it is one of these files, unchanged; extended if
    /// it is one of some of them; else made anew. The build then takes about `memory` bytes (256 MiB).
    ///
    /// `progress(done, total)` is called a few times a second; a record counts once when it is read and once when it is
    /// written with its id. While evaluations are written, `done` stays at `total`. What it raises, and Ctrl-C, ends the
    /// build.
    #[pyo3(signature = (index_path=None, *, memory=None, progress=None))]
    fn build_from_files(
        &self,
        py: Python<'_>,
        index_path: Option<PathBuf>,
        memory: Option<Whole>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<()> {
        let memory = memory.map(|memory| count("memory", memory)).transpose()?.unwrap_or(maou_index::BUILD_MEMORY);
        let mut raised = None;
        let built = py.detach(|| {
            let mut tell = |now: Progress| match Python::attach(|py| report(py, progress.as_ref(), now)) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    raised = Some(error);
                    ControlFlow::Break(())
                }
            };
            let mut options = BuildOptions { memory, progress: &mut tell };
            match &index_path {
                Some(path) => self.index.build_into(path, &mut options),
                None => self.index.build_with(&mut options),
            }
        });
        raised.map_or(Ok(()), Err)?;
        built.map_err(index_error)
    }

    /// Replaces what the index held by made-up records, without reading a file.
    fn build_mock(&self, py: Python<'_>, num_records: Whole) -> PyResult<()> {
        let Whole(records) = num_records;
        let records = u32::try_from(records)
            .map_err(|_| PyValueError::new_err(format!("num_records is {records}: use 0 to {}", u32::MAX)))?;
        py.detach(|| self.index.build_mock(records)).map_err(index_error)
    }

    /// Whether a file has changed since the index was built, or is gone.
    fn is_stale(&self, py: Python<'_>) -> bool {
        py.detach(|| self.index.is_stale())
    }

    /// Which file makes the index stale, and why: it is not there, it has changed, it cannot be read. None if none does.
    fn stale_reason(&self, py: Python<'_>) -> Option<String> {
        py.detach(|| self.index.stale_reason()).map(|stale| stale.to_string())
    }

    /// Compares every byte of the index with what was written; raises ValueError where one differs.
    fn verify(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.index.verify()).map_err(index_error)
    }

    /// `(file, row)` of the record with this id, or None. A 64-bit id goes by its decimal form.
    fn search_by_id(&self, id: &str) -> Option<(OsString, u32)> {
        self.index.search_by_id(id).map(|location| pair(&location))
    }

    /// The first `limit` ids that begin with `prefix`, each once, sorted as strings.
    #[pyo3(signature = (prefix, limit=Whole(50)), text_signature = "($self, prefix, limit=50)")]
    fn search_id_prefix(&self, py: Python<'_>, prefix: &str, limit: Whole) -> PyResult<Vec<String>> {
        let limit = count("limit", limit)?;
        Ok(py.detach(|| self.index.search_id_prefix(prefix, limit)))
    }

    /// The first `limit` ids or all, each once, sorted as strings.
    #[pyo3(signature = (limit=None))]
    fn get_all_ids(&self, py: Python<'_>, limit: Option<Whole>) -> PyResult<Vec<String>> {
        let limit = limit.map(|limit| count("limit", limit)).transpose()?;
        Ok(py.detach(|| self.index.get_all_ids(limit)))
    }

    /// `(file, row)` of the records with `min_eval <= eval <= max_eval`, by evaluation, then file, then row.
    #[pyo3(
        signature = (min_eval=None, max_eval=None, offset=Whole(0), limit=Whole(20)),
        text_signature = "($self, min_eval=None, max_eval=None, offset=0, limit=20)",
    )]
    fn search_by_eval_range<'py>(
        &self,
        py: Python<'py>,
        min_eval: Option<Whole>,
        max_eval: Option<Whole>,
        offset: Whole,
        limit: Whole,
    ) -> PyResult<Bound<'py, PyList>> {
        let (offset, limit) = (count("offset", offset)?, count("limit", limit)?);
        let (min_eval, max_eval) = (min_eval.map(bound), max_eval.map(bound));
        let found = py.detach(|| self.index.search_by_eval_range(min_eval, max_eval, offset, limit));
        places(py, &found)
    }

    /// How many records have `min_eval <= eval <= max_eval`.
    #[pyo3(signature = (min_eval=None, max_eval=None))]
    fn count_eval_range(&self, min_eval: Option<Whole>, max_eval: Option<Whole>) -> usize {
        self.index.count_eval_range(min_eval.map(bound), max_eval.map(bound))
    }

    /// Rows of all files of the last build.
    fn total_records(&self) -> usize {
        self.index.total_records()
    }

    /// The files as they were given.
    fn file_paths(&self) -> Vec<&OsStr> {
        self.index.file_paths().iter().map(|path| path.as_os_str()).collect()
    }

    /// The kind of the records: hcpe, preprocessing, stage1 or stage2.
    #[getter]
    fn array_type(&self) -> String {
        self.index.array_type().to_string()
    }

    fn __repr__(&self) -> String {
        format!(
            "SearchIndex(array_type='{}', files={}, records={})",
            self.index.array_type(),
            self.index.file_paths().len(),
            self.index.total_records(),
        )
    }
}

#[expect(clippy::needless_pass_by_value, reason = "paths come out of Python owned, for the time detached from it")]
#[pymethods]
impl PathScanner {
    /// `ttl_seconds` is how long a scan is good for; it may be a fraction.
    #[new]
    #[pyo3(signature = (ttl_seconds=60.0))]
    fn new(ttl_seconds: f64) -> PyResult<Self> {
        let ttl = Duration::try_from_secs_f64(ttl_seconds)
            .map_err(|error| PyValueError::new_err(format!("ttl_seconds is {ttl_seconds}: {error}")))?;
        let scanner = maou_index::PathScanner::new(ttl);
        Ok(Self { scanner })
    }

    /// The directories below `base`, at most `max_depth` levels down, sorted. Links are not followed.
    #[pyo3(signature = (base, max_depth=Whole(5)), text_signature = "($self, base, max_depth=5)")]
    fn scan_directories<'py>(&self, py: Python<'py>, base: PathBuf, max_depth: Whole) -> PyResult<Bound<'py, PyAny>> {
        let max_depth = count("max_depth", max_depth)?;
        let paths =
            py.detach(|| self.scanner.scan_directories(&base, max_depth, Instant::now())).map_err(index_error)?;
        (&*paths).into_pyobject(py)
    }

    /// The `.feather` files in `base` and, if `recursive`, below it, sorted.
    #[pyo3(signature = (base, recursive=true))]
    fn scan_feather_files<'py>(&self, py: Python<'py>, base: PathBuf, recursive: bool) -> PyResult<Bound<'py, PyAny>> {
        let paths =
            py.detach(|| self.scanner.scan_feather_files(&base, recursive, Instant::now())).map_err(index_error)?;
        (&*paths).into_pyobject(py)
    }

    /// The first `limit` scanned directories whose path begins with `prefix`, sorted.
    #[pyo3(signature = (prefix, limit=Whole(50)), text_signature = "($self, prefix, limit=50)")]
    fn search_directory_prefix(&self, py: Python<'_>, prefix: PathBuf, limit: Whole) -> PyResult<Vec<OsString>> {
        let limit = count("limit", limit)?;
        Ok(py.detach(|| self.scanner.search_directory_prefix(prefix.as_os_str(), limit)))
    }

    /// The first `limit` scanned files whose path begins with `prefix`, sorted.
    #[pyo3(signature = (prefix, limit=Whole(100)), text_signature = "($self, prefix, limit=100)")]
    fn search_file_prefix(&self, py: Python<'_>, prefix: PathBuf, limit: Whole) -> PyResult<Vec<OsString>> {
        let limit = count("limit", limit)?;
        Ok(py.detach(|| self.scanner.search_file_prefix(prefix.as_os_str(), limit)))
    }

    /// Whether the last scan is older than the time to live, or there was none.
    fn is_stale(&self) -> bool {
        self.scanner.is_stale(Instant::now())
    }

    /// `directories` and `files`: how many are cached; `age_seconds` of the last scan or None; `ttl_seconds`.
    fn cache_stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let stats = py.detach(|| self.scanner.cache_stats(Instant::now()));
        let dict = PyDict::new(py);
        dict.set_item("directories", stats.directories)?;
        dict.set_item("files", stats.files)?;
        dict.set_item("age_seconds", stats.age.map(|age| age.as_secs_f64()))?;
        dict.set_item("ttl_seconds", stats.ttl.as_secs_f64())?;
        Ok(dict)
    }
}

/// Ends the build by what a signal or the callback raises.
fn report(py: Python<'_>, progress: Option<&Py<PyAny>>, now: Progress) -> PyResult<()> {
    py.check_signals()?;
    progress.map_or(Ok(()), |progress| progress.call1(py, (now.done, now.total)).map(drop))
}

/// `(file, row)` each. The rows of a file share its name.
fn places<'py>(py: Python<'py>, found: &[Location]) -> PyResult<Bound<'py, PyList>> {
    let mut names = HashMap::new();
    let list = PyList::empty(py);
    for part in found.chunks(PLACES) {
        for Location { file, row } in part {
            let name = names.entry(Arc::as_ptr(file).cast::<u8>()).or_insert_with(|| {
                let Ok(name) = file.as_os_str().into_pyobject(py);
                name
            });
            list.append((&*name, row))?;
        }
        // A moment for other threads.
        py.detach(|| ());
    }
    Ok(list)
}

fn pair(location: &Location) -> (OsString, u32) {
    (location.file.as_os_str().to_owned(), location.row)
}

fn index_error(error: maou_index::Error) -> PyErr {
    match error {
        // What the operating system refuses is one thing in Python.
        maou_index::Error::Io { path, source } => to_python(maou_io::Error::Io { action: "read", path, source }),
        maou_index::Error::Write { path, source } => to_python(maou_io::Error::Io { action: "write", path, source }),
        other => PyValueError::new_err(other.to_string()),
    }
}
