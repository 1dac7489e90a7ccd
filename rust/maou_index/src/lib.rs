//! An index over maou record files: which file and row hold an id, and which rows lie in a range of evaluations.
//!
//! Files are Arrow IPC in the *file* or the *stream* format, whichever the extension says. Only the columns `id` and
//! `eval` are read; see [`SearchIndex`]. An index lives in memory or in a `*.maouidx` file, which is mapped, used again
//! while its files are what they were, and extended when there are more. [`PathScanner`] finds the files to index.
//!
//! This crate knows no Python. Errors name the file and, where there is one, the column: [`Error`].

mod array_type;
mod build;
mod codec;
mod error;
mod index;
#[cfg(feature = "lazy")]
mod lazy;
mod mock;
mod scanner;
mod source;
mod stale;
mod store;
#[cfg(test)]
mod testing;

pub use array_type::ArrayType;
pub use build::{BUILD_MEMORY, BuildOptions, Progress};
pub use error::{Error, Result};
pub use index::{Location, SearchIndex};
#[cfg(feature = "lazy")]
pub use lazy::query_records;
pub use scanner::{CacheStats, PathScanner};
pub use stale::Stale;
