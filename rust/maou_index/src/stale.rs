//! Why an index is not that of its files any more.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::error::Error;
use crate::source::{Fingerprint, SourceFile};

/// What is the matter with one of an index's files. Its text is a sentence without an end, and names the file.
#[derive(Debug)]
#[non_exhaustive]
pub enum Stale {
    /// Nothing has its name. One that is relative is looked for in the working directory of this process.
    Missing {
        /// As it was given.
        path: PathBuf,
    },
    /// It was written again.
    Changed {
        /// As it was given.
        path: PathBuf,
    },
    /// Whether it has changed cannot be said.
    Unreadable(Error),
}

impl Stale {
    /// Of `file`, if it is not as it was.
    pub(crate) fn of(file: &SourceFile) -> Option<Self> {
        let path = || file.path.clone();
        match Fingerprint::of(&file.path) {
            Ok(fingerprint) => (fingerprint != file.fingerprint).then(|| Self::Changed { path: path() }),
            Err(Error::Io { source, .. }) if is_missing(source.kind()) => Some(Self::Missing { path: path() }),
            Err(error) => Some(Self::Unreadable(error)),
        }
    }
}

impl fmt::Display for Stale {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { path } if path.is_relative() => write!(
                formatter,
                "{} is not there: its path is relative to the directory that the index was built in",
                path.display()
            ),
            Self::Missing { path } => write!(formatter, "{} is not there", path.display()),
            Self::Changed { path } => write!(formatter, "{} has changed since the index was built", path.display()),
            Self::Unreadable(error) => write!(formatter, "{error}"),
        }
    }
}

/// A directory of the path may have become a file.
fn is_missing(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
