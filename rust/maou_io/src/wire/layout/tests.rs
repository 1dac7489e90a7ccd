use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, DictionaryArray, Int32Array, LargeStringArray, ListArray, NullArray, RecordBatch, StringViewArray,
    StructArray,
};
use arrow_schema::Fields;

use super::*;
use crate::testing::{Layout, batch, ipc_bytes};

fn everything() -> RecordBatch {
    let numbers: ArrayRef = Arc::new(Int32Array::from(vec![1, 2, 3]));
    let texts = ["a", "b", "a text that is too long to be inlined in a view"];
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1)]), None, Some(vec![])]);
    let item = Arc::new(Field::new("n", DataType::Int32, true));
    let inner = StructArray::new(Fields::from(vec![item]), vec![Arc::clone(&numbers)], None);
    batch([
        ("null", Arc::new(NullArray::new(3))),
        ("number", numbers),
        ("text", Arc::new(LargeStringArray::from_iter_values(texts))),
        ("view", Arc::new(StringViewArray::from_iter_values(texts))),
        ("list", Arc::new(list)),
        ("struct", Arc::new(inner)),
        ("dictionary", Arc::new(DictionaryArray::<Int32Type>::from_iter(texts))),
    ])
}

#[test]
fn each_column_has_its_buffers() {
    let batch = everything();
    let bytes = ipc_bytes(Layout::Stream, None, std::slice::from_ref(&batch));
    let file = tempfile::NamedTempFile::new().expect("writable");
    std::fs::write(file.path(), bytes).expect("writable");
    let source = crate::wire::Source::open(file.path()).expect("there");
    let mut at = 0;
    let frame = loop {
        let frame = source.frame(at).expect("whole").expect("a batch");
        if frame.kind() == arrow_ipc::MessageHeader::RecordBatch {
            break frame;
        }
        at = frame.end();
    };
    let message = frame.message(source.path()).expect("ours");
    let ipc = message.header_as_record_batch().expect("a batch");
    let counts = [0, 2, 3, 3, 4, 3, 2];
    for (index, count) in counts.into_iter().enumerate() {
        let wanted = wanted_buffers(&ipc, &batch.schema(), &[index], message.version()).expect("a schema of its own");
        let before: usize = counts[..index].iter().sum();
        let expected: Vec<bool> = (0..17).map(|buffer| (before..before + count).contains(&buffer)).collect();
        assert_eq!(wanted, expected, "column {index}");
    }
    let other = batch.schema().project(&[1, 2]).expect("two columns");
    assert!(wanted_buffers(&ipc, &other, &[0], message.version()).is_err());
}
