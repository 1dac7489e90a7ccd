//! The extension module `maou._rust`: `maou_io` and `maou_index` for Python.
//!
//! Each function takes owned values out of its arguments, detaches from the interpreter while it works on files, and
//! maps errors to the Python exception that fits. What there is to know about files is in the two crates.

mod capsule;
mod error;
mod index;
mod io;
mod sparse;

use pyo3::prelude::*;

/// The compiled part of maou. Its submodules are maou_io and maou_index.
#[pymodule]
fn _rust(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    io::register(module)?;
    index::register(module)
}
