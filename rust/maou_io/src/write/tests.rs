use std::fs;

use arrow_array::types::Int32Type;
use arrow_array::{Int32Array, ListArray, StringViewArray, StructArray};

use super::*;
use crate::read::{load_feather_batches, load_feather_file};
use crate::testing::{batch, names_in, numbers};

#[test]
fn writes_an_lz4_file_that_reads_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.feather");
    let whole = numbers(0, 5000);

    save_feather_file(&whole, &path).unwrap();
    // Slices of fixed-size and nested columns start in the middle of their buffers.
    let slice = whole.slice(1234, 100);
    let sliced = directory.path().join("b.feather");
    save_feather_file(&slice, &sliced).unwrap();

    assert_eq!(load_feather_file(&path).unwrap(), whole);
    assert_eq!(load_feather_file(&sliced).unwrap(), slice);
    let bytes = fs::read(&path).unwrap();
    assert!(bytes.starts_with(b"ARROW1\0\0") && bytes.ends_with(b"ARROW1"));
    // The magic number of an LZ4 frame.
    assert!(bytes.windows(4).any(|window| window == 0x184D_2204_u32.to_le_bytes()));
    assert!(bytes.len() < whole.get_array_memory_size() / 2);
}

#[test]
fn batches_keep_their_chunks_and_share_a_schema() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.feather");
    let chunks = [numbers(0, 3), numbers(3, 0), numbers(3, 4)];

    save_feather_batches(&chunks, &path).unwrap();
    assert_eq!(load_feather_batches(&path).unwrap(), chunks);

    let message = |batches: &[RecordBatch]| save_feather_batches(batches, &path).unwrap_err().to_string();
    assert!(message(&[]).contains("no batches"));
    assert!(message(&[numbers(0, 1), numbers(0, 1).project(&[0]).unwrap()]).contains("batch 1 has 1 columns"));
    assert!(message(&[numbers(0, 1), numbers(0, 1).project(&[1, 0]).unwrap()]).contains("calls column 0 `name`"));
    let other = batch([("n", numbers(0, 1).column(1).clone()), ("name", numbers(0, 1).column(1).clone())]);
    assert!(message(&[numbers(0, 1), other]).contains("column `n` as Utf8, and batch 0 has it as Int32"));
    assert_eq!(load_feather_batches(&path).unwrap(), chunks);
}

#[test]
fn a_column_is_nullable_when_it_is_in_one_batch() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.feather");
    let full = RecordBatch::try_from_iter([("n", Arc::new(Int32Array::from(vec![1])) as ArrayRef)]).unwrap();
    let holed = batch([("n", Arc::new(Int32Array::from(vec![None])) as ArrayRef)]);

    save_feather_batches(&[full, holed], &path).unwrap();

    assert_eq!(load_feather_file(&path).unwrap().column(0).null_count(), 1);
}

#[test]
fn a_failing_write_leaves_the_old_file_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.feather");
    save_feather_file(&numbers(0, 10), &path).unwrap();
    let before = fs::read(&path).unwrap();

    let dictionary = |words: [&str; 2]| {
        let words: arrow_array::DictionaryArray<Int32Type> = words.into_iter().collect();
        batch([("word", Arc::new(words) as ArrayRef)])
    };
    // An IPC file has one dictionary for all batches: the second batch is refused when the first has been written.
    let error = save_feather_batches(&[dictionary(["a", "b"]), dictionary(["c", "d"])], &path).unwrap_err();

    assert!(matches!(&error, Error::Data { path: named, .. } if *named == path), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(names_in(directory.path()), ["a.feather"]);
}

#[test]
fn nothing_is_written_of_what_a_slice_leaves_out() {
    let directory = tempfile::tempdir().unwrap();
    let long = |number: i32| format!("{number:08}{}", "0123456789abcdef".repeat(number as usize % 7 + 1));
    let views: StringViewArray = (0..10_000).map(|number| Some(long(number))).collect();
    let whole = batch([("views", Arc::new(views) as ArrayRef)]);
    let slice = whole.slice(5000, 10);
    let path = directory.path().join("a.feather");

    save_feather_file(&slice, &path).unwrap();

    assert_eq!(load_feather_file(&path).unwrap(), slice);
    assert!(fs::metadata(&path).unwrap().len() < 4000);
}

#[test]
fn nested_columns_and_batches_without_columns_survive() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.feather");
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None]), None, Some(vec![])]);
    let structs = StructArray::from(vec![(
        Arc::new(Field::new("list", lists.data_type().clone(), true)),
        Arc::new(lists) as ArrayRef,
    )]);
    let nested = batch([("nested", Arc::new(structs) as ArrayRef)]).slice(1, 2);
    let options = RecordBatchOptions::new().with_row_count(Some(7));
    let bare = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options).unwrap();

    for batch in [nested, bare] {
        save_feather_file(&batch, &path).unwrap();
        assert_eq!(load_feather_file(&path).unwrap(), batch);
    }
}
