use std::path::Path;

use crate::error::{Error, Result};
use crate::read::{BatchReader, STEP_BYTES, footer, frame_at};
use crate::wire::{Frame, Hasher, Source};

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

/// Bytes that are hashed at a time.
const CHUNK: usize = 1 << 20;

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
    let reader = BatchReader::open(path)?;
    let checksums = if reader.is_stream() { false } else { hold_against_checksums(path)? };
    let mut verified = Verified { rows: 0, batches: 0, checksums };
    for batch in reader.with_steps(STEP_BYTES) {
        verified.rows += batch?.num_rows() as u64;
        verified.batches += 1;
    }
    Ok(verified)
}

/// `false`: the file has none.
fn hold_against_checksums(path: &Path) -> Result<bool> {
    let source = Source::open(path)?;
    let footer = footer(&source)?;
    let Some(checksums) = footer.checksums else { return Ok(false) };
    let mut offsets: Vec<u64> = footer.dictionaries.into_iter().chain(footer.batches).collect();
    offsets.sort_unstable();
    // Behind the magic.
    offsets.insert(0, 8);
    if offsets.len() != checksums.as_slice().len() {
        let (there, found) = (checksums.as_slice().len(), offsets.len());
        return Err(source.bad(format!("its footer has {there} checksums for {found} messages")));
    }
    let mut buffer = vec![0; CHUNK];
    for (offset, expected) in offsets.into_iter().zip(checksums.as_slice()) {
        let frame = frame_at(&source, offset)?;
        if hash(&source, &frame, &mut buffer)? != *expected {
            let end = frame.end();
            return Err(Error::data(
                path,
                format!(
                    "it is damaged: bytes {offset} to {end} are not those that were written. Restore it from a copy, \
                     or make it again"
                ),
            ));
        }
    }
    Ok(true)
}

fn hash(source: &Source, frame: &Frame, buffer: &mut [u8]) -> Result<u64> {
    let mut hasher = Hasher::default();
    let (mut at, end) = (frame.body_offset(), frame.end());
    while at < end {
        let len = usize::try_from(end - at).map_or(buffer.len(), |left| left.min(buffer.len()));
        source.read_exact_at(&mut buffer[..len], at)?;
        hasher.update(&buffer[..len]);
        at += len as u64;
    }
    // Metadata is at most 2 GiB, and in the file: its length was checked.
    let header = source.read(frame.offset(), (frame.body_offset() - frame.offset()) as usize)?;
    Ok(hasher.finish(&header))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
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
