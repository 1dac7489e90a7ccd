//! What a file says of itself.

#![expect(clippy::needless_pass_by_value, reason = "arguments out of Python are owned, so that they outlive `detach`")]

use std::path::PathBuf;

use maou_io::{BatchReader, ColumnDescription, Description};
use pyo3::prelude::*;

use crate::error::detached;

/// What the headers of a file say.
#[pyclass(frozen, get_all, name = "Description", module = "maou._rust.maou_io")]
pub(crate) struct PyDescription {
    columns: Vec<Py<PyColumnDescription>>,
    rows: u64,
    batches: usize,
    bytes: u64,
    uncompressed_bytes: u64,
    codecs: Vec<&'static str>,
    has_checksums: bool,
}

/// What the headers of a file say of one column.
#[pyclass(frozen, get_all, name = "ColumnDescription", module = "maou._rust.maou_io")]
pub(crate) struct PyColumnDescription {
    name: String,
    arrow_type: String,
    nulls: u64,
}

/// What an Arrow IPC file or stream says of itself; no values are read. ValueError when its headers are damaged.
#[pyfunction]
pub(crate) fn describe_feather_file(py: Python<'_>, path: PathBuf) -> PyResult<PyDescription> {
    let Description { columns, rows, batches, bytes, uncompressed_bytes, codecs, checksums } =
        detached(py, || maou_io::describe(&path))?;
    let columns = columns.into_iter().map(|column| Py::new(py, PyColumnDescription::from(column)));
    Ok(PyDescription {
        columns: columns.collect::<PyResult<_>>()?,
        rows,
        batches,
        bytes,
        uncompressed_bytes,
        codecs: codecs.into_iter().collect(),
        has_checksums: checksums,
    })
}

/// The rows of an Arrow IPC file or stream; no values are read. ValueError when its headers are damaged.
#[pyfunction]
pub(crate) fn count_rows(py: Python<'_>, path: PathBuf) -> PyResult<u64> {
    detached(py, || BatchReader::open(&path)?.count_rows())
}

impl From<ColumnDescription> for PyColumnDescription {
    fn from(ColumnDescription { name, arrow_type, nulls }: ColumnDescription) -> Self {
        Self { name, arrow_type, nulls }
    }
}
