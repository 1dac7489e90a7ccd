//! Messages of Polars before 1.33, put right.
//!
//! Arrow IPC metadata is a flatbuffer, where a vector of 64-bit values starts at a multiple of 8. Polars 1.30 put the
//! one of `variadicBufferCounts`, which every batch with string columns has, at a multiple of 4. C++ never noticed; the
//! verifier in Rust rejects such files, and there are years of them.
//!
//! A copy of each misplaced vector is appended where it may be, and the one reference to it is changed. Nothing here
//! trusts the bytes: all access is checked, and the result goes through the verifier like any other message.

/// Slots of the tables in Message.fbs, as they are numbered in a flatbuffer.
mod slot {
    pub(super) const MESSAGE_HEADER_TYPE: usize = 1;
    pub(super) const MESSAGE_HEADER: usize = 2;
    pub(super) const DICTIONARY_DATA: usize = 1;
    /// Vectors of a record batch, with the size of their elements: nodes, buffers, variadicBufferCounts.
    pub(super) const BATCH_VECTORS: [(usize, usize); 3] = [(1, 16), (2, 16), (4, 8)];
}

/// Values of `MessageHeader` in Message.fbs.
const DICTIONARY_BATCH: u8 = 2;
const RECORD_BATCH: u8 = 3;

/// What 64-bit values have to be aligned to.
const ALIGNMENT: usize = 8;

/// The flatbuffer of a batch or dictionary message with its vectors aligned. Nothing if it is none.
pub(crate) fn realign(flatbuffer: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = flatbuffer.to_vec();
    let message = target(&bytes, 0)?;
    let header = target(&bytes, field(&bytes, message, slot::MESSAGE_HEADER)?)?;
    let batch = match *bytes.get(field(&bytes, message, slot::MESSAGE_HEADER_TYPE)?)? {
        RECORD_BATCH => header,
        DICTIONARY_BATCH => target(&bytes, field(&bytes, header, slot::DICTIONARY_DATA)?)?,
        _ => return None,
    };
    for (slot, element_size) in slot::BATCH_VECTORS {
        if let Some(reference) = field(&bytes, batch, slot) {
            realign_vector(&mut bytes, reference, element_size)?;
        }
    }
    Some(bytes)
}

/// Makes the offset at `reference` lead to a vector whose elements are aligned.
fn realign_vector(bytes: &mut Vec<u8>, reference: usize, element_size: usize) -> Option<()> {
    let start = target(bytes, reference)?;
    let first = start.checked_add(4)?;
    if first.is_multiple_of(ALIGNMENT) {
        return Some(());
    }
    let length = u32_at(bytes, start)?.checked_mul(element_size)?;
    let vector = bytes.get(start..first.checked_add(length)?)?.to_vec();
    // The elements come after the vector's length, which takes 4 bytes.
    let aligned = (bytes.len() + 4).next_multiple_of(ALIGNMENT) - 4;
    bytes.resize(aligned, 0);
    bytes.extend(vector);
    let offset = u32::try_from(aligned.checked_sub(reference)?).ok()?;
    bytes.get_mut(reference..reference.checked_add(4)?)?.copy_from_slice(&offset.to_le_bytes());
    Some(())
}

/// Where the field of `slot` is in the table at `table`. Nothing if the table does not have it.
fn field(bytes: &[u8], table: usize, slot: usize) -> Option<usize> {
    let distance = i32::from_le_bytes(chunk(bytes, table)?);
    let vtable = table.checked_add_signed(isize::try_from(distance).ok()?.checked_neg()?)?;
    // The vtable's own size and the table's come first.
    let place = 4 + 2 * slot;
    let vtable_size = usize::from(u16::from_le_bytes(chunk(bytes, vtable)?));
    let offset = if place < vtable_size { u16::from_le_bytes(chunk(bytes, vtable.checked_add(place)?)?) } else { 0 };
    (offset != 0).then(|| table + usize::from(offset))
}

/// Where the offset at `place` leads.
fn target(bytes: &[u8], place: usize) -> Option<usize> {
    place.checked_add(u32_at(bytes, place)?)
}

fn u32_at(bytes: &[u8], place: usize) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(chunk(bytes, place)?)).ok()
}

fn chunk<const N: usize>(bytes: &[u8], place: usize) -> Option<[u8; N]> {
    bytes.get(place..)?.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arbitrary_bytes_are_refused_and_never_panic() {
        let mut state = 1_u32;
        let mut bytes = [0_u8; 64];
        for _ in 0..100_000 {
            for byte in &mut bytes {
                // Small numbers are plausible offsets, and get further.
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *byte = if state >> 30 == 0 { (state >> 16) as u8 % 64 } else { 0 };
            }
            let _ = realign(&bytes);
        }
        assert_eq!(realign(&[]), None);
        assert_eq!(realign(&[0xff; 64]), None);
    }
}
