//! 64-bit ids, kept as numbers and served in the order of their decimal strings.
//!
//! The table is sorted by value: eight bytes compare faster than digits, and files are merged by it. Strings of one
//! length sort like their values, so the ids of one length that begin with a prefix are one run of the table:
//! `12` is `12`, then `120..130`, `1200..1300` and so on, at most 20 runs. A query merges those runs by their strings.

use std::cmp::Ordering;

use crate::place::Place;

/// Digits of `u64::MAX`.
const MAX_DIGITS: u32 = 20;

/// Sorted by value, each value once.
#[derive(Debug)]
pub(crate) struct Numbers {
    entries: Vec<NumberEntry>,
}

/// The field order is the sort order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NumberEntry {
    pub(crate) id: u64,
    pub(crate) place: Place,
}

impl Numbers {
    pub(crate) fn new(mut entries: Vec<NumberEntry>) -> Self {
        entries.sort_unstable();
        // Keeps the first of each run, which the sort made the first by file and row.
        entries.dedup_by_key(|entry| entry.id);
        entries.shrink_to_fit();
        Self { entries }
    }

    pub(crate) fn find(&self, id: &str) -> Option<Place> {
        let id = parse_decimal(id)?;
        let at = self.entries.binary_search_by(|entry| u128::from(entry.id).cmp(&id)).ok()?;
        Some(self.entries[at].place)
    }

    pub(crate) fn with_prefix(&self, prefix: &str, limit: usize) -> Vec<String> {
        let mut runs: Vec<&[NumberEntry]> =
            value_ranges(prefix).into_iter().map(|(from, to)| self.between(from, to)).collect();
        let mut ids = Vec::new();
        while ids.len() < limit
            && let Some(id) = take_least(&mut runs)
        {
            ids.push(id.to_string());
        }
        ids
    }

    /// The entries with `from <= id < to`.
    fn between(&self, from: u128, to: u128) -> &[NumberEntry] {
        let first_at = |bound: u128| self.entries.partition_point(|entry| u128::from(entry.id) < bound);
        &self.entries[first_at(from)..first_at(to)]
    }
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

/// Takes from the run whose head is least as a string.
fn take_least(runs: &mut Vec<&[NumberEntry]>) -> Option<u64> {
    runs.retain(|run| !run.is_empty());
    let least = runs.iter_mut().min_by(|left, right| decimal_order(left[0].id, right[0].id))?;
    let (head, rest) = least.split_first()?;
    *least = rest;
    Some(head.id)
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
    fn an_entry_takes_sixteen_bytes() {
        assert_eq!(size_of::<NumberEntry>(), 16);
    }

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
