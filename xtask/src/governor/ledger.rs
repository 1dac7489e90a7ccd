//! What units took when they were built before, and so what to expect of them now.
//!
//! A file of lines, one for each run of a compiler, appended to by every build of the checkout and read by the next. A
//! seed, measured on one machine and compiled in, stands behind it for the first build. Nothing here fails: what cannot
//! be read is not known, what cannot be written is forgotten, and a build goes on with worse predictions.

mod book;
mod file;
mod graph;
mod history;
mod line;
mod relative;
#[cfg(test)]
mod tests;

use std::cell::OnceCell;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use self::book::{Book, Lines};
use self::history::History;
use super::estimate::{Model, Row, Shape};
use super::prediction::{Basis, Course, Prediction};
use super::unit::Identity;
use crate::fnv;

/// One run of a compiler.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Measurement {
    pub(crate) identity: Identity,
    /// Keys of the units whose files it read.
    pub(crate) needs: Vec<String>,
    pub(crate) source_kib: u64,
    /// Of the libraries that it named.
    pub(crate) input_kib: u64,
    /// The most codegen threads beyond the first that it had at a time.
    pub(crate) threads: usize,
    /// Anonymous memory of the compiler and all that it started, bytes.
    pub(crate) peak: u64,
    pub(crate) cpu_s: f64,
    pub(crate) wall_s: f64,
    /// By the wall clock, from its start.
    pub(crate) to_metadata_s: Option<f64>,
    pub(crate) course: Course,
    pub(crate) outcome: Ran,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ran {
    Done,
    /// Its peak is what it had taken by then: it would have taken more.
    Killed,
}

#[derive(Debug)]
pub(crate) struct Ledger {
    path: PathBuf,
    here: Book,
    seed: Book,
    habits: Habits,
    /// Seconds from a unit's start to the end of the build, by its key.
    tails: HashMap<String, f64>,
    /// Fitted when the first unit asks for it, which is seldom.
    model: OnceCell<Model>,
    broken_lines: usize,
    write_error: Option<String>,
    /// Rows of `here` that were there before.
    opened_with: usize,
    /// Rows of `here` that are worth another look at the habits.
    look_again_at: usize,
}

/// What holds for units in general, as far as those in the ledger show it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Habits {
    /// What a further thread adds, of the peak with one.
    thread_share: f64,
    /// How far above what was measured a unit may go, of its peak.
    margin: f64,
    /// The same for units that were measured on another machine.
    seed_margin: f64,
    /// Processor time that units take here, of what they took there.
    seed_pace: f64,
}

/// The runs that tell what to expect of a unit: its own or those of a relative.
#[derive(Debug)]
struct Found<'a> {
    key: String,
    history: History<'a>,
    basis: Basis,
    margin: f64,
    /// Of its peak.
    scale: f64,
    /// Of its time.
    pace: f64,
}

/// What [`Ledger::export`] wrote on the machine of reference.
const SEED: &str = include_str!("seed-ledger.jsonl");

const MARGINS: RangeInclusive<f64> = 0.03..=0.15;
/// Another machine has another allocator's arenas, page size and linker: there may be more to it.
const SEED_MARGINS: RangeInclusive<f64> = 0.03..=0.25;
/// New rows after which habits are looked at again: so many, and this part of all that there are. A first build learns
/// early how far this machine is from the seed's, and a large one does not look all the time.
const NEW_ROWS: usize = 8;
const NEW_ROWS_SHARE: usize = 8;
/// On top of what each known difference is worth.
const RELATIVE_MARGIN: f64 = 0.15;

impl Ledger {
    /// The seed, and what is in the file at `path`, if it is there. A file that has grown long is compacted on the way.
    pub(crate) fn open(path: &Path) -> Self {
        Self::with_seed(path, SEED)
    }

    fn with_seed(path: &Path, seed: &str) -> Self {
        let text = file::read(path);
        let lines = Lines::of(&text);
        let shorten = |text: &str| Lines::of(text).shortened();
        let compacted = if lines.are_too_many(file::length(path)) { file::compact(path, shorten) } else { Ok(()) };
        let mut ledger = Ledger {
            path: path.to_owned(),
            seed: Lines::of(seed).into_book(),
            broken_lines: lines.broken,
            here: lines.into_book(),
            habits: Habits::default(),
            tails: HashMap::new(),
            model: OnceCell::new(),
            opened_with: 0,
            look_again_at: 0,
            write_error: compacted.err().map(|error| format!("{error:#}")),
        };
        ledger.opened_with = ledger.here.rows.len();
        ledger.refresh();
        ledger
    }

    /// Lines that could not be read and count for nothing.
    pub(crate) fn broken_lines(&self) -> usize {
        self.broken_lines
    }

    /// Why the last measurement that could not be kept was not.
    pub(crate) fn write_error(&self) -> Option<&str> {
        self.write_error.as_deref()
    }

    /// What to expect of a unit, from the best there is: its own runs, the seed's, those of its closest relative, or else
    /// its shape, which is asked for only then.
    pub(crate) fn predict(&self, identity: &Identity, shape: impl FnOnce() -> Shape) -> Prediction {
        let key = key(identity);
        let own = self.here.history(&key);
        let found = self.find(identity, &key);
        let measured_share = found.as_ref().and_then(|found| found.history.thread_share());
        let thread_share = measured_share.unwrap_or(self.habits.thread_share);
        let (peak, cpu_s) = match &found {
            Some(found) => (found.peak(thread_share), found.cpu_s()),
            None => self.estimated(&shape()),
        };
        // Runs that were killed raise it, whatever else is known. Those of a unit that completed are in its peak already.
        let peak = if own.is_completed() { peak } else { own.peak(thread_share, 0.0, peak) };
        let course = found.as_ref().and_then(|found| found.history.course());
        let tail_of = |key: &str| self.tails.get(key).copied();
        let tail = tail_of(&key).or_else(|| tail_of(&found.as_ref()?.key));
        Prediction {
            peak: peak.ceil() as u64,
            thread_cost: (peak * thread_share).ceil() as u64,
            course: course.map(|course| scaled(course, peak)).unwrap_or_default(),
            cpu_s,
            tail_s: tail.unwrap_or(cpu_s).max(cpu_s),
            basis: found.map_or(Basis::Estimate, |found| found.basis),
        }
    }

    /// Keeps a measurement, here and in the file, where that can be written.
    pub(crate) fn record(&mut self, measurement: &Measurement) {
        if let Err(error) = file::append(&self.path, &line::write(measurement)) {
            self.write_error = Some(format!("cannot write {}: {error}", self.path.display()));
        }
        self.here.push(measurement.clone());
        if self.here.rows.len() >= self.look_again_at {
            self.learn();
        }
    }

    /// Takes what was recorded since into account for tails and estimates of others, too.
    fn refresh(&mut self) {
        self.learn();
        self.tails = graph::tails_of([(&self.seed, self.habits.seed_pace), (&self.here, 1.0)]);
        self.model = OnceCell::new();
    }

    /// How far predictions are off on this machine.
    fn learn(&mut self) {
        self.habits = Habits::of(&self.here, &self.seed);
        let rows = self.here.rows.len();
        self.look_again_at = rows + NEW_ROWS.max(rows / NEW_ROWS_SHARE);
    }

    /// The longest chain of units that waited for one another, of those recorded since it was opened, seconds.
    pub(crate) fn critical_path_s(&self) -> f64 {
        let mut book = Book::default();
        self.here.rows[self.opened_with..].iter().for_each(|row| book.push(row.clone()));
        graph::tails_of([(&Book::default(), 1.0), (&book, 1.0)]).into_values().fold(0.0, f64::max)
    }

    /// A seed's text: one line for each unit that completed here, its runs merged into one, sorted.
    pub(crate) fn export(&self) -> String {
        let mut units: Vec<Measurement> =
            self.here.histories().filter_map(|(_, history)| self.merged(&history)).collect();
        units.sort_by(|a, b| a.identity.cmp(&b.identity));
        units.iter().map(line::write).collect()
    }

    /// All measurements, the seed's first.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &Measurement> {
        self.seed.rows.iter().chain(&self.here.rows)
    }

    /// What estimates are fitted to: each unit once.
    pub(crate) fn estimate_rows(&self) -> Vec<Row> {
        let here = self.here.histories();
        let seed = self.seed.histories().filter(|(key, _)| !self.here.history(key).is_completed());
        let mut rows: Vec<Row> =
            here.chain(seed).filter_map(|(_, history)| self.estimate_row(history.latest()?, &history)).collect();
        // Maps have an order of their own each time, and sums of floats depend on it.
        rows.sort_by(|a, b| (&a.package, a.peak).cmp(&(&b.package, b.peak)));
        rows
    }

    fn estimate_row(&self, run: &Measurement, history: &History<'_>) -> Option<Row> {
        Some(Row {
            package: run.identity.package.clone(),
            shape: Shape::of(&run.identity, run.source_kib, run.input_kib, run.needs.len()),
            peak: history.latest_peak(self.habits.thread_share)? as u64,
            cpu_s: run.cpu_s,
        })
    }

    fn estimated(&self, shape: &Shape) -> (f64, f64) {
        let model = self.model.get_or_init(|| Model::fit(&self.estimate_rows()));
        (model.peak(shape) as f64, model.cpu_s(shape))
    }

    fn find(&self, identity: &Identity, key: &str) -> Option<Found<'_>> {
        let Habits { margin, seed_margin, seed_pace, .. } = self.habits;
        let own = [
            (self.here.history(key), Basis::Measured, margin, 1.0),
            (self.seed.history(key), Basis::Seed, seed_margin, seed_pace),
        ];
        let completed = own.into_iter().find(|(history, ..)| history.is_completed());
        completed
            .map(|(history, basis, margin, pace)| Found {
                key: key.to_owned(),
                history,
                basis,
                margin,
                scale: 1.0,
                pace,
            })
            .or_else(|| self.closest_relative(identity))
    }

    /// Of several that are equally close, one measured here, and the heaviest of these.
    fn closest_relative(&self, identity: &Identity) -> Option<Found<'_>> {
        let books = [(&self.here, 1.0), (&self.seed, self.habits.seed_pace)];
        let candidates = books.into_iter().enumerate().flat_map(|(far, (book, pace))| {
            let kin = |other: &Identity| other.package == identity.package;
            book.histories_of(kin).filter_map(move |(key, history)| {
                let latest = history.latest()?;
                let distance = relative::distance(identity, &latest.identity)?;
                Some(((distance, far, Reverse(latest.peak), key), (history, pace)))
            })
        });
        let ((_, _, _, key), (history, pace)) = candidates.min_by(|(a, _), (b, _)| a.cmp(b))?;
        let scale = relative::scale(identity, &history.latest()?.identity);
        let margin = self.habits.margin.max(RELATIVE_MARGIN);
        Some(Found { key: key.to_owned(), history, basis: Basis::Relative, margin, scale, pace })
    }

    /// One run in place of all, with one thread.
    fn merged(&self, history: &History<'_>) -> Option<Measurement> {
        let latest = history.latest()?;
        let thread_share = history.thread_share().unwrap_or(self.habits.thread_share);
        let peak = history.peak(thread_share, 0.0, 0.0);
        Some(Measurement {
            needs: history.needs().map(str::to_owned).collect(),
            threads: 0,
            peak: peak.ceil() as u64,
            cpu_s: history.cpu_s()?,
            course: history.course().map(|course| scaled(course, peak)).unwrap_or_default(),
            ..latest.clone()
        })
    }
}

impl Habits {
    fn of(here: &Book, seed: &Book) -> Self {
        let here: Vec<(&str, History<'_>)> = here.histories().collect();
        let shares = here.iter().filter_map(|(_, history)| history.thread_share());
        let seed_shares = seed.histories().filter_map(|(_, history)| history.thread_share());
        let thread_share = history::usual_thread_share(shares.chain(seed_shares).collect());
        let repeated = here.iter().flat_map(|(_, history)| history.misses(thread_share));
        let from_seed = here.iter().filter_map(|(key, history)| history.miss(&seed.history(key), thread_share));
        let both = here.iter().filter_map(|(key, history)| Some((history.cpu_s()?, seed.history(key).cpu_s()?)));
        Habits {
            thread_share,
            seed_pace: history::pace(both),
            margin: history::margin(repeated.collect(), MARGINS),
            seed_margin: history::margin(from_seed.collect(), SEED_MARGINS),
        }
    }
}

impl Found<'_> {
    fn peak(&self, thread_share: f64) -> f64 {
        self.history.peak(thread_share, self.margin, 0.0) * self.scale
    }

    fn cpu_s(&self) -> f64 {
        self.history.cpu_s().unwrap_or_default() * self.pace
    }
}

impl Ran {
    fn name(self) -> &'static str {
        match self {
            Ran::Done => "done",
            Ran::Killed => "killed",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Ran::Done, Ran::Killed].into_iter().find(|outcome| outcome.name() == name)
    }
}

/// What other lines call a unit: the same for runs of which one foretells the other.
pub(crate) fn key(identity: &Identity) -> String {
    let Identity { package, version, kind, features, opt_level, codegen_units, options, target, rustc } = identity;
    let kind = kind.name();
    let whole = format!("{package}|{version}|{kind}|{features}|{opt_level}|{codegen_units}|{options}|{target}|{rustc}");
    fnv::hex(whole.into_bytes())
}

/// The course with `peak` as its highest.
fn scaled(course: &Course, peak: f64) -> Course {
    let highest = course.0.iter().copied().max().unwrap_or_default().max(1);
    Course(course.0.iter().map(|bytes| (*bytes as f64 / highest as f64 * peak).ceil() as u64).collect())
}
