//! The units that wait, in the order in which they are to start.
//!
//! With ten thousand of them and almost no memory, most decisions are to start nobody, and they must not look at everybody
//! to find that out. So the queue is kept in blocks, and each block knows its most modest units: those that no other unit
//! of the block undercuts both in memory and in time. When none of them is acceptable, no unit of the block is.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::{Ticket, Unit};

#[derive(Debug, Default)]
pub(super) struct Queue {
    units: HashMap<Ticket, Unit>,
    /// None of them empty.
    blocks: Vec<Block>,
}

/// A run of the queue.
#[derive(Debug, Default)]
struct Block {
    entries: Vec<Entry>,
    modest: Vec<Demand>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    rank: Rank,
    demand: Demand,
}

/// Those that must run alone, then by the work behind them, then by age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    not_alone: bool,
    tail_us: Reverse<u64>,
    ticket: Ticket,
}

/// What a unit asks for: bytes, and for how many seconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Demand {
    pub(super) peak: u64,
    pub(super) cpu_s: f64,
}

/// A block with this many entries is split. Moving so many is nothing; looking at so many blocks is little.
const FULL: usize = 128;

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.units.len()
    }

    pub(super) fn get(&self, ticket: Ticket) -> Option<&Unit> {
        self.units.get(&ticket)
    }

    pub(super) fn first(&self) -> Option<(Ticket, &Unit)> {
        let ticket = self.blocks.first()?.entries.first()?.rank.ticket;
        Some((ticket, self.get(ticket)?))
    }

    /// The least memory that any of them needs, bytes.
    pub(super) fn least_peak(&self) -> Option<u64> {
        self.blocks.iter().flat_map(|block| &block.modest).map(|demand| demand.peak).min()
    }

    /// The first that is acceptable. Whoever asks for no more than an acceptable one has to be acceptable too.
    pub(super) fn find(&self, acceptable: impl Fn(&Demand) -> bool) -> Option<Ticket> {
        let block = self.blocks.iter().find(|block| block.modest.iter().any(&acceptable))?;
        block.entries.iter().find(|entry| acceptable(&entry.demand)).map(|entry| entry.rank.ticket)
    }

    pub(super) fn insert(&mut self, ticket: Ticket, unit: Unit) {
        let entry = Entry::of(ticket, &unit);
        self.units.insert(ticket, unit);
        if self.blocks.is_empty() {
            self.blocks.push(Block::default());
        }
        let at = self.block_of(&entry.rank);
        self.blocks[at].insert(entry);
        if self.blocks[at].entries.len() >= FULL {
            let later = self.blocks[at].split();
            self.blocks.insert(at + 1, later);
        }
    }

    pub(super) fn remove(&mut self, ticket: Ticket) -> Option<Unit> {
        let unit = self.units.remove(&ticket)?;
        let at = self.block_of(&Entry::of(ticket, &unit).rank);
        self.blocks[at].remove(ticket);
        if self.blocks[at].entries.is_empty() {
            self.blocks.remove(at);
        }
        Some(unit)
    }

    /// The block that `rank` is in, or would be: the last that does not begin behind it.
    fn block_of(&self, rank: &Rank) -> usize {
        let begins_before = |block: &Block| block.entries.first().is_none_or(|first| first.rank <= *rank);
        self.blocks.partition_point(begins_before).saturating_sub(1)
    }
}

impl Block {
    fn insert(&mut self, entry: Entry) {
        let at = self.entries.partition_point(|other| other.rank < entry.rank);
        self.entries.insert(at, entry);
        self.note(entry.demand);
    }

    fn remove(&mut self, ticket: Ticket) {
        self.entries.retain(|entry| entry.rank.ticket != ticket);
        self.note_all();
    }

    fn split(&mut self) -> Block {
        let mut later = Block { entries: self.entries.split_off(FULL / 2), modest: Vec::new() };
        later.note_all();
        self.note_all();
        later
    }

    fn note_all(&mut self) {
        self.modest.clear();
        for at in 0..self.entries.len() {
            self.note(self.entries[at].demand);
        }
    }

    fn note(&mut self, demand: Demand) {
        if !self.modest.iter().any(|other| other.undercuts(&demand)) {
            self.modest.retain(|other| !demand.undercuts(other));
            self.modest.push(demand);
        }
    }
}

impl Entry {
    fn of(ticket: Ticket, unit: &Unit) -> Self {
        // Microseconds, so that ranks can be compared exactly; a negative or absurd tail becomes the nearest end.
        let tail_us = Reverse((unit.prediction.tail_s * 1e6) as u64);
        let rank = Rank { not_alone: !unit.attempt.alone, tail_us, ticket };
        Entry { rank, demand: Demand { peak: unit.prediction.peak, cpu_s: unit.prediction.cpu_s } }
    }
}

impl Demand {
    fn undercuts(&self, other: &Demand) -> bool {
        self.peak <= other.peak && self.cpu_s <= other.cpu_s
    }
}
