//! Records by evaluation: their numbers in that order, and for each evaluation where its records end.

use super::{RECORD_BYTES, record_bytes, record_number, u64_at};

/// An evaluation, and the number of records up to its last.
pub(crate) const ENTRY_BYTES: usize = 2 + 8;

/// Every record that has an evaluation, by evaluation, then number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Evals<'a> {
    records: &'a [u8],
    values: &'a [u8],
}

/// Record numbers that lie side by side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Records<'a>(&'a [[u8; RECORD_BYTES]]);

/// Makes a table of evaluations that come in order.
#[derive(Debug, Default)]
pub(crate) struct EvalsBuilder {
    pub(crate) values: Vec<u8>,
    last: Option<i16>,
    count: u64,
}

impl EvalsBuilder {
    /// Takes the next record by evaluation, then number.
    #[inline]
    pub(crate) fn push(&mut self, eval: i16, record: u64, records: &mut Vec<u8>) {
        if let Some(last) = self.last.replace(eval)
            && last != eval
        {
            self.end_value(last);
        }
        records.extend_from_slice(&record_bytes(record));
        self.count += 1;
    }

    pub(crate) fn finish(&mut self) {
        if let Some(last) = self.last.take() {
            self.end_value(last);
        }
    }

    fn end_value(&mut self, eval: i16) {
        self.values.extend_from_slice(&eval.to_le_bytes());
        self.values.extend_from_slice(&self.count.to_le_bytes());
    }
}

impl<'a> Evals<'a> {
    pub(crate) fn new(records: &'a [u8], values: &'a [u8]) -> Self {
        Self { records, values }
    }

    /// The numbers of the records with `min <= eval <= max`; `None` is no bound, and one past 16 bits is fine.
    pub(crate) fn records(&self, min: Option<i64>, max: Option<i64>) -> Records<'a> {
        let from = min.map_or(0, |min| self.end_of_values(|eval| i64::from(eval) < min));
        let to = max.map_or(usize::MAX, |max| self.end_of_values(|eval| i64::from(eval) <= max));
        let (chunks, _) = self.records.as_chunks::<RECORD_BYTES>();
        // An empty range when `min > max`.
        Records(chunks.get(from..to.min(chunks.len())).unwrap_or_default())
    }

    /// The evaluations that occur, each with the number of records up to its last.
    pub(crate) fn values(&self) -> impl Iterator<Item = (i16, u64)> + use<'a> {
        let (entries, _) = self.values.as_chunks::<ENTRY_BYTES>();
        entries.iter().filter_map(|entry| Some((i16::from_le_bytes([entry[0], entry[1]]), u64_at(entry, 2)?)))
    }

    /// Where the records end of the evaluations for which `is_before` is true.
    fn end_of_values(&self, is_before: impl Fn(i16) -> bool) -> usize {
        let (entries, _) = self.values.as_chunks::<ENTRY_BYTES>();
        let after = entries.partition_point(|entry| is_before(i16::from_le_bytes([entry[0], entry[1]])));
        let last = after.checked_sub(1).and_then(|last| entries.get(last));
        let end = last.and_then(|entry| u64_at(entry, 2)).unwrap_or(0);
        usize::try_from(end).unwrap_or(usize::MAX)
    }
}

impl<'a> Records<'a> {
    pub(crate) fn len(self) -> usize {
        self.0.len()
    }

    /// At most `limit` of those behind the first `offset`, which are not looked at.
    pub(crate) fn page(self, offset: usize, limit: usize) -> impl Iterator<Item = u64> + use<'a> {
        let rest = self.0.get(offset..).unwrap_or_default();
        rest.iter().take(limit).map(|bytes| record_number(bytes).unwrap_or_default())
    }

    pub(crate) fn all(self) -> impl Iterator<Item = u64> + use<'a> {
        self.page(0, usize::MAX)
    }
}
