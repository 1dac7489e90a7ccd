//! Files read in part: some columns, some rows, a batch at a time.

#![expect(clippy::needless_pass_by_value, reason = "arguments out of Python are owned, so that they outlive `detach`")]

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use maou_io::{BatchReader, Error, STEP_BYTES};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;

use crate::capsule::PyRecordBatch;
use crate::error::{detached, to_python};
use crate::numbers::{self, Whole, count};

/// The batches of a file, one after the other; one is in memory at a time, or a part of one.
#[pyclass(frozen, name = "BatchIterator", module = "maou._rust.maou_io")]
pub(crate) struct PyBatchIterator(Mutex<Batches>);

struct Batches {
    reader: BatchReader,
    /// What is left of a batch that was longer than wanted.
    rest: Option<maou_io::RecordBatch>,
    most: usize,
}

/// What of a file is read, and how.
pub(crate) struct Part {
    pub(crate) columns: Option<Vec<String>>,
    /// From the first to before the second.
    pub(crate) rows: Option<Range<u64>>,
    pub(crate) memory_map: bool,
    pub(crate) verify: bool,
}

impl Part {
    pub(crate) fn open(&self, path: &Path) -> Result<BatchReader, Error> {
        let mut reader = BatchReader::open(path)?.with_memory_map(self.memory_map)?.with_verification(self.verify)?;
        if let Some(columns) = &self.columns {
            reader = reader.with_columns(columns)?;
        }
        Ok(match &self.rows {
            Some(rows) => reader.with_rows(rows.clone()),
            None => reader,
        })
    }
}

/// Iterate over the batches of an Arrow IPC file or stream; `batch_rows` cuts those that have more rows. Those that would
/// take more than 64 MiB come in parts. Otherwise as `load_feather_file`.
#[pyfunction]
#[pyo3(signature = (path, columns=None, batch_rows=None, rows=None, *, memory_map=false, verify=false))]
pub(crate) fn iter_feather(
    py: Python<'_>,
    path: PathBuf,
    columns: Option<Vec<String>>,
    batch_rows: Option<Whole>,
    rows: Option<(Whole, Whole)>,
    memory_map: bool,
    verify: bool,
) -> PyResult<PyBatchIterator> {
    let most = match batch_rows {
        None => usize::MAX,
        Some(Whole(0)) => return Err(PyValueError::new_err("batch_rows is 0: a batch has at least 1 row")),
        Some(rows) => count("batch_rows", rows)?,
    };
    let part = Part { columns, rows: rows.map(numbers::rows).transpose()?, memory_map, verify };
    let reader = detached(py, || part.open(&path))?.with_steps(STEP_BYTES);
    Ok(PyBatchIterator(Mutex::new(Batches { reader, rest: None, most })))
}

/// The bytes from the footer of an Arrow IPC file to its end. A file with holes will do that has its first and last bytes.
#[pyfunction]
pub(crate) fn footer_range(py: Python<'_>, path: PathBuf) -> PyResult<(u64, u64)> {
    let range = py.detach(|| maou_io::footer_range(&path)).map_err(to_python)?;
    Ok((range.start, range.end))
}

/// The bytes that say where the data of an Arrow IPC file is, as ranges. A file with holes will do that has its footer.
#[pyfunction]
pub(crate) fn metadata_ranges(py: Python<'_>, path: PathBuf) -> PyResult<Vec<(u64, u64)>> {
    py.detach(|| maou_io::metadata_ranges(&path)).map(pairs).map_err(to_python)
}

/// The bytes that a read of `columns` and `rows` takes, as ranges. A file with holes will do that has the bytes of
/// `footer_range` and `metadata_ranges`.
#[pyfunction]
#[pyo3(signature = (path, columns=None, rows=None))]
pub(crate) fn data_ranges(
    py: Python<'_>,
    path: PathBuf,
    columns: Option<Vec<String>>,
    rows: Option<(Whole, Whole)>,
) -> PyResult<Vec<(u64, u64)>> {
    let rows = rows.map(numbers::rows).transpose()?;
    py.detach(|| maou_io::data_ranges(&path, columns.as_deref(), rows)).map(pairs).map_err(to_python)
}

/// The bytes of the data that `describe_feather_file` reads, as ranges. A file with holes will do that has the bytes of
/// `footer_range` and `metadata_ranges`.
#[pyfunction]
pub(crate) fn size_ranges(py: Python<'_>, path: PathBuf) -> PyResult<Vec<(u64, u64)>> {
    py.detach(|| maou_io::size_ranges(&path)).map(pairs).map_err(to_python)
}

fn pairs(ranges: Vec<Range<u64>>) -> Vec<(u64, u64)> {
    ranges.into_iter().map(|range| (range.start, range.end)).collect()
}

#[pymethods]
impl PyBatchIterator {
    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<PyRecordBatch>> {
        py.detach(|| {
            let mut batches = self.0.try_lock().map_err(|_| PyRuntimeError::new_err("another thread is reading"))?;
            batches.next().map_err(to_python)
        })
        .map(|batch| batch.map(PyRecordBatch::from))
    }
}

impl Batches {
    fn next(&mut self) -> Result<Option<maou_io::RecordBatch>, Error> {
        let batch = match self.rest.take() {
            Some(rest) => rest,
            None => match self.reader.next().transpose()? {
                Some(batch) => batch,
                None => return Ok(None),
            },
        };
        if batch.num_rows() <= self.most {
            return Ok(Some(batch));
        }
        self.rest = Some(batch.slice(self.most, batch.num_rows() - self.most));
        Ok(Some(batch.slice(0, self.most)))
    }
}
