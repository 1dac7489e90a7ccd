//! Texts in order, each with its record number, written with what each shares with the one before it left out.
//!
//! An entry is: how many bytes are shared, how many follow (both LEB128), those that follow, the record number.

use crate::store::{RECORD_BYTES, record_bytes, record_number};

/// The longest that an entry's two lengths can be.
pub(crate) const MAX_LENGTHS: usize = 2 * MAX_VARINT;

/// Bytes of a 32-bit number in LEB128, at most.
const MAX_VARINT: usize = 5;

/// The lengths at the front of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lengths {
    shared: usize,
    own: usize,
    /// Bytes that the lengths themselves take.
    taken: usize,
}

/// What was decoded last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entry {
    pub(crate) text: Vec<u8>,
    pub(crate) record: u64,
}

/// Appends the entry of a text. It and the one before it are shorter than 4 GiB.
pub(crate) fn put_entry(out: &mut Vec<u8>, before: &[u8], text: &[u8], record: u64) {
    let shared = before.iter().zip(text).take_while(|(left, right)| left == right).count();
    put_varint(out, shared);
    put_varint(out, text.len() - shared);
    out.extend_from_slice(&text[shared..]);
    out.extend_from_slice(&record_bytes(record));
}

impl Lengths {
    /// Those at the front of `bytes`; nothing where there are none.
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        let (shared, first) = varint(bytes)?;
        let (own, second) = varint(&bytes[first..])?;
        Some(Self { shared, own, taken: first + second })
    }

    /// Bytes of the whole entry.
    pub(crate) fn entry(self) -> usize {
        self.taken + self.own + RECORD_BYTES
    }

    /// The text of an entry that shares nothing.
    pub(crate) fn own_text(self, entry: &[u8]) -> Option<&[u8]> {
        entry.get(self.taken..self.taken + self.own)
    }
}

impl Entry {
    /// Makes this entry the one at the front of `bytes`, which follows it, and says how many bytes that took; nothing where
    /// `bytes` hold no whole entry that could follow.
    pub(crate) fn advance(&mut self, bytes: &[u8]) -> Option<usize> {
        let lengths = Lengths::of(bytes)?;
        let own = lengths.own_text(bytes)?;
        let record = record_number(&bytes[lengths.taken + lengths.own..])?;
        if lengths.shared > self.text.len() {
            return None;
        }
        self.text.truncate(lengths.shared);
        self.text.extend_from_slice(own);
        self.record = record;
        Some(lengths.entry())
    }
}

fn put_varint(out: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// A number and the bytes that it took.
fn varint(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut number = 0_u64;
    for (place, byte) in bytes.iter().take(MAX_VARINT).enumerate() {
        number |= u64::from(byte & 0x7F) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((u32::try_from(number).ok()? as usize, place + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_comes_back() {
        let long = "x".repeat(70_000);
        let texts = ["", "a", "a", "ab", "b_1", "b_10", &long, "é"];
        let mut out = Vec::new();
        let mut before = "";
        for (record, text) in (7..).zip(texts) {
            put_entry(&mut out, before.as_bytes(), text.as_bytes(), record);
            before = text;
        }
        let (mut entry, mut at) = (Entry::default(), 0);
        for (record, text) in (7..).zip(texts) {
            at += entry.advance(&out[at..]).unwrap();
            assert_eq!((entry.text.as_slice(), entry.record), (text.as_bytes(), record));
        }
        assert_eq!(at, out.len());
        assert_eq!(entry.advance(&out[at..]), None);
    }

    #[test]
    fn what_was_cut_or_cannot_follow_is_nothing() {
        let mut out = Vec::new();
        put_entry(&mut out, b"ab", b"abc", 1);
        let mut entry = Entry::default();
        assert_eq!(entry.advance(&out), None, "two bytes of nothing are shared");
        entry.text = b"ab".to_vec();
        for end in 0..out.len() {
            assert_eq!(entry.clone().advance(&out[..end]), None);
        }
        assert_eq!(entry.advance(&out), Some(out.len()));
        assert_eq!(varint(&[0xFF; 9]), None);
        assert_eq!(varint(&[0xFF, 0xFF, 0xFF, 0xFF, 0x7F]), None, "more than 32 bits");
    }
}
