//! The decisions: which unit runs, with how many threads, and which one has to make room.
//!
//! [`Scheduler::step`] takes one event and the time and gives a list of actions. There is no clock in here and nothing is
//! read or written, so that a test, a simulation and a real build run through the same code.
//!
//! **What comes in.** Cargo is made to offer every unit that is ready ([`Event::Offered`]), many more than there are
//! cores; a wrapper stands for each and waits, holding nothing. Ten times a second a sample says what memory can still be
//! had and what each running unit holds ([`Event::Sampled`]). A unit ends, is killed, or its wrapper disappears
//! ([`Event::Ended`]).
//!
//! **What goes out.** Start this unit; give it so many codegen threads; end it, its turn will come again; give it up.
//!
//! **Admission** (`admit`). A unit is started when a processor is free for it and when what it is predicted to take fits
//! beside what the running ones are still predicted to grow by. Of those that fit, the one with the longest chain of
//! work behind it goes first, then the oldest. The first in line that does not fit gets a reservation: others may
//! overtake it as long as they do not make it wait longer, be it that they are gone before it fits or that they fit
//! beside it (EASY backfilling). After a minute predicted times are believed no more: it starts when those are gone that
//! ran when its wait began, whatever overtook it.
//!
//! **Threads** (`threads`). Each running unit has one processor. What is left over goes, as jobserver tokens, to
//! those that use them, as far as memory allows; a token that lies idle is taken back.
//!
//! **Pressure** (`pressure`). When memory gets short in spite of the predictions: withhold tokens; admit nothing, which
//! follows from the rule above; end the unit that frees most for the work that is lost. Never the oldest, and one a
//! second at most. As long as the predictions hold, nobody is ended.
//!
//! **Kills** (`retry`). A unit that the kernel killed is started again: alone, then without further threads, then with
//! more codegen units.
//!
//! The invariants, in the order in which they win:
//!
//! 1. At least one unit runs as long as one waits: with nothing running anything is started, whatever is predicted. (If
//!    another program has just taken the memory, after a limited wait.)
//! 2. The oldest running unit is never ended, so that every build ends.
//! 3. What is predicted of the running units fits into what there is, a unit that runs alone excepted.
//! 4. A unit that was killed is not failed as long as there is a gentler way to run it.
//!
//! Nothing in here may block, and nothing may take long: a decision is a few microseconds, with ten thousand units
//! waiting too (`cargo xtask bench scheduler`).

use super::prediction::Prediction;
use queue::Queue;
pub(crate) use retry::ONE_WAIT_S;
use unit::{Running, Unit};

mod admit;
mod pressure;
mod queue;
mod retry;
mod threads;
mod unit;

/// One unit of this build; never used twice.
pub(crate) type Ticket = u64;

/// What has happened.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Event {
    /// A wrapper asks to start this unit.
    Offered {
        ticket: Ticket,
        prediction: Prediction,
    },
    /// What waits for the unit's metadata only can go on.
    MetadataOut {
        ticket: Ticket,
    },
    /// The compiler and all that it started are gone.
    Ended {
        ticket: Ticket,
        end: End,
    },
    Sampled(Sample),
    /// Of the tokens that this unit was given it uses all but these.
    TokensIdle {
        ticket: Ticket,
        count: usize,
    },
    /// What the other builds of this user claim, told before each decision while there are any.
    Shared(Share),
    /// Start nothing any more: the user wants to stop.
    Stop,
}

/// How a unit's processes ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// By themselves, well or with an error that is theirs; or the wrapper has disappeared and cargo knows.
    Finished,
    /// By a signal that this scheduler did not ask for. `confirmed`: the kernel's own count of OOM kills has moved.
    Killed { confirmed: bool },
    /// Because of [`Action::Evict`].
    Evicted,
}

/// The machine and the running units at one moment. Memory in bytes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample {
    /// What this build may still take, a reserve already subtracted.
    pub(crate) headroom: u64,
    /// Used by what is not this build: when it falls, headroom rises.
    pub(crate) foreign: u64,
    /// What headroom could become at most, whatever the others give back.
    pub(crate) most: u64,
    /// Build scripts that run: cargo starts them without asking.
    pub(crate) scripts: usize,
    /// Tasks stand still for want of memory (pressure stall information).
    pub(crate) stalled: bool,
    pub(crate) units: Vec<UnitSample>,
}

/// How much of the machine is this build's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share {
    /// Processors.
    pub(crate) slots: usize,
    /// Of the headroom, what others have been promised, bytes.
    pub(crate) reserved: u64,
    /// The headroom, read after the others' claims were: what they do not claim any more, they hold by now.
    pub(crate) headroom: Option<u64>,
    /// Others run something, or have waited longer: with nothing of ours running we wait for them.
    pub(crate) behind_others: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct UnitSample {
    pub(crate) ticket: Ticket,
    /// Anonymous memory of all its processes.
    pub(crate) anon: u64,
    pub(crate) cpu_s: f64,
    /// Tokens that it was given and does not use.
    pub(crate) idle_tokens: usize,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Action {
    Start {
        ticket: Ticket,
        attempt: Attempt,
    },
    /// Let the unit have this many codegen threads beyond its first.
    Tokens {
        ticket: Ticket,
        count: usize,
    },
    /// End all processes of the unit; it goes back into the queue.
    Evict {
        ticket: Ticket,
        reason: Shortage,
    },
    /// Let the unit's failure stand.
    GiveUp {
        ticket: Ticket,
        need: u64,
    },
    /// Nothing runs and the first in line waits for other programs to give memory back.
    Wait {
        ticket: Ticket,
        need: u64,
    },
}

/// In which way a unit is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Attempt {
    /// Kills before this one.
    pub(crate) kills: u32,
    pub(crate) alone: bool,
    pub(crate) single_thread: bool,
    pub(crate) more_codegen_units: bool,
    /// The compiler gives memory back as soon as it can: a twentieth less, and a little slower.
    pub(crate) frugal: bool,
}

/// Why a unit has to make room.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Shortage {
    pub(crate) headroom: u64,
    /// Bytes a second by which it shrank.
    pub(crate) falling: u64,
}

#[derive(Debug)]
pub(crate) struct Scheduler {
    waiting: Queue,
    /// In the order in which they were started: the oldest first.
    running: Vec<Running>,
    machine: Machine,
    reservation: Option<Reservation>,
    patience: retry::Patience,
    pressure: pressure::State,
    stopping: bool,
}

/// What the last sample said, and what was credited since.
#[derive(Debug)]
struct Machine {
    headroom: u64,
    foreign: u64,
    most: u64,
    share: Share,
    scripts: usize,
    stalled: bool,
}

/// The first in line, while it does not fit.
#[derive(Debug, Clone, Copy)]
struct Reservation {
    ticket: Ticket,
    since: f64,
}

impl Scheduler {
    /// `slots` processors; memory counts as unlimited until the first sample.
    pub(crate) fn new(slots: usize) -> Self {
        Scheduler {
            waiting: Queue::default(),
            running: Vec::new(),
            machine: Machine {
                headroom: u64::MAX,
                foreign: 0,
                most: u64::MAX,
                share: Share { slots: slots.max(1), reserved: 0, headroom: None, behind_others: false },
                scripts: 0,
                stalled: false,
            },
            reservation: None,
            patience: retry::Patience::default(),
            pressure: pressure::State::default(),
            stopping: false,
        }
    }

    /// Takes in what has happened at `now`, seconds since any fixed moment, and says what is to be done about it.
    pub(crate) fn step(&mut self, event: Event, now: f64) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Offered { ticket, prediction } => self.offer(ticket, prediction),
            Event::MetadataOut { ticket } => {
                if let Some(running) = self.running_mut(ticket) {
                    running.metadata_out = true;
                }
            }
            Event::Ended { ticket, end } => self.end(ticket, end, &mut actions),
            Event::Sampled(sample) => {
                self.take_sample(&sample, now);
                self.relieve(now, &mut actions);
            }
            Event::TokensIdle { ticket, count } => {
                if let Some(running) = self.running_mut(ticket) {
                    running.idle_tokens = count.min(running.tokens);
                }
            }
            Event::Shared(share) => {
                self.machine.share = Share { slots: share.slots.max(1), ..share };
                self.machine.headroom = share.headroom.unwrap_or(self.machine.headroom);
            }
            Event::Stop => self.stopping = true,
        }
        self.admit(now, &mut actions);
        // Tokens that are taken back make room for units.
        while self.take_back_tokens(now) {
            self.admit(now, &mut actions);
        }
        self.give_tokens(now);
        self.tell_tokens(&mut actions);
        actions
    }

    pub(crate) fn running(&self) -> usize {
        self.running.len()
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// What the running units are still predicted to grow by, bytes.
    pub(crate) fn promised(&self) -> u64 {
        self.running.iter().map(Running::growth).sum()
    }

    /// What the first in line needs, bytes, while it waits for memory.
    pub(crate) fn wanted(&self) -> Option<u64> {
        let reserved = self.reservation?;
        Some(self.waiting.get(reserved.ticket)?.prediction.peak)
    }

    /// The unit that waits for memory before all others.
    pub(crate) fn first_in_line(&self) -> Option<Ticket> {
        self.reservation.map(|reserved| reserved.ticket)
    }

    /// Processors in use: one for each running unit, and the tokens that are not idle.
    pub(crate) fn slots_used(&self) -> usize {
        self.running.iter().map(|running| 1 + running.tokens - running.idle_tokens).sum()
    }

    fn offer(&mut self, ticket: Ticket, prediction: Prediction) {
        if self.waiting.get(ticket).is_none() && self.running_mut(ticket).is_none() {
            self.waiting.insert(ticket, Unit::new(prediction));
        }
    }

    fn end(&mut self, ticket: Ticket, end: End, actions: &mut Vec<Action>) {
        let Some(at) = self.running.iter().position(|running| running.ticket == ticket) else {
            // It never ran: its wrapper has gone while it waited.
            self.dequeue(ticket);
            return;
        };
        let mut ended = self.running.remove(at);
        let again = match end {
            End::Finished => false,
            End::Evicted => {
                ended.was_evicted();
                true
            }
            End::Killed { confirmed } => self.was_killed(&mut ended, confirmed, actions),
        };
        // The last sample counted this memory as taken. Where it found none left, this may only pay a debt.
        if self.machine.headroom > 0 {
            self.machine.headroom = self.machine.headroom.saturating_add(ended.anon);
        }
        if again && !self.stopping {
            self.waiting.insert(ticket, ended.unit);
        }
    }

    fn take_sample(&mut self, sample: &Sample, now: f64) {
        self.pressure.see(sample.headroom, sample.foreign, now);
        self.patience.see(sample.foreign);
        self.machine = Machine {
            headroom: sample.headroom,
            foreign: sample.foreign,
            most: sample.most,
            share: self.machine.share,
            scripts: sample.scripts,
            stalled: sample.stalled,
        };
        for seen in &sample.units {
            if let Some(running) = self.running_mut(seen.ticket) {
                running.see(seen);
            }
        }
    }

    fn dequeue(&mut self, ticket: Ticket) -> Option<Unit> {
        if self.reservation.is_some_and(|reserved| reserved.ticket == ticket) {
            self.reservation = None;
            self.patience.rests();
        }
        self.waiting.remove(ticket)
    }

    fn running_mut(&mut self, ticket: Ticket) -> Option<&mut Running> {
        self.running.iter_mut().find(|running| running.ticket == ticket)
    }

    /// Processors for units and their threads: build scripts have theirs already.
    fn slots(&self) -> usize {
        self.machine.share.slots.saturating_sub(self.machine.scripts).max(1)
    }

    /// What may still be promised, bytes: when all of it is taken, nobody has to be evicted yet.
    fn room(&self) -> u64 {
        let taken = self.machine.share.reserved.saturating_add(self.promised());
        self.machine.headroom.saturating_sub(taken).saturating_sub(pressure::CRITICAL)
    }
}

#[cfg(test)]
mod tests;
