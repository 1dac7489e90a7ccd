//! Files that were found, or thought of, and that take far more memory than they have bytes where nobody looks.

use std::sync::Arc;

use arrow_array::types::UInt8Type;
use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, FixedSizeListArray, Int64Array, ListArray, RecordBatch};
use arrow_buffer::OffsetBuffer;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use arrow_ipc::{
    CompressionType, FieldArgs, IntArgs, MessageArgs, MessageHeader, MetadataVersion, SchemaArgs, Type, root_as_footer,
};
use arrow_schema::{DataType, Field, Schema};
use flatbuffers::{FlatBufferBuilder, WIPOffset};
use maou_io::BatchReader;

use crate::directory::Directory;
use crate::entry;

#[test]
fn a_bitmap_is_not_believed_to_have_a_bit_for_each_row() {
    let bits: ArrayRef = Arc::new(BooleanArray::from(vec![true; 1000]));
    let mut bytes = stream(&batch([("bits", bits)]), None);
    // In the batch and in its column.
    for at in positions(&bytes, &1000_i64.to_le_bytes()) {
        bytes[at..at + 8].copy_from_slice(&100_000_000_000_i64.to_le_bytes());
    }
    entry::stream(&bytes);
}

#[test]
fn lists_are_not_so_many_that_their_values_come_to_none() {
    let lists = (0..777).map(|_| Some(vec![Some(1); 16]));
    let lists: ArrayRef = Arc::new(FixedSizeListArray::from_iter_primitive::<UInt8Type, _, _>(lists, 16));
    let mut bytes = stream(&batch([("lists", lists)]), None);
    for at in positions(&bytes, &777_i64.to_le_bytes()) {
        // Times 16, it is 0 in 64 bits.
        bytes[at..at + 8].copy_from_slice(&(1_i64 << 60).to_le_bytes());
    }
    entry::stream(&bytes);
    assert_refused(&bytes, "lists of 16 values");
}

#[test]
fn blocks_of_4_mib_are_not_believed_where_there_is_less() {
    let numbers = |count| Arc::new(Int64Array::from_iter_values(0..count)) as ArrayRef;
    let columns: Vec<(String, ArrayRef)> = (0..100).map(|index| (format!("{index}"), numbers(20))).collect();
    let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
    let mut bytes = stream(&batch, Some(CompressionType::LZ4_FRAME));
    // Where a frame's header says it.
    for at in positions(&bytes, &[0x04, 0x22, 0x4d, 0x18]) {
        bytes[at + 5] = 7 << 4;
    }
    entry::stream(&bytes);
}

#[test]
fn a_type_that_cannot_be_is_an_error_also_where_there_are_no_rows() {
    // A map whose entries are numbers.
    let entries = Arc::new(Field::new("entries", DataType::Int64, false));
    let schema = Schema::new(vec![Field::new("m", DataType::Map(entries, false), true)]);
    let bytes = StreamWriter::try_new(Vec::new(), &schema).and_then(StreamWriter::into_inner).expect("a schema");
    let directory = Directory::new();
    let path = directory.write("a.feather", &bytes);
    for error in [maou_io::load_feather_file(&path), maou_io::load_record(maou_io::RecordKind::Hcpe, &path)] {
        assert!(error.expect_err("no map").to_string().contains("the Arrow library gave up"));
    }
}

#[test]
fn nulls_are_counted() {
    for lists in [false, true] {
        let numbers: ArrayRef = Arc::new((0..999).map(|n| (n % 3 > 0).then_some(n)).collect::<Int64Array>());
        let item = Arc::new(Field::new_list_field(numbers.data_type().clone(), true));
        let list = ListArray::new(item, OffsetBuffer::from_repeated_length(1, 999), Arc::clone(&numbers), None);
        let column = if lists { Arc::new(list) } else { numbers };
        let (mut bytes, _) = file(&batch([("n", column)]));
        // The node of the column in both batches, or of its items.
        let node = [999_i64.to_le_bytes(), 333_i64.to_le_bytes()].concat();
        for at in positions(&bytes, &node) {
            bytes[at + 8] += 1;
        }
        assert_refused(&bytes, "334 nulls announced, and 333 there");
    }
}

#[test]
fn a_buffer_of_negative_length_is_not_fetched() {
    let (mut bytes, _) = file(&batch([("n", Arc::new(Int64Array::from_iter_values(0..99)))]));
    for at in positions(&bytes, &(99_i64 * 8).to_le_bytes()) {
        bytes[at..at + 8].copy_from_slice(&(-8_i64).to_le_bytes());
    }
    let directory = Directory::new();
    let path = directory.write("a.feather", &bytes);
    let error = maou_io::data_ranges(&path, Some(&["n".to_owned()]), None).expect_err("refused");
    assert!(error.to_string().contains("a buffer of -8 bytes"), "{error}");
}

#[test]
fn a_batch_is_in_a_file_once() {
    let values: ArrayRef = Arc::new(Int64Array::from_iter_values(0..100));
    let (mut bytes, [first, second]) = file(&batch([("n", values)]));
    let copy = bytes[first..first + BLOCK].to_vec();
    bytes[second..second + BLOCK].copy_from_slice(&copy);
    assert_refused(&bytes, "twice");
}

#[test]
fn a_batch_is_not_within_another() {
    let (inner, [first, _]) = file(&batch([("b", Arc::new(BinaryArray::from(vec![&b"inner"[..]])))]));
    let start = i64_at(&inner, first) as usize;
    let message = &inner[start..start + 400];
    // Where messages begin, counted in eights: the value has to lie there, too.
    let (mut bytes, [_, second]) = file(&batch([("b", Arc::new(BinaryArray::from(vec![message])))]));
    let at = positions(&bytes, message)[0];
    bytes[second..second + 8].copy_from_slice(&(at as i64).to_le_bytes());
    assert_refused(&bytes, "the next one begins");
}

#[test]
fn a_schema_is_not_a_tree_of_shared_branches() {
    let mut builder = FlatBufferBuilder::new();
    let int = arrow_ipc::Int::create(&mut builder, &IntArgs { bitWidth: 8, is_signed: true }).as_union_value();
    let name = builder.create_string("a name that is said again and again");
    let leaf = FieldArgs { name: Some(name), type_type: Type::Int, type_: Some(int), ..FieldArgs::default() };
    let mut field = arrow_ipc::Field::create(&mut builder, &leaf);
    for _ in 0..16 {
        let children = builder.create_vector(&[field, field]);
        let kind = arrow_ipc::Struct_::create(&mut builder, &arrow_ipc::Struct_Args {}).as_union_value();
        let args = FieldArgs { type_type: Type::Struct_, type_: Some(kind), children: Some(children), ..leaf };
        field = arrow_ipc::Field::create(&mut builder, &args);
    }
    let bytes = schema_message(builder, field);
    assert!(bytes.len() < 4000);
    assert_refused(&bytes, "no Arrow IPC file");
}

/// A block of a footer: offset, length of the metadata and of the body.
const BLOCK: usize = 24;

fn schema_message(mut builder: FlatBufferBuilder<'_>, field: WIPOffset<arrow_ipc::Field<'_>>) -> Vec<u8> {
    let field = WIPOffset::<arrow_ipc::Field<'_>>::new(field.value());
    let fields = builder.create_vector(&[field]);
    let schema = arrow_ipc::Schema::create(&mut builder, &SchemaArgs { fields: Some(fields), ..SchemaArgs::default() });
    let message = MessageArgs {
        version: MetadataVersion::V5,
        header_type: MessageHeader::Schema,
        header: Some(schema.as_union_value()),
        ..MessageArgs::default()
    };
    let message = arrow_ipc::Message::create(&mut builder, &message);
    builder.finish(message, None);
    let flatbuffer = builder.finished_data();
    [&[0xff; 4], &(flatbuffer.len() as i32).to_le_bytes()[..], flatbuffer].concat()
}

fn batch<const N: usize>(columns: [(&str, ArrayRef); N]) -> RecordBatch {
    RecordBatch::try_from_iter(columns).expect("columns of one length")
}

fn stream(batch: &RecordBatch, compression: Option<CompressionType>) -> Vec<u8> {
    let options = IpcWriteOptions::default().try_with_compression(compression).expect("compiled in");
    let mut writer = StreamWriter::try_new_with_options(Vec::new(), &batch.schema(), options).expect("a writer");
    writer.write(batch).expect("a batch");
    writer.into_inner().expect("a stream")
}

/// A file that has `batch` twice, and where the two blocks of its footer are.
fn file(batch: &RecordBatch) -> (Vec<u8>, [usize; 2]) {
    let mut writer = FileWriter::try_new(Vec::new(), &batch.schema()).expect("a writer");
    writer.write(batch).and_then(|()| writer.write(batch)).expect("batches");
    let bytes = writer.into_inner().expect("a file");
    let tail = bytes.len() - 10;
    let start = tail - i64_at(&bytes, tail) as i32 as usize;
    let footer = root_as_footer(&bytes[start..tail]).expect("a footer");
    let blocks = footer.recordBatches().expect("two blocks");
    let places = [0, 1].map(|index| positions(&bytes, &blocks.get(index).0)[0]);
    (bytes, places)
}

fn i64_at(bytes: &[u8], at: usize) -> i64 {
    i64::from_le_bytes(*bytes[at..].first_chunk().expect("eight bytes"))
}

fn positions(bytes: &[u8], wanted: &[u8]) -> Vec<usize> {
    (0..=bytes.len() - wanted.len()).filter(|at| bytes[*at..].starts_with(wanted)).collect()
}

fn assert_refused(bytes: &[u8], why: &str) {
    let directory = Directory::new();
    let path = directory.write("a.feather", bytes);
    let error = BatchReader::open(&path).and_then(BatchReader::read_all).expect_err("refused").to_string();
    assert!(error.contains(why), "{error}");
}
