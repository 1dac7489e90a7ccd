//! Each rule by itself, in megabytes and seconds; `properties` has what holds in every build.

use super::*;
use crate::governor::prediction::{Basis, Course};

mod admission;
mod order;
mod properties;
mod relief;
mod starvation;
mod watch;

const MB: u64 = 1_000_000;

/// A scheduler, the time, and actions as words: `start 1`, `tokens 1 3`, `evict 2`, `give up 1`, `wait 1`.
struct Desk {
    scheduler: Scheduler,
    now: f64,
    foreign: u64,
    /// What `--memory` leaves.
    most: u64,
    slots: usize,
    scripts: usize,
    stalled: bool,
    neighbours: bool,
}

/// One unit that holds `anon` megabytes, as a sample says.
#[derive(Clone, Copy)]
struct Seen {
    ticket: Ticket,
    anon: u64,
    cpu_s: f64,
    idle: usize,
}

fn desk(slots: usize, headroom: u64) -> Desk {
    let mut desk = Desk {
        scheduler: Scheduler::new(slots),
        now: 0.0,
        foreign: 0,
        most: u64::MAX / MB,
        slots,
        scripts: 0,
        stalled: false,
        neighbours: false,
    };
    desk.sample(headroom, &[]);
    desk
}

fn need(peak: u64) -> Prediction {
    Prediction {
        peak: peak * MB,
        thread_cost: 1000 * MB,
        course: Course::default(),
        cpu_s: 10.0,
        tail_s: 10.0,
        basis: Basis::Measured,
    }
}

fn holds(ticket: Ticket, anon: u64) -> Seen {
    Seen { ticket, anon, cpu_s: 1.0, idle: 0 }
}

impl Prediction {
    fn tail(self, tail_s: f64) -> Self {
        Prediction { tail_s, ..self }
    }

    fn takes(self, cpu_s: f64) -> Self {
        Prediction { cpu_s, ..self }
    }

    /// Threads that cost next to nothing; all others cost too much to be given any.
    fn threads(self) -> Self {
        Prediction { thread_cost: MB, ..self }
    }
}

impl Desk {
    fn step(&mut self, event: Event) -> Vec<String> {
        self.scheduler.step(event, self.now).iter().map(word).collect()
    }

    fn offer(&mut self, ticket: Ticket, prediction: Prediction) -> Vec<String> {
        self.step(Event::Offered { ticket, prediction })
    }

    fn end(&mut self, ticket: Ticket, end: End) -> Vec<String> {
        self.step(Event::Ended { ticket, end })
    }

    fn kill(&mut self, ticket: Ticket) -> Vec<String> {
        self.end(ticket, End::Killed { confirmed: true })
    }

    /// A sample at once: `headroom` megabytes can still be had, beside what is always kept free.
    fn sample(&mut self, headroom: u64, units: &[Seen]) -> Vec<String> {
        self.sample_bytes(headroom * MB + pressure::CRITICAL, units)
    }

    /// A sample at once: so little memory is left that somebody has to go.
    fn sample_short(&mut self, units: &[Seen]) -> Vec<String> {
        self.sample_bytes(pressure::CRITICAL - 1, units)
    }

    fn sample_bytes(&mut self, headroom: u64, units: &[Seen]) -> Vec<String> {
        let unit = |seen: &Seen| UnitSample {
            ticket: seen.ticket,
            anon: seen.anon * MB,
            cpu_s: seen.cpu_s,
            idle_tokens: seen.idle,
        };
        let sample = Sample {
            headroom,
            foreign: self.foreign * MB,
            most: self.most * MB,
            scripts: self.scripts,
            stalled: self.stalled,
            units: units.iter().map(unit).collect(),
        };
        let share = Share { slots: self.slots, reserved: 0, headroom: None, behind_others: self.neighbours };
        let mut words =
            if share == self.scheduler.machine.share { Vec::new() } else { self.step(Event::Shared(share)) };
        words.extend(self.step(Event::Sampled(sample)));
        words
    }

    fn sample_after(&mut self, seconds: f64, headroom: u64, units: &[Seen]) -> Vec<String> {
        self.now += seconds;
        self.sample(headroom, units)
    }
}

fn word(action: &Action) -> String {
    match action {
        Action::Start { ticket, .. } => format!("start {ticket}"),
        Action::Tokens { ticket, count } => format!("tokens {ticket} {count}"),
        Action::Evict { ticket, .. } => format!("evict {ticket}"),
        Action::GiveUp { ticket, .. } => format!("give up {ticket}"),
        Action::Wait { ticket, .. } => format!("wait {ticket}"),
    }
}

fn nothing() -> [String; 0] {
    []
}
