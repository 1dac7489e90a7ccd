use std::path::Path;

use crate::error::Result;
use crate::read::{BatchReader, STEP_BYTES};

/// What [`verify`] found out about a file that is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// Rows in all batches.
    pub rows: u64,
    /// Record batches.
    pub batches: usize,
    /// Whether the file has checksums, and every byte of its messages was held against them. Files of other writers, and
    /// streams, have none: of these it is known that they can be read.
    pub checksums: bool,
}

/// Reads all of a file, and holds it against the checksums in its footer.
///
/// One batch is in memory at a time, of a large one [`STEP_BYTES`](crate::STEP_BYTES).
///
/// # Errors
///
/// [`Error::Io`] when the file cannot be read, [`Error::Data`] when a byte of it has changed since it was written, or when
/// it cannot be read as Arrow IPC.
///
/// ```
/// # use std::sync::Arc;
/// # use arrow_array::{Int16Array, RecordBatch};
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("a.feather");
/// # let batch = RecordBatch::try_from_iter([("eval", Arc::new(Int16Array::from(vec![1, 2])) as _)])?;
/// maou_io::save_feather_file(&batch, &path)?;
/// let verified = maou_io::verify(&path)?;
/// assert_eq!((verified.rows, verified.checksums), (2, true));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn verify(path: &Path) -> Result<Verified> {
    let (reader, checksums) = BatchReader::open(path)?.with_verification_if_possible()?;
    // A large batch is given in parts.
    let (_, batches) = reader.tally()?;
    let mut verified = Verified { rows: 0, batches, checksums };
    for part in reader.with_steps(STEP_BYTES) {
        // Rows of nulls take no bytes: there can be any number.
        verified.rows = verified.rows.saturating_add(part?.num_rows() as u64);
    }
    Ok(verified)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::error::Error;
    use crate::testing::{Layout, ipc_bytes, numbers};
    use crate::write::save_feather_batches;

    #[test]
    fn every_byte_of_a_message_counts() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.feather");
        save_feather_batches(&[numbers(0, 500), numbers(500, 3)], &path).unwrap();
        assert_eq!(verify(&path).unwrap(), Verified { rows: 503, batches: 2, checksums: true });

        let whole = fs::read(&path).unwrap();
        let footer = i32::from_le_bytes(*whole[whole.len() - 10..].first_chunk().unwrap()) as usize;
        // Eight bytes before the footer end the stream, and say nothing.
        let end = whole.len() - 10 - footer - 8;
        for byte in (8..end).step_by(7) {
            let mut damaged = whole.clone();
            damaged[byte] ^= 0x10;
            fs::write(&path, damaged).unwrap();
            assert!(matches!(verify(&path), Err(Error::Data { .. })), "byte {byte} of {end}");
        }
    }

    #[test]
    fn lengths_in_the_footer_count() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.feather");
        save_feather_batches(&[numbers(0, 500), numbers(500, 3)], &path).unwrap();
        let whole = fs::read(&path).unwrap();
        let footer = i32::from_le_bytes(*whole[whole.len() - 10..].first_chunk().unwrap()) as usize;
        let start = whole.len() - 10 - footer;
        let footer = arrow_ipc::root_as_footer(&whole[start..][..footer]).unwrap();

        for block in footer.recordBatches().unwrap() {
            let block = block.0;
            let at = start + whole[start..].windows(block.len()).position(|bytes| bytes == block).unwrap();
            // Behind the offset: four bytes for the metadata, four that pad, eight for the body.
            for byte in (8..12).chain(16..24) {
                let mut damaged = whole.clone();
                damaged[at + byte] ^= 1;
                fs::write(&path, damaged).unwrap();
                assert!(matches!(verify(&path), Err(Error::Data { .. })), "byte {byte} of a block");
            }
        }
    }

    #[test]
    fn files_of_others_are_read_and_have_no_checksums() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.feather");
        for layout in [Layout::File, Layout::Stream] {
            fs::write(&path, ipc_bytes(layout, None, &[numbers(0, 10)])).unwrap();
            assert_eq!(verify(&path).unwrap(), Verified { rows: 10, batches: 1, checksums: false });
        }
        assert!(matches!(verify(&directory.path().join("none")), Err(Error::Io { .. })));
    }
}
