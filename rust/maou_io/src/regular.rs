//! Files that are files.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use crate::error::{Error, Result};

/// Opens a file to be read, and nothing else: a named pipe would wait for a writer.
///
/// # Errors
///
/// [`Error::Io`] if there is no such file, if it is a directory or may not be read; [`Error::Data`] if it is a pipe, a
/// device or a socket.
pub fn open_regular(path: impl AsRef<Path>) -> Result<File> {
    let path = path.as_ref();
    let failed = |error| Error::io("read", path, error);
    // Asked of the name, since opening is what waits.
    let metadata = fs::metadata(path).map_err(failed)?;
    if metadata.is_dir() {
        return Err(failed(io::ErrorKind::IsADirectory.into()));
    }
    if !metadata.is_file() {
        return Err(Error::data(path, "it is no regular file"));
    }
    File::open(path).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_are_opened() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        fs::write(&path, b"a").unwrap();
        assert!(open_regular(&path).is_ok());
        let kind = |path: &Path| match open_regular(path) {
            Err(Error::Io { source, .. }) => Some(source.kind()),
            _ => None,
        };
        assert_eq!(kind(directory.path()), Some(io::ErrorKind::IsADirectory));
        assert_eq!(kind(&directory.path().join("none")), Some(io::ErrorKind::NotFound));
        #[cfg(unix)]
        assert_eq!(open_regular("/dev/null").unwrap_err().to_string(), "/dev/null: it is no regular file");
    }
}
