//! The sparse arrays of [`maou_io::sparse`], from and to numpy.

use std::ops::RangeInclusive;

use numpy::{Element, PyArray1, PyArrayDescr, PyArrayMethods, PyReadonlyArray1, dtype};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

use crate::error::to_python;
use crate::numbers::{Whole, count};

type Indices<'py> = Bound<'py, PyArray1<u16>>;
type Values<'py> = Bound<'py, PyArray1<i32>>;
type Wins<'py> = Bound<'py, PyArray1<f32>>;

/// Values of a dense array that its indices reach.
const LONGEST: usize = 1 << 16;

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(compress_sparse_array_rust, module)?)?;
    module.add_function(wrap_pyfunction!(expand_sparse_array_rust, module)?)?;
    module.add_function(wrap_pyfunction!(add_sparse_arrays_rust, module)?)?;
    module.add_function(wrap_pyfunction!(add_sparse_arrays_dual_rust, module)?)
}

// These stay attached to the interpreter: they take microseconds, and they read memory that Python threads may write.

/// The non-zero values of an int32 array and their uint16 indices, in ascending order.
#[pyfunction]
fn compress_sparse_array_rust<'py>(dense: &Bound<'py, PyAny>) -> PyResult<(Indices<'py>, Values<'py>)> {
    let py = dense.py();
    let dense = int32s("dense", dense)?;
    let (indices, values) = maou_io::sparse::compress(dense.as_slice()?).map_err(to_python)?;
    Ok((PyArray1::from_vec(py, indices), PyArray1::from_vec(py, values)))
}

/// The int32 array of `size` values, at most 65,536, that `idx` and `val` are the non-zero ones of.
#[pyfunction]
fn expand_sparse_array_rust<'py>(
    idx: &Bound<'py, PyAny>,
    val: &Bound<'py, PyAny>,
    size: Whole,
) -> PyResult<Values<'py>> {
    let py = idx.py();
    let size = count("size", size)?;
    if size > LONGEST {
        return Err(PyValueError::new_err(format!("size is {size}: 16-bit indices reach {LONGEST} values")));
    }
    let (idx, val) = (uint16s("idx", idx)?, int32s("val", val)?);
    let dense = maou_io::sparse::expand(idx.as_slice()?, val.as_slice()?, size).map_err(to_python)?;
    Ok(PyArray1::from_vec(py, dense))
}

/// The sum of two sparse arrays, in ascending order of indices, without zeros.
#[pyfunction]
fn add_sparse_arrays_rust<'py>(
    i1: &Bound<'py, PyAny>,
    v1: &Bound<'py, PyAny>,
    i2: &Bound<'py, PyAny>,
    v2: &Bound<'py, PyAny>,
) -> PyResult<(Indices<'py>, Values<'py>)> {
    let py = i1.py();
    let (i1, v1) = (uint16s("i1", i1)?, int32s("v1", v1)?);
    let (i2, v2) = (uint16s("i2", i2)?, int32s("v2", v2)?);
    let (indices, values) =
        maou_io::sparse::add(i1.as_slice()?, v1.as_slice()?, i2.as_slice()?, v2.as_slice()?).map_err(to_python)?;
    Ok((PyArray1::from_vec(py, indices), PyArray1::from_vec(py, values)))
}

/// The sum of two sparse arrays of labels and wins, without the entries whose sum of labels is 0.
#[pyfunction]
fn add_sparse_arrays_dual_rust<'py>(
    i1: &Bound<'py, PyAny>,
    lab1: &Bound<'py, PyAny>,
    win1: &Bound<'py, PyAny>,
    i2: &Bound<'py, PyAny>,
    lab2: &Bound<'py, PyAny>,
    win2: &Bound<'py, PyAny>,
) -> PyResult<(Indices<'py>, Values<'py>, Wins<'py>)> {
    let py = i1.py();
    let (i1, lab1, win1) = (uint16s("i1", i1)?, int32s("lab1", lab1)?, float32s("win1", win1)?);
    let (i2, lab2, win2) = (uint16s("i2", i2)?, int32s("lab2", lab2)?, float32s("win2", win2)?);
    let (indices, labels, wins) = maou_io::sparse::add_dual(
        i1.as_slice()?,
        lab1.as_slice()?,
        win1.as_slice()?,
        i2.as_slice()?,
        lab2.as_slice()?,
        win2.as_slice()?,
    )
    .map_err(to_python)?;
    Ok((PyArray1::from_vec(py, indices), PyArray1::from_vec(py, labels), PyArray1::from_vec(py, wins)))
}

fn uint16s<'py>(name: &str, object: &Bound<'py, PyAny>) -> PyResult<PyReadonlyArray1<'py, u16>> {
    numbers(name, object, Some(0.0..=f64::from(u16::MAX)))
}

fn int32s<'py>(name: &str, object: &Bound<'py, PyAny>) -> PyResult<PyReadonlyArray1<'py, i32>> {
    numbers(name, object, Some(f64::from(i32::MIN)..=f64::from(i32::MAX)))
}

fn float32s<'py>(name: &str, object: &Bound<'py, PyAny>) -> PyResult<PyReadonlyArray1<'py, f32>> {
    numbers(name, object, None)
}

/// `object` as an array of `T`: itself when it is one, or has a buffer of such. Anything else is converted by numpy, at
/// numpy's speed, when no value changes by it. `whole` is what an integer type holds.
fn numbers<'py, T: Element>(
    name: &str,
    object: &Bound<'py, PyAny>,
    whole: Option<RangeInclusive<f64>>,
) -> PyResult<PyReadonlyArray1<'py, T>> {
    let numpy = object.py().import("numpy")?;
    let wanted = dtype::<T>(object.py());
    let array = numpy.call_method1("asarray", (object,))?;
    let shape: Vec<usize> = array.getattr("shape")?.extract()?;
    let [length] = shape[..] else {
        return Err(PyValueError::new_err(format!("{name} must have one dimension, and has {}", shape.len())));
    };
    let found = array.getattr("dtype")?;
    if length > 0 && !found.eq(&wanted)? {
        let kind: char = found.getattr("kind")?.extract()?;
        if !"iufb".contains(kind) {
            return Err(PyTypeError::new_err(format!("{name} must hold {wanted} values, and holds {found}")));
        }
        if let Some(range) = whole {
            check_whole(name, &array, kind == 'f')?;
            check_range(name, &array, &range, &wanted)?;
        }
    }
    // Aligned and contiguous; a copy is made when it is not.
    let array = numpy.call_method1("require", (array, wanted, ("C", "A")))?;
    Ok(array.cast_into::<PyArray1<T>>()?.try_readonly()?)
}

/// Refuses floats that are no whole numbers.
fn check_whole(name: &str, array: &Bound<'_, PyAny>, floats: bool) -> PyResult<()> {
    let whole = !floats || {
        let numpy = array.py().import("numpy")?;
        numpy.call_method1("array_equal", (array, numpy.call_method1("trunc", (array,))?))?.extract()?
    };
    if whole {
        Ok(())
    } else {
        Err(PyValueError::new_err(format!("{name} must hold whole numbers, and holds fractions or NaN")))
    }
}

/// Refuses numbers out of `range`. They are compared as floats, which are exact wherever the answer is near.
fn check_range(
    name: &str,
    array: &Bound<'_, PyAny>,
    range: &RangeInclusive<f64>,
    wanted: &Bound<'_, PyArrayDescr>,
) -> PyResult<()> {
    for extreme in ["min", "max"] {
        let value: f64 = array.call_method0(extreme)?.extract()?;
        if !range.contains(&value) {
            return Err(PyValueError::new_err(format!("{name} holds {value}, which does not fit {wanted}")));
        }
    }
    Ok(())
}
