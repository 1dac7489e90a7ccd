//! The measurements of one text, and which of them still say something.

use std::collections::HashMap;

use super::history::{self, History};
use super::{Measurement, file, key, line};
use crate::governor::unit::Identity;

/// Measurements in the order in which they were made.
#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) rows: Vec<Measurement>,
    /// Indices of each unit's rows.
    by_key: HashMap<String, Vec<usize>>,
}

/// A text's lines with what they say.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    pub(super) broken: usize,
    texts: Vec<&'a str>,
    book: Book,
}

/// Units that a file keeps: a checkout has some hundred, times its profiles and a few versions of its dependencies.
const UNITS_KEPT: usize = 5000;
/// A file with more rows for each unit than this, or longer than [`LONG`], is worth a look at what it still needs.
const ROWS_A_UNIT: usize = 4;
const LONG: u64 = 2 << 20;

impl Book {
    pub(super) fn push(&mut self, measurement: Measurement) {
        self.insert(key(&measurement.identity), measurement);
    }

    pub(super) fn history(&self, key: &str) -> History<'_> {
        self.by_key.get(key).map_or_else(History::default, |rows| self.history_of(rows))
    }

    /// Each unit with its history, in no order.
    pub(super) fn histories(&self) -> impl Iterator<Item = (&str, History<'_>)> {
        self.histories_of(|_| true)
    }

    /// Those of the units that are wanted.
    pub(super) fn histories_of(&self, wanted: impl Fn(&Identity) -> bool) -> impl Iterator<Item = (&str, History<'_>)> {
        let units = self.by_key.iter().filter(move |(_, rows)| wanted(&self.rows[rows[0]].identity));
        units.map(|(key, rows)| (key.as_str(), self.history_of(rows)))
    }

    fn history_of(&self, rows: &[usize]) -> History<'_> {
        History::of(&rows.iter().map(|row| &self.rows[*row]).collect::<Vec<_>>())
    }

    fn insert(&mut self, key: String, measurement: Measurement) {
        self.by_key.entry(key).or_default().push(self.rows.len());
        self.rows.push(measurement);
    }

    /// Which rows are worth keeping.
    fn kept(&self) -> Vec<bool> {
        let mut units: Vec<&Vec<usize>> = self.by_key.values().collect();
        if units.len() > UNITS_KEPT {
            units.sort_unstable_by_key(|rows| std::cmp::Reverse(rows.last()));
            units.truncate(UNITS_KEPT);
        }
        let mut kept = vec![false; self.rows.len()];
        for rows in units {
            let runs: Vec<&Measurement> = rows.iter().map(|row| &self.rows[*row]).collect();
            for index in history::kept(&runs) {
                kept[rows[index]] = true;
            }
        }
        kept
    }
}

impl<'a> Lines<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        let mut lines = Lines { broken: 0, texts: Vec::new(), book: Book::default() };
        for text in text.lines().filter(|text| !text.trim_ascii().is_empty()) {
            let Some((key, measurement)) = line::read(text) else {
                lines.broken += 1;
                continue;
            };
            lines.texts.push(text);
            lines.book.insert(key, measurement);
        }
        lines
    }

    /// Whether a file of `length` bytes with these lines has become too long, and how many of them it could do without.
    /// One that needs most of its lines is left as it is: the next build would find it no shorter.
    pub(super) fn are_too_many(&self, length: u64) -> bool {
        let count = self.texts.len() + self.broken;
        let long = length > LONG || count > self.book.by_key.len() * ROWS_A_UNIT;
        length > file::READ_AT_MOST || (long && needed(&self.book.kept()) * 4 <= count * 3)
    }

    /// The lines worth keeping, as they were written.
    pub(super) fn shortened(&self) -> String {
        let kept = self.texts.iter().zip(self.book.kept()).filter(|(_, kept)| *kept);
        kept.flat_map(|(text, _)| [*text, "\n"]).collect()
    }

    /// What the lines say, without those that no longer say anything.
    pub(super) fn into_book(self) -> Book {
        let kept = self.book.kept();
        if needed(&kept) == kept.len() {
            return self.book;
        }
        let mut book = Book::default();
        for (measurement, _) in self.book.rows.into_iter().zip(kept).filter(|(_, kept)| *kept) {
            book.push(measurement);
        }
        book
    }
}

fn needed(kept: &[bool]) -> usize {
    kept.iter().filter(|kept| **kept).count()
}
