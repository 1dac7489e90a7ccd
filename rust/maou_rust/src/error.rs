//! From [`maou_io::Error`] to the Python exception that fits.

use std::io;
use std::path::Path;

use maou_io::Error;
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;

/// `OSError`, in the subclass that the error number asks for, or `ValueError`.
#[expect(clippy::needless_pass_by_value, reason = "the signature that `map_err` takes")]
pub(crate) fn to_python(error: Error) -> PyErr {
    match &error {
        // A path with a NUL byte, which Python's own `open` answers in this way too.
        Error::Io { source, .. } if source.kind() == io::ErrorKind::InvalidInput => {
            PyValueError::new_err(error.to_string())
        }
        Error::Io { action, path, source } => os_error(action, path, source),
        _ => PyValueError::new_err(error.to_string()),
    }
}

/// Runs `work` while other Python threads run, and maps its error.
pub(crate) fn detached<T: Send>(py: Python<'_>, work: impl FnOnce() -> maou_io::Result<T> + Send) -> PyResult<T> {
    py.detach(work).map_err(to_python)
}

/// `OSError(errno, message, filename)`: Python picks `FileNotFoundError` and its like by the number, and fills in the
/// attributes `errno`, `strerror` and `filename`.
fn os_error(action: &str, path: &Path, source: &io::Error) -> PyErr {
    let message = source.to_string();
    // Python prints the number itself.
    let message = message.split(" (os error").next().unwrap_or_default();
    PyOSError::new_err((error_number(source), format!("{message}; cannot {action}"), path.as_os_str().to_owned()))
}

/// The POSIX number, which Python wants on every platform.
fn error_number(source: &io::Error) -> i32 {
    match source.raw_os_error() {
        Some(number) if cfg!(unix) => number,
        _ => match source.kind() {
            io::ErrorKind::NotFound => 2,
            io::ErrorKind::PermissionDenied => 13,
            io::ErrorKind::AlreadyExists => 17,
            io::ErrorKind::NotADirectory => 20,
            io::ErrorKind::IsADirectory => 21,
            io::ErrorKind::StorageFull => 28,
            // EIO
            _ => 5,
        },
    }
}
