//! An index over maou record files: which file and row hold an id, and which rows lie in a range of evaluations.
//!
//! Files are Arrow IPC in the *file* or the *stream* format, whichever the extension says. Only the columns `id` and
//! `eval` are read, through Polars; see [`SearchIndex`]. [`PathScanner`] finds the files to index.
//!
//! This crate knows no Python. Errors name the file and, where there is one, the column: [`Error`].

mod array_type;
mod error;
mod eval;
mod ids;
mod index;
#[cfg(feature = "lazy")]
mod lazy;
mod mock;
mod place;
mod read;
mod scanner;
#[cfg(test)]
mod testing;

pub use array_type::ArrayType;
pub use error::{Error, Result};
pub use index::{Location, SearchIndex};
#[cfg(feature = "lazy")]
pub use lazy::query_records;
pub use scanner::{CacheStats, PathScanner};
