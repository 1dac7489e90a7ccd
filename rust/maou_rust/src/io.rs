//! `maou._rust.maou_io`: the functions of [`maou_io`].

#![expect(clippy::needless_pass_by_value, reason = "arguments out of Python are owned, so that they outlive `detach`")]

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use arrow_schema::SchemaRef;
use maou_io::{FeatherWriter, RecordBatch, RecordKind, SaveOptions};
use pyo3::prelude::*;

use crate::capsule::{self, PyRecordBatch, Taken};
use crate::error::{detached, to_python};
use crate::numbers::{self, Whole, count};
use crate::reader::{self, Part};
use crate::{description, sparse, writer};

const NAME: &str = "maou_io";
const FULL_NAME: &str = "maou._rust.maou_io";

/// Adds the submodule to `parent`, and to `sys.modules`, without which `import maou._rust.maou_io` fails.
pub(crate) fn register(parent: &Bound<'_, PyModule>) -> PyResult<()> {
    let module = PyModule::new(parent.py(), FULL_NAME)?;
    module.setattr("__doc__", "Arrow IPC files of record batches, and sparse arrays.")?;
    module.add_class::<PyRecordBatch>()?;
    module.add_class::<reader::PyBatchIterator>()?;
    module.add_class::<writer::PyFeatherWriter>()?;
    module.add_class::<description::PyDescription>()?;
    module.add_class::<description::PyColumnDescription>()?;
    module.add_function(wrap_pyfunction!(hello, &module)?)?;
    module.add_function(wrap_pyfunction!(save_feather_file, &module)?)?;
    module.add_function(wrap_pyfunction!(save_hcpe_feather, &module)?)?;
    module.add_function(wrap_pyfunction!(save_preprocessing_feather, &module)?)?;
    module.add_function(wrap_pyfunction!(load_feather_file, &module)?)?;
    module.add_function(wrap_pyfunction!(load_hcpe_feather, &module)?)?;
    module.add_function(wrap_pyfunction!(load_preprocessing_feather, &module)?)?;
    module.add_function(wrap_pyfunction!(save_feather_batches, &module)?)?;
    module.add_function(wrap_pyfunction!(load_feather_batches, &module)?)?;
    module.add_function(wrap_pyfunction!(reader::iter_feather, &module)?)?;
    module.add_function(wrap_pyfunction!(reader::footer_range, &module)?)?;
    module.add_function(wrap_pyfunction!(reader::metadata_ranges, &module)?)?;
    module.add_function(wrap_pyfunction!(reader::data_ranges, &module)?)?;
    module.add_function(wrap_pyfunction!(reader::size_ranges, &module)?)?;
    module.add_function(wrap_pyfunction!(description::describe_feather_file, &module)?)?;
    module.add_function(wrap_pyfunction!(description::count_rows, &module)?)?;
    module.add_function(wrap_pyfunction!(verify_feather_file, &module)?)?;
    module.add_function(wrap_pyfunction!(num_threads, &module)?)?;
    module.add_function(wrap_pyfunction!(set_num_threads, &module)?)?;
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

/// Write an Arrow object to an IPC file, its columns as they are: one batch, or those of its chunks that have 8 MiB and more,
/// smaller ones joined. An error leaves an existing file unchanged.
/// `compression` is "lz4" or "uncompressed"; `durable` waits until the file is on the disk.
#[pyfunction]
#[pyo3(signature = (batch, path, *, compression="lz4", durable=true))]
fn save_feather_file(
    py: Python<'_>,
    batch: &Bound<'_, PyAny>,
    path: PathBuf,
    compression: &str,
    durable: bool,
) -> PyResult<()> {
    let options = writer::options(compression, durable)?;
    let taken = capsule::take(batch)?;
    py.detach(|| {
        let chunks = taken.chunks()?;
        write_each(&path, &chunks.schema(), options, chunks)
    })
}

/// Write HCPE records, as `save_feather_file`. ValueError when the columns are not those of the schema.
#[pyfunction]
#[pyo3(signature = (batch, path, *, compression="lz4", durable=true))]
fn save_hcpe_feather(
    py: Python<'_>,
    batch: &Bound<'_, PyAny>,
    path: PathBuf,
    compression: &str,
    durable: bool,
) -> PyResult<()> {
    save_record(py, batch, RecordKind::Hcpe, path, writer::options(compression, durable)?)
}

/// Write preprocessing records, as `save_feather_file`. ValueError when the columns are not those of the
/// schema.
#[pyfunction]
#[pyo3(signature = (batch, path, *, compression="lz4", durable=true))]
fn save_preprocessing_feather(
    py: Python<'_>,
    batch: &Bound<'_, PyAny>,
    path: PathBuf,
    compression: &str,
    durable: bool,
) -> PyResult<()> {
    save_record(py, batch, RecordKind::Preprocessing, path, writer::options(compression, durable)?)
}

/// Read an Arrow IPC file or stream as one batch; only `columns`, and only the rows from the first to before the second
/// of `rows`, where they are given. `memory_map` leaves what is uncompressed where it is in the file, which nobody may
/// then change; `verify` holds what is read against its checksums.
#[pyfunction]
#[pyo3(signature = (path, columns=None, rows=None, *, memory_map=false, verify=false))]
fn load_feather_file(
    py: Python<'_>,
    path: PathBuf,
    columns: Option<Vec<String>>,
    rows: Option<(Whole, Whole)>,
    memory_map: bool,
    verify: bool,
) -> PyResult<PyRecordBatch> {
    let part = Part { columns, rows: rows.map(numbers::rows).transpose()?, memory_map, verify };
    detached(py, || part.open(&path)?.read_one()).map(PyRecordBatch::from)
}

/// Read a file of HCPE records as one batch, in the types of the schema; `memory_map` and `verify` as
/// `load_feather_file`. ValueError when it holds something else.
#[pyfunction]
#[pyo3(signature = (path, *, memory_map=false, verify=false))]
fn load_hcpe_feather(py: Python<'_>, path: PathBuf, memory_map: bool, verify: bool) -> PyResult<PyRecordBatch> {
    load_record(py, path, RecordKind::Hcpe, memory_map, verify)
}

/// Read a file of preprocessing records as one batch, in the types of the schema; `memory_map` and `verify` as
/// `load_feather_file`. ValueError when it holds something else.
#[pyfunction]
#[pyo3(signature = (path, *, memory_map=false, verify=false))]
fn load_preprocessing_feather(
    py: Python<'_>,
    path: PathBuf,
    memory_map: bool,
    verify: bool,
) -> PyResult<PyRecordBatch> {
    load_record(py, path, RecordKind::Preprocessing, memory_map, verify)
}

/// Write a list of batches of one schema to one file, chunking kept; otherwise as `save_feather_file`. ValueError when
/// there are none.
#[pyfunction]
#[pyo3(signature = (batches, path, *, compression="lz4", durable=true))]
fn save_feather_batches(
    py: Python<'_>,
    batches: &Bound<'_, PyAny>,
    path: PathBuf,
    compression: &str,
    durable: bool,
) -> PyResult<()> {
    let options = writer::options(compression, durable)?;
    let taken = capsule::take_each(batches)?;
    py.detach(|| {
        let batches = taken.into_iter().map(Taken::batch).collect::<PyResult<Vec<_>>>()?;
        maou_io::save_feather_batches_with(&batches, &path, options).map_err(to_python)
    })
}

/// Read the batches of an Arrow IPC file or stream, as they were written; otherwise as `load_feather_file`.
#[pyfunction]
#[pyo3(signature = (path, columns=None, rows=None, *, memory_map=false, verify=false))]
fn load_feather_batches(
    py: Python<'_>,
    path: PathBuf,
    columns: Option<Vec<String>>,
    rows: Option<(Whole, Whole)>,
    memory_map: bool,
    verify: bool,
) -> PyResult<Vec<PyRecordBatch>> {
    let part = Part { columns, rows: rows.map(numbers::rows).transpose()?, memory_map, verify };
    let batches = detached(py, || part.open(&path)?.read_all())?;
    Ok(batches.into_iter().map(PyRecordBatch::from).collect())
}

/// Read all of a file and hold it against its checksums. Returns rows, batches, and whether there were checksums.
/// ValueError when it is damaged.
#[pyfunction]
fn verify_feather_file(py: Python<'_>, path: PathBuf) -> PyResult<(u64, usize, bool)> {
    let verified = detached(py, || maou_io::verify(&path))?;
    Ok((verified.rows, verified.batches, verified.checksums))
}

/// The threads that a read or a write may use.
#[pyfunction]
fn num_threads() -> usize {
    maou_io::threads()
}

/// Have each later read and write use at most so many threads; 0 is as many as there are processors.
#[pyfunction]
fn set_num_threads(threads: Whole) -> PyResult<()> {
    maou_io::set_threads(count("threads", threads)?);
    Ok(())
}

/// Split a file into `{stem}_split0000.feather` and so on, `rows_per_file` rows each. A file that is small enough comes
/// back as it is; 0 rows give [].
#[pyfunction]
fn split_feather_file(
    py: Python<'_>,
    path: PathBuf,
    output_dir: PathBuf,
    rows_per_file: Whole,
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
    rows_per_chunk: Whole,
    output_prefix: &str,
) -> PyResult<Vec<OsString>> {
    let rows = count("rows_per_chunk", rows_per_chunk)?;
    detached(py, || maou_io::merge_feather_files(&paths, &output_dir, rows, output_prefix)).map(strings)
}

fn save_record(
    py: Python<'_>,
    batch: &Bound<'_, PyAny>,
    kind: RecordKind,
    path: PathBuf,
    options: SaveOptions,
) -> PyResult<()> {
    let taken = capsule::take(batch)?;
    py.detach(|| {
        let coerced = |batch: PyResult<_>| maou_io::coerce_record(&batch?, kind).map_err(to_python);
        write_each(&path, &kind.schema(), options, taken.chunks()?.map(coerced))
    })
}

/// Writes batches that are made one after the other, each when the one before it has been written.
fn write_each(
    path: &Path,
    schema: &SchemaRef,
    options: SaveOptions,
    batches: impl Iterator<Item = PyResult<RecordBatch>>,
) -> PyResult<()> {
    let mut writer = FeatherWriter::create(path, schema, options).map_err(to_python)?;
    for batch in batches {
        writer.write(&batch?).map_err(to_python)?;
    }
    writer.finish().map_err(to_python)
}

fn load_record(
    py: Python<'_>,
    path: PathBuf,
    kind: RecordKind,
    memory_map: bool,
    verify: bool,
) -> PyResult<PyRecordBatch> {
    let whole = Part { columns: None, rows: None, memory_map, verify };
    detached(py, || whole.open(&path)?.read_record(kind)).map(PyRecordBatch::from)
}

/// Paths as `str`, also those that are not Unicode, as `os.fsdecode` has them.
fn strings(paths: Vec<PathBuf>) -> Vec<OsString> {
    paths.into_iter().map(PathBuf::into_os_string).collect()
}
