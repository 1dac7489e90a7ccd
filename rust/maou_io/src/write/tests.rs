use std::fs;

use arrow_array::types::Int32Type;
use arrow_array::{
    Array, ArrayRef, DictionaryArray, Int32Array, ListArray, RecordBatchOptions, StringViewArray, StructArray,
};
use arrow_buffer::OffsetBuffer;

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

#[test]
fn uncompressed_files_read_back_and_are_aligned() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.feather");
    let batches = [numbers(0, 1001), numbers(0, 0), numbers(1001, 77)];
    let options = SaveOptions { compression: Compression::None, ..SaveOptions::default() };
    save_feather_batches_with(&batches, &path, options).unwrap();

    assert_eq!(load_feather_batches(&path).unwrap(), batches);
    let verified = crate::verify(&path).unwrap();
    assert_eq!((verified.rows, verified.checksums), (1078, true));
    let reader = crate::BatchReader::open(&path).unwrap().with_memory_map(true).unwrap();
    for batch in reader {
        for buffer in batch.unwrap().columns().iter().flat_map(|column| column.to_data().buffers().to_vec()) {
            assert!(buffer.is_empty() || buffer.as_ptr().align_offset(64) == 0);
        }
    }
}

#[test]
fn a_writer_publishes_when_it_is_finished_and_not_before() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.feather");
    save_feather_file(&numbers(0, 1), &path).unwrap();
    let create = || FeatherWriter::create(&path, &numbers(0, 0).schema(), SaveOptions::default()).unwrap();

    let mut dropped = create();
    dropped.write(&numbers(5, 5)).unwrap();
    drop(dropped);
    assert_eq!(load_feather_file(&path).unwrap(), numbers(0, 1));
    assert_eq!(names_in(directory.path()), ["a.feather"]);

    let mut writer = create();
    writer.write(&numbers(5, 5)).unwrap();
    writer.write(&numbers(10, 0)).unwrap();
    assert_eq!(load_feather_file(&path).unwrap(), numbers(0, 1));
    writer.finish().unwrap();
    assert_eq!(load_feather_batches(&path).unwrap(), [numbers(5, 5), numbers(10, 0)]);

    create().finish().unwrap();
    assert_eq!(load_feather_file(&path).unwrap(), numbers(0, 0));
}

#[test]
fn a_writer_goes_on_after_a_batch_that_does_not_fit() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.feather");
    let full = |n| RecordBatch::try_from_iter([("n", Arc::new(Int32Array::from(vec![n])) as ArrayRef)]).unwrap();
    let mut writer = FeatherWriter::create(&path, &full(0).schema(), SaveOptions::default()).unwrap();
    writer.write(&full(1)).unwrap();

    let message = writer.write(&numbers(0, 1)).unwrap_err().to_string();
    assert!(message.contains("a.feather: batch 1 has 2 columns, and the file has 1"), "{message}");
    let holed = batch([("n", Arc::new(Int32Array::from(vec![None])) as ArrayRef)]);
    let message = writer.write(&holed).unwrap_err().to_string();
    assert!(message.contains("batch 1 has nulls in column `n`, and the file has none there"), "{message}");
    // Declared to have nulls, and without.
    writer.write(&batch([("n", Arc::new(Int32Array::from(vec![2])) as ArrayRef)])).unwrap();
    writer.finish().unwrap();
    let loaded = load_feather_file(&path).unwrap();
    assert_eq!(loaded.column(0).as_ref(), &Int32Array::from(vec![1, 2]) as &dyn Array);
}

#[test]
fn a_writer_that_broke_does_not_finish() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.feather");
    let words = |words: [&str; 2]| {
        let words: arrow_array::DictionaryArray<Int32Type> = words.into_iter().collect();
        batch([("word", Arc::new(words) as ArrayRef)])
    };
    let mut writer = FeatherWriter::create(&path, &words(["a", "b"]).schema(), SaveOptions::default()).unwrap();
    writer.write(&words(["a", "b"])).unwrap();
    assert!(matches!(writer.write(&words(["c", "d"])), Err(Error::Data { .. })));
    assert!(matches!(writer.write(&words(["a", "b"])), Err(Error::Argument(_))));
    assert!(writer.finish().unwrap_err().to_string().contains("an earlier batch could not be written"));
    assert!(names_in(directory.path()).is_empty());
}

#[test]
fn batches_without_rows_have_the_dictionaries_of_the_others() {
    let words = |words: &[&str]| {
        let words: ArrayRef = Arc::new(words.iter().copied().collect::<DictionaryArray<Int32Type>>());
        let item = Arc::new(Field::new_list_field(words.data_type().clone(), true));
        let lists = ListArray::new(item, OffsetBuffer::from_repeated_length(1, words.len()), Arc::clone(&words), None);
        batch([("word", words), ("list", Arc::new(lists))])
    };
    let (some, none) = (words(&["a", "b", "a"]), words(&[]));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.feather");
    for batches in [
        vec![some.clone(), none.clone(), some.clone()],
        vec![none.clone(), none.clone(), some.clone(), words(&["c"]).slice(0, 0)],
        vec![some.slice(0, 0), none.clone()],
    ] {
        save_feather_batches(&batches, &path).unwrap();
        assert_eq!(load_feather_batches(&path).unwrap(), batches);
    }
    assert!(save_feather_batches(&[some, words(&["c"])], &path).is_err());
}
