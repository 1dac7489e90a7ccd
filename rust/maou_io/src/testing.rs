//! What the tests of several modules need.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, Int32Array, RecordBatch, StringArray};
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use tempfile::TempDir;

/// The layout of an IPC file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Layout {
    File,
    Stream,
}

pub(crate) const LAYOUTS: [Layout; 2] = [Layout::File, Layout::Stream];

/// A directory with one file in it.
pub(crate) fn file(bytes: &[u8]) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.feather");
    fs::write(&path, bytes).unwrap();
    (directory, path)
}

/// `batches` as IPC bytes, written by Arrow alone.
pub(crate) fn ipc_bytes(layout: Layout, compression: Option<CompressionType>, batches: &[RecordBatch]) -> Vec<u8> {
    let options = IpcWriteOptions::default().try_with_compression(compression).unwrap();
    let schema = batches[0].schema();
    match layout {
        Layout::File => {
            let mut writer = FileWriter::try_new_with_options(Vec::new(), &schema, options).unwrap();
            batches.iter().for_each(|batch| writer.write(batch).unwrap());
            writer.into_inner().unwrap()
        }
        Layout::Stream => {
            let mut writer = StreamWriter::try_new_with_options(Vec::new(), &schema, options).unwrap();
            batches.iter().for_each(|batch| writer.write(batch).unwrap());
            writer.into_inner().unwrap()
        }
    }
}

/// A batch of `rows` numbers from `first` on, and as many names.
pub(crate) fn numbers(first: i32, rows: i32) -> RecordBatch {
    let range = first..first + rows;
    let names: StringArray =
        range.clone().map(|number| (number % 3 != 0).then(|| format!("the position {number}"))).collect();
    batch([("n", Arc::new(Int32Array::from_iter_values(range)) as ArrayRef), ("name", Arc::new(names))])
}

/// A batch whose columns are all nullable, as most writers declare them.
pub(crate) fn batch<const N: usize>(columns: [(&str, ArrayRef); N]) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
}

/// The names in `directory`, sorted.
pub(crate) fn names_in(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
