//! String ids: gathered, sorted in runs that fit into memory by a kernel of Polars, and merged.

use std::cmp::Ordering;

use polars_core::chunked_array::ops::ChunkSort;
use polars_core::chunked_array::ops::sort::options::SortOptions;
use polars_core::prelude::{PlSmallStr, StringChunkedBuilder};

use super::merge::Stream;
use super::remap::Remap;
use super::spill::{Segment, Spill};
use crate::codec::{Entry, Lengths, MAX_LENGTHS, put_entry};
use crate::error::Result;
use crate::store::texts::{Texts, Walk};

/// Bytes that a text takes beside itself while it is gathered and sorted: its view, its record, and what the sort needs.
const OVERHEAD: usize = 64;

/// Gathers texts in any order, their records ascending.
pub(crate) struct TextRuns {
    texts: StringChunkedBuilder,
    records: Vec<u64>,
    bytes: usize,
    capacity: usize,
    sorted: Vec<Segment>,
    /// What all texts begin with; nothing before the first.
    common: Option<Vec<u8>>,
}

/// The texts of a run, or of an index that was there before.
pub(crate) struct TextStream<'a> {
    head: Option<TextEntry>,
    source: Source<'a>,
}

/// A text and its record, by which it is sorted, too.
#[derive(Debug, Default)]
pub(crate) struct TextEntry(Entry);

enum Source<'a> {
    Run(Box<Segment>),
    Stored(Box<Walk<'a>>, &'a Remap),
}

impl TextRuns {
    /// Runs of about so many bytes of memory.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { texts: builder(), records: Vec::new(), bytes: 0, capacity, sorted: Vec::new(), common: None }
    }

    pub(crate) fn push(&mut self, text: &str, record: u64, spill: &mut Spill, step: usize) -> Result<()> {
        self.texts.append_value(text);
        self.records.push(record);
        self.bytes += text.len() + OVERHEAD;
        narrow(&mut self.common, text.as_bytes());
        if self.bytes < self.capacity { Ok(()) } else { self.seal(spill, step) }
    }

    /// What all texts begin with, and all runs, to be merged.
    pub(crate) fn finish<'a>(
        mut self,
        spill: &mut Spill,
        step: usize,
    ) -> Result<(Option<Vec<u8>>, Vec<TextStream<'a>>)> {
        self.seal(spill, step)?;
        let streams = self.sorted.into_iter().map(|segment| TextStream::new(Source::Run(Box::new(segment))));
        Ok((self.common, streams.collect::<Result<_>>()?))
    }

    fn seal(&mut self, spill: &mut Spill, step: usize) -> Result<()> {
        let texts = std::mem::replace(&mut self.texts, builder()).finish();
        // Stable: of equal texts the first record comes first.
        let order = texts.arg_sort(SortOptions { maintain_order: true, ..SortOptions::default() });
        let texts = texts.rechunk();
        let mut bytes = Vec::new();
        let mut before: &[u8] = b"";
        for place in order.into_no_null_iter() {
            let place = place as usize;
            let Some(text) = texts.get(place) else { continue };
            if before == text.as_bytes() && !bytes.is_empty() {
                continue;
            }
            put_entry(&mut bytes, before, text.as_bytes(), self.records[place]);
            before = text.as_bytes();
        }
        self.records.clear();
        self.bytes = 0;
        self.sorted.push(spill.segment(bytes, step)?);
        Ok(())
    }
}

/// Leaves of `common` what `text` begins with, too.
pub(crate) fn narrow(common: &mut Option<Vec<u8>>, text: &[u8]) {
    match common {
        Some(common) if text.starts_with(common) => {}
        Some(common) => {
            let shared = common.iter().zip(text).take_while(|(left, right)| left == right).count();
            common.truncate(shared);
        }
        None => *common = Some(text.to_vec()),
    }
}

fn builder() -> StringChunkedBuilder {
    StringChunkedBuilder::new(PlSmallStr::EMPTY, 0)
}

impl<'a> TextStream<'a> {
    /// The ids of an index that was there before.
    pub(crate) fn of_texts(texts: Texts<'a>, remap: &'a Remap) -> Result<Self> {
        Self::new(Source::Stored(Box::new(texts.walk()), remap))
    }

    fn new(source: Source<'a>) -> Result<Self> {
        let mut stream = Self { head: Some(TextEntry::default()), source };
        stream.advance()?;
        Ok(stream)
    }
}

impl TextEntry {
    pub(crate) fn text(&self) -> &[u8] {
        &self.0.text
    }

    pub(crate) fn record(&self) -> u64 {
        self.0.record
    }
}

impl Stream for TextStream<'_> {
    type Item = TextEntry;

    fn head(&self) -> Option<&TextEntry> {
        self.head.as_ref()
    }

    fn advance(&mut self) -> Result<()> {
        let Some(TextEntry(entry)) = &mut self.head else { return Ok(()) };
        let is_there = match &mut self.source {
            Source::Run(segment) => {
                let wanted = Lengths::of(segment.peek(MAX_LENGTHS)?).map_or(0, Lengths::entry);
                let taken = entry.advance(segment.peek(wanted)?);
                segment.take(taken.unwrap_or_default());
                taken.is_some()
            }
            Source::Stored(walk, remap) => match walk.next_entry() {
                Some(next) => {
                    entry.text.clear();
                    entry.text.extend_from_slice(&next.text);
                    entry.record = remap.record(next.record);
                    true
                }
                None => false,
            },
        };
        if !is_there {
            self.head = None;
        }
        Ok(())
    }
}

impl Ord for TextEntry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.text.cmp(&other.0.text).then(self.0.record.cmp(&other.0.record))
    }
}

impl PartialOrd for TextEntry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for TextEntry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for TextEntry {}
