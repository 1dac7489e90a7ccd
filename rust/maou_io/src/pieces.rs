use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use crate::atomic::{self, Group};
use crate::error::{Error, Result};
use crate::read::BatchReader;
use crate::write::{FeatherWriter, SaveOptions, Sealed};

/// Numbered files that appear together: all of them, or, after an error, none that was not there before.
///
/// Until then each is under a temporary name, so that files of an earlier run stay whole while this one can still fail.
#[derive(Debug)]
pub(crate) struct Pieces {
    directory: PathBuf,
    prefix: OsString,
    schema: SchemaRef,
    current: Option<(FeatherWriter, usize)>,
    sealed: Vec<(Sealed, usize)>,
    /// Behind the files, which it protects as long as it lives.
    group: Group,
}

const EXTENSION: &str = ".feather";

impl Pieces {
    /// Files named `{prefix}0000.feather`, `{prefix}0001.feather` and so on. Makes `directory` when it is missing.
    pub(crate) fn create(directory: &Path, prefix: &OsStr, schema: SchemaRef) -> Result<Self> {
        make_directory(directory)?;
        Ok(Self {
            directory: directory.to_owned(),
            prefix: prefix.to_owned(),
            schema,
            current: None,
            sealed: Vec::new(),
            group: Group::default(),
        })
    }

    /// Rows in the file that is being written.
    pub(crate) fn rows(&self) -> usize {
        self.current.as_ref().map_or(0, |(_, rows)| *rows)
    }

    /// Adds `batch` to the current file.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let (mut file, rows) = match self.current.take() {
            Some(current) => current,
            None => {
                let path = self.path(self.sealed.len());
                (FeatherWriter::create_in(&mut self.group, &path, &self.schema, SaveOptions::default())?, 0)
            }
        };
        file.write(batch)?;
        self.current = Some((file, rows + batch.num_rows()));
        Ok(())
    }

    /// Ends the current file.
    pub(crate) fn seal(&mut self) -> Result<()> {
        if let Some((file, rows)) = self.current.take() {
            let mut sealed = file.seal()?;
            sealed.close();
            self.sealed.push((sealed, rows));
        }
        Ok(())
    }

    /// Gives all files their names, and returns them in order. Together they must have `rows` rows.
    pub(crate) fn publish(mut self, rows: u64) -> Result<Vec<PathBuf>> {
        self.seal()?;
        let mut written = 0;
        for (sealed, rows) in &self.sealed {
            check_rows(sealed, *rows)?;
            written += *rows as u64;
        }
        if written != rows {
            let problem = format!("{rows} rows were to be read, and {written} came: a file has changed meanwhile");
            return Err(Error::data(&self.directory, problem));
        }
        let mut published = Vec::with_capacity(self.sealed.len());
        // Where one was replaced, what came is better than nothing.
        let mut added = Vec::new();
        for (number, (sealed, _)) in std::mem::take(&mut self.sealed).into_iter().enumerate() {
            let path = self.path(number);
            let is_new = !path.exists();
            if let Err(error) = sealed.publish() {
                added.iter().for_each(remove);
                return Err(error);
            }
            if is_new {
                added.push(path.clone());
            }
            published.push(path);
        }
        Ok(published)
    }

    fn path(&self, number: usize) -> PathBuf {
        let mut name = self.prefix.clone();
        name.push(format!("{number:04}{EXTENSION}"));
        self.directory.join(name)
    }
}

/// Refuses inputs that a piece could replace, before anything is written: those that have its name, and those that a
/// symbolic link of its name leads to.
pub(crate) fn check_inputs_survive(inputs: &[impl AsRef<Path>], directory: &Path, prefix: &OsStr) -> Result<()> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Err(Error::io("list the directory", directory, error));
        }
        // It is not there yet, or cannot be made, which is found out when it is.
        Err(_) => return Ok(()),
    };
    // Inputs that cannot be resolved fail when they are opened, with a better message.
    let inputs: HashSet<PathBuf> = inputs.iter().filter_map(|path| path.as_ref().canonicalize().ok()).collect();
    let mut pieces = entries.flatten().filter(|entry| is_piece(&entry.file_name(), prefix));
    match pieces.find(|piece| piece.path().canonicalize().is_ok_and(|path| inputs.contains(&path))) {
        Some(piece) => Err(Error::Argument(format!(
            "{} is an input, has the name of an output and would be replaced: choose another output directory or prefix",
            piece.path().display()
        ))),
        None => Ok(()),
    }
}

fn is_piece(name: &OsStr, prefix: &OsStr) -> bool {
    let number = name
        .as_encoded_bytes()
        .strip_prefix(prefix.as_encoded_bytes())
        .and_then(|rest| rest.strip_suffix(EXTENSION.as_bytes()));
    number.is_some_and(|number| number.len() >= 4 && number.iter().all(u8::is_ascii_digit))
}

/// Makes `directory` when it is missing, and its name durable: else what is written to it could be lost with it.
fn make_directory(directory: &Path) -> Result<()> {
    let missing = missing(directory);
    fs::create_dir_all(directory).map_err(|error| Error::io("create the directory", directory, error))?;
    missing.into_iter().for_each(atomic::sync_directory);
    Ok(())
}

/// Of `directory` and those that it is in, those that are not there.
fn missing(directory: &Path) -> Vec<&Path> {
    directory.ancestors().take_while(|path| !path.as_os_str().is_empty() && !path.exists()).collect()
}

/// Reads a file's footer and headers again: whoever made it may delete what it was made of.
fn check_rows(sealed: &Sealed, expected: usize) -> Result<()> {
    let found = BatchReader::open(sealed.temporary())?.count_rows()?;
    if found == expected as u64 {
        return Ok(());
    }
    Err(Error::data(
        sealed.target(),
        format!("{expected} rows were written to it, and it has {found}: the disk may be failing"),
    ))
}

fn remove(path: &PathBuf) {
    // Best effort: the error that is on its way says more.
    let _ = fs::remove_file(path);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{names_in, numbers};

    #[test]
    fn pieces_with_long_names_and_their_neighbours_survive_each_other() {
        let directory = tempfile::tempdir().unwrap();
        let prefix = OsString::from(format!("{}_split", "n".repeat(120)));
        let pieces = || Pieces::create(directory.path(), &prefix, numbers(0, 1).schema()).unwrap();
        let fill = |pieces: &mut Pieces| {
            for first in 0..3 {
                pieces.write(&numbers(first, 1)).unwrap();
                pieces.seal().unwrap();
            }
        };
        let (mut first, mut second) = (pieces(), pieces());
        fill(&mut first);
        fill(&mut second);
        crate::save_feather_file(&numbers(0, 1), &first.path(1)).unwrap();

        assert_eq!(first.publish(3).unwrap().len(), 3);
        assert_eq!(second.publish(3).unwrap().len(), 3);
        assert_eq!(names_in(directory.path()).len(), 3);
    }

    #[test]
    fn a_piece_that_cannot_have_its_name_takes_the_new_ones_along_and_not_the_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let mut pieces = Pieces::create(directory.path(), OsStr::new("a"), numbers(0, 1).schema()).unwrap();
        crate::save_feather_file(&numbers(7, 1), &pieces.path(0)).unwrap();
        for first in 0..3 {
            pieces.write(&numbers(first, 1)).unwrap();
            pieces.seal().unwrap();
        }
        // What a plain write would refuse as well is found out earlier.
        fs::create_dir(pieces.path(2)).unwrap();

        assert!(matches!(pieces.publish(3), Err(Error::Io { .. })));

        assert_eq!(names_in(directory.path()), ["a0000.feather", "a0002.feather"]);
        assert_eq!(crate::verify(&directory.path().join("a0000.feather")).unwrap().rows, 1);
    }

    #[test]
    fn what_killed_ones_left_goes_with_the_next() {
        let directory = tempfile::tempdir().unwrap();
        let mut killed = Pieces::create(directory.path(), OsStr::new("a"), numbers(0, 1).schema()).unwrap();
        killed.write(&numbers(0, 1)).unwrap();
        killed.seal().unwrap();
        let names = names_in(directory.path());
        assert_eq!(names.len(), 2, "{names:?}");
        drop(killed);
        for name in names {
            fs::write(directory.path().join(name), b"half").unwrap();
        }

        crate::save_feather_file(&numbers(0, 1), &directory.path().join("b")).unwrap();

        assert_eq!(names_in(directory.path()), ["b"]);
    }

    #[test]
    fn directories_that_are_missing_are_found_from_the_last_to_the_first() {
        let directory = tempfile::tempdir().unwrap();
        let [a, b] = ["a", "a/b"].map(|name| directory.path().join(name));
        assert_eq!(missing(&b), [b.as_path(), &a]);
        assert_eq!(missing(Path::new("not-there/b")), ["not-there/b", "not-there"].map(Path::new));
        make_directory(&b).unwrap();
        assert!(missing(&b).is_empty());
    }
}
