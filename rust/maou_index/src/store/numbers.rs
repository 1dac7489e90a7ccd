//! 64-bit ids, kept as numbers and served in the order of their decimal strings.
//!
//! The table is sorted by value: eight bytes compare faster than digits, and files are merged by it. Strings of one
//! length sort like their values, so the ids of one length that begin with a prefix are one run of the table:
//! `12` is `12`, then `120..130`, `1200..1300` and so on, at most 20 runs. A query merges those runs by their strings.
//!
//! A block holds [`BLOCK`] ids, a page of them, and behind them their record numbers. The directory has the first id of each
//! block: two bytes for every hundred records, so that finding the block touches memory that stays in a cache, and a lookup
//! one page more.

use std::cmp::Ordering;

use super::{RECORD_BYTES, record_bytes, record_number, u64_at};

/// Ids of a block; the last one has fewer.
pub(crate) const BLOCK: usize = 512;

const ID_BYTES: usize = 8;
const ENTRY_BYTES: usize = ID_BYTES + RECORD_BYTES;
const BLOCK_BYTES: usize = BLOCK * ENTRY_BYTES;

/// Digits of `u64::MAX`.
const MAX_DIGITS: u32 = 20;

/// Sorted by value, each value once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbers<'a> {
    blocks: &'a [u8],
    directory: &'a [u8],
    count: usize,
}

/// Makes blocks and their directory of ids that come in order.
#[derive(Debug)]
pub(crate) struct NumbersBuilder {
    /// A block to be: so many ids, and their records.
    ids: [u64; BLOCK],
    records: [u64; BLOCK],
    filled: usize,
    pub(crate) directory: Vec<u8>,
    last: Option<u64>,
    pub(crate) count: u64,
}

/// Entries that are still to be taken of one run: from here, below there.
struct Run {
    at: usize,
    head: u64,
    end: u128,
}

/// Bytes of the blocks and of the directory of so many ids; nothing where they cannot be counted.
pub(crate) fn lengths(count: u64) -> Option<(u64, u64)> {
    Some((count.checked_mul(ENTRY_BYTES as u64)?, count.div_ceil(BLOCK as u64).checked_mul(ID_BYTES as u64)?))
}

impl NumbersBuilder {
    pub(crate) fn new() -> Self {
        Self { ids: [0; BLOCK], records: [0; BLOCK], filled: 0, directory: Vec::new(), last: None, count: 0 }
    }

    /// Takes the next id, not below the one before it. Of equal ones the first counts. Gives a block when one is full.
    #[inline]
    pub(crate) fn push(&mut self, id: u64, record: u64, blocks: &mut Vec<u8>) {
        if self.last.replace(id) == Some(id) {
            return;
        }
        (self.ids[self.filled], self.records[self.filled]) = (id, record);
        self.filled += 1;
        self.count += 1;
        if self.filled == BLOCK {
            self.finish(blocks);
        }
    }

    /// Gives the last block.
    pub(crate) fn finish(&mut self, blocks: &mut Vec<u8>) {
        let filled = std::mem::take(&mut self.filled);
        if let Some(first) = self.ids[..filled].first() {
            self.directory.extend_from_slice(&first.to_le_bytes());
        }
        blocks.reserve(filled * ENTRY_BYTES);
        self.ids[..filled].iter().for_each(|id| blocks.extend_from_slice(&id.to_le_bytes()));
        self.records[..filled].iter().for_each(|record| blocks.extend_from_slice(&record_bytes(*record)));
    }
}

impl<'a> Numbers<'a> {
    pub(crate) fn new(blocks: &'a [u8], directory: &'a [u8], count: u64) -> Self {
        Self { blocks, directory, count: count as usize }
    }

    pub(crate) fn find(&self, id: &str) -> Option<u64> {
        let id = u64::try_from(parse_decimal(id)?).ok()?;
        let at = self.first_not_below(u128::from(id));
        (self.id(at)? == id).then(|| self.record(at)).flatten()
    }

    pub(crate) fn with_prefix(&self, prefix: &str, limit: usize) -> Vec<String> {
        let mut runs: Vec<Run> = value_ranges(prefix).into_iter().filter_map(|(from, to)| self.run(from, to)).collect();
        let mut ids = Vec::new();
        while ids.len() < limit
            && let Some(id) = self.take_least(&mut runs)
        {
            ids.push(id.to_string());
        }
        ids
    }

    /// The id and the record number at a place, by value.
    pub(crate) fn entry(&self, at: usize) -> Option<(u64, u64)> {
        Some((self.id(at)?, self.record(at)?))
    }

    /// The entries with `from <= id < to`; nothing where there are none.
    fn run(&self, from: u128, to: u128) -> Option<Run> {
        let at = self.first_not_below(from);
        let head = self.id(at).filter(|id| u128::from(*id) < to)?;
        Some(Run { at, head, end: to })
    }

    /// Takes from the run whose head is least as a string.
    fn take_least(&self, runs: &mut Vec<Run>) -> Option<u64> {
        let (place, run) =
            runs.iter_mut().enumerate().min_by(|(_, left), (_, right)| decimal_order(left.head, right.head))?;
        let taken = run.head;
        run.at += 1;
        match self.id(run.at).filter(|id| u128::from(*id) < run.end) {
            Some(next) => run.head = next,
            None => drop(runs.swap_remove(place)),
        }
        Some(taken)
    }

    /// The place of the first id that is not below `wanted`; past the end if all are.
    fn first_not_below(&self, wanted: u128) -> usize {
        let Ok(wanted) = u64::try_from(wanted) else { return self.count };
        // The last block that begins below: the blocks behind it begin with what is not, and so does the answer's place.
        let block = partition_point(self.directory.len() / ID_BYTES, |block| {
            u64_at(self.directory, block * ID_BYTES).is_some_and(|first| first < wanted)
        });
        let Some(block) = block.checked_sub(1) else { return 0 };
        let within = self.block(block);
        block * BLOCK
            + partition_point(within.len() / ENTRY_BYTES, |at| {
                u64_at(within, at * ID_BYTES).is_some_and(|id| id < wanted)
            })
    }

    #[inline]
    fn id(&self, at: usize) -> Option<u64> {
        u64_at(self.block(at / BLOCK), at % BLOCK * ID_BYTES).filter(|_| at < self.count)
    }

    fn record(&self, at: usize) -> Option<u64> {
        let block = self.block(at / BLOCK);
        let records = block.get(block.len() / ENTRY_BYTES * ID_BYTES..)?;
        record_number(records.get(at % BLOCK * RECORD_BYTES..)?)
    }

    #[inline]
    fn block(&self, block: usize) -> &'a [u8] {
        let start = block.saturating_mul(BLOCK_BYTES).min(self.blocks.len());
        &self.blocks[start..(start + BLOCK_BYTES).min(self.blocks.len())]
    }
}

/// The first of `0..end` for which `before` is false.
#[inline]
pub(super) fn partition_point(end: usize, before: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, end);
    while low < high {
        let middle = low + (high - low) / 2;
        if before(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

/// The value of a decimal string as Rust and Python print it: no sign, no space, no leading zero.
fn parse_decimal(digits: &str) -> Option<u128> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    let padded = digits.len() > 1 && digits.starts_with('0');
    if !plain || padded || digits.len() > MAX_DIGITS as usize {
        return None;
    }
    digits.parse().ok()
}

/// The values whose decimal strings begin with `prefix`, one half-open range for each length.
fn value_ranges(prefix: &str) -> Vec<(u128, u128)> {
    if prefix.is_empty() {
        return (1..=9).flat_map(ranges_from).chain([(0, 1)]).collect();
    }
    match parse_decimal(prefix) {
        // No other decimal begins with a zero.
        Some(0) => vec![(0, 1)],
        Some(value) => ranges_from(value).collect(),
        None => Vec::new(),
    }
}

/// `value` is not 0. A range may reach past `u64::MAX`, where no entry is.
fn ranges_from(value: u128) -> impl Iterator<Item = (u128, u128)> {
    (0..=MAX_DIGITS - digits(value)).map(move |more| {
        let scale = 10_u128.pow(more);
        (value * scale, (value + 1) * scale)
    })
}

/// The order of the decimal strings, without making them.
fn decimal_order(left: u64, right: u64) -> Ordering {
    // Zeros to the right make both equally long; of two that are then equal, the shorter is a prefix of the longer.
    let key = |id: u64| {
        let digits = digits(u128::from(id));
        (u128::from(id) * 10_u128.pow(MAX_DIGITS - digits), digits)
    };
    key(left).cmp(&key(right))
}

fn digits(value: u128) -> u32 {
    value.checked_ilog10().map_or(1, |log| log + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Random;

    #[test]
    fn the_decimal_order_is_that_of_the_strings() {
        let mut random = Random::new(11);
        for _ in 0..20_000 {
            let left = random.next() >> random.below(64);
            let right = match random.below(3) {
                0 => left / 10,
                _ => random.next() >> random.below(64),
            };
            assert_eq!(decimal_order(left, right), left.to_string().cmp(&right.to_string()), "{left} {right}");
        }
    }

    #[test]
    fn only_canonical_decimals_are_numbers() {
        assert_eq!(parse_decimal("0"), Some(0));
        assert_eq!(parse_decimal("18446744073709551616"), Some(1 << 64));
        for other in ["", "00", "07", "+7", "-7", " 7", "7 ", "0x7", "七", "184467440737095516160"] {
            assert_eq!(parse_decimal(other), None, "{other}");
        }
    }
}
