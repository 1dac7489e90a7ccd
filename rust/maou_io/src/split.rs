use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::conform::{conform, without_dictionaries};
use crate::error::{Error, Result};
use crate::pieces::{Pieces, check_inputs_survive};
use crate::read::{BatchReader, STEP_BYTES};

/// Splits a file into files of `rows_per_file` rows, the last one of what remains.
///
/// They are `{stem}_split0000.feather` and so on in `output_dir`, which is made if it is missing. A file that is small
/// enough already is returned as it is, and a file without rows gives nothing. One batch is in memory at a time, of a large one
/// [`STEP_BYTES`](crate::STEP_BYTES). Dictionaries that change within the file, which those of a stream may, become their
/// values.
///
/// # Errors
///
/// [`Error::Argument`] when `rows_per_file` is 0 or a piece could replace `path`, otherwise [`Error::Io`] and [`Error::Data`]. After an error there are
/// no new files.
///
/// ```
/// use std::sync::Arc;
///
/// use arrow_array::{Int16Array, RecordBatch};
///
/// let directory = tempfile::tempdir()?;
/// let whole = directory.path().join("games.feather");
/// let evals = Int16Array::from_iter_values(0..10);
/// maou_io::save_feather_file(&RecordBatch::try_from_iter([("eval", Arc::new(evals) as _)])?, &whole)?;
///
/// let pieces = maou_io::split_feather_file(&whole, directory.path(), 4)?;
///
/// assert_eq!(pieces.len(), 3);
/// assert!(pieces[2].ends_with("games_split0002.feather"));
/// assert_eq!(maou_io::load_feather_file(&pieces[2])?.num_rows(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn split_feather_file(path: &Path, output_dir: &Path, rows_per_file: usize) -> Result<Vec<PathBuf>> {
    if rows_per_file == 0 {
        return Err(Error::Argument("cannot split into files of 0 rows: rows_per_file must be at least 1".to_owned()));
    }
    let reader = BatchReader::open(path)?;
    match reader.count_rows()? {
        0 => Ok(Vec::new()),
        rows if rows <= rows_per_file as u64 => Ok(vec![path.to_owned()]),
        rows => split(reader, path, output_dir, rows_per_file, rows),
    }
}

fn split(
    reader: BatchReader,
    path: &Path,
    output_dir: &Path,
    rows_per_file: usize,
    rows_in_file: u64,
) -> Result<Vec<PathBuf>> {
    let mut prefix = path.file_stem().unwrap_or(path.as_os_str()).to_owned();
    prefix.push("_split");
    check_inputs_survive(&[path], output_dir, &prefix)?;
    let mut schema = reader.schema();
    if BatchReader::open(path)?.dictionaries_change()? {
        schema = Arc::new(without_dictionaries(&schema));
    }
    let mut pieces = Pieces::create(output_dir, &prefix, Arc::clone(&schema))?;
    for batch in reader.with_steps(STEP_BYTES) {
        let mut rest = conform(&batch?, &schema).map_err(|problem| Error::data(path, problem))?;
        while rest.num_rows() > 0 {
            let rows = rest.num_rows().min(rows_per_file - pieces.rows());
            pieces.write(&rest.slice(0, rows))?;
            rest = rest.slice(rows, rest.num_rows() - rows);
            if pieces.rows() == rows_per_file {
                pieces.seal()?;
            }
        }
    }
    pieces.publish(rows_in_file)
}

#[cfg(test)]
mod tests;
