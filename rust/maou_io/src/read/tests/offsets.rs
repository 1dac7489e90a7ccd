//! Offsets that do not begin at 0, as writers leave them that do not move those of a slice.

use arrow_array::types::UInt8Type;
use arrow_array::{
    BinaryArray, BooleanArray, FixedSizeListArray, Int64Array, LargeListArray, ListArray, NullArray, StringArray,
};
use arrow_buffer::OffsetBuffer;
use arrow_schema::Field;

use super::*;

/// How many bytes are taken at a time.
const STEPS: [usize; 4] = [1, 100, 1000, 100_000];

/// Checks that `column` is read the same at once and in parts when bytes of its offsets are changed, wherever each of
/// `changes` finds its first ones.
fn check(column: ArrayRef, changes: &[[Vec<u8>; 2]]) {
    let data_type = column.data_type().clone();
    let column = batch([("column", column)]);
    let mut bytes = ipc_bytes(Layout::File, None, std::slice::from_ref(&column));
    for [from, to] in changes {
        let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
        bytes[at..at + to.len()].copy_from_slice(to);
    }
    let (_directory, path) = file(&bytes);
    let open = || BatchReader::open(&path).unwrap();
    let whole = open().read_one().unwrap();
    assert_ne!(whole, column, "{data_type}");
    for step in STEPS {
        let read = |reader: BatchReader| {
            let schema = reader.schema();
            let parts: Vec<RecordBatch> = reader.with_steps(step).collect::<Result<_>>().unwrap();
            concat(&schema, parts).unwrap()
        };
        assert_eq!(read(open()), whole, "{data_type} by {step}");
        assert_eq!(read(open().with_rows(1..7)), whole.slice(1, 6), "{data_type} by {step}");
    }
}

fn narrow(offsets: [i32; 3]) -> Vec<u8> {
    offsets.iter().flat_map(|offset| offset.to_le_bytes()).collect()
}

fn wide(offsets: [i64; 3]) -> Vec<u8> {
    offsets.iter().flat_map(|offset| offset.to_le_bytes()).collect()
}

/// Texts of three bytes.
fn texts(count: usize) -> StringArray {
    (0..count).map(|number| (number % 7 > 0).then(|| format!("{:03}", number % 1000))).collect()
}

/// Items of several types, so many of each.
fn items(count: usize) -> Vec<ArrayRef> {
    let bytes = (0..count).map(|number| (number % 3 > 0).then(|| vec![Some(number as u8), Some(7)]));
    vec![
        Arc::new((0..count as i64).map(|number| (number % 5 > 0).then_some(number)).collect::<Int64Array>()),
        Arc::new((0..count).map(|number| Some(number % 3 > 0)).collect::<BooleanArray>()),
        Arc::new(FixedSizeListArray::from_iter_primitive::<UInt8Type, _, _>(bytes, 2)),
        Arc::new(texts(count)),
        Arc::new(NullArray::new(count)),
    ]
}

fn list(lengths: impl IntoIterator<Item = usize>, items: ArrayRef) -> ListArray {
    let item = Arc::new(Field::new_list_field(items.data_type().clone(), true));
    ListArray::new(item, OffsetBuffer::from_lengths(lengths), items, None)
}

#[test]
fn texts_and_bytes_may_begin_later() {
    let words = || (0..40).map(|number| format!("ab{number:03}"));
    let narrow = [narrow([0, 5, 10]), narrow([2, 5, 10])];
    check(Arc::new(StringArray::from_iter_values(words())), std::slice::from_ref(&narrow));
    check(Arc::new(BinaryArray::from_iter_values(words())), &[narrow]);
    check(Arc::new(LargeStringArray::from_iter_values(words())), &[[wide([0, 5, 10]), wide([5, 5, 10])]]);
    // By more than is passed over at a time.
    let long = std::iter::once("x".repeat(200_000) + "y").chain(words());
    let change = [wide([0, 200_001, 200_006]), wide([199_990, 200_001, 200_006])];
    check(Arc::new(LargeStringArray::from_iter_values(long)), &[change]);
}

#[test]
fn lists_may_begin_later() {
    for items in items(200) {
        check(Arc::new(list([5; 40], items)), &[[narrow([0, 5, 10]), narrow([2, 5, 10])]]);
    }
    for items in items(200_200) {
        let lengths = std::iter::once(200_000).chain([5; 40]);
        let change = [narrow([0, 200_000, 200_005]), narrow([199_900, 200_000, 200_005])];
        check(Arc::new(list(lengths, items)), &[change]);
    }
}

#[test]
fn lists_of_what_begins_later_may_begin_later() {
    let inner = [narrow([0, 3, 6]), narrow([1, 3, 6])];
    for items in items(600) {
        let lists: ArrayRef = Arc::new(list([3; 200], items));
        let item = Arc::new(Field::new_list_field(lists.data_type().clone(), true));
        let lists = LargeListArray::new(item, OffsetBuffer::from_lengths([5; 40]), lists, None);
        for first in [0, 2] {
            check(Arc::new(lists.clone()), &[inner.clone(), [wide([0, 5, 10]), wide([first, 5, 10])]]);
        }
    }
}
