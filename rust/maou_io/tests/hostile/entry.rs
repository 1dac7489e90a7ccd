//! What hostile bytes are given to: one function for each fuzz target. None of them may panic, abort, or take more memory
//! than [`bound_for`] says; what is read has to be valid, and the same however it is read.

use std::fs;
use std::path::{Path, PathBuf};

use maou_io::{BatchReader, RecordBatch, RecordKind, Result};

use crate::bound::{Above, within};
use crate::directory::Directory;
use crate::{arrays, model};

/// What 20 bytes of Zstandard can become: 128 KiB for each block of 4.
const ZSTD: usize = 32 << 10;
/// Each byte of an LZ4 sequence's length adds so many.
const LZ4: usize = 255;
/// The decompressed body, the batches joined into one, and what grows by doubling has both halves for a moment.
const COPIES: usize = 4;
/// What does not depend on the input: scratch memory for a block, the state of decoders, the harness.
const CONSTANT: usize = 16 << 20;
/// Bytes that records may take when they are laid out anew: a dictionary's value may be in any number of rows.
const MACHINE: usize = 256 << 20;
/// Rows of batches that are looked at value by value.
const FEW: usize = 4096;
/// Parts of a batch that are read.
const PARTS: usize = 64;

/// An IPC *file*.
pub(crate) fn file(data: &[u8]) {
    if data.starts_with(b"ARROW1") {
        within(bound_for(data), Above::Aborts, || read_in_every_way(data));
    }
}

/// An IPC *stream*.
pub(crate) fn stream(data: &[u8]) {
    if !data.starts_with(b"ARROW1") {
        within(bound_for(data), Above::Aborts, || read_in_every_way(data));
    }
}

/// Batches of any layout as records, in memory and out of files, and files of two layouts merged.
pub(crate) fn schema(data: &[u8]) {
    within(MACHINE, Above::Refused, || {
        let (kind, first, second) = arrays::records(data);
        for batch in [&first, &second] {
            coerce(batch, kind);
        }
        let directory = Directory::new();
        let paths = [("first", &first), ("second", &second)].map(|(name, batch)| {
            let path = directory.path(name);
            maou_io::save_feather_file(batch, &path).map(|()| path)
        });
        if let [Ok(first_path), Ok(second_path)] = paths {
            let rows = (first.num_rows() + second.num_rows()) as u64;
            merge(&directory, &[first_path.clone(), second_path], Some(rows));
            if let Ok(loaded) = maou_io::load_record(kind, &first_path) {
                assert_eq!(loaded, maou_io::coerce_record(&first, kind).expect("as the file"));
            }
        }
    });
}

/// Sparse arrays against their model.
pub(crate) fn sparse(data: &[u8]) {
    within(data.len() * 64 + CONSTANT, Above::Aborts, || model::check(data));
}

/// Two files, `[length of the first: u16][first][second]`: as records, split, and merged.
pub(crate) fn split_merge(data: &[u8]) {
    let Some((length, data)) = data.split_first_chunk() else { return };
    let (first, second) = data.split_at(usize::from(u16::from_le_bytes(*length)).min(data.len()));
    within(MACHINE, Above::Refused, || {
        let directory = Directory::new();
        let paths = [directory.write("first", first), directory.write("second", second)];
        for kind in RecordKind::ALL {
            if let Ok(batch) = maou_io::load_record(kind, &paths[0]) {
                assert_eq!(batch.schema(), kind.schema());
                assert_valid(&batch);
            }
        }
        let rows = |path: &Path| BatchReader::open(path).and_then(|reader| reader.count_rows());
        // A batch of nulls has any number of rows, each of which would become a file.
        let few = |path: &PathBuf| rows(path).is_ok_and(|rows| rows <= FEW as u64);
        if few(&paths[0]) {
            split(&directory, &paths[0]);
            if few(&paths[1]) {
                merge(&directory, &paths, None);
            }
        }
    });
}

fn bound_for(data: &[u8]) -> usize {
    let zstd = data.windows(4).any(|bytes| bytes == [0x28, 0xb5, 0x2f, 0xfd]);
    data.len() * COPIES * if zstd { ZSTD } else { LZ4 } + CONSTANT
}

fn read_in_every_way(data: &[u8]) {
    let directory = Directory::new();
    let path = &*directory.write("input", data);
    let _ = maou_io::verify(path);
    let Ok(reader) = BatchReader::open(path) else { return };
    let names: Vec<String> = reader.schema().fields().iter().map(|field| field.name().clone()).collect();
    let _ = reader.count_rows();
    let whole = reader.read_all();
    let single: Result<Vec<RecordBatch>> = open(path).collect();
    assert_eq!(whole.is_ok(), single.is_ok(), "{whole:?} at once, {single:?} one by one");
    let in_parts: Result<Vec<RecordBatch>> = open(path).with_steps(64).take(PARTS).collect();
    let reversed: Vec<&String> = names.iter().rev().collect();
    let columns = open(path).with_columns(&reversed).expect("its own columns").read_all();
    let rows = open(path).with_rows(1..4).read_all();
    let mapped = open(path).with_memory_map(true).and_then(BatchReader::read_all);
    let joined = [open(path).read_one(), open(path).with_rows(1..4).read_one()];
    fetch(path, &names);
    let description = maou_io::describe(path);
    let (Ok(whole), Ok(single)) = (whole, single) else { return };
    // Rows without bytes, nulls above all, cost nothing here and much to compare.
    let count = whole.iter().fold(0_usize, |sum, batch| sum.saturating_add(batch.num_rows()));
    if count > FEW {
        return;
    }
    let description = description.expect("headers of what was read");
    assert_eq!((description.rows, description.batches), (count as u64, whole.len()));
    whole.iter().for_each(assert_valid);
    assert_eq!(whole, single);
    if let Ok(parts) = in_parts {
        same_rows(&parts, &whole, parts.iter().map(RecordBatch::num_rows).sum());
    }
    // Where only some are wanted, all buffers have to be accounted for.
    if let Ok(columns) = columns {
        assert_eq!(columns.iter().map(RecordBatch::num_rows).sum::<usize>(), count);
        columns.iter().for_each(assert_valid);
    }
    let rows = rows.expect("rows of what was read");
    let few = count.saturating_sub(1).min(3);
    assert_eq!(rows.iter().map(RecordBatch::num_rows).sum::<usize>(), few);
    assert_eq!(mapped.expect("what was read"), whole);
    for (joined, (expected, count)) in joined.into_iter().zip([(&whole, count), (&rows, few)]) {
        // Strings may be more than their offsets can count.
        if let Ok(joined) = joined {
            assert_valid(&joined);
            assert_eq!(joined.num_rows(), count);
            same_rows(&[joined], expected, count);
        }
    }
}

/// Asks which bytes would have to be fetched.
fn fetch(path: &Path, names: &[String]) {
    let length = fs::metadata(path).expect("the input").len();
    let ranges = [
        maou_io::footer_range(path).map(|range| vec![range]),
        maou_io::metadata_ranges(path),
        maou_io::data_ranges(path, Some(names), Some(1..4)),
        maou_io::size_ranges(path),
    ];
    for range in ranges.into_iter().flatten().flatten() {
        assert!(range.start <= range.end && range.end <= length, "{range:?} of {length}");
    }
}

fn open(path: &Path) -> BatchReader {
    BatchReader::open(path).expect("opened before")
}

/// The first `count` rows of both are equal, whatever batches they are in.
fn same_rows(found: &[RecordBatch], expected: &[RecordBatch], count: usize) {
    let rows = |batches: &[RecordBatch]| -> Vec<RecordBatch> {
        batches.iter().flat_map(|batch| (0..batch.num_rows()).map(|row| batch.slice(row, 1))).take(count).collect()
    };
    assert_eq!(rows(found), rows(expected));
}

fn coerce(batch: &RecordBatch, kind: RecordKind) {
    let Ok(record) = maou_io::coerce_record(batch, kind) else { return };
    assert_eq!((record.schema(), record.num_rows()), (kind.schema(), batch.num_rows()));
    assert_valid(&record);
    assert_eq!(maou_io::coerce_record(&record, kind).expect("a record"), record);
}

fn split(directory: &Directory, path: &Path) {
    let Ok(pieces) = maou_io::split_feather_file(path, &directory.path("split"), 2) else { return };
    // A file that is small enough comes back as it is.
    for piece in pieces.iter().filter(|piece| *piece != path).take(PARTS) {
        assert!(maou_io::load_feather_file(piece).expect("just written").num_rows() <= 2);
    }
}

fn merge(directory: &Directory, paths: &[PathBuf], rows: Option<u64>) {
    let Ok(chunks) = maou_io::merge_feather_files(paths, &directory.path("merged"), 3, "a") else { return };
    let found: u64 = chunks.iter().map(|chunk| maou_io::verify(chunk).expect("just written").rows).sum();
    assert!(rows.is_none_or(|rows| rows == found), "{found} rows of {rows:?}");
}

fn assert_valid(batch: &RecordBatch) {
    if batch.num_rows() <= FEW {
        for column in batch.columns() {
            column.to_data().validate_full().expect("valid");
        }
    }
}
