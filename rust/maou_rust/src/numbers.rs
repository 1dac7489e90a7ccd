//! Whole numbers out of Python, which are of any size: one that does not fit is an ordinary mistake and no overflow.

use std::ops::Range;

use pyo3::exceptions::{PyOverflowError, PyValueError};
use pyo3::prelude::*;

/// A whole number; one beyond 128 bits is as good as the last within.
#[derive(Clone, Copy)]
pub(crate) struct Whole(pub(crate) i128);

impl<'a, 'py> FromPyObject<'a, 'py> for Whole {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        match object.extract::<i128>() {
            Err(error) if error.is_instance_of::<PyOverflowError>(object.py()) => {
                Ok(Self(if object.lt(0)? { i128::MIN } else { i128::MAX }))
            }
            number => number.map(Self),
        }
    }
}

/// A count or a size.
pub(crate) fn count(name: &str, Whole(value): Whole) -> PyResult<usize> {
    let refused = |problem: String| Err(PyValueError::new_err(format!("{name} is {value}: {problem}")));
    match usize::try_from(value) {
        Ok(count) => Ok(count),
        Err(_) if value < 0 => refused("it cannot be negative".to_owned()),
        Err(_) => refused(format!("it cannot be more than {}", usize::MAX)),
    }
}

/// Rows from the first to before the last, of which a file may have fewer.
pub(crate) fn rows((Whole(start), Whole(end)): (Whole, Whole)) -> PyResult<Range<u64>> {
    if start.min(end) < 0 {
        return Err(PyValueError::new_err(format!("rows is ({start}, {end}): rows count from 0, none is negative")));
    }
    let row = |row| u64::try_from(row).unwrap_or(u64::MAX);
    Ok(row(start)..row(end))
}

/// A bound of evaluations, which have 16 bits.
pub(crate) fn bound(Whole(value): Whole) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}
