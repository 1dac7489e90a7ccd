//! Files that are written batch by batch.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};

use maou_io::{Compression, FeatherWriter, SaveOptions};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;

use crate::capsule;
use crate::error::{detached, to_python};

/// Writes an Arrow IPC file batch by batch, in a `with` block: one batch is in memory at a time. At the end of the block
/// the file appears under its name; after an exception the old one is as it was.
#[pyclass(frozen, name = "FeatherWriter", module = "maou._rust.maou_io")]
pub(crate) struct PyFeatherWriter {
    path: PathBuf,
    options: SaveOptions,
    state: Mutex<State>,
}

enum State {
    /// Until the first batch says which columns there are.
    Empty,
    Open(Box<FeatherWriter>),
    Closed,
}

/// What Python's arguments say.
pub(crate) fn options(compression: &str, durable: bool) -> PyResult<SaveOptions> {
    let compression = match compression {
        "lz4" => Compression::Lz4,
        "uncompressed" => Compression::None,
        other => {
            let problem = format!("compression is {other:?}: there are \"lz4\" and \"uncompressed\"");
            return Err(PyValueError::new_err(problem));
        }
    };
    Ok(SaveOptions { compression, durable })
}

#[pymethods]
impl PyFeatherWriter {
    #[new]
    #[pyo3(signature = (path, *, compression="lz4", durable=true))]
    fn new(path: PathBuf, compression: &str, durable: bool) -> PyResult<Self> {
        Ok(Self { path, options: options(compression, durable)?, state: Mutex::new(State::Empty) })
    }

    /// Write one more batch; a frame or table in several chunks is joined to one. ValueError when its columns are not
    /// those of the first.
    fn write(&self, py: Python<'_>, batch: &Bound<'_, PyAny>) -> PyResult<()> {
        let taken = capsule::take(batch)?;
        let mut state = self.state()?;
        let state = &mut *state;
        py.detach(|| {
            let batch = taken.batch()?;
            if let State::Empty = state {
                let writer = FeatherWriter::create(&self.path, &batch.schema(), self.options).map_err(to_python)?;
                *state = State::Open(Box::new(writer));
            }
            match state {
                State::Open(writer) => writer.write(&batch).map_err(to_python),
                State::Empty | State::Closed => Err(closed()),
            }
        })
    }

    /// Write the end and give the file its name, as the end of a `with` block does. ValueError when there was no batch.
    fn finish(&self, py: Python<'_>) -> PyResult<()> {
        match std::mem::replace(&mut *self.state()?, State::Closed) {
            State::Open(writer) => detached(py, || writer.finish()),
            State::Empty => Err(PyValueError::new_err(format!(
                "cannot write {}: no batches to save: write at least one, an empty one if there are no rows",
                self.path.display()
            ))),
            State::Closed => Err(closed()),
        }
    }

    fn __enter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    #[pyo3(signature = (exc_type, exc_value, traceback, /))]
    fn __exit__(
        &self,
        py: Python<'_>,
        exc_type: Option<&Bound<'_, PyAny>>,
        exc_value: Option<&Bound<'_, PyAny>>,
        traceback: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let _ = (exc_value, traceback);
        let is_closed = matches!(*self.state()?, State::Closed);
        match exc_type {
            None if is_closed => Ok(()),
            None => self.finish(py),
            Some(_) => {
                *self.state()? = State::Closed;
                Ok(())
            }
        }
    }
}

impl PyFeatherWriter {
    fn state(&self) -> PyResult<MutexGuard<'_, State>> {
        self.state.try_lock().map_err(|_| PyRuntimeError::new_err("another thread is writing"))
    }
}

fn closed() -> PyErr {
    PyValueError::new_err("the writer is closed")
}
