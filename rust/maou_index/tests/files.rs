//! Builds indexes over the files in `tests/data`, which polars and pyarrow wrote (`make.py` there), and over bad ones.

#![expect(clippy::unwrap_used, reason = "clippy.toml allows it in tests, but not in what the tests of a file share")]

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use maou_index::{ArrayType, Error, SearchIndex};

const HCPE: [&str; 6] = [
    "hcpe_polars_lz4.feather",
    "hcpe_polars_plain.feather",
    "hcpe_polars_stream_zstd.feather",
    "hcpe_pyarrow_zstd.feather",
    "hcpe_pyarrow_stream_plain.feather",
    "hcpe_pyarrow_stream_lz4.feather",
];
const PREPROCESSING: [&str; 4] = [
    "preprocessing_pyarrow_lz4.feather",
    "preprocessing_pyarrow_zstd.feather",
    "preprocessing_pyarrow_stream_lz4.feather",
    "preprocessing_polars_zstd.feather",
];
const EXOTIC: [&str; 2] = ["exotic_pyarrow_lz4.feather", "exotic_pyarrow_stream_plain.feather"];

#[test]
fn hcpe_files_of_every_writer_format_and_compression() {
    for name in HCPE {
        let index = built(vec![data(name)], ArrayType::Hcpe);
        assert_eq!(index.total_records(), 4, "{name}");
        assert_eq!(index.get_all_ids(None), ["game_0", "game_1"], "{name}");
        assert_eq!(found(&index, "game_0"), Some((name.to_owned(), 0)), "the first of two");
        assert_eq!(found(&index, "game_1"), Some((name.to_owned(), 1)), "without an evaluation");
        assert_eq!(rows_by_eval(&index, None, None), [0, 3, 2], "{name}");
        assert_eq!(rows_by_eval(&index, Some(5), Some(30)), [3, 2], "{name}");
        assert_eq!(index.count_eval_range(Some(6), None), 1, "{name}: found without an id");
    }
}

#[test]
fn preprocessing_files_whose_other_columns_have_unknown_dtypes() {
    for name in PREPROCESSING {
        let index = built(vec![data(name)], ArrayType::Preprocessing);
        assert_eq!(index.total_records(), 3, "{name}");
        assert_eq!(index.get_all_ids(None), ["18446744073709551615", "7", "70"], "{name}");
        assert_eq!(index.search_id_prefix("7", 50), ["7", "70"], "{name}");
        assert_eq!(found(&index, "18446744073709551615"), Some((name.to_owned(), 2)), "{name}");
        assert_eq!(index.count_eval_range(None, None), 0, "{name}");
    }
    let index = built(vec![data("preprocessing_no_rows.feather")], ArrayType::Preprocessing);
    assert_eq!(index.total_records(), 0);
}

#[test]
fn columns_of_every_arrow_type_are_skipped() {
    for name in EXOTIC {
        let index = built(vec![data(name)], ArrayType::Hcpe);
        assert_eq!(index.get_all_ids(None), ["e_1", "e_2", "e_3"], "{name}");
        assert_eq!(rows_by_eval(&index, Some(2), None), [1, 2], "{name}");
    }
}

#[test]
fn several_files_in_their_order() {
    let files = vec![data(HCPE[0]), data(PREPROCESSING[0]), data(HCPE[4]), data(EXOTIC[0])];
    let index = built(files.clone(), "HCPE".parse().unwrap());
    assert_eq!(index.file_paths(), files);
    assert_eq!(index.total_records(), 4 + 3 + 4 + 3);
    assert_eq!(found(&index, "game_0"), Some((HCPE[0].to_owned(), 0)));
    assert_eq!(found(&index, "70"), Some((PREPROCESSING[0].to_owned(), 1)), "a number among strings");
    assert_eq!(index.get_all_ids(None), ["18446744073709551615", "7", "70", "e_1", "e_2", "e_3", "game_0", "game_1"]);
    let page = index.search_by_eval_range(Some(-120), Some(2), 1, 2);
    let page: Vec<(&Path, u32)> = page.iter().map(|location| (&*location.file, location.row)).collect();
    assert_eq!(page, [(files[2].as_path(), 0), (files[3].as_path(), 0)]);
    assert!(index.search_by_eval_range(None, None, 100, 20).is_empty());
}

#[test]
fn nothing_before_a_build_and_nothing_without_files() {
    let index = SearchIndex::new(vec![data(HCPE[0])], ArrayType::Hcpe);
    assert_eq!((index.total_records(), index.count_eval_range(None, None)), (0, 0));
    assert_eq!(index.search_by_id("game_0"), None);
    assert!(index.get_all_ids(None).is_empty());
    let empty = built(Vec::new(), ArrayType::Hcpe);
    assert_eq!(empty.total_records(), 0);
}

#[test]
fn a_second_build_replaces_and_a_failed_one_keeps() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("records.feather");
    fs::copy(data(HCPE[0]), &path).unwrap();
    let index = built(vec![path.clone()], ArrayType::Hcpe);
    index.build_from_files().unwrap();
    assert_eq!(index.total_records(), 4, "not eight");

    fs::write(&path, "").unwrap();
    index.build_from_files().unwrap_err();
    assert_eq!(index.get_all_ids(None), ["game_0", "game_1"], "the last good build");

    fs::copy(data(EXOTIC[0]), &path).unwrap();
    index.build_from_files().unwrap();
    assert_eq!(index.get_all_ids(Some(1)), ["e_1"]);
}

#[test]
fn a_schema_that_does_not_fit_names_file_and_column() {
    let message = |name: &str| build_error(&data(name)).to_string();
    assert!(message("no_id.feather").contains("no_id.feather: it has no column `id`"));
    assert!(message("wrong_id.feather").contains("column `id` is Int64, expected UInt64 or String"));
    assert!(message("wrong_eval.feather").contains("column `eval` is Int32, expected Int16"));
}

#[test]
fn what_the_system_refuses_keeps_its_kind() {
    let directory = tempfile::tempdir().unwrap();
    let kind = |path: &Path| match build_error(path) {
        Error::Io { path: named, source } if named == path => source.kind(),
        other => panic!("{other:?}"),
    };
    assert_eq!(kind(&directory.path().join("missing.feather")), ErrorKind::NotFound);
    #[cfg(unix)]
    assert_eq!(kind(directory.path()), ErrorKind::IsADirectory);
}

#[test]
fn files_that_are_no_arrow_ipc() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bad.feather");
    let text = "name,value\n".repeat(50);
    for (content, expected) in [
        (&b""[..], "it is empty"),
        (b"ARR", "no Arrow IPC file"),
        (text.as_bytes(), "no Arrow IPC file"),
        (b"PAR1PAR1PAR1PAR1", "a Parquet file"),
        (b"FEA1FEA1", "Feather version 1"),
        (b"ARROW1\0\0", "truncated"),
        (b"ARROW1\0\0ARROW1", "truncated"),
        (&[0xFF; 64], "no Arrow IPC file"),
    ] {
        fs::write(&path, content).unwrap();
        let message = build_error(&path).to_string();
        assert!(message.contains(expected) && message.contains("bad.feather"), "{message}");
    }
}

/// Every proper beginning of a file is refused. Of a stream those that end between two batches are streams, too.
#[test]
fn truncated_files() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("short.feather");
    for name in [HCPE[0], PREPROCESSING[0], HCPE[4], PREPROCESSING[2]] {
        let content = fs::read(data(name)).unwrap();
        let mut accepted = 0;
        for length in 0..content.len() - 8 {
            fs::write(&path, &content[..length]).unwrap();
            match build(&path) {
                Ok(index) => accepted += usize::from(index.total_records() < 4),
                Err(Error::Data { .. }) => {}
                Err(other) => panic!("{name} to {length}: {other:?}"),
            }
        }
        // A reader cannot tell a stream that ends within the four bytes before a message from one that ends there.
        assert!(name.contains("stream") || accepted == 0, "{name}: {accepted}");
        assert!(accepted <= 4 * 4 + 1, "{name}: {accepted}");
    }
}

/// A flipped bit is an error or another value, never the end of the process.
#[test]
fn flipped_bits() {
    for name in [HCPE[0], HCPE[3], HCPE[4], PREPROCESSING[2], EXOTIC[1]] {
        each_damage(name, 3, |content, position| {
            content[position] ^= 1 << (position % 8);
        });
    }
}

/// What is left of a block that was never written, or was erased. Blocks are aligned.
#[test]
fn overwritten_blocks() {
    for name in [HCPE[0], HCPE[2], HCPE[5], PREPROCESSING[0], PREPROCESSING[3], EXOTIC[0]] {
        for byte in [0, 0xFF] {
            each_damage(name, 64, |content, position| {
                let end = content.len().min(position + 64);
                content[position..end].fill(byte);
            });
        }
    }
}

fn each_damage(name: &str, step: usize, damage: impl Fn(&mut [u8], usize)) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("damaged.feather");
    let content = fs::read(data(name)).unwrap();
    for position in (0..content.len()).step_by(step) {
        let mut damaged = content.clone();
        damage(&mut damaged, position);
        fs::write(&path, damaged).unwrap();
        match build(&path) {
            Ok(_) | Err(Error::Data { .. } | Error::MissingColumn { .. } | Error::ColumnType { .. }) => {}
            Err(other) => panic!("{name} at {position}: {other:?}"),
        }
    }
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

fn build(path: &Path) -> Result<SearchIndex, Error> {
    let index = SearchIndex::new(vec![path.to_path_buf()], ArrayType::Hcpe);
    index.build_from_files().map(|()| index)
}

fn build_error(path: &Path) -> Error {
    build(path).expect_err("this file cannot be indexed")
}

fn built(files: Vec<PathBuf>, array_type: ArrayType) -> SearchIndex {
    let index = SearchIndex::new(files, array_type);
    index.build_from_files().unwrap();
    index
}

fn found(index: &SearchIndex, id: &str) -> Option<(String, u32)> {
    index.search_by_id(id).map(|location| {
        let name = location.file.file_name().unwrap().to_str().unwrap();
        (name.to_owned(), location.row)
    })
}

fn rows_by_eval(index: &SearchIndex, min: Option<i64>, max: Option<i64>) -> Vec<u32> {
    let locations = index.search_by_eval_range(min, max, 0, 20);
    locations.iter().map(|location| location.row).collect()
}
