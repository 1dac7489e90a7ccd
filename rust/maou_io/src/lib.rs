//! Arrow IPC ("feather") files for the records of a shogi AI, and sparse arrays of move counts.
//!
//! The crate reads both IPC layouts (*file* and *stream*), whatever a file's extension says, and writes IPC *files*, with
//! LZ4 unless told otherwise, each one atomically: a target is either the old file or the whole new one. It knows no Python and no
//! Polars; `maou_rust` binds it.
//!
//! | task | functions |
//! |---|---|
//! | any record batch | [`save_feather_file`], [`load_feather_file`] |
//! | several batches, chunking kept | [`save_feather_batches`], [`load_feather_batches`], [`BatchReader`] |
//! | records with a checked schema | [`save_record`], [`load_record`] with a [`RecordKind`] |
//! | large files | [`split_feather_file`], [`merge_feather_files`], one batch in memory at a time |
//! | a file larger than memory | [`FeatherWriter`], [`BatchReader::with_steps`] |
//! | a part of a file | [`BatchReader::with_columns`], [`BatchReader::with_rows`] |
//! | a file that is elsewhere | [`footer_range`], [`metadata_ranges`], [`data_ranges`], [`size_ranges`]: the bytes to fetch |
//! | a file where it is, without a copy | [`BatchReader::with_memory_map`], [`Compression::None`] |
//! | what a file says of itself | [`describe`], [`BatchReader::count_rows`]: no value is read |
//! | whether a file is whole | [`verify`], [`BatchReader::with_verification`] |
//! | sparse arrays | [`sparse`] |
//!
//! ```
//! use std::sync::Arc;
//!
//! use arrow_array::{ArrayRef, Int16Array, RecordBatch};
//!
//! let directory = tempfile::tempdir()?;
//! let path = directory.path().join("evals.feather");
//! let evals: ArrayRef = Arc::new(Int16Array::from(vec![35, -120, 2000]));
//! let batch = RecordBatch::try_from_iter([("eval", evals)])?;
//!
//! maou_io::save_feather_file(&batch, &path)?;
//!
//! assert_eq!(maou_io::load_feather_file(&path)?, batch);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![deny(missing_docs)]

pub mod schema;
pub mod sparse;

mod atomic;
mod coerce;
mod conform;
mod error;
mod guard;
mod merge;
mod pieces;
mod read;
mod regular;
mod split;
#[cfg(test)]
mod testing;
mod threads;
mod verify;
mod wire;
mod write;

pub use arrow_array::RecordBatch;
pub use atomic::AtomicFile;
pub use coerce::coerce_record;
pub use error::{Error, Result};
pub use merge::merge_feather_files;
pub use read::{BatchReader, STEP_BYTES, check_values, concat, load_feather_batches, load_feather_file, load_record};
pub use read::{ColumnDescription, Description, describe, type_name};
pub use read::{data_ranges, footer_range, metadata_ranges, size_ranges};
pub use regular::open_regular;
pub use schema::RecordKind;
pub use split::split_feather_file;
pub use threads::{map as in_parallel, set_threads, threads};
pub use verify::{Verified, verify};
pub use write::{
    Compression, FeatherWriter, SaveOptions, save_feather_batches, save_feather_batches_with, save_feather_file,
    save_record,
};

/// A greeting that says that the backend is there.
///
/// ```
/// assert_eq!(maou_io::hello(), "Maou I/O Rust backend initialized");
/// ```
pub fn hello() -> &'static str {
    "Maou I/O Rust backend initialized"
}
