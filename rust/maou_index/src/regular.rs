//! Files that are files.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use crate::error::{Error, Result};

/// Opens a file to be read; `refused` is the error for what is none, in so many words.
pub(crate) fn open(path: &Path, refused: impl FnOnce(&Path, &'static str) -> Error) -> Result<File> {
    let failed = |source| Error::io(path, source);
    // Before opening, which on a named pipe would wait for a writer.
    let metadata = fs::metadata(path).map_err(failed)?;
    if metadata.is_dir() {
        return Err(failed(io::ErrorKind::IsADirectory.into()));
    }
    if !metadata.is_file() {
        return Err(refused(path, "it is no regular file"));
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
        let open = |path: &Path| super::open(path, Error::index);
        fs::write(&path, b"a").unwrap();
        assert!(open(&path).is_ok());
        let kind = |path: &Path| match open(path) {
            Err(Error::Io { source, .. }) => Some(source.kind()),
            _ => None,
        };
        assert_eq!(kind(directory.path()), Some(io::ErrorKind::IsADirectory));
        assert_eq!(kind(&directory.path().join("none")), Some(io::ErrorKind::NotFound));
        #[cfg(unix)]
        {
            let message = open(Path::new("/dev/null")).unwrap_err().to_string();
            assert!(message.contains("/dev/null: it is no regular file"), "{message}");
        }
    }
}
