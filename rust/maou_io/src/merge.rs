use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};

use crate::conform::{conform, places, without_dictionaries};
use crate::error::{Error, Result};
use crate::pieces::{Pieces, check_inputs_survive};
use crate::read::{BatchReader, STEP_BYTES};

/// Merges files into files of at most `rows_per_chunk` rows, in the order of `paths`.
///
/// They are `{output_prefix}_chunk0000.feather` and so on in `output_dir`, which is made if it is missing. A batch that does
/// not fit opens the next chunk, and one that has more than `rows_per_chunk` rows has a chunk of its own. One batch is in
/// memory at a time; a batch of more than [`STEP_BYTES`](crate::STEP_BYTES) is taken in parts of that size, each as if it
/// were a batch. Files without rows contribute nothing.
///
/// Columns go by name. Where files differ in how they store strings (`Utf8`, `LargeUtf8`, `Utf8View`) or binaries, the
/// result has the `Large` type. Dictionaries become their values.
///
/// # Errors
///
/// [`Error::Argument`] when there are no paths, when `rows_per_chunk` is 0, when the output could replace an input, or
/// when columns or types clash, which names both files; otherwise [`Error::Io`] and [`Error::Data`]. After an error
/// there are no new files.
///
/// ```
/// use std::sync::Arc;
///
/// use arrow_array::{Int16Array, RecordBatch};
///
/// let directory = tempfile::tempdir()?;
/// let mut days = Vec::new();
/// for day in 0..3 {
///     let path = directory.path().join(format!("day{day}.feather"));
///     let evals = Int16Array::from_iter_values(0..4);
///     maou_io::save_feather_file(&RecordBatch::try_from_iter([("eval", Arc::new(evals) as _)])?, &path)?;
///     days.push(path);
/// }
///
/// let chunks = maou_io::merge_feather_files(&days, &directory.path().join("merged"), 10, "week")?;
///
/// let rows = |path| maou_io::load_feather_file(path).map(|batch| batch.num_rows());
/// assert_eq!((rows(&chunks[0])?, rows(&chunks[1])?), (8, 4));
/// assert!(chunks[1].ends_with("week_chunk0001.feather"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn merge_feather_files(
    paths: &[PathBuf],
    output_dir: &Path,
    rows_per_chunk: usize,
    output_prefix: &str,
) -> Result<Vec<PathBuf>> {
    check_arguments(paths, rows_per_chunk, output_prefix)?;
    let prefix = format!("{output_prefix}_chunk");
    check_inputs_survive(paths, output_dir, OsStr::new(&prefix))?;
    let Some(Survey { inputs, schema, rows }) = survey(paths)? else {
        return Ok(Vec::new());
    };

    let mut pieces = Pieces::create(output_dir, OsStr::new(&prefix), Arc::clone(&schema))?;
    for path in inputs {
        for batch in BatchReader::open(path)?.with_steps(STEP_BYTES) {
            let batch = conform(&batch?, &schema).map_err(|problem| Error::data(path, problem))?;
            if batch.num_rows() == 0 {
                continue;
            }
            if pieces.rows() + batch.num_rows() > rows_per_chunk {
                pieces.seal()?;
            }
            pieces.write(&batch)?;
        }
    }
    pieces.publish(rows)
}

fn check_arguments(paths: &[PathBuf], rows_per_chunk: usize, output_prefix: &str) -> Result<()> {
    let refuse = |problem: String| Err(Error::Argument(problem));
    if paths.is_empty() {
        return refuse("no files to merge: give at least one path".to_owned());
    }
    if rows_per_chunk == 0 {
        return refuse("cannot merge into chunks of 0 rows: rows_per_chunk must be at least 1".to_owned());
    }
    if output_prefix.contains(['/', '\\']) {
        return refuse(format!("the output prefix {output_prefix:?} is a path: give the directory as output_dir"));
    }
    Ok(())
}

/// What is to be merged.
struct Survey<'a> {
    /// Those that have rows.
    inputs: Vec<&'a Path>,
    /// One that holds them all.
    schema: SchemaRef,
    rows: u64,
}

/// Nothing when there are no rows.
fn survey(paths: &[PathBuf]) -> Result<Option<Survey<'_>>> {
    let mut inputs: Vec<&Path> = Vec::new();
    let mut common: Option<SchemaRef> = None;
    let mut sum = 0_u64;
    for path in paths {
        let reader = BatchReader::open(path)?;
        let rows = reader.count_rows()?;
        if rows == 0 {
            continue;
        }
        sum = sum.saturating_add(rows);
        let schema = Arc::new(without_dictionaries(&reader.schema()));
        common = Some(match (common, inputs.first()) {
            (Some(common), Some(first)) => common_schema(&common, &schema).map(Arc::new).map_err(|problem| {
                Error::Argument(format!("cannot merge {} and {}: {problem}", first.display(), path.display()))
            })?,
            _ => schema,
        });
        inputs.push(path);
    }
    Ok(common.map(|schema| Survey { inputs, schema, rows: sum }))
}

fn common_schema(first: &Schema, second: &Schema) -> Result<Schema, String> {
    let mut fields = Vec::with_capacity(first.fields().len());
    for (field, place) in first.fields().iter().zip(places(first, second)?) {
        let other = second.field(place);
        fields.push(common_field(field, other).ok_or_else(|| {
            format!(
                "column `{}` is {} in the first and {} in the second",
                field.name(),
                field.data_type(),
                other.data_type()
            )
        })?);
    }
    Ok(Schema::new_with_metadata(fields, first.metadata().clone()))
}

fn common_field(first: &Field, second: &Field) -> Option<Field> {
    let data_type = common_type(first.data_type(), second.data_type())?;
    Some(first.clone().with_data_type(data_type).with_nullable(first.is_nullable() || second.is_nullable()))
}

fn common_type(first: &DataType, second: &DataType) -> Option<DataType> {
    use DataType::{Binary, BinaryView, FixedSizeList, LargeBinary, LargeList, LargeUtf8, List, Utf8, Utf8View};
    match (first, second) {
        _ if first == second => Some(first.clone()),
        (Utf8 | LargeUtf8 | Utf8View, Utf8 | LargeUtf8 | Utf8View) => Some(LargeUtf8),
        (Binary | LargeBinary | BinaryView, Binary | LargeBinary | BinaryView) => Some(LargeBinary),
        // Lists of one layout may differ in what their elements are called, and in the elements' strings.
        (List(a), List(b)) => common_field(a, b).map(Arc::new).map(List),
        (LargeList(a), LargeList(b)) => common_field(a, b).map(Arc::new).map(LargeList),
        (FixedSizeList(a, n), FixedSizeList(b, m)) if n == m => {
            common_field(a, b).map(|item| FixedSizeList(Arc::new(item), *n))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
