use std::fs;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{
    Array, ArrayRef, BinaryArray, BinaryViewArray, DictionaryArray, Int32Array, Int64Array, LargeStringArray,
    ListArray, RecordBatch, StringArray, StringViewArray,
};
use tempfile::TempDir;

use super::*;
use crate::read::{load_feather_batches, load_feather_file};
use crate::testing::{batch, names_in, numbers};
use crate::write::save_feather_batches;

/// Files of the given batches, and an output directory that is not there yet.
struct Inputs {
    directory: TempDir,
    paths: Vec<PathBuf>,
}

impl Inputs {
    fn new(files: &[&[RecordBatch]]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let paths = files.iter().enumerate().map(|(number, batches)| {
            let path = directory.path().join(format!("{number}.feather"));
            save_feather_batches(batches, &path).unwrap();
            path
        });
        Self { paths: paths.collect(), directory }
    }

    fn output(&self) -> PathBuf {
        self.directory.path().join("merged")
    }

    fn merge(&self, rows_per_chunk: usize) -> Result<Vec<PathBuf>> {
        merge_feather_files(&self.paths, &self.output(), rows_per_chunk, "all")
    }

    fn refusal(&self) -> String {
        let error = self.merge(100).unwrap_err();
        assert!(matches!(error, Error::Argument(_)), "{error:?}");
        error.to_string()
    }
}

fn column_of(name: &str, column: impl Array + 'static) -> RecordBatch {
    batch([(name, Arc::new(column) as ArrayRef)])
}

fn shape(chunks: &[PathBuf]) -> Vec<Vec<usize>> {
    chunks
        .iter()
        .map(|chunk| load_feather_batches(chunk).unwrap().iter().map(RecordBatch::num_rows).collect())
        .collect()
}

#[test]
fn batches_are_whole_and_chunks_are_bounded() {
    let inputs =
        Inputs::new(&[&[numbers(0, 4), numbers(4, 3)], &[numbers(7, 3)], &[numbers(10, 12)], &[numbers(22, 1)]]);

    let chunks = inputs.merge(10).unwrap();

    assert_eq!(shape(&chunks), [vec![4, 3, 3], vec![12], vec![1]]);
    assert_eq!(names_in(&inputs.output()), ["all_chunk0000.feather", "all_chunk0001.feather", "all_chunk0002.feather"]);
    assert_eq!(load_feather_file(&chunks[0]).unwrap(), numbers(0, 10));
    assert_eq!(shape(&inputs.merge(usize::MAX).unwrap()), [[4, 3, 3, 12, 1]]);
    assert_eq!(inputs.merge(1).unwrap().len(), 5);
}

#[test]
fn strings_and_binaries_of_several_layouts_become_large() {
    let text = "a text that is too long to be inlined in a view";
    let inputs = Inputs::new(&[
        &[column_of("text", StringViewArray::from(vec![Some(text), None]))],
        &[column_of("text", StringArray::from(vec!["b"]))],
        &[column_of("text", LargeStringArray::from(vec!["c"]))],
    ]);
    let merged = load_feather_file(&inputs.merge(100).unwrap()[0]).unwrap();
    assert_eq!(
        merged.column(0).as_string::<i64>().iter().collect::<Vec<_>>(),
        [Some(text), None, Some("b"), Some("c")]
    );

    let inputs = Inputs::new(&[
        &[column_of("hcp", BinaryArray::from_vec(vec![b"a"]))],
        &[column_of("hcp", BinaryViewArray::from_iter_values([b"b"]))],
    ]);
    let merged = load_feather_file(&inputs.merge(100).unwrap()[0]).unwrap();
    assert_eq!(merged.column(0).as_binary::<i64>().value(1), b"b");

    let inputs = Inputs::new(&[
        &[column_of("text", StringViewArray::from(vec![text]))],
        &[column_of("text", StringViewArray::from(vec!["b"]))],
    ]);
    let merged = load_feather_file(&inputs.merge(100).unwrap()[0]).unwrap();
    assert_eq!(merged.column(0).data_type(), &DataType::Utf8View, "one layout stays as it is");
}

#[test]
fn dictionaries_become_their_values() {
    let words = |words: [&str; 2]| {
        let column: DictionaryArray<Int32Type> = words.into_iter().collect();
        column_of("word", column)
    };
    let inputs = Inputs::new(&[
        &[words(["a", "b"])],
        &[words(["c", "a"])],
        &[column_of("word", LargeStringArray::from(vec!["d"]))],
    ]);

    let merged = load_feather_file(&inputs.merge(100).unwrap()[0]).unwrap();

    let words: Vec<_> = merged.column(0).as_string::<i64>().iter().flatten().collect();
    assert_eq!(words, ["a", "b", "c", "a", "d"]);
}

#[test]
fn lists_may_differ_in_the_name_of_their_elements() {
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), Some(2)])]);
    let (_, offsets, values, nulls) = list.clone().into_parts();
    let renamed = ListArray::new(Arc::new(Field::new("element", DataType::Int32, false)), offsets, values, nulls);

    let inputs = Inputs::new(&[&[column_of("list", renamed)], &[column_of("list", list.clone())]]);

    let merged = load_feather_file(&inputs.merge(100).unwrap()[0]).unwrap();
    assert_eq!(merged.column(0).as_list::<i32>().value(1).as_primitive::<Int32Type>(), &Int32Array::from(vec![1, 2]));
}

#[test]
fn columns_go_by_name_and_nullability_by_need() {
    let reordered = numbers(3, 2).project(&[1, 0]).unwrap();
    let strict = RecordBatch::try_from_iter([
        ("n", Arc::new(Int32Array::from(vec![5])) as ArrayRef),
        ("name", Arc::new(StringArray::from(vec!["the position 5"])) as ArrayRef),
    ]);

    let inputs = Inputs::new(&[&[numbers(0, 3)], &[reordered], &[strict.unwrap()]]);

    assert_eq!(load_feather_file(&inputs.merge(100).unwrap()[0]).unwrap(), numbers(0, 6));
}

#[test]
fn clashes_name_both_files_the_column_and_the_types() {
    let inputs =
        Inputs::new(&[&[column_of("n", Int32Array::from(vec![1]))], &[column_of("n", Int64Array::from(vec![1]))]]);
    let message = inputs.refusal();
    assert!(message.contains("0.feather") && message.contains("1.feather"), "{message}");
    assert!(message.ends_with("column `n` is Int32 in the first and Int64 in the second"), "{message}");

    let inputs = Inputs::new(&[&[numbers(0, 1)], &[column_of("n", Int32Array::from(vec![1]))]]);
    assert!(inputs.refusal().ends_with("the second has no column `name`"));
    let inputs = Inputs::new(&[&[column_of("n", Int32Array::from(vec![1]))], &[numbers(0, 1)]]);
    assert!(inputs.refusal().ends_with("only the second has the column `name`"));
    assert!(!inputs.output().exists());
}

#[test]
fn files_without_rows_contribute_nothing() {
    let empty = column_of("n", Int64Array::from(Vec::<i64>::new()));
    let inputs =
        Inputs::new(&[std::slice::from_ref(&empty), &[numbers(0, 3), numbers(3, 0)], std::slice::from_ref(&empty)]);
    assert_eq!(shape(&inputs.merge(100).unwrap()), [[3]]);

    let inputs = Inputs::new(&[&[numbers(0, 0)]]);
    assert!(inputs.merge(100).unwrap().is_empty());
    assert!(!inputs.output().exists());
}

#[test]
fn arguments_are_checked() {
    let inputs = Inputs::new(&[&[numbers(0, 3)]]);
    let refusal = |paths: &[PathBuf], rows, prefix| match merge_feather_files(paths, &inputs.output(), rows, prefix) {
        Err(Error::Argument(message)) => message,
        other => panic!("expected an argument error, got {other:?}"),
    };

    assert!(refusal(&[], 10, "all").contains("no files"));
    assert!(refusal(&inputs.paths, 0, "all").contains("rows_per_chunk"));
    assert!(refusal(&inputs.paths, 10, "../all").contains("output_dir"));
}

#[test]
fn an_input_is_not_replaced() {
    let inputs = Inputs::new(&[&[numbers(0, 3)], &[numbers(3, 3)]]);
    let chunks = inputs.merge(3).unwrap();

    let error = merge_feather_files(&chunks, &inputs.output(), 100, "all").unwrap_err();
    assert!(matches!(&error, Error::Argument(message) if message.contains("would be replaced")), "{error}");

    let again = merge_feather_files(&chunks, &inputs.output(), 100, "again").unwrap();
    assert_eq!(load_feather_file(&again[0]).unwrap(), numbers(0, 6));
}

#[cfg(unix)]
#[test]
fn an_input_is_not_replaced_through_a_symbolic_link() {
    let inputs = Inputs::new(&[&[numbers(0, 3)]]);
    fs::create_dir(inputs.output()).unwrap();
    std::os::unix::fs::symlink("../0.feather", inputs.output().join("all_chunk0000.feather")).unwrap();

    assert!(inputs.refusal().contains("would be replaced"));
    assert_eq!(load_feather_file(&inputs.paths[0]).unwrap(), numbers(0, 3));
}

#[test]
fn an_error_leaves_no_chunks() {
    let inputs = Inputs::new(&[&[numbers(0, 3)], &[numbers(3, 3)]]);
    let bytes = fs::read(&inputs.paths[1]).unwrap();
    let mut damaged = bytes.clone();
    let place = damaged.windows(8).rposition(|window| window == b"position").unwrap();
    damaged[place] = 0xff;
    fs::write(&inputs.paths[1], damaged).unwrap();

    assert!(matches!(inputs.merge(3), Err(Error::Data { .. })));
    assert!(names_in(&inputs.output()).is_empty());

    fs::remove_file(&inputs.paths[1]).unwrap();
    assert!(matches!(inputs.merge(3), Err(Error::Io { .. })));
}
