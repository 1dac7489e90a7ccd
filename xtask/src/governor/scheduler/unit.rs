//! One unit, from its offer to its end.

use super::{Attempt, Ticket, UnitSample};
use crate::governor::prediction::Prediction;

/// A unit that waits, and what is known of it.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) prediction: Prediction,
    pub(super) attempt: Attempt,
    pub(super) evictions: u32,
    /// The most that it was seen to hold when it was killed.
    pub(super) died_with: u64,
}

/// A unit that runs.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) ticket: Ticket,
    pub(super) unit: Unit,
    pub(super) started: f64,
    pub(super) anon: u64,
    /// The most that it was seen to hold: a sample may come between its death and the news of it.
    pub(super) most: u64,
    pub(super) cpu_s: f64,
    pub(super) metadata_out: bool,
    pub(super) evicting: bool,
    pub(super) tokens: usize,
    /// How many it was told that it has.
    pub(super) told: usize,
    /// Never more than `tokens`.
    pub(super) idle_tokens: usize,
    /// Samples in a row that found tokens idle.
    pub(super) idle_for: u32,
    /// No tokens before this time: it did not use those it had, or there was no memory for them.
    pub(super) tokens_after: f64,
    growth: u64,
}

/// More than any machine has, bytes: 64 TiB.
const MOST_MEMORY: u64 = 1 << 46;

impl Unit {
    pub(super) fn new(mut prediction: Prediction) -> Self {
        // Whatever a broken ledger says, sums stay in range.
        prediction.peak = prediction.peak.min(MOST_MEMORY);
        prediction.thread_cost = prediction.thread_cost.min(MOST_MEMORY);
        Unit { prediction, attempt: Attempt::default(), evictions: 0, died_with: 0 }
    }

    /// It needs at least this much; when in its life, nobody knows.
    pub(super) fn raise(&mut self, peak: u64) {
        if peak > self.prediction.peak {
            self.prediction.peak = peak;
            self.prediction.course.0.clear();
        }
    }
}

impl Running {
    pub(super) fn new(ticket: Ticket, unit: Unit, started: f64) -> Self {
        let growth = unit.prediction.peak;
        Running {
            ticket,
            unit,
            started,
            anon: 0,
            most: 0,
            cpu_s: 0.0,
            metadata_out: false,
            evicting: false,
            tokens: 0,
            told: 0,
            idle_tokens: 0,
            idle_for: 0,
            tokens_after: 0.0,
            growth,
        }
    }

    pub(super) fn see(&mut self, seen: &UnitSample) {
        self.anon = seen.anon;
        self.most = self.most.max(seen.anon);
        self.cpu_s = seen.cpu_s;
        self.idle_tokens = seen.idle_tokens.min(self.tokens);
        self.idle_for = if self.idle_tokens > 0 { self.idle_for + 1 } else { 0 };
        self.predict();
    }

    pub(super) fn set_tokens(&mut self, count: usize) {
        self.tokens = count;
        self.idle_tokens = 0;
        self.idle_for = 0;
        self.predict();
    }

    /// What it is still predicted to grow by.
    pub(super) fn growth(&self) -> u64 {
        self.growth
    }

    /// The most it is predicted to hold from now on.
    pub(super) fn holds(&self) -> u64 {
        self.anon + self.growth
    }

    /// Seconds until it ends.
    pub(super) fn time_left(&self) -> f64 {
        self.unit.prediction.cpu_left_s(self.cpu_s)
    }

    /// Whether it holds more than was predicted, its threads included.
    pub(super) fn exceeds(&self) -> bool {
        self.anon > self.unit.prediction.peak + self.unit.prediction.thread_cost * self.tokens as u64
    }

    /// Asked for at every turn, so worked out only when something has changed.
    fn predict(&mut self) {
        let still_to_come = self.unit.prediction.still_to_come(self.cpu_s, self.tokens);
        // One that holds more than was predicted is expected to go on growing.
        self.growth = if self.exceeds() { self.anon / 10 } else { still_to_come.saturating_sub(self.anon) };
    }
}
