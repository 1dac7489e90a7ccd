//! Files that are read where they are.

use std::ops::Range;

use arrow_data::ArrayData;
use arrow_ipc::MetadataVersion;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions};

use super::*;

fn mapped(path: &Path) -> BatchReader {
    BatchReader::open(path).unwrap().with_memory_map(true).unwrap()
}

/// Where the file is in memory.
fn addresses(reader: &BatchReader) -> Range<usize> {
    let len = reader.source.len() as usize;
    let bytes = reader.source.mapped_bytes(0, len).unwrap().unwrap();
    bytes.as_ptr_range().start as usize..bytes.as_ptr_range().end as usize
}

/// How many bytes of `data` lie within `file`, and how many do not.
fn shared(data: &ArrayData, file: &Range<usize>) -> (usize, usize) {
    let nulls = data.nulls().map(|nulls| nulls.buffer());
    let own = data.buffers().iter().chain(nulls).fold((0, 0), |(within, outside), buffer| {
        if file.contains(&(buffer.as_ptr() as usize)) {
            (within + buffer.len(), outside)
        } else {
            (within, outside + buffer.len())
        }
    });
    data.child_data().iter().fold(own, |(within, outside), child| {
        let (more, others) = shared(child, file);
        (within + more, outside + others)
    })
}

#[test]
fn what_is_mapped_is_what_is_read() {
    for layout in LAYOUTS {
        for compression in COMPRESSIONS {
            for chunks in [vec![steppable(1501), steppable(77)], vec![rich()], vec![numbers(0, 0)]] {
                let (_directory, path) = file(&ipc_bytes(layout, compression, &chunks));
                assert_eq!(mapped(&path).read_all().unwrap(), chunks, "{layout:?} {compression:?}");
                assert_eq!(mapped(&path).collect::<Result<Vec<_>>>().unwrap(), chunks);
                let schema = chunks[0].schema();
                let whole = concat(&schema, chunks.clone()).unwrap();
                let parts = mapped(&path).with_steps(5_000).with_rows(1..1550).collect::<Result<Vec<_>>>().unwrap();
                let (start, end) = (1.min(whole.num_rows()), 1550.min(whole.num_rows()));
                assert_eq!(concat(&schema, parts).unwrap(), whole.slice(start, end - start));
                let last = schema.fields().len() - 1;
                let name = schema.field(last).name().clone();
                let column = mapped(&path).with_columns(&[name]).unwrap().read_one().unwrap();
                assert_eq!(column, whole.project(&[last]).unwrap());
            }
        }
    }
}

#[test]
fn nothing_of_an_uncompressed_file_is_copied() {
    for layout in LAYOUTS {
        let (_directory, path) = file(&ipc_bytes(layout, None, &[steppable(1501), steppable(77)]));
        let reader = mapped(&path);
        let within = addresses(&reader);
        // Larger than a step, and given as it is: it takes no memory.
        let batches = reader.with_steps(1_000).collect::<Result<Vec<_>>>().unwrap();
        assert_eq!(batches.len(), 2);
        for column in batches.iter().flat_map(RecordBatch::columns) {
            let (_, copied) = shared(&column.to_data(), &within);
            assert_eq!(copied, 0, "{}", column.data_type());
        }
    }
}

#[test]
fn the_file_may_be_replaced_and_removed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.feather");
    fs::write(&path, ipc_bytes(Layout::File, None, &[numbers(0, 5000)])).unwrap();
    let batches = mapped(&path).read_all().unwrap();
    if cfg!(unix) {
        crate::save_feather_file(&numbers(7, 3), &path).unwrap();
        fs::remove_file(&path).unwrap();
    }
    assert_eq!(batches, [numbers(0, 5000)]);
}

#[test]
fn what_is_not_aligned_is_copied() {
    let options = IpcWriteOptions::try_new(8, false, MetadataVersion::V5).unwrap();
    let mut writer = FileWriter::try_new_with_options(Vec::new(), &rich().schema(), options).unwrap();
    writer.write(&rich()).unwrap();
    let (_directory, path) = file(&writer.into_inner().unwrap());
    assert_eq!(mapped(&path).read_one().unwrap(), rich());
}

#[test]
fn a_file_that_grows_is_not_mapped() {
    let (_directory, path) = file(&ipc_bytes(Layout::Stream, None, &[numbers(0, 10)]));
    let reader = BatchReader::open(&path).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    bytes.push(0);
    fs::write(&path, bytes).unwrap();
    let error = reader.with_memory_map(true).unwrap_err().to_string();
    assert!(error.contains("it is being written to"), "{error}");
}

#[test]
fn damage_in_a_mapping_is_found() {
    let bytes = ipc_bytes(Layout::Stream, None, &[rich()]);
    for position in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[position] ^= 1 << (position % 8);
        let (_directory, path) = file(&damaged);
        let Ok(reader) = BatchReader::open(&path) else { continue };
        if let Ok(batch) = reader.with_memory_map(true).unwrap().read_one() {
            batch.columns().iter().for_each(|column| column.to_data().validate_full().unwrap());
        }
    }
}
