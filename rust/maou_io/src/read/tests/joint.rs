//! Files of several batches that are read as one.

use arrow_array::types::UInt8Type;
use arrow_array::{FixedSizeListArray, Float32Array};

use super::*;

/// Columns that are put one behind the other, among others that are not. Without nulls, unless `holed`.
fn mixed(first: i32, rows: i32, holed: bool) -> RecordBatch {
    let range = || first..first + rows;
    let board = |n: i32| Some((0..9).map(move |m| Some((n + m) as u8)));
    let eval = |n: i32| (!holed || n % 5 != 0).then_some(n as i16);
    let columns: [(&str, ArrayRef); 5] = [
        ("name", Arc::clone(numbers(first, rows).column(1))),
        ("eval", Arc::new(range().map(eval).collect::<Int16Array>())),
        ("board", Arc::new(FixedSizeListArray::from_iter_primitive::<UInt8Type, _, _>(range().map(board), 9))),
        ("null", Arc::new(arrow_array::NullArray::new(rows as usize))),
        ("rate", Arc::new(Float32Array::from_iter_values(range().map(|n| n as f32 / 3.0)))),
    ];
    batch(columns)
}

#[test]
fn all_rows_come_in_order_whatever_their_batches() {
    for layout in LAYOUTS {
        for compression in COMPRESSIONS {
            for holed in [false, true] {
                let sizes = [7, 0, 1000, 1, 130];
                let mut chunks = Vec::new();
                let mut first = 0;
                for (index, rows) in sizes.into_iter().enumerate() {
                    chunks.push(mixed(first, rows, holed && index == 2));
                    first += rows;
                }
                let whole = concat(&chunks[0].schema(), chunks.clone()).unwrap();
                let (_directory, path) = file(&ipc_bytes(layout, compression, &chunks));
                for map in [false, true] {
                    let open = || BatchReader::open(&path).unwrap().with_memory_map(map).unwrap();
                    assert_eq!(open().read_one().unwrap(), whole, "{layout:?} {compression:?} {holed}");
                    for rows in [0..7, 3..9, 5..1138, 1007..1008, 1000..5000, 2000..3000] {
                        let start = rows.start.min(1138) as usize;
                        let expected = whole.slice(start, rows.end.min(1138) as usize - start);
                        assert_eq!(open().with_rows(rows.clone()).read_one().unwrap(), expected, "{rows:?}");
                        for columns in [&["board"][..], &["rate", "name", "rate"], &["null", "eval"]] {
                            let part = open().with_columns(columns).unwrap().with_rows(rows.clone());
                            let indices: Vec<_> =
                                columns.iter().map(|name| whole.schema().index_of(name).unwrap()).collect();
                            assert_eq!(part.read_one().unwrap(), expected.project(&indices).unwrap(), "{columns:?}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn damage_in_one_of_several_batches_is_an_error_or_other_values() {
    let chunks = [mixed(0, 40, false), mixed(40, 30, false)];
    for compression in COMPRESSIONS {
        let bytes = ipc_bytes(Layout::Stream, compression, &chunks);
        for position in (0..bytes.len()).step_by(3) {
            let mut damaged = bytes.clone();
            damaged[position] ^= 1 << (position % 8);
            if let Ok(batch) = load(&damaged) {
                batch.columns().iter().for_each(|column| column.to_data().validate_full().unwrap());
            }
        }
    }
}

#[test]
fn records_in_several_batches_become_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.feather");
    let schema = RecordKind::Stage1.schema();
    let records = |rows: usize| {
        let ids = arrow_array::UInt64Array::from_iter_values(0..rows as u64);
        let of = |index: usize, width: usize| -> ArrayRef {
            let DataType::FixedSizeList(item, length) = schema.field(index).data_type().clone() else { panic!() };
            let bytes: ArrayRef =
                Arc::new(arrow_array::UInt8Array::from_iter_values((0..rows * width).map(|n| (n % 251) as u8)));
            let values = match item.data_type() {
                DataType::FixedSizeList(inner, inner_length) => {
                    Arc::new(FixedSizeListArray::new(Arc::clone(inner), *inner_length, bytes, None)) as ArrayRef
                }
                _ => bytes,
            };
            Arc::new(FixedSizeListArray::new(item, length, values, None))
        };
        let columns = vec![Arc::new(ids) as ArrayRef, of(1, 81), of(2, 14), of(3, 81)];
        RecordBatch::try_new(Arc::clone(&schema), columns).unwrap()
    };
    let chunks = [records(300), records(20)];
    crate::save_feather_batches(&chunks, &path).unwrap();
    let whole = concat(&schema, chunks.to_vec()).unwrap();
    assert_eq!(load_record(RecordKind::Stage1, &path).unwrap(), whole);
    assert_eq!(load_feather_file(&path).unwrap(), whole);
}
