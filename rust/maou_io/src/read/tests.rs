use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, BinaryViewArray, DictionaryArray, Int16Array, LargeStringArray, StringViewArray};
use arrow_ipc::CompressionType;
use arrow_schema::DataType;
use tempfile::TempDir;

use super::*;
use crate::RecordKind;
use crate::testing::{LAYOUTS, Layout, batch, file, ipc_bytes, numbers};

mod joint;
mod memory_map;
mod offsets;
mod verification;

const COMPRESSIONS: [Option<CompressionType>; 3] =
    [None, Some(CompressionType::LZ4_FRAME), Some(CompressionType::ZSTD)];

fn load(bytes: &[u8]) -> Result<RecordBatch> {
    let (_directory, path) = file(bytes);
    load_feather_file(&path)
}

fn problem(bytes: &[u8]) -> String {
    match load(bytes) {
        Err(Error::Data { problem, .. }) => problem,
        other => panic!("expected bad data, got {other:?}"),
    }
}

/// Strings and binaries in several layouts, a dictionary, and numbers.
fn rich() -> RecordBatch {
    let texts = [Some("short"), None, Some("a text that is too long to be inlined in a view")];
    let columns: [(&str, ArrayRef); 6] = [
        ("views", Arc::new(StringViewArray::from_iter(texts))),
        ("large", Arc::new(LargeStringArray::from_iter(texts))),
        ("binary", Arc::new(BinaryViewArray::from_iter(texts.map(|text| text.map(str::as_bytes))))),
        ("dictionary", Arc::new(DictionaryArray::<Int32Type>::from_iter(texts))),
        ("eval", Arc::new(Int16Array::from(vec![Some(-3), None, Some(7)]))),
        ("same", Arc::new(Int16Array::from(vec![5; 3]))),
    ];
    batch(columns)
}

#[test]
fn reads_every_layout_and_compression_and_keeps_chunks() {
    for layout in LAYOUTS {
        for compression in COMPRESSIONS {
            let chunks = [numbers(0, 1000), numbers(1000, 3)];
            let (_directory, path) = file(&ipc_bytes(layout, compression, &chunks));

            assert_eq!(load_feather_batches(&path).unwrap(), chunks, "{layout:?} {compression:?}");
            assert_eq!(load_feather_file(&path).unwrap(), numbers(0, 1003));
            assert_eq!(BatchReader::open(&path).unwrap().count_rows().unwrap(), 1003);
            assert_eq!(load(&ipc_bytes(layout, compression, &[rich()])).unwrap(), rich());
        }
    }
}

#[test]
fn a_file_without_batches_is_an_empty_batch() {
    for layout in LAYOUTS {
        let empty = numbers(0, 0);
        assert_eq!(load(&ipc_bytes(layout, None, std::slice::from_ref(&empty))).unwrap(), empty);
    }
    let mut writer = arrow_ipc::writer::FileWriter::try_new(Vec::new(), &numbers(0, 0).schema()).unwrap();
    writer.finish().unwrap();
    let loaded = load(&writer.into_inner().unwrap()).unwrap();
    assert_eq!((loaded.num_rows(), loaded.schema()), (0, numbers(0, 0).schema()));
}

#[test]
fn dictionaries_of_a_stream_may_change() {
    let words = |words: [&str; 2]| {
        let column: DictionaryArray<Int32Type> = words.into_iter().collect();
        batch([("word", Arc::new(column) as ArrayRef)])
    };
    let loaded = load(&ipc_bytes(Layout::Stream, None, &[words(["a", "b"]), words(["c", "a"])])).unwrap();

    let column = loaded.column(0).as_dictionary::<Int32Type>().downcast_dict::<arrow_array::StringArray>().unwrap();
    assert_eq!(column.into_iter().flatten().collect::<Vec<_>>(), ["a", "b", "c", "a"]);
}

/// Written by `write_ipc` and `write_ipc_stream` of Polars 1.30, whose metadata is not aligned.
#[test]
fn files_of_old_polars_are_read() {
    let texts = [Some("a text that is too long to be inlined"), None, Some("short")];
    for bytes in
        [&include_bytes!("fixtures/polars-1.30-file.arrow")[..], include_bytes!("fixtures/polars-1.30-stream.arrow")]
    {
        let loaded = load(bytes).unwrap();
        assert_eq!(loaded.column(0).as_string_view(), &StringViewArray::from_iter(texts));
    }
}

#[test]
fn missing_files_and_directories_keep_their_kind() {
    let directory = tempfile::tempdir().unwrap();
    let kind = |path: &Path| match load_feather_file(path) {
        Err(Error::Io { source, path: named, .. }) if named == path => source.kind(),
        other => panic!("expected an I/O error, got {other:?}"),
    };

    assert_eq!(kind(&directory.path().join("missing.feather")), ErrorKind::NotFound);
    assert_eq!(kind(directory.path()), ErrorKind::IsADirectory);
}

#[cfg(unix)]
#[test]
fn what_is_no_file_is_not_waited_for() {
    let error = load_feather_file(Path::new("/dev/null")).unwrap_err();

    assert_eq!(error.to_string(), "/dev/null: it is no regular file");
}

#[test]
fn other_content_is_named() {
    assert!(problem(b"").contains("it is empty (0 bytes)"));
    assert!(problem(b"PAR1\x15\x04\x15").contains("a Parquet file"));
    assert!(problem(b"A").contains("no Arrow IPC file"));
    assert!(problem(b"id,eval\n1,35\n").contains("no Arrow IPC file"));
    assert!(problem(&[0xff; 64]).contains("no Arrow IPC file"));
    assert!(problem(&[0; 64]).contains("no Arrow IPC file"));
    assert!(problem(b"ARROW1").contains("truncated"));
    assert!(problem(b"ARROW1\0\0ARROW1").contains("truncated"));
}

#[test]
fn a_truncated_file_is_an_error_wherever_it_is_cut() {
    let bytes = ipc_bytes(Layout::File, Some(CompressionType::LZ4_FRAME), &[rich(), rich()]);

    for length in 0..bytes.len() {
        problem(&bytes[..length]);
    }
}

#[test]
fn a_truncated_stream_is_an_error_unless_it_is_cut_between_messages() {
    let chunks = [numbers(0, 20), numbers(20, 20)];
    let bytes = ipc_bytes(Layout::Stream, None, &chunks);

    let read: Vec<_> =
        (0..bytes.len()).filter_map(|length| load(&bytes[..length]).ok()).map(|batch| batch.num_rows()).collect();

    // After the schema, after each batch, and after the length of the end marker was cut off.
    assert_eq!(read, [0, 20, 40]);
}

#[test]
fn flipped_bits_never_panic() {
    // The messages are the same in both layouts; of the file, its footer is what is left to try.
    let tried = COMPRESSIONS.map(|compression| (Layout::Stream, compression));
    for (layout, compression) in tried.into_iter().chain([(Layout::File, COMPRESSIONS[1])]) {
        let bytes = ipc_bytes(layout, compression, &[rich()]);
        for position in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[position] ^= 1 << (position % 8);
            // Either is fine: not every byte is checked by something. What is read has to be usable.
            if let Ok(batch) = load(&damaged) {
                for column in batch.columns() {
                    column.to_data().validate_full().unwrap();
                }
            }
        }
    }
}

#[test]
fn announced_sizes_are_held_against_the_file() {
    let zeros = batch([("zeros", Arc::new(Int16Array::from(vec![0; 10_000])) as ArrayRef)]);
    let bytes = ipc_bytes(Layout::Stream, Some(CompressionType::LZ4_FRAME), &[zeros]);
    let sizes = (10_000_i64 * 2).to_le_bytes();
    let position = bytes.windows(8).position(|window| window == sizes).unwrap();

    for size in [i64::MAX, 1 << 45, -2] {
        let mut damaged = bytes.clone();
        damaged[position..position + 8].copy_from_slice(&size.to_le_bytes());
        let problem = problem(&damaged);
        assert!(problem.contains("announce"), "{problem}");
    }
}

#[test]
fn an_error_ends_the_reader() {
    let bytes = ipc_bytes(Layout::Stream, None, &[numbers(0, 20), numbers(20, 20)]);
    let (_directory, path) = file(&bytes[..bytes.len() - 20]);
    let mut reader = BatchReader::open(&path).unwrap();

    assert_eq!(reader.next().unwrap().unwrap().num_rows(), 20);
    assert!(reader.next().unwrap().is_err());
    assert!(reader.next().is_none());
}

#[test]
fn a_record_of_another_kind_names_file_and_columns() {
    let (_directory, path) = file(&ipc_bytes(Layout::File, None, &[numbers(0, 1)]));

    let error = load_record(RecordKind::Hcpe, &path).unwrap_err();

    let message = error.to_string();
    assert!(matches!(error, Error::Schema { .. }));
    assert!(message.starts_with(path.to_str().unwrap()), "{message}");
    assert!(message.contains("unexpected columns `n`, `name`"), "{message}");
}

#[test]
fn columns_and_rows_can_be_selected() {
    let chunks = [numbers(0, 1000), numbers(1000, 3), numbers(1003, 500)];
    let whole = numbers(0, 1503);
    for layout in LAYOUTS {
        for compression in COMPRESSIONS {
            let (_directory, path) = file(&ipc_bytes(layout, compression, &chunks));
            for columns in [&["n"][..], &["name"], &["name", "n"], &["n", "name"], &["n", "n"]] {
                for rows in [0..u64::MAX, 0..10, 990..1010, 1000..1003, 1003..1004, 1500..9000, 2000..3000, 7..7] {
                    let open =
                        || BatchReader::open(&path).unwrap().with_columns(columns).unwrap().with_rows(rows.clone());
                    let indices: Vec<_> = columns.iter().map(|name| whole.schema().index_of(name).unwrap()).collect();
                    let start = rows.start.min(1503) as usize;
                    let end = rows.end.min(1503) as usize;
                    let expected = whole.project(&indices).unwrap().slice(start, end - start);
                    let schema = open().schema();
                    for batches in [open().read_all().unwrap(), open().collect::<Result<Vec<_>>>().unwrap()] {
                        let loaded = concat(&schema, batches).unwrap();
                        assert_eq!(loaded, expected, "{columns:?} {rows:?} {layout:?} {compression:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn of_every_type_a_column_can_be_selected() {
    for compression in COMPRESSIONS {
        let (_directory, path) = file(&ipc_bytes(Layout::File, compression, &[rich()]));
        for (index, field) in rich().schema().fields().iter().enumerate() {
            let batches = BatchReader::open(&path).unwrap().with_columns(&[field.name()]).unwrap().read_all().unwrap();
            assert_eq!(batches, [rich().project(&[index]).unwrap()]);
        }
    }
}

#[test]
fn a_column_that_is_not_there_is_named_with_those_that_are() {
    let (_directory, path) = file(&ipc_bytes(Layout::File, None, &[numbers(0, 1)]));
    let error = BatchReader::open(&path).unwrap().with_columns(&["n", "m"]).unwrap_err().to_string();
    assert!(error.contains("no column `m`: there are `n`, `name`"), "{error}");
}

#[test]
fn what_is_not_selected_is_not_looked_at() {
    let batch = numbers(0, 1000);
    let mut bytes = ipc_bytes(Layout::File, Some(CompressionType::LZ4_FRAME), std::slice::from_ref(&batch));
    // The names are the last to be written: everything before the footer, which repeats the schema, is theirs.
    let footer = i32::from_le_bytes(*bytes[bytes.len() - 10..].first_chunk().unwrap()) as usize;
    let end = bytes.len() - 10 - footer;
    for byte in &mut bytes[end - 600..end - 100] {
        *byte = 0xff;
    }
    let (_directory, path) = file(&bytes);
    assert!(load_feather_file(&path).is_err());
    let numbers = BatchReader::open(&path).unwrap().with_columns(&["n"]).unwrap().read_all().unwrap();
    assert_eq!(numbers, [batch.project(&[0]).unwrap()]);
}

/// Every type that can be read in parts, with nulls.
fn steppable(rows: i32) -> RecordBatch {
    use arrow_array::types::{Int16Type, UInt8Type};
    use arrow_array::{BinaryArray, BooleanArray, FixedSizeListArray, Float32Array, LargeBinaryArray, LargeListArray};
    use arrow_array::{ListArray, NullArray, StringArray};

    let some = |n: i32| (n % 7 != 3).then_some(n);
    let text = |n: i32| some(n).map(|n| "将棋 ".repeat((n % 5) as usize) + &n.to_string());
    let range = || 0..rows;
    let columns: [(&str, ArrayRef); 11] = [
        ("null", Arc::new(NullArray::new(rows as usize))),
        ("bool", Arc::new(range().map(|n| some(n).map(|n| n % 3 == 0)).collect::<BooleanArray>())),
        ("int", Arc::new(range().map(|n| some(n).map(|n| n as i16)).collect::<Int16Array>())),
        ("float", Arc::new(Float32Array::from_iter_values(range().map(|n| n as f32 / 3.0)))),
        ("text", Arc::new(range().map(text).collect::<StringArray>())),
        ("large_text", Arc::new(range().map(text).collect::<LargeStringArray>())),
        ("binary", Arc::new(range().map(text).collect::<BinaryArray>())),
        ("large_binary", Arc::new(range().map(text).collect::<LargeBinaryArray>())),
        (
            "list",
            Arc::new(ListArray::from_iter_primitive::<Int16Type, _, _>(
                range().map(|n| some(n).map(|n| (0..n % 4).map(|m| Some(m as i16)))),
            )),
        ),
        (
            "large_list",
            Arc::new(LargeListArray::from_iter_primitive::<UInt8Type, _, _>(
                range().map(|n| some(n).map(|n| (0..n % 11).map(|m| (m % 3 != 1).then_some(m as u8)))),
            )),
        ),
        (
            "fixed",
            Arc::new(FixedSizeListArray::from_iter_primitive::<UInt8Type, _, _>(
                range().map(|n| some(n).map(|n| (0..9).map(move |m| Some((n + m) as u8)))),
                9,
            )),
        ),
    ];
    batch(columns)
}

#[test]
fn a_batch_can_be_read_in_parts() {
    let whole = steppable(1501);
    let ours = {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.feather");
        crate::save_feather_file(&whole, &path).unwrap();
        fs::read(path).unwrap()
    };
    let others = COMPRESSIONS.map(|compression| ipc_bytes(Layout::Stream, compression, std::slice::from_ref(&whole)));
    for bytes in others.into_iter().chain([ours]) {
        let (_directory, path) = file(&bytes);
        for steps in [300, 5_000, 50_000] {
            for rows in [0..u64::MAX, 0..1, 700..1301, 1490..1501] {
                let open = || BatchReader::open(&path).unwrap().with_rows(rows.clone()).with_steps(steps);
                let parts = open().collect::<Result<Vec<_>>>().unwrap();
                let (start, end) = (rows.start.min(1501) as usize, rows.end.min(1501) as usize);
                assert!(parts.len() > 1 || end - start < 700, "{} parts", parts.len());
                assert_eq!(
                    concat(&whole.schema(), parts).unwrap(),
                    whole.slice(start, end - start),
                    "{steps} {rows:?}"
                );
                let columns = ["text", "null", "fixed", "text"];
                let parts = open().with_columns(&columns).unwrap();
                let schema = parts.schema();
                let parts = concat(&schema, parts.collect::<Result<Vec<_>>>().unwrap()).unwrap();
                let indices = columns.map(|name| whole.schema().index_of(name).unwrap());
                assert_eq!(parts, whole.project(&indices).unwrap().slice(start, end - start));
            }
        }
    }
}

#[test]
fn a_batch_that_cannot_be_read_in_parts_is_read_whole() {
    let (_directory, path) = file(&ipc_bytes(Layout::File, None, &[rich()]));
    let parts = BatchReader::open(&path).unwrap().with_steps(1).collect::<Result<Vec<_>>>().unwrap();
    assert_eq!(parts, [rich()]);
}

#[test]
fn damage_in_a_part_is_an_error() {
    let whole = steppable(500);
    for compression in COMPRESSIONS {
        let bytes = ipc_bytes(Layout::Stream, compression, std::slice::from_ref(&whole));
        for byte in (0..bytes.len()).step_by(61) {
            let mut damaged = bytes.clone();
            damaged[byte] ^= 0x44;
            let (_directory, path) = file(&damaged);
            // An error, or other values.
            let Ok(reader) = BatchReader::open(&path) else { continue };
            let rows: usize = reader.with_steps(2_000).map_while(Result::ok).map(|part| part.num_rows()).sum();
            assert!(rows <= 1 << 24);
        }
    }
}

#[test]
fn a_reader_ends_after_an_error_within_a_batch_too() {
    let whole = steppable(1500);
    let mut bytes = ipc_bytes(Layout::Stream, Some(CompressionType::LZ4_FRAME), std::slice::from_ref(&whole));
    let end = bytes.len();
    bytes[end - 200..end - 100].fill(0xff);
    let (_directory, path) = file(&bytes);
    let mut reader = BatchReader::open(&path).unwrap().with_steps(2_000);
    let error = reader.find(Result::is_err);
    assert!(error.is_some() && reader.next().is_none());
}

#[test]
fn what_is_left_of_a_batch_is_still_to_come() {
    let whole = steppable(1500);
    let (_directory, path) = file(&ipc_bytes(Layout::File, None, &[whole.clone(), whole.clone()]));
    let mut reader = BatchReader::open(&path).unwrap().with_steps(5_000);
    let first = reader.next().unwrap().unwrap();
    let rest: usize = reader.read_all().unwrap().iter().map(RecordBatch::num_rows).sum();
    assert_eq!(first.num_rows() + rest, 3000);
}
