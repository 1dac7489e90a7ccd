//! What can go wrong, each with the file it went wrong on and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

/// The result of everything here that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an index could not be built or a directory not scanned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused; the kind and the error number are in `source`.
    #[error("cannot read {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },

    /// The operating system refused to write.
    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },

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

    /// An index file is damaged, or none.
    #[error("cannot open the index {}: {problem}; build it again", path.display())]
    Index { path: PathBuf, problem: String },

    /// Whoever watched the progress ended the build.
    #[error("the build of the index was cancelled")]
    Cancelled,

    /// An argument that cannot be honoured.
    #[error("{0}")]
    Argument(String),

    /// A name that is no [`ArrayType`](crate::ArrayType).
    #[error("unknown array_type `{given}`: use one of {known}", known = crate::ArrayType::NAMES.join(", "))]
    UnknownArrayType { given: String },
}

impl Error {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_path_buf(), source }
    }

    pub(crate) fn write(path: &Path, source: io::Error) -> Self {
        Self::Write { path: path.to_path_buf(), source }
    }

    pub(crate) fn index(path: &Path, problem: impl Into<String>) -> Self {
        Self::Index { path: path.to_path_buf(), problem: problem.into() }
    }

    /// What went wrong where a record file was read.
    pub(crate) fn read(error: maou_io::Error) -> Self {
        match error {
            maou_io::Error::Io { path, source, .. } => Self::Io { path, source },
            maou_io::Error::Data { path, problem } => Self::Data { path, problem },
            other => Self::Argument(other.to_string()),
        }
    }

    /// What went wrong where an index file was opened.
    pub(crate) fn open(error: maou_io::Error) -> Self {
        match Self::read(error) {
            Self::Data { path, problem } => Self::Index { path, problem },
            other => other,
        }
    }

    /// What went wrong where an index file was put in its place.
    pub(crate) fn save(error: maou_io::Error) -> Self {
        match error {
            maou_io::Error::Io { path, source, .. } => Self::Write { path, source },
            other => Self::Argument(other.to_string()),
        }
    }

    pub(crate) fn data(path: &Path, problem: impl Into<String>) -> Self {
        Self::Data { path: path.to_path_buf(), problem: problem.into() }
    }
}
