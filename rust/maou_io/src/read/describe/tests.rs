use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, DictionaryArray, Int32Array};
use arrow_ipc::CompressionType;
use arrow_schema::{IntervalUnit, TimeUnit, UnionFields, UnionMode};

use super::*;
use crate::Error;
use crate::testing::{LAYOUTS, Layout, batch, file, ipc_bytes, numbers};

/// What ends a stream: the marker and the length 0.
const END: usize = 8;

fn describe_bytes(bytes: &[u8]) -> Result<Description> {
    let (_directory, path) = file(bytes);
    describe(&path)
}

fn problem(bytes: &[u8]) -> String {
    match describe_bytes(bytes) {
        Err(Error::Data { problem, .. }) => problem,
        other => panic!("expected bad data, got {other:?}"),
    }
}

#[test]
fn every_layout_and_compression_says_the_same() {
    let batches = [numbers(0, 10_000), numbers(10_000, 2)];
    for layout in LAYOUTS {
        let plain = describe_bytes(&ipc_bytes(layout, None, &batches)).unwrap();
        assert_eq!((plain.rows, plain.batches, plain.checksums), (10_002, 2, false));
        assert_eq!(plain.codecs, BTreeSet::new());
        let names = batches.iter().map(|batch| batch.column(1).null_count() as u64).sum();
        let column = |name: &str, arrow_type: &str, nulls| ColumnDescription {
            name: name.to_owned(),
            arrow_type: arrow_type.to_owned(),
            nulls,
        };
        assert_eq!(plain.columns, [column("n", "Int32", 0), column("name", "Utf8", names)]);
        for (compression, name) in [(CompressionType::LZ4_FRAME, "LZ4"), (CompressionType::ZSTD, "ZSTD")] {
            let bytes = ipc_bytes(layout, Some(compression), &batches);
            let (bytes, compressed) = (bytes.len() as u64, describe_bytes(&bytes).unwrap());
            assert_eq!(compressed, Description { bytes, codecs: BTreeSet::from([name]), ..plain.clone() });
        }
    }
}

#[test]
fn sizes_are_those_of_the_data() {
    let numbers: ArrayRef = Arc::new(Int32Array::from_iter_values(0..10_000));
    let bytes = ipc_bytes(Layout::File, Some(CompressionType::LZ4_FRAME), &[batch([("n", numbers)])]);
    let description = describe_bytes(&bytes).unwrap();
    let bitmap = 10_000 / 8;
    assert!((40_000..=40_000 + bitmap).contains(&description.uncompressed_bytes), "{description:?}");
    assert_eq!(description.bytes, bytes.len() as u64);
}

#[test]
fn values_of_dictionaries_do_not_count() {
    let keys = |word: &str| -> ArrayRef { Arc::new(DictionaryArray::<Int32Type>::from_iter([word, word])) };
    let sizes = ["a", "a word of many letters, and not the only one"].map(|word| {
        let bytes = ipc_bytes(Layout::Stream, None, &[batch([("word", keys(word))])]);
        let description = describe_bytes(&bytes).unwrap();
        assert_eq!((description.rows, description.batches), (2, 1));
        assert_eq!(description.columns[0].arrow_type, "Dictionary<Utf8>");
        description.uncompressed_bytes
    });
    assert_eq!(sizes[0], sizes[1]);
}

#[test]
fn files_of_maou_have_checksums() {
    let (_directory, path) = file(b"");
    crate::save_feather_file(&numbers(0, 10), &path).unwrap();
    assert!(describe(&path).unwrap().checksums);
}

#[test]
fn files_without_batches_have_columns() {
    let mut writer = arrow_ipc::writer::FileWriter::try_new(Vec::new(), &numbers(0, 0).schema()).unwrap();
    writer.finish().unwrap();
    let description = describe_bytes(&writer.into_inner().unwrap()).unwrap();
    assert_eq!((description.rows, description.batches, description.columns.len()), (0, 0, 2));
}

/// Their metadata is not aligned.
#[test]
fn files_of_old_polars_are_described() {
    for bytes in [
        &include_bytes!("../fixtures/polars-1.30-file.arrow")[..],
        include_bytes!("../fixtures/polars-1.30-stream.arrow"),
    ] {
        let description = describe_bytes(bytes).unwrap();
        assert_eq!((description.rows, description.batches), (3, 1));
        assert_eq!((&*description.columns[0].arrow_type, description.columns[0].nulls), ("Utf8View", 1));
    }
}

#[test]
fn types_are_named_as_in_the_format() {
    let field = |data_type| Arc::new(Field::new("item", data_type, true));
    let union =
        UnionFields::from_fields([Field::new("a", DataType::Int8, true), Field::new("b", DataType::Utf8, true)]);
    let entries = DataType::Struct(vec![field(DataType::Utf8), field(DataType::Float16)].into());
    for (data_type, name) in [
        (DataType::Null, "Null"),
        (DataType::Boolean, "Bool"),
        (DataType::UInt64, "UInt64"),
        (DataType::Float32, "Float32"),
        (DataType::LargeBinary, "LargeBinary"),
        (DataType::Utf8View, "Utf8View"),
        (DataType::Date32, "Date32"),
        (DataType::Time64(TimeUnit::Nanosecond), "Time"),
        (DataType::Timestamp(TimeUnit::Second, Some("Asia/Tokyo".into())), "Timestamp"),
        (DataType::Duration(TimeUnit::Second), "Duration"),
        (DataType::Interval(IntervalUnit::DayTime), "Interval"),
        (DataType::Decimal128(10, 2), "Decimal"),
        (DataType::FixedSizeBinary(32), "FixedSizeBinary"),
        (DataType::LargeList(field(DataType::UInt16)), "LargeList<UInt16>"),
        (DataType::FixedSizeList(field(DataType::List(field(DataType::Int8))), 9), "FixedSizeList<List<Int8>, 9>"),
        (DataType::Struct(Vec::<Field>::new().into()), "Struct"),
        (DataType::Map(field(entries), false), "Map<Struct<Utf8, Float16>>"),
        (DataType::Union(union, UnionMode::Dense), "Union<Int8, Utf8>"),
        (DataType::RunEndEncoded(field(DataType::Int32), field(DataType::Utf8)), "RunEndEncoded<Int32, Utf8>"),
        (DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)), "Dictionary<Utf8>"),
    ] {
        assert_eq!(type_name(&data_type), name);
    }
}

#[test]
fn what_is_cut_is_an_error() {
    let batches = [numbers(0, 20), numbers(20, 20)];
    let whole = ipc_bytes(Layout::File, None, &batches);
    for len in 0..whole.len() {
        problem(&whole[..len]);
    }
    let whole = ipc_bytes(Layout::Stream, None, &batches);
    // Between two messages a stream ends without a marker.
    let good = (0..whole.len()).filter(|len| describe_bytes(&whole[..*len]).is_ok()).count();
    assert_eq!(good, batches.len() + 1);
}

#[test]
fn columns_that_a_batch_has_not_are_an_error() {
    let whole = ipc_bytes(Layout::Stream, None, &[numbers(0, 5)]);
    let one = numbers(0, 5).project(&[0]).unwrap();
    let other = ipc_bytes(Layout::Stream, None, &[one]);
    let bytes = [&whole[..schema_len(&whole)], &other[schema_len(&other)..]].concat();
    assert!(problem(&bytes).contains("1 arrays, and the schema asks for more"), "{}", problem(&bytes));
}

#[test]
fn a_second_schema_is_an_error() {
    let stream = ipc_bytes(Layout::Stream, None, &[numbers(0, 5)]);
    let bytes = [&stream[..stream.len() - END], &stream].concat();
    assert!(problem(&bytes).contains("where batches were expected"), "{}", problem(&bytes));
}

/// Bytes of the schema message, which has no body.
fn schema_len(stream: &[u8]) -> usize {
    8 + i32::from_le_bytes(*stream[4..].first_chunk().unwrap()) as usize
}
