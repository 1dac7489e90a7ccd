//! What can go wrong, each with the file it went wrong on and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

/// The result of everything here that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// Why an index could not be built or a directory not scanned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused; the kind and the error number are in `source`.
    #[error("cannot read {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },

    /// The file is no Arrow IPC, is damaged, or is larger than the index can address.
    #[error("cannot index {}: {problem}", path.display())]
    Data { path: PathBuf, problem: String },

    /// A column without which no record can be found.
    #[error(
        "cannot index {}: it has no column `{column}`; write the file with a maou schema, every one of them has it",
        path.display()
    )]
    MissingColumn { path: PathBuf, column: &'static str },

    /// A column that is there with a type that the schemas do not give it.
    #[error(
        "cannot index {}: column `{column}` is {found}, expected {expected}; cast it before writing the file",
        path.display()
    )]
    ColumnType { path: PathBuf, column: &'static str, expected: &'static str, found: String },

    /// A name that is no [`ArrayType`](crate::ArrayType).
    #[error("unknown array_type `{given}`: use one of {known}", known = crate::ArrayType::NAMES.join(", "))]
    UnknownArrayType { given: String },
}

impl Error {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_path_buf(), source }
    }

    pub(crate) fn data(path: &Path, problem: impl Into<String>) -> Self {
        Self::Data { path: path.to_path_buf(), problem: problem.into() }
    }
}
