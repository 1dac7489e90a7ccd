use arrow_array::builder::{FixedSizeListBuilder, LargeListBuilder, ListBuilder, UInt8Builder, UInt16Builder};
use arrow_array::types::Int32Type;
use arrow_array::{
    BinaryArray, BinaryViewArray, Date32Array, DictionaryArray, Float32Array, Int8Array, Int16Array, Int64Array,
    NullArray, StringArray, StringViewArray, UInt8Array, UInt16Array, UInt64Array,
};

use super::*;
use crate::read::load_record;
use crate::schema::MOVE_LABELS_NUM;
use crate::testing::batch;
use crate::write::save_record;

/// HCPE as pyarrow would have it, with every column null in row 1.
fn hcpe() -> RecordBatch {
    let mut ratings = ListBuilder::new(UInt16Builder::new());
    ratings.append_value([Some(1500), Some(1600)]);
    ratings.append_null();
    ratings.append_value([]);
    let evals = || Int16Array::from(vec![Some(1), None, Some(-3)]);
    batch([
        ("hcp", Arc::new(BinaryArray::from_iter([Some([7_u8; 32]), None, Some([9; 32])])) as ArrayRef),
        ("eval", Arc::new(evals())),
        ("bestMove16", Arc::new(evals())),
        ("gameResult", Arc::new(Int8Array::from(vec![Some(0), None, Some(2)]))),
        ("id", Arc::new(StringArray::from(vec![Some("a_1"), None, Some("a_3")]))),
        ("partitioningKey", Arc::new(Date32Array::from(vec![Some(19_000), None, Some(19_001)]))),
        ("ratings", Arc::new(ratings.finish())),
        ("endgameStatus", Arc::new(StringArray::from(vec![Some("TORYO"), None, Some("")]))),
        ("moves", Arc::new(evals())),
    ])
}

/// Preprocessing as Polars would have it: all lists of variable length, in 64-bit offsets.
fn preprocessing(rows: usize) -> RecordBatch {
    let mut boards = LargeListBuilder::new(LargeListBuilder::new(UInt8Builder::new()));
    for _ in 0..rows * 9 {
        boards.values().append_value((0..9).map(Some));
    }
    (0..rows).for_each(|_| boards.append(true));
    // The builder closes a row over everything that was appended, so offsets are made by hand.
    let (_, _, ranks, _) = boards.finish().into_parts();
    let item = Arc::new(Field::new_list_field(ranks.data_type().clone(), true));
    let boards = GenericListArray::<i64>::new(item, OffsetBuffer::from_repeated_length(9, rows), ranks, None);
    let floats = || list_of(Arc::new(Float32Array::from(vec![0.25; rows * MOVE_LABELS_NUM])), MOVE_LABELS_NUM, rows);
    batch([
        ("id", Arc::new(UInt64Array::from_iter_values(0..rows as u64)) as ArrayRef),
        ("boardIdPositions", Arc::new(boards)),
        ("piecesInHand", list_of(Arc::new(UInt8Array::from(vec![1; rows * 14])), 14, rows)),
        ("moveLabel", floats()),
        ("moveWinRate", floats()),
        ("bestMoveWinRate", Arc::new(Float32Array::from(vec![0.5; rows]))),
        ("resultValue", Arc::new(Float32Array::from(vec![1.0; rows]))),
    ])
}

fn list_of(values: ArrayRef, length: usize, rows: usize) -> ArrayRef {
    let item = Arc::new(Field::new("element", values.data_type().clone(), false));
    Arc::new(GenericListArray::<i64>::new(item, OffsetBuffer::from_repeated_length(length, rows), values, None))
}

/// `batch` with `column` in place of the one of that name.
#[expect(clippy::needless_pass_by_value, reason = "so that callers can build the column in place")]
fn with(batch: &RecordBatch, name: &str, column: ArrayRef) -> RecordBatch {
    let columns = batch.schema_ref().fields().iter().zip(batch.columns()).map(|(field, old)| {
        let column = if field.name() == name { Arc::clone(&column) } else { Arc::clone(old) };
        (field.name().clone(), column, true)
    });
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

fn refusal(batch: &RecordBatch, kind: RecordKind) -> String {
    match coerce_record(batch, kind) {
        Err(Error::Schema { problem, .. }) => problem,
        other => panic!("expected a schema error, got {other:?}"),
    }
}

#[test]
fn hcpe_of_other_layouts_becomes_the_schema() {
    let coerced = coerce_record(&hcpe(), RecordKind::Hcpe).unwrap();

    assert_eq!(coerced.schema(), RecordKind::Hcpe.schema());
    assert!(coerced.columns().iter().all(|column| column.null_count() == 1));
    assert_eq!(coerced.column(0).as_binary::<i64>().value(2), [9; 32]);
    assert_eq!(coerced.column(4).as_string::<i64>().value(2), "a_3");
    assert_eq!(coerced.column(6).as_list::<i64>().value(0).len(), 2);
    assert_eq!(coerce_record(&coerced, RecordKind::Hcpe).unwrap(), coerced);

    let views =
        with(&hcpe(), "id", Arc::new(StringViewArray::from(vec![Some("a_1"), None, Some("a longer id than that")])));
    let views = with(&views, "hcp", Arc::new(BinaryViewArray::from_iter([Some([7_u8; 32]), None, Some([9; 32])])));
    let coerced = coerce_record(&views, RecordKind::Hcpe).unwrap();
    assert_eq!(coerced.column(4).as_string::<i64>().value(2), "a longer id than that");
    assert_eq!(coerced.column(0).as_binary::<i64>().value(2), [9; 32]);
}

#[test]
fn fixed_binaries_nulls_and_dictionaries_are_taken() {
    let hcp =
        FixedSizeBinaryArray::try_from_sparse_iter_with_size([None, Some([1_u8; 32]), Some([2; 32])].into_iter(), 32);
    let status: DictionaryArray<Int32Type> = [Some("TORYO"), Some("TORYO"), None].into_iter().collect();
    let other = with(&hcpe(), "hcp", Arc::new(hcp.unwrap().slice(0, 3)));
    let other = with(&other, "endgameStatus", Arc::new(status));
    let other = with(&other, "ratings", Arc::new(NullArray::new(3))).slice(1, 2);

    let coerced = coerce_record(&other, RecordKind::Hcpe).unwrap();

    assert_eq!(coerced.column(0).as_binary::<i64>().iter().flatten().collect::<Vec<_>>(), [[1; 32], [2; 32]]);
    assert_eq!(coerced.column(6).null_count(), 2);
    assert_eq!(coerced.column(7).as_string::<i64>().iter().collect::<Vec<_>>(), [Some("TORYO"), None]);
}

#[test]
fn preprocessing_lists_become_fixed() {
    let source = preprocessing(5);

    let coerced = coerce_record(&source, RecordKind::Preprocessing).unwrap();
    assert_eq!(coerced.schema(), RecordKind::Preprocessing.schema());
    let slice = coerce_record(&source.slice(2, 2), RecordKind::Preprocessing).unwrap();
    assert_eq!(slice, coerced.slice(2, 2));
    let empty = coerce_record(&source.slice(0, 0), RecordKind::Preprocessing).unwrap();
    assert_eq!(empty.num_rows(), 0);

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.feather");
    save_record(&source.slice(1, 3), RecordKind::Preprocessing, &path).unwrap();
    assert_eq!(load_record(RecordKind::Preprocessing, &path).unwrap(), coerced.slice(1, 3));
}

#[test]
fn columns_come_in_any_order() {
    let reversed = hcpe().project(&[8, 7, 6, 5, 4, 3, 2, 1, 0]).unwrap();

    assert_eq!(coerce_record(&reversed, RecordKind::Hcpe).unwrap(), coerce_record(&hcpe(), RecordKind::Hcpe).unwrap());
}

#[test]
fn wrong_columns_are_named() {
    let lacking = hcpe().project(&[0, 1, 2, 3, 4, 5, 6, 7]).unwrap();
    assert_eq!(refusal(&lacking, RecordKind::Hcpe), "not a hcpe record: missing column `moves`");

    let doubled = hcpe().project(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 1]).unwrap();
    assert_eq!(refusal(&doubled, RecordKind::Hcpe), "not a hcpe record: repeated column `eval`");

    let other = refusal(&hcpe(), RecordKind::Stage1);
    assert!(other.contains("missing columns `boardIdPositions`, `piecesInHand`, `reachableSquares`"), "{other}");
    assert!(other.contains("unexpected columns `hcp`"), "{other}");
}

#[test]
fn wrong_types_lengths_and_nulls_are_named() {
    let wide = with(&hcpe(), "eval", Arc::new(Int64Array::from(vec![1, 2, 3])));
    assert_eq!(refusal(&wide, RecordKind::Hcpe), "not a hcpe record: column `eval`: expected Int16, got Int64");

    let rows = 3;
    let source = preprocessing(rows);
    let short = list_of(Arc::new(UInt8Array::from(vec![1; rows * 13])), 13, rows);
    let message = refusal(&with(&source, "piecesInHand", short), RecordKind::Preprocessing);
    assert!(
        message.contains("column `piecesInHand`: expected lists of 14 values, got one of 13 in row 0"),
        "{message}"
    );

    let null = Arc::new(Float32Array::from(vec![Some(1.0), None, Some(0.0)]));
    let message = refusal(&with(&source, "resultValue", null), RecordKind::Preprocessing);
    assert!(message.contains("column `resultValue`: expected no nulls, got one in row 1"), "{message}");

    let mut values = vec![Some(1); rows * 14];
    values[2 * 14 + 5] = None;
    let values: ArrayRef = Arc::new(UInt8Array::from(values));
    let item = Arc::new(Field::new_list_field(DataType::UInt8, true));
    let holed = GenericListArray::<i64>::new(item, OffsetBuffer::from_repeated_length(14, rows), values, None);
    let message = refusal(&with(&source, "piecesInHand", Arc::new(holed)), RecordKind::Preprocessing);
    assert!(message.contains("column `piecesInHand`: expected no nulls, got one in row 2"), "{message}");

    let mut missing = FixedSizeListBuilder::new(UInt8Builder::new(), 14);
    for present in [true, false, true] {
        missing.values().append_slice(&[0; 14]);
        missing.append(present);
    }
    let message = refusal(&with(&source, "piecesInHand", Arc::new(missing.finish())), RecordKind::Preprocessing);
    assert!(message.contains("column `piecesInHand`: expected no nulls, got one in row 1"), "{message}");

    let flat = Arc::new(UInt8Array::from(vec![0; rows]));
    let message = refusal(&with(&source, "boardIdPositions", flat), RecordKind::Preprocessing);
    assert!(
        message.contains("column `boardIdPositions`: expected FixedSizeList(9 x FixedSizeList(9 x UInt8"),
        "{message}"
    );
    assert!(message.ends_with("got UInt8"), "{message}");
}

/// More bytes than a process can have, for any number of bytes in a row.
const ENDLESS: usize = 1 << 60;

#[test]
fn nulls_that_take_no_bytes_are_not_given_more_than_there_are() {
    let column = || Arc::new(NullArray::new(ENDLESS)) as ArrayRef;
    for kind in RecordKind::ALL {
        let schema = kind.schema();
        let columns = schema.fields().iter().map(|field| (field.name().clone(), column(), true));
        let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
        assert!(coerce_record(&batch, kind).is_err(), "{kind}");
    }
}

#[test]
fn what_has_no_bytes_is_not_given_more_offsets_than_there_is_memory() {
    let empty = DataType::FixedSizeBinary(0);
    let data = arrow_data::ArrayData::builder(empty).len(ENDLESS).add_buffer(arrow_buffer::Buffer::default());
    let binary = arrow_array::make_array(data.build().unwrap());
    assert!(matches!(coerce_array(&binary, &DataType::LargeBinary), Err(Mismatch::Arrow(_))));

    let item = Arc::new(Field::new_list_field(DataType::UInt16, true));
    let none = Arc::new(UInt16Array::from(Vec::<u16>::new()));
    let lists = FixedSizeListArray::try_new_with_length(Arc::clone(&item), 0, none, None, ENDLESS).unwrap();
    let coerced = coerce_array(&(Arc::new(lists) as ArrayRef), &DataType::LargeList(item));
    assert!(matches!(coerced, Err(Mismatch::Arrow(_))));
}

#[test]
fn a_value_of_many_rows_is_not_copied_for_each_where_there_is_no_memory() {
    // 64 MiB in four million rows.
    let values = Arc::new(arrow_array::LargeStringArray::from(vec!["x".repeat(64 << 20)]));
    let keys = Int8Array::from(vec![0; 4 << 20]);
    let dictionary = Arc::new(DictionaryArray::new(keys, values)) as ArrayRef;
    assert!(matches!(coerce_array(&dictionary, &DataType::LargeUtf8), Err(Mismatch::Arrow(_))));
}
