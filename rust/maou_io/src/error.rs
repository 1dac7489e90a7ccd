use std::io;
use std::path::{Path, PathBuf};

use arrow_schema::ArrowError;

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong, by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused. `source` has the kind: not found, permission denied, disk full.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, to be read after "cannot".
        action: &'static str,
        /// The file or directory that it was tried on.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },

    /// The bytes of a file are not what they have to be: not Arrow, truncated, damaged, or of a type we cannot handle.
    #[error("{}: {problem}", path.display())]
    Data {
        /// The file.
        path: PathBuf,
        /// What is wrong with it and what would help.
        problem: String,
    },

    /// Columns or their types are not those of the record.
    #[error("{}{problem}", path.as_ref().map(|path| format!("{}: ", path.display())).unwrap_or_default())]
    Schema {
        /// The file, or nothing when the batch came from memory.
        path: Option<PathBuf>,
        /// The column, what was expected and what came.
        problem: String,
    },

    /// An argument that cannot be honoured.
    #[error("{0}")]
    Argument(String),
}

impl Error {
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source }
    }

    pub(crate) fn data(path: &Path, problem: impl Into<String>) -> Self {
        Self::Data { path: path.to_owned(), problem: problem.into() }
    }

    pub(crate) fn schema(problem: impl Into<String>) -> Self {
        Self::Schema { path: None, problem: problem.into() }
    }

    /// An Arrow error, which may have an operating system error inside: a full disk must not look like bad data.
    pub(crate) fn arrow(action: &'static str, path: &Path, error: ArrowError) -> Self {
        match error {
            ArrowError::IoError(_, source) => Self::io(action, path, source),
            error => Self::data(path, format!("cannot {action} it: {error}")),
        }
    }

    /// The same error, naming the file that the batch came from.
    pub(crate) fn at(self, path: &Path) -> Self {
        match self {
            Self::Schema { path: None, problem } => Self::Schema { path: Some(path.to_owned()), problem },
            error => error,
        }
    }
}
