//! The extension module `maou._rust`: `maou_io` and `maou_index` for Python.
//!
//! Each function takes owned values out of its arguments, detaches from the interpreter while it works on files, and
//! maps errors to the Python exception that fits. What there is to know about files is in the two crates.

mod capsule;
mod description;
mod error;
mod index;
mod io;
mod numbers;
mod reader;
mod sparse;
mod writer;

use pyo3::prelude::*;

/// The compiled part of maou. Its submodules are maou_io and maou_index.
#[pymodule]
fn _rust(module: &Bound<'_, PyModule>) -> PyResult<()> {
    quiet_panics();
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    io::register(module)?;
    index::register(module)
}

/// Keeps Rust's own words on a panic off the user's terminal. Every panic here ends as a Python exception with the same
/// message: a `ValueError` for what a damaged file does to a decoder, PyO3's `PanicException` for a bug. The hook belongs
/// to this library's copy of std, so other extensions keep theirs. `RUST_BACKTRACE` brings the words back.
fn quiet_panics() {
    let loud = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if std::backtrace::Backtrace::capture().status() == std::backtrace::BacktraceStatus::Captured {
            loud(panic);
        }
    }));
}
