//! Record files as one Polars [`LazyFrame`], for queries that the index does not answer.

use std::fs::File;
use std::path::Path;

use polars_core::frame::DataFrame;
use polars_core::prelude::PolarsResult;
use polars_io::SerReader as _;
use polars_io::ipc::IpcReader;
use polars_lazy::prelude::{IntoLazy as _, LazyFrame};

/// The named columns of record files (Arrow IPC in the file format, one schema) as one frame, in the order given. The
/// columns are read at once; the query over them runs when it is collected.
///
/// # Errors
/// A file that cannot be read or lacks a column, or files whose schemas differ.
pub fn query_records(files: &[impl AsRef<Path>], columns: &[&str]) -> PolarsResult<LazyFrame> {
    let mut whole = DataFrame::default();
    for (number, file) in files.iter().enumerate() {
        let names = columns.iter().map(|name| (*name).to_owned()).collect();
        let frame = IpcReader::new(File::open(file)?).with_columns(Some(names)).finish()?;
        if number == 0 {
            whole = frame;
        } else {
            whole.vstack_mut(&frame)?;
        }
    }
    Ok(whole.lazy())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use polars_core::prelude::df;
    use polars_io::SerWriter as _;
    use polars_io::ipc::IpcWriter;
    use polars_lazy::prelude::{col, lit};

    use super::*;

    fn record_file(folder: &Path, name: &str, evals: &[i16]) -> PathBuf {
        let path = folder.join(name);
        let mut frame = df!("eval" => evals, "other" => evals).expect("two columns");
        IpcWriter::new(File::create(&path).expect("writable")).finish(&mut frame).expect("writable");
        path
    }

    #[test]
    fn files_are_one_frame() {
        let folder = tempfile::tempdir().expect("writable");
        let files = [record_file(folder.path(), "a.feather", &[-3, 5]), record_file(folder.path(), "b.feather", &[7])];
        let frame = query_records(&files, &["eval"]).expect("readable");
        let found = frame.filter(col("eval").gt(lit(0i16))).collect().expect("a query");
        assert_eq!((found.height(), found.width()), (2, 1));
        assert!(query_records(&files, &["no such column"]).is_err());
        assert!(query_records(&[folder.path().join("none.feather")], &["eval"]).is_err());
    }
}
