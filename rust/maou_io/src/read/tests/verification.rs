//! Files that are held against their checksums while they are read.

use super::*;

fn verified(path: &Path) -> Result<BatchReader> {
    BatchReader::open(path)?.with_verification(true)
}

/// Saved by us, with a dictionary.
fn saved() -> (TempDir, PathBuf, Vec<RecordBatch>) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.feather");
    let batches = vec![rich(), rich().slice(1, 2)];
    crate::save_feather_batches(&batches, &path).unwrap();
    (directory, path, batches)
}

#[test]
fn whatever_byte_changes_what_is_read_is_what_was_written() {
    let (_directory, path, batches) = saved();
    assert_eq!(verified(&path).unwrap().read_all().unwrap(), batches);
    let whole = fs::read(&path).unwrap();
    let mut found = 0;
    for byte in (0..whole.len()).step_by(3) {
        let mut damaged = whole.clone();
        damaged[byte] ^= 1 << (byte % 8);
        fs::write(&path, damaged).unwrap();
        for map in [false, true] {
            let reader = verified(&path).and_then(|reader| reader.with_memory_map(map));
            match reader.and_then(BatchReader::read_all) {
                Ok(read) => assert_eq!(read, batches, "byte {byte}"),
                Err(_) => found += 1,
            }
        }
    }
    // But for padding around the messages and unused bytes in the footer.
    assert!(found * 3 > whole.len(), "{found} of {}", whole.len() * 2 / 3);
}

#[test]
fn a_column_is_checked_with_all_of_its_batch() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.feather");
    crate::save_feather_batches(&[numbers(0, 1000), numbers(1000, 1000)], &path).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let footer = i32::from_le_bytes(*bytes[bytes.len() - 10..].first_chunk().unwrap()) as usize;
    // In the names of the second batch.
    let place = bytes.len() - 10 - footer - 600;
    bytes[place] ^= 1;
    fs::write(&path, bytes).unwrap();
    let numbers_of = |rows| verified(&path).unwrap().with_columns(&["n"]).unwrap().with_rows(rows);
    assert!(numbers_of(0..1000).read_all().is_ok());
    for rows in [0..2000, 1500..1501] {
        let errors = [numbers_of(rows.clone()).read_all().map(drop), numbers_of(rows).try_for_each(|b| b.map(drop))];
        for error in errors {
            let error = error.unwrap_err().to_string();
            assert!(error.contains("it is damaged: bytes"), "{error}");
        }
    }
}

#[test]
fn what_has_no_checksums_says_what_would_help() {
    for layout in LAYOUTS {
        let (_directory, path) = file(&ipc_bytes(layout, None, &[numbers(0, 10)]));
        let error = verified(&path).unwrap_err().to_string();
        assert!(error.contains("it has no checksums") && error.contains("Save it again with maou"), "{error}");
    }
}

#[test]
fn checksums_that_cannot_be_read_are_damage_where_they_are_asked_for() {
    let (_directory, path, batches) = saved();
    let mut bytes = fs::read(&path).unwrap();
    let is_text = |window: &[u8]| window[16] == b',' && window[..16].iter().all(u8::is_ascii_hexdigit);
    let at = bytes.windows(17).position(is_text).unwrap();
    bytes[at] ^= 0x40;
    fs::write(&path, bytes).unwrap();

    for error in [verified(&path).map(|_| ()), crate::verify(&path).map(|_| ())] {
        let error = error.unwrap_err();
        assert!(
            matches!(&error, Error::Data { problem, .. } if problem.contains("the checksums in its footer")),
            "{error}"
        );
    }
    assert_eq!(load_feather_batches(&path).unwrap(), batches);
}
