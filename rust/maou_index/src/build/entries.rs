//! Entries of a fixed size: gathered, sorted in runs that fit into memory, and merged.

use super::merge::Stream;
use super::remap::Remap;
use super::spill::{Segment, Spill};
use crate::error::{Error, Result};
use crate::store::{RECORD_BYTES, record_bytes, record_number};

/// A key and a record number that sort as one number.
pub(crate) trait Entry: Copy + Default + Ord + Send {
    const BYTES: usize;
    /// How many buckets a sort begins with: for evaluations one for each value, for ids what scattering can write to at a
    /// time without leaving the processor's caches.
    const BUCKETS: usize;

    fn key(self) -> u64;

    fn put(self, out: &mut Vec<u8>);

    /// Of its bytes, of which there are enough.
    fn get(bytes: &[u8]) -> Option<Self>;
}

/// A 64-bit id and a record number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct IdEntry(u128);

/// An evaluation and a record number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EvalEntry(u64);

const RECORD_BITS: u32 = 8 * RECORD_BYTES as u32;
const RECORD_MASK: u64 = (1 << RECORD_BITS) - 1;
/// Turns the order of signed numbers into that of unsigned ones.
const SIGN: u16 = 0x8000;

/// Gathers entries in any order.
#[derive(Debug)]
pub(crate) struct Runs<E> {
    pending: Vec<E>,
    capacity: usize,
    sorted: Vec<Segment>,
}

/// The entries of a run, or of an index that was there before.
pub(crate) struct EntryStream<'a, E> {
    head: Option<E>,
    source: Source<'a, E>,
}

enum Source<'a, E> {
    Run(Box<Segment>),
    Stored(Box<dyn Iterator<Item = E> + 'a>),
}

impl IdEntry {
    /// `record` is below [`crate::store::MAX_RECORDS`].
    pub(crate) fn new(id: u64, record: u64) -> Self {
        Self(u128::from(id) << RECORD_BITS | u128::from(record))
    }

    #[inline]
    pub(crate) fn id(self) -> u64 {
        (self.0 >> RECORD_BITS) as u64
    }

    #[inline]
    pub(crate) fn record(self) -> u64 {
        self.0 as u64 & RECORD_MASK
    }
}

impl EvalEntry {
    /// `record` is below [`crate::store::MAX_RECORDS`].
    pub(crate) fn new(eval: i16, record: u64) -> Self {
        Self(u64::from(eval.cast_unsigned() ^ SIGN) << RECORD_BITS | record)
    }

    #[inline]
    pub(crate) fn eval(self) -> i16 {
        ((self.0 >> RECORD_BITS) as u16 ^ SIGN).cast_signed()
    }

    #[inline]
    pub(crate) fn record(self) -> u64 {
        self.0 & RECORD_MASK
    }
}

impl Entry for IdEntry {
    const BYTES: usize = 8 + RECORD_BYTES;
    const BUCKETS: usize = 1 << 11;

    #[inline]
    fn key(self) -> u64 {
        self.id()
    }

    #[inline]
    fn put(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.id().to_le_bytes());
        out.extend_from_slice(&record_bytes(self.record()));
    }

    #[inline]
    fn get(bytes: &[u8]) -> Option<Self> {
        let (id, record) = bytes.split_first_chunk::<8>()?;
        Some(Self::new(u64::from_le_bytes(*id), record_number(record)?))
    }
}

impl Entry for EvalEntry {
    const BYTES: usize = 2 + RECORD_BYTES;
    const BUCKETS: usize = 1 << 16;

    #[inline]
    fn key(self) -> u64 {
        self.0 >> RECORD_BITS
    }

    #[inline]
    fn put(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.eval().to_le_bytes());
        out.extend_from_slice(&record_bytes(self.record()));
    }

    #[inline]
    fn get(bytes: &[u8]) -> Option<Self> {
        let (eval, record) = bytes.split_first_chunk::<2>()?;
        Some(Self::new(i16::from_le_bytes(*eval), record_number(record)?))
    }
}

impl<E: Entry> Runs<E> {
    /// Runs of at most so many entries.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { pending: Vec::new(), capacity: capacity.max(1), sorted: Vec::new() }
    }

    #[inline]
    pub(crate) fn push(&mut self, entry: E, spill: &mut Spill, step: usize) -> Result<()> {
        self.pending.push(entry);
        if self.pending.len() < self.capacity { Ok(()) } else { self.seal(spill, step) }
    }

    /// So many entries, as many at a time as there is room for.
    pub(crate) fn extend(
        &mut self,
        count: usize,
        entry: impl Fn(usize) -> E,
        spill: &mut Spill,
        step: usize,
    ) -> Result<()> {
        let mut from = 0;
        while from < count {
            let to = count.min(from + self.capacity - self.pending.len());
            self.pending.extend((from..to).map(&entry));
            from = to;
            if self.pending.len() == self.capacity {
                self.seal(spill, step)?;
            }
        }
        Ok(())
    }

    /// All runs, to be merged.
    pub(crate) fn finish<'a>(mut self, spill: &mut Spill, step: usize) -> Result<Vec<EntryStream<'a, E>>> {
        self.seal(spill, step)?;
        drop(self.pending);
        self.sorted.into_iter().map(|segment| EntryStream::new(Source::Run(Box::new(segment)))).collect()
    }

    /// Sorts what there is, a part on each thread, and every part becomes a run.
    fn seal(&mut self, spill: &mut Spill, step: usize) -> Result<()> {
        let threads = maou_io::threads();
        let part = self.pending.len().div_ceil(threads).max(1 << 16);
        let parts = self.pending.chunks_mut(part).collect();
        let parts = maou_io::in_parallel(parts, threads, |part| Ok::<_, Error>(sorted_bytes(part)))?;
        self.pending.clear();
        for bytes in parts {
            self.sorted.push(spill.segment(bytes, step)?);
        }
        Ok(())
    }
}

fn sorted_bytes<E: Entry>(entries: &mut [E]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(entries.len() * E::BYTES);
    for entry in sorted(entries) {
        entry.put(&mut bytes);
    }
    bytes
}

/// The entries in order: scattered into buckets by their key, which leaves little for the sort of each bucket to do.
fn sorted<E: Entry>(entries: &mut [E]) -> Vec<E> {
    let (least, most) = entries.iter().fold((u64::MAX, 0), |(least, most), entry| {
        let key = entry.key();
        (least.min(key), most.max(key))
    });
    // So many leading bits of the range as there are buckets.
    let shift = (u64::BITS - (most.saturating_sub(least)).leading_zeros()).saturating_sub(E::BUCKETS.ilog2());
    let bucket = |entry: &E| ((entry.key() - least) >> shift) as usize;
    let mut ends = vec![0_usize; E::BUCKETS];
    for entry in &*entries {
        ends[bucket(entry)] += 1;
    }
    let mut next = 0;
    for end in &mut ends {
        (*end, next) = (next, next + *end);
    }
    let mut sorted = vec![E::default(); entries.len()];
    for entry in entries {
        let end = &mut ends[bucket(entry)];
        sorted[*end] = *entry;
        *end += 1;
    }
    let mut start = 0;
    for end in ends {
        sorted[start..end].sort_unstable();
        start = end;
    }
    sorted
}

impl<'a, E: Entry> EntryStream<'a, E> {
    fn new(source: Source<'a, E>) -> Result<Self> {
        let mut stream = Self { head: None, source };
        stream.advance()?;
        Ok(stream)
    }
}

impl<'a> EntryStream<'a, IdEntry> {
    /// The ids of an index that was there before.
    pub(crate) fn of_ids(numbers: crate::store::numbers::Numbers<'a>, remap: &'a Remap) -> Result<Self> {
        let entry = move |at| numbers.entry(at).map(|(id, record)| IdEntry::new(id, remap.record(record)));
        Self::new(Source::Stored(Box::new((0..).map_while(entry))))
    }
}

impl<'a> EntryStream<'a, EvalEntry> {
    /// The evaluations of an index that was there before.
    pub(crate) fn of_evals(evals: crate::store::evals::Evals<'a>, remap: &'a Remap) -> Result<Self> {
        let mut values = evals.values().peekable();
        let entry = move |(place, record): (u64, u64)| {
            while values.next_if(|(_, end)| *end <= place).is_some() {}
            values.peek().map(|(eval, _)| EvalEntry::new(*eval, remap.record(record)))
        };
        Self::new(Source::Stored(Box::new((0_u64..).zip(evals.records(None, None).all()).map_while(entry))))
    }
}

impl<E: Entry> Stream for EntryStream<'_, E> {
    type Item = E;

    #[inline]
    fn head(&self) -> Option<&E> {
        self.head.as_ref()
    }

    #[inline]
    fn advance(&mut self) -> Result<()> {
        self.head = match &mut self.source {
            Source::Run(segment) => {
                let entry = E::get(segment.peek(E::BYTES)?);
                segment.take(entry.map_or(0, |_| E::BYTES));
                entry
            }
            Source::Stored(entries) => entries.next(),
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Random;

    #[test]
    fn a_sort_is_a_sort() {
        let mut random = Random::new(9);
        for _ in 0..200 {
            let (bits, count) = (random.below(64), random.below(3000));
            let base = random.next() >> random.below(64);
            let id = |random: &mut Random| base.saturating_add(random.next() >> bits);
            let mut entries: Vec<IdEntry> = (0..count).map(|record| IdEntry::new(id(&mut random), record)).collect();
            let sorted = super::sorted(&mut entries);
            entries.sort_unstable();
            assert_eq!(sorted, entries);
            let eval = |random: &mut Random| (random.next() >> (48 + random.below(16))) as i16;
            let mut entries: Vec<EvalEntry> =
                (0..count).map(|record| EvalEntry::new(eval(&mut random), record)).collect();
            let sorted = super::sorted(&mut entries);
            entries.sort_unstable();
            assert_eq!(sorted, entries);
        }
    }

    #[test]
    fn entries_sort_by_key_then_record_and_come_back_from_their_bytes() {
        let keys = [i16::MIN, -1, 0, 1, i16::MAX];
        let entries: Vec<EvalEntry> =
            keys.iter().flat_map(|key| [0, 7, RECORD_MASK].map(|record| EvalEntry::new(*key, record))).collect();
        assert!(entries.is_sorted());
        let mut bytes = Vec::new();
        entries.iter().for_each(|entry| entry.put(&mut bytes));
        let back: Vec<EvalEntry> = bytes.chunks(EvalEntry::BYTES).filter_map(EvalEntry::get).collect();
        assert_eq!(back, entries);

        let ids: Vec<IdEntry> =
            [0, 1, u64::MAX].iter().flat_map(|id| [0, RECORD_MASK].map(|record| IdEntry::new(*id, record))).collect();
        assert!(ids.is_sorted());
        for entry in ids {
            let mut bytes = Vec::new();
            entry.put(&mut bytes);
            assert_eq!(bytes.len(), IdEntry::BYTES);
            assert_eq!(IdEntry::get(&bytes), Some(entry));
        }
    }
}
