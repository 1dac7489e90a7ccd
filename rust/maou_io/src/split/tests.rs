use std::fs;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{DictionaryArray, RecordBatch};
use arrow_schema::DataType;

use super::*;
use crate::read::{load_feather_batches, load_feather_file};
use crate::testing::{Layout, batch, ipc_bytes, names_in, numbers};
use crate::write::save_feather_batches;

/// Pieces, as rows per batch.
fn shape(pieces: &[PathBuf]) -> Vec<Vec<usize>> {
    pieces
        .iter()
        .map(|piece| load_feather_batches(piece).unwrap().iter().map(RecordBatch::num_rows).collect())
        .collect()
}

#[test]
fn pieces_are_full_in_order_and_cross_batches() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("games.arrow");
    save_feather_batches(&[numbers(0, 4), numbers(4, 0), numbers(4, 7), numbers(11, 1)], &path).unwrap();
    let output = directory.path().join("deep/pieces");

    let pieces = split_feather_file(&path, &output, 5).unwrap();

    assert_eq!(shape(&pieces), [vec![4, 1], vec![5], vec![1, 1]]);
    assert_eq!(names_in(&output), ["games_split0000.feather", "games_split0001.feather", "games_split0002.feather"]);
    assert_eq!(load_feather_file(&pieces[1]).unwrap(), numbers(5, 5));
}

#[test]
fn the_last_piece_may_be_full() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.feather");
    fs::write(&path, ipc_bytes(Layout::Stream, None, &[numbers(0, 6)])).unwrap();

    assert_eq!(shape(&split_feather_file(&path, directory.path(), 3).unwrap()), [[3], [3]]);
    assert_eq!(shape(&split_feather_file(&path, directory.path(), 1).unwrap()).len(), 6);
}

#[test]
fn small_empty_and_zero() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.feather");
    let output = directory.path().join("pieces");
    save_feather_batches(&[numbers(0, 6)], &path).unwrap();

    assert_eq!(split_feather_file(&path, &output, 6).unwrap(), std::slice::from_ref(&path));
    assert_eq!(split_feather_file(&path, &output, usize::MAX).unwrap(), std::slice::from_ref(&path));
    assert!(matches!(split_feather_file(&path, &output, 0), Err(Error::Argument(_))));

    save_feather_batches(&[numbers(0, 0)], &path).unwrap();
    assert!(split_feather_file(&path, &output, 1).unwrap().is_empty());
    assert!(!output.exists());
}

#[test]
fn an_error_leaves_no_pieces_and_the_pieces_of_an_earlier_run() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.feather");
    let output = directory.path().join("pieces");
    let bytes = ipc_bytes(Layout::Stream, None, &[numbers(0, 4), numbers(4, 4)]);
    // The name column's bytes of the last batch: the header is whole, so the rows are counted.
    let mut damaged = bytes.clone();
    let place = damaged.windows(8).rposition(|window| window == b"position").unwrap();
    damaged[place] = 0xff;
    fs::write(&path, damaged).unwrap();

    assert!(matches!(split_feather_file(&path, &output, 2), Err(Error::Data { .. })));
    assert!(names_in(&output).is_empty());

    fs::write(output.join("a_split0000.feather"), b"earlier").unwrap();
    assert!(split_feather_file(&path, &output, 2).is_err());
    assert_eq!(fs::read(output.join("a_split0000.feather")).unwrap(), b"earlier");
}

#[test]
fn one_piece_that_cannot_be_published_takes_the_others_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.feather");
    let output = directory.path().join("pieces");
    save_feather_batches(&[numbers(0, 6)], &path).unwrap();
    fs::create_dir_all(output.join("a_split0002.feather")).unwrap();

    assert!(matches!(split_feather_file(&path, &output, 2), Err(Error::Io { .. })));
    assert_eq!(names_in(&output), ["a_split0002.feather"]);
}

#[test]
fn dictionaries_that_change_become_their_values() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.feather");
    let words = |words: [&str; 2]| {
        let column: DictionaryArray<Int32Type> = words.into_iter().collect();
        batch([("word", Arc::new(column) as _)])
    };
    let types_and_words = |batches: &[RecordBatch]| {
        fs::write(&path, ipc_bytes(Layout::Stream, None, batches)).unwrap();
        let pieces = split_feather_file(&path, directory.path(), 3).unwrap();
        let pieces: Vec<RecordBatch> = pieces.iter().map(|piece| load_feather_file(piece).unwrap()).collect();
        let data_type = pieces[0].column(0).data_type().clone();
        let words = pieces.iter().flat_map(|piece| {
            let column = crate::coerce::coerce_array(piece.column(0), &DataType::Utf8).unwrap();
            column.as_string::<i32>().iter().map(|word| word.unwrap().to_owned()).collect::<Vec<_>>()
        });
        (data_type, words.collect::<String>())
    };

    assert_eq!(types_and_words(&[words(["a", "b"]), words(["c", "d"])]), (DataType::Utf8, "abcd".to_owned()));
    assert_eq!(types_and_words(&[words(["a", "b"]), words(["a", "c"])]), (DataType::Utf8, "abac".to_owned()));
    let (data_type, words) = types_and_words(&[words(["a", "b"]), words(["a", "b"])]);
    assert!(matches!(data_type, DataType::Dictionary(..)), "{data_type}");
    assert_eq!(words, "abab");
}

#[cfg(unix)]
#[test]
fn the_file_is_not_replaced_through_a_symbolic_link() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.feather");
    let output = directory.path().join("pieces");
    save_feather_batches(&[numbers(0, 6)], &path).unwrap();
    fs::create_dir(&output).unwrap();
    std::os::unix::fs::symlink("../a.feather", output.join("a_split0001.feather")).unwrap();

    let error = split_feather_file(&path, &output, 2).unwrap_err();

    assert!(matches!(&error, Error::Argument(message) if message.contains("would be replaced")), "{error}");
    assert_eq!(load_feather_file(&path).unwrap(), numbers(0, 6));
    assert_eq!(names_in(&output), ["a_split0001.feather"]);
}
