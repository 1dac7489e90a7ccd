//! `maou._rust.maou_io`: the functions of [`maou_io`].

#![expect(clippy::needless_pass_by_value, reason = "arguments out of Python are owned, so that they outlive `detach`")]

use std::ffi::OsString;
use std::path::PathBuf;

use maou_io::RecordKind;
use pyo3::prelude::*;

use crate::capsule::{self, PyRecordBatch};
use crate::error::{count, to_python};
use crate::sparse;

const NAME: &str = "maou_io";
const FULL_NAME: &str = "maou._rust.maou_io";

/// Adds the submodule to `parent`, and to `sys.modules`, without which `import maou._rust.maou_io` fails.
pub(crate) fn register(parent: &Bound<'_, PyModule>) -> PyResult<()> {
    let module = PyModule::new(parent.py(), FULL_NAME)?;
    module.setattr("__doc__", "Arrow IPC files of record batches, and sparse arrays.")?;
    module.add_class::<PyRecordBatch>()?;
    module.add_function(wrap_pyfunction!(hello, &module)?)?;
    module.add_function(wrap_pyfunction!(save_feather_file, &module)?)?;
    module.add_function(wrap_pyfunction!(save_hcpe_feather, &module)?)?;
    module.add_function(wrap_pyfunction!(save_preprocessing_feather, &module)?)?;
    module.add_function(wrap_pyfunction!(load_feather_file, &module)?)?;
    module.add_function(wrap_pyfunction!(load_hcpe_feather, &module)?)?;
    module.add_function(wrap_pyfunction!(load_preprocessing_feather, &module)?)?;
    module.add_function(wrap_pyfunction!(save_feather_batches, &module)?)?;
    module.add_function(wrap_pyfunction!(load_feather_batches, &module)?)?;
    module.add_function(wrap_pyfunction!(split_feather_file, &module)?)?;
    module.add_function(wrap_pyfunction!(merge_feather_files, &module)?)?;
    sparse::register(&module)?;
    parent.add(NAME, &module)?;
    parent.py().import("sys")?.getattr("modules")?.set_item(FULL_NAME, module)
}

/// A greeting that says that the extension is there.
#[pyfunction]
fn hello() -> &'static str {
    maou_io::hello()
}

/// Write one batch to an LZ4 Arrow IPC file, its columns as they are. An error leaves an existing file unchanged.
#[pyfunction]
fn save_feather_file(py: Python<'_>, batch: &Bound<'_, PyAny>, path: PathBuf) -> PyResult<()> {
    let batch = capsule::batch(batch)?;
    detached(py, || maou_io::save_feather_file(&batch, &path))
}

/// Write one batch of HCPE records, as `save_feather_file`. ValueError when the columns are not those of the schema.
#[pyfunction]
fn save_hcpe_feather(py: Python<'_>, batch: &Bound<'_, PyAny>, path: PathBuf) -> PyResult<()> {
    save_record(py, batch, RecordKind::Hcpe, path)
}

/// Write one batch of preprocessing records, as `save_feather_file`. ValueError when the columns are not those of the
/// schema.
#[pyfunction]
fn save_preprocessing_feather(py: Python<'_>, batch: &Bound<'_, PyAny>, path: PathBuf) -> PyResult<()> {
    save_record(py, batch, RecordKind::Preprocessing, path)
}

/// Read an Arrow IPC file or stream as one batch.
#[pyfunction]
fn load_feather_file(py: Python<'_>, path: PathBuf) -> PyResult<PyRecordBatch> {
    detached(py, || maou_io::load_feather_file(&path)).map(PyRecordBatch::from)
}

/// Read a file of HCPE records as one batch, in the types of the schema. ValueError when it holds something else.
#[pyfunction]
fn load_hcpe_feather(py: Python<'_>, path: PathBuf) -> PyResult<PyRecordBatch> {
    detached(py, || maou_io::load_record(RecordKind::Hcpe, &path)).map(PyRecordBatch::from)
}

/// Read a file of preprocessing records as one batch, in the types of the schema. ValueError when it holds something
/// else.
#[pyfunction]
fn load_preprocessing_feather(py: Python<'_>, path: PathBuf) -> PyResult<PyRecordBatch> {
    detached(py, || maou_io::load_record(RecordKind::Preprocessing, &path)).map(PyRecordBatch::from)
}

/// Write a list of batches of one schema to one file, chunking kept. ValueError when there are none.
#[pyfunction]
fn save_feather_batches(py: Python<'_>, batches: &Bound<'_, PyAny>, path: PathBuf) -> PyResult<()> {
    let batches = capsule::batches(batches)?;
    detached(py, || maou_io::save_feather_batches(&batches, &path))
}

/// Read the batches of an Arrow IPC file or stream, as they were written.
#[pyfunction]
fn load_feather_batches(py: Python<'_>, path: PathBuf) -> PyResult<Vec<PyRecordBatch>> {
    let batches = detached(py, || maou_io::load_feather_batches(&path))?;
    Ok(batches.into_iter().map(PyRecordBatch::from).collect())
}

/// Split a file into `{stem}_split0000.feather` and so on, `rows_per_file` rows each. A file that is small enough comes
/// back as it is; 0 rows give [].
#[pyfunction]
fn split_feather_file(
    py: Python<'_>,
    path: PathBuf,
    output_dir: PathBuf,
    rows_per_file: i64,
) -> PyResult<Vec<OsString>> {
    let rows = count("rows_per_file", rows_per_file)?;
    detached(py, || maou_io::split_feather_file(&path, &output_dir, rows)).map(strings)
}

/// Merge files, in order, into `{output_prefix}_chunk0000.feather` and so on, at most `rows_per_chunk` rows each unless
/// one batch has more.
#[pyfunction]
fn merge_feather_files(
    py: Python<'_>,
    paths: Vec<PathBuf>,
    output_dir: PathBuf,
    rows_per_chunk: i64,
    output_prefix: &str,
) -> PyResult<Vec<OsString>> {
    let rows = count("rows_per_chunk", rows_per_chunk)?;
    detached(py, || maou_io::merge_feather_files(&paths, &output_dir, rows, output_prefix)).map(strings)
}

fn save_record(py: Python<'_>, batch: &Bound<'_, PyAny>, kind: RecordKind, path: PathBuf) -> PyResult<()> {
    let batch = capsule::batch(batch)?;
    detached(py, || maou_io::save_record(&batch, kind, &path))
}

/// Runs `work` while other Python threads run, and maps its error.
fn detached<T: Send>(py: Python<'_>, work: impl FnOnce() -> maou_io::Result<T> + Send) -> PyResult<T> {
    py.detach(work).map_err(to_python)
}

/// Paths as `str`, also those that are not Unicode, as `os.fsdecode` has them.
fn strings(paths: Vec<PathBuf>) -> Vec<OsString> {
    paths.into_iter().map(PathBuf::into_os_string).collect()
}
