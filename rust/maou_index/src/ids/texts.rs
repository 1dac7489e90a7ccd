//! String ids: one buffer of text in sorted order, and columns beside it.

use crate::place::Place;

/// Collects strings into one buffer.
#[derive(Debug, Default)]
pub(crate) struct TextsBuilder {
    bytes: Vec<u8>,
    entries: Vec<TextEntry>,
}

/// Sorted as bytes, which for UTF-8 is the order of the strings; each text once.
#[derive(Debug)]
pub(crate) struct Texts {
    /// The texts one after the other.
    bytes: Vec<u8>,
    /// Where in `bytes` each text ends. It begins where the one before it ends.
    ends: Vec<usize>,
    /// As long as `ends`.
    places: Vec<Place>,
}

#[derive(Debug)]
struct TextEntry {
    start: usize,
    end: usize,
    place: Place,
}

impl TextsBuilder {
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn push(&mut self, text: &str, place: Place) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(text.as_bytes());
        let end = self.bytes.len();
        self.entries.push(TextEntry { start, end, place });
    }

    pub(crate) fn finish(mut self) -> Texts {
        let text = |entry: &TextEntry| &self.bytes[entry.start..entry.end];
        self.entries.sort_unstable_by(|left, right| text(left).cmp(text(right)).then(left.place.cmp(&right.place)));
        // Keeps the first of each run, which the sort made the first by file and row.
        self.entries.dedup_by(|later, first| text(later) == text(first));
        let mut bytes = Vec::with_capacity(self.entries.iter().map(|entry| entry.end - entry.start).sum());
        let mut ends = Vec::with_capacity(self.entries.len());
        for entry in &self.entries {
            bytes.extend_from_slice(text(entry));
            ends.push(bytes.len());
        }
        let places = self.entries.iter().map(|entry| entry.place).collect();
        Texts { bytes, ends, places }
    }
}

impl Texts {
    pub(crate) fn find(&self, id: &str) -> Option<Place> {
        let at = self.first_not_below(id.as_bytes());
        (self.text(at)? == id.as_bytes()).then(|| self.places[at])
    }

    pub(crate) fn with_prefix(&self, prefix: &str, limit: usize) -> Vec<String> {
        (self.first_not_below(prefix.as_bytes())..)
            .map_while(|at| self.text(at))
            .take_while(|text| text.starts_with(prefix.as_bytes()))
            .take(limit)
            .map(|text| String::from_utf8_lossy(text).into_owned())
            .collect()
    }

    fn text(&self, at: usize) -> Option<&[u8]> {
        let end = *self.ends.get(at)?;
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        Some(&self.bytes[start..end])
    }

    /// The position of the first text that is not less than `wanted`; past the end if all are.
    fn first_not_below(&self, wanted: &[u8]) -> usize {
        let (mut low, mut high) = (0, self.ends.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.text(middle) {
                Some(text) if text < wanted => low = middle + 1,
                _ => high = middle,
            }
        }
        low
    }
}
