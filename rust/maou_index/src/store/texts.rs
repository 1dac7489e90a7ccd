//! String ids, in the order of their bytes, which for UTF-8 is that of the strings.
//!
//! A block holds [`BLOCK`] texts, each without what it shares with the one before it ([`crate::codec`]); the first shares
//! nothing. The directory has, for each block, the eight bytes of its first text that follow what *all* texts begin with,
//! as a number, and where the block begins. Finding a block compares numbers; texts only where those are equal.

use super::numbers::partition_point;
use super::u64_at;
use crate::codec::{Entry, Lengths, put_entry};

/// Texts of a block; the last one has fewer.
const BLOCK: u64 = 32;

/// Head and offset.
const DIRECTORY_BYTES: usize = 16;

/// Sorted, each text once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Texts<'a> {
    blocks: &'a [u8],
    directory: &'a [u8],
    common: &'a [u8],
}

/// Makes blocks and their directory of texts that come in order.
#[derive(Debug, Default)]
pub(crate) struct TextsBuilder {
    /// What all texts begin with.
    common: Vec<u8>,
    last: Vec<u8>,
    pub(crate) directory: Vec<u8>,
    pub(crate) count: u64,
    written: u64,
}

/// Goes from text to text.
#[derive(Debug)]
pub(crate) struct Walk<'a> {
    rest: &'a [u8],
    entry: Entry,
    /// Whether `entry` is still to be given.
    is_ahead: bool,
}

/// Bytes of the directory of so many texts; nothing where they cannot be counted.
pub(crate) fn directory_length(count: u64) -> Option<u64> {
    count.div_ceil(BLOCK).checked_mul(DIRECTORY_BYTES as u64)
}

impl TextsBuilder {
    /// `common` is what all texts begin with, or less.
    pub(crate) fn new(common: Vec<u8>) -> Self {
        Self { common, ..Self::default() }
    }

    /// Takes the next text, not below the one before it. Of equal ones the first counts.
    pub(crate) fn push(&mut self, text: &[u8], record: u64, blocks: &mut Vec<u8>) {
        if self.count > 0 && self.last == text {
            return;
        }
        if self.count.is_multiple_of(BLOCK) {
            self.last.clear();
            let head = head(text.get(self.common.len()..).unwrap_or_default());
            self.directory.extend_from_slice(&head.to_le_bytes());
            self.directory.extend_from_slice(&self.written.to_le_bytes());
        }
        let before = blocks.len();
        put_entry(blocks, &self.last, text, record);
        self.written += (blocks.len() - before) as u64;
        self.last.clear();
        self.last.extend_from_slice(text);
        self.count += 1;
    }

    pub(crate) fn into_parts(self) -> (Vec<u8>, Vec<u8>) {
        (self.common, self.directory)
    }
}

impl<'a> Texts<'a> {
    pub(crate) fn new(blocks: &'a [u8], directory: &'a [u8], common: &'a [u8]) -> Self {
        Self { blocks, directory, common }
    }

    pub(crate) fn find(&self, id: &[u8]) -> Option<u64> {
        let mut walk = self.from(id)?;
        let entry = walk.next_entry()?;
        (entry.text == id).then_some(entry.record)
    }

    pub(crate) fn with_prefix(&self, prefix: &str, limit: usize) -> Vec<String> {
        let mut ids = Vec::new();
        let Some(mut walk) = self.from(prefix.as_bytes()) else { return ids };
        while ids.len() < limit
            && let Some(entry) = walk.next_entry()
            && entry.text.starts_with(prefix.as_bytes())
        {
            ids.push(String::from_utf8_lossy(&entry.text).into_owned());
        }
        ids
    }

    /// All texts.
    pub(crate) fn walk(&self) -> Walk<'a> {
        Walk::new(self.blocks)
    }

    /// The texts that are not below `wanted`; nothing where there are none.
    fn from(&self, wanted: &[u8]) -> Option<Walk<'a>> {
        // In that block, or the first of the next.
        let mut walk = Walk::new(self.block(self.block_of(wanted)?)?);
        while walk.next_entry()?.text.as_slice() < wanted {}
        walk.is_ahead = true;
        Some(walk)
    }

    /// The last block that begins with `wanted` or less, or the first; nothing where all texts are less.
    fn block_of(&self, wanted: &[u8]) -> Option<usize> {
        let Some(rest) = wanted.strip_prefix(self.common) else {
            return (wanted < self.common).then_some(0);
        };
        let head = head(rest);
        let blocks = self.directory.len() / DIRECTORY_BYTES;
        let head_of = |block: usize| u64_at(self.directory, block * DIRECTORY_BYTES).unwrap_or(u64::MAX);
        let low = partition_point(blocks, |block| head_of(block) < head);
        let equal = partition_point(blocks - low, |block| head_of(low + block) == head);
        let not_above = partition_point(equal, |block| self.first_text(low + block).is_some_and(|text| text <= wanted));
        Some((low + not_above).saturating_sub(1))
    }

    fn first_text(&self, block: usize) -> Option<&'a [u8]> {
        let bytes = self.block(block)?;
        Lengths::of(bytes)?.own_text(bytes)
    }

    /// From the beginning of a block on.
    fn block(&self, block: usize) -> Option<&'a [u8]> {
        let start = u64_at(self.directory, block * DIRECTORY_BYTES + 8)?;
        self.blocks.get(usize::try_from(start).ok()?..)
    }
}

impl<'a> Walk<'a> {
    fn new(rest: &'a [u8]) -> Self {
        Self { rest, entry: Entry::default(), is_ahead: false }
    }

    /// The next text and its record.
    pub(crate) fn next_entry(&mut self) -> Option<&Entry> {
        if !std::mem::take(&mut self.is_ahead) {
            let taken = self.entry.advance(self.rest)?;
            self.rest = &self.rest[taken..];
        }
        Some(&self.entry)
    }
}

/// The first eight bytes as a number that sorts as they do; what is missing counts as zeros.
fn head(text: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    let length = text.len().min(8);
    bytes[..length].copy_from_slice(&text[..length]);
    u64::from_be_bytes(bytes)
}
