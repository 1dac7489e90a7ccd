use std::fs::File;
use std::io::{Seek, SeekFrom, Write};

use arrow_array::RecordBatch;
use arrow_ipc::CompressionType;
use arrow_schema::SchemaRef;
use tempfile::TempDir;

use super::*;
use crate::Error;
use crate::testing::{Layout, batch, file, ipc_bytes, numbers};

const COMPRESSIONS: [Option<CompressionType>; 3] =
    [None, Some(CompressionType::LZ4_FRAME), Some(CompressionType::ZSTD)];

/// `bytes` elsewhere, and a file with holes, of the same length, in which only what was asked for is there.
struct Sparse<'a> {
    bytes: &'a [u8],
    directory: TempDir,
    fetched: u64,
}

impl<'a> Sparse<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let sparse = Self { bytes, directory, fetched: 0 };
        File::create(sparse.path()).unwrap().set_len(bytes.len() as u64).unwrap();
        sparse
    }

    fn path(&self) -> std::path::PathBuf {
        self.directory.path().join("sparse.feather")
    }

    fn fetch(&mut self, range: Range<u64>) {
        let bytes = &self.bytes[range.start as usize..range.end as usize];
        let mut file = File::options().write(true).open(self.path()).unwrap();
        file.seek(SeekFrom::Start(range.start)).unwrap();
        file.write_all(bytes).unwrap();
        self.fetched += bytes.len() as u64;
    }

    fn fetch_for(&mut self, columns: Option<&[String]>, rows: Option<Range<u64>>) -> Result<()> {
        self.fetch_metadata()?;
        data_ranges(&self.path(), columns, rows)?.into_iter().for_each(|range| self.fetch(range));
        Ok(())
    }

    fn fetch_metadata(&mut self) -> Result<()> {
        let len = self.bytes.len() as u64;
        self.fetch(0..8);
        self.fetch(len - 10..len);
        self.fetch(footer_range(&self.path())?);
        metadata_ranges(&self.path())?.into_iter().for_each(|range| self.fetch(range));
        Ok(())
    }
}

fn read(
    path: &Path,
    columns: Option<&[String]>,
    rows: Option<Range<u64>>,
    steps: usize,
) -> (SchemaRef, Vec<RecordBatch>) {
    let mut reader = BatchReader::open(path).unwrap().with_steps(steps);
    if let Some(columns) = columns {
        reader = reader.with_columns(columns).unwrap();
    }
    if let Some(rows) = rows {
        reader = reader.with_rows(rows);
    }
    (reader.schema(), reader.map(Result::unwrap).collect())
}

#[test]
fn what_is_named_is_enough_for_every_selection() {
    let names = ["n".to_owned(), "name".to_owned()];
    let selections = [None, Some(&names[..1]), Some(&names[1..]), Some(&names[..]), Some(&[][..])];
    let rows = [None, Some(0..10), Some(990..1010), Some(1500..9000), Some(5000..6000)];
    for compression in COMPRESSIONS {
        let bytes = ipc_bytes(Layout::File, compression, &[numbers(0, 1000), numbers(1000, 1000), numbers(2000, 3)]);
        let (_directory, whole) = file(&bytes);
        for columns in selections {
            for rows in &rows {
                let mut sparse = Sparse::new(&bytes);
                sparse.fetch_for(columns, rows.clone()).unwrap();
                for steps in [usize::MAX, 2048] {
                    let expected = read(&whole, columns, rows.clone(), steps);
                    assert_eq!(read(&sparse.path(), columns, rows.clone(), steps), expected, "{columns:?} {rows:?}");
                }
            }
        }
    }
}

#[test]
fn columns_and_batches_that_were_not_asked_for_are_left_out() {
    let bytes = ipc_bytes(Layout::File, None, &[numbers(0, 10_000), numbers(10_000, 10_000)]);
    let fetched = |columns: Option<&[String]>, rows| {
        let mut sparse = Sparse::new(&bytes);
        sparse.fetch_for(columns, rows).unwrap();
        sparse.fetched
    };
    let (column, half) = (80_000, 40_000);
    assert!((column..column + 8192).contains(&fetched(Some(&["n".to_owned()]), None)));
    assert!((half..half + 8192).contains(&fetched(Some(&["n".to_owned()]), Some(0..10))));
    assert!(fetched(Some(&["n".to_owned()]), Some(0..0)) < 8192);
    assert!(fetched(None, None) as usize <= bytes.len() + 4096);
}

#[test]
fn eight_bytes_of_each_compressed_buffer_are_enough_to_describe_a_file() {
    for compression in COMPRESSIONS {
        let bytes = ipc_bytes(Layout::File, compression, &[numbers(0, 10_000), numbers(10_000, 10_000)]);
        let mut sparse = Sparse::new(&bytes);
        sparse.fetch_metadata().unwrap();
        let ranges = size_ranges(&sparse.path()).unwrap();
        assert_eq!(ranges.is_empty(), compression.is_none());
        ranges.into_iter().for_each(|range| sparse.fetch(range));
        assert!(sparse.fetched < 4096, "{} bytes", sparse.fetched);
        let (_directory, whole) = file(&bytes);
        assert_eq!(crate::describe(&sparse.path()).unwrap(), crate::describe(&whole).unwrap());
    }
}

#[test]
fn dictionaries_and_views_are_named_too() {
    let texts = ["short", "a text that is too long to be inlined in a view"];
    let dictionary: arrow_array::DictionaryArray<arrow_array::types::Int32Type> = texts.into_iter().collect();
    let views = arrow_array::StringViewArray::from_iter_values(texts);
    let columns = batch([("d", std::sync::Arc::new(dictionary) as _), ("v", std::sync::Arc::new(views) as _)]);
    let bytes = ipc_bytes(Layout::File, Some(CompressionType::LZ4_FRAME), std::slice::from_ref(&columns));
    for (name, index) in [("d", 0), ("v", 1)] {
        let mut sparse = Sparse::new(&bytes);
        let name = [name.to_owned()];
        sparse.fetch_for(Some(&name), None).unwrap();
        let (_, batches) = read(&sparse.path(), Some(&name), None, usize::MAX);
        assert_eq!(batches, [columns.project(&[index]).unwrap()]);
    }
}

#[test]
fn what_is_not_there_is_an_error() {
    let bytes = ipc_bytes(Layout::File, None, &[numbers(0, 10)]);
    let mut sparse = Sparse::new(&bytes);
    assert!(matches!(footer_range(&sparse.path()), Err(Error::Data { .. })), "a hole at the end");
    let unknown = sparse.fetch_for(Some(&["no".to_owned()]), None);
    assert!(matches!(unknown, Err(Error::Argument(_))), "{unknown:?}");

    let stream = ipc_bytes(Layout::Stream, None, &[numbers(0, 10)]);
    let (_directory, path) = file(&stream);
    assert!(matches!(footer_range(&path), Err(Error::Data { .. })));
    assert!(matches!(footer_range(Path::new("/nonexistent")), Err(Error::Io { .. })));
}
