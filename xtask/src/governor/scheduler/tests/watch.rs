//! Looks at every decision of a build and says the rules again in other words: it keeps its own account of what runs, and
//! calls nothing of the scheduler's but [`Scheduler::step`]. What is predicted of a unit it reads there, since that is
//! raised by kills and evictions.

use std::collections::BTreeSet;

use super::*;
use crate::governor::prediction::STEPS;

/// Kept free, bytes.
const KEPT: u64 = 16 << 20;

#[derive(Debug, Default)]
pub(super) struct Watch {
    waiting: BTreeSet<Ticket>,
    /// In the order in which they were started.
    running: Vec<Running>,
    machine: Option<Sample>,
    least_foreign: Option<u64>,
    evicted_at: Option<f64>,
    /// Nothing runs though somebody waits, since then; and how long that was in all.
    idle_since: Option<f64>,
    idle_s: f64,
    first: Option<First>,
}

#[derive(Debug, Clone)]
struct Running {
    ticket: Ticket,
    started: f64,
    seen: UnitSample,
    tokens: usize,
    evicting: bool,
}

/// The first in line, since when, and who ran when it had been that for a minute.
#[derive(Debug)]
struct First {
    ticket: Ticket,
    since: f64,
    then_running: Option<BTreeSet<Ticket>>,
}

impl Watch {
    pub(super) fn step(&mut self, scheduler: &mut Scheduler, event: Event, now: f64) -> Vec<Action> {
        self.take_in(&event);
        let actions = scheduler.step(event, now);
        // Threads are given last: what that changes, the next decision sees.
        let (given, others): (Vec<&Action>, Vec<&Action>) = actions.iter().partition(|action| self.gives(action));
        let tokens_were_taken = others.iter().any(|action| matches!(action, Action::Tokens { .. }));
        for action in others {
            if let (Action::Start { ticket, .. }, false) = (action, tokens_were_taken) {
                self.overtakes_harmlessly(*ticket, scheduler, now);
            }
            self.follow(action, scheduler, now);
        }
        self.nobody_waits_in_vain(scheduler, now);
        given.iter().for_each(|action| self.follow(action, scheduler, now));
        self.memory_is_kept(scheduler, &actions);
        self.waits_for_others_have_an_end(scheduler, now);
        self.the_first_gets_its_turn(scheduler, now);
        actions
    }

    fn take_in(&mut self, event: &Event) {
        match event {
            Event::Offered { ticket, .. } => assert!(self.waiting.insert(*ticket)),
            Event::Ended { ticket, end } => self.ended(*ticket, *end),
            Event::Sampled(sample) => {
                for running in &mut self.running {
                    let seen = sample.units.iter().find(|seen| seen.ticket == running.ticket);
                    running.seen = seen.expect("all that runs is sampled").clone();
                }
                self.least_foreign = Some(self.least_foreign.map_or(sample.foreign, |least| least.min(sample.foreign)));
                self.machine = Some(sample.clone());
            }
            Event::MetadataOut { .. } | Event::TokensIdle { .. } | Event::Shared(_) | Event::Stop => {}
        }
    }

    fn ended(&mut self, ticket: Ticket, end: End) {
        match self.running.iter().position(|running| running.ticket == ticket) {
            Some(at) => {
                let freed = self.running.remove(at).seen.anon;
                let machine = self.machine.as_mut().expect("sampled first");
                machine.headroom += if machine.headroom > 0 { freed } else { 0 };
                if end != End::Finished {
                    self.waiting.insert(ticket);
                }
            }
            None => assert!(self.waiting.remove(&ticket)),
        }
    }

    fn gives(&self, action: &Action) -> bool {
        let Action::Tokens { ticket, count } = action else { return false };
        let running = self.running.iter().find(|running| running.ticket == *ticket);
        running.is_none_or(|running| running.tokens < *count)
    }

    fn follow(&mut self, action: &Action, scheduler: &Scheduler, now: f64) {
        match action {
            Action::Start { ticket, attempt } => {
                assert!(self.waiting.remove(ticket), "{ticket} is started without waiting, or twice");
                assert!(!self.running.iter().any(|other| unit(scheduler, other.ticket).attempt.alone));
                assert!(!attempt.alone || self.running.is_empty());
                let seen = UnitSample { ticket: *ticket, anon: 0, cpu_s: 0.0, idle_tokens: 0 };
                self.running.push(Running { ticket: *ticket, started: now, seen, tokens: 0, evicting: false });
            }
            Action::Tokens { ticket, count } => {
                let running = self.running.iter_mut().find(|running| running.ticket == *ticket).expect("it runs");
                running.tokens = *count;
                running.seen.idle_tokens = 0;
                assert!(*count == 0 || !unit(scheduler, *ticket).attempt.single_thread);
            }
            Action::Evict { ticket, .. } => self.evicted(*ticket, now),
            Action::GiveUp { ticket, .. } => assert!(self.waiting.remove(ticket)),
            Action::Wait { .. } => assert!(self.running.is_empty()),
        }
    }

    fn evicted(&mut self, ticket: Ticket, now: f64) {
        let mut living = self.running.iter_mut().filter(|running| !running.evicting);
        let oldest = living.next().expect("somebody lives");
        assert_ne!(oldest.ticket, ticket, "the oldest is never evicted");
        living.find(|running| running.ticket == ticket).expect("evicted once").evicting = true;
        assert!(self.evicted_at.is_none_or(|at| now - at >= 1.0 - 1e-9), "one a second");
        self.evicted_at = Some(now);
    }

    /// What is started beside others fits, and so does each thread.
    fn memory_is_kept(&self, scheduler: &Scheduler, actions: &[Action]) {
        let Some(machine) = &self.machine else { return };
        let more_is_taken = actions.iter().any(|action| match action {
            Action::Start { .. } => self.running.len() > 1,
            Action::Tokens { count, .. } => *count > 0,
            _ => false,
        });
        if more_is_taken {
            assert!(self.growth(scheduler) <= machine.headroom, "{actions:?}");
            let processors: usize = self.running.iter().map(|running| 1 + running.tokens).sum();
            assert!(processors <= scheduler.machine.share.slots, "{actions:?}");
        }
    }

    /// No unit waits that could start without making the first in line wait longer.
    fn nobody_waits_in_vain(&self, scheduler: &Scheduler, now: f64) {
        let Some(first) = self.first_in_line(scheduler) else { return };
        if !self.may_start(scheduler, first, now) {
            return;
        }
        let room = self.headroom().saturating_sub(self.growth(scheduler) + KEPT);
        let need = unit(scheduler, first).prediction.peak;
        assert!(need > room, "the first, {first}, needs {need} of {room}");
        let reserved = scheduler.reservation.expect("the first is reserved");
        assert_eq!(reserved.ticket, first);
        let (until, spare) = self.opening(scheduler, reserved, room, need, now);
        for ticket in self.waiting.iter().filter(|ticket| **ticket != first) {
            let &Prediction { peak, cpu_s, .. } = &unit(scheduler, *ticket).prediction;
            let harmless = peak <= spare || cpu_s <= until;
            assert!(peak > room || !harmless, "{ticket} needs {peak} for {cpu_s} s; {room}, {spare}, {until}");
        }
    }

    /// `ticket` is the first in line, or does not make it wait longer.
    fn overtakes_harmlessly(&self, ticket: Ticket, scheduler: &Scheduler, now: f64) {
        let Some(first) = self.first_in_line(scheduler).filter(|first| *first != ticket) else { return };
        let reserved = scheduler.reservation.filter(|reserved| reserved.ticket == first);
        let reserved = reserved.expect("the first is started before, or reserved");
        let need = unit(scheduler, first).prediction.peak;
        let room = self.headroom().saturating_sub(self.growth(scheduler) + KEPT);
        let (until, spare) = self.opening(scheduler, reserved, room, need, now);
        let &Prediction { peak, cpu_s, .. } = &unit(scheduler, ticket).prediction;
        assert!(peak <= room && (peak <= spare || cpu_s < until), "{ticket} before {first}: {peak}, {cpu_s} s");
    }

    /// A processor is free, and nothing forbids to start `first` beside others but perhaps memory.
    fn may_start(&self, scheduler: &Scheduler, first: Ticket, now: f64) -> bool {
        let machine = self.machine.as_ref().expect("sampled first");
        let used: usize = self.running.iter().map(|running| 1 + running.tokens - running.seen.idle_tokens).sum();
        let alone = |ticket: Ticket| unit(scheduler, ticket).attempt.alone;
        let paused = self.evicted_at.is_some_and(|at| now < at + 1.0);
        let somebody_alone = alone(first) || self.running.first().is_some_and(|oldest| alone(oldest.ticket));
        used < scheduler.machine.share.slots && !machine.stalled && !paused && !somebody_alone
    }

    /// When `need` will fit, and what is left beside it then. After a minute: what is left beside it when all are gone
    /// that were there before.
    fn opening(&self, scheduler: &Scheduler, first: Reservation, room: u64, need: u64, now: f64) -> (f64, u64) {
        let mut ends: Vec<(f64, u64)> = Vec::new();
        for running in &self.running {
            let left = (unit(scheduler, running.ticket).prediction.cpu_s - running.seen.cpu_s).max(0.1);
            let holds = running.seen.anon + running.growth(scheduler);
            let late = now - first.since > 60.0;
            match (late, running.started <= first.since) {
                (true, false) => {}
                (true, true) => ends.push((0.0, holds)),
                (false, _) => ends.push((left, holds)),
            }
        }
        ends.sort_by(|one, other| one.0.total_cmp(&other.0));
        let sums = (0..=ends.len()).map(|count| room + ends[..count].iter().map(|end| end.1).sum::<u64>());
        if now - first.since > 60.0 {
            return (-1.0, sums.max().unwrap_or(0).saturating_sub(need));
        }
        let fits = sums.enumerate().find(|(_, sum)| *sum >= need);
        fits.map_or((f64::INFINITY, 0), |(count, sum)| (ends[count - 1].0, sum - need))
    }

    /// Nothing runs while somebody waits only for memory that others took, and not for ever.
    fn waits_for_others_have_an_end(&mut self, scheduler: &Scheduler, now: f64) {
        let Some(first) = self.first_in_line(scheduler).filter(|_| self.running.is_empty()) else {
            self.idle_s += self.idle_since.take().map_or(0.0, |since| now - since);
            assert!(self.idle_s <= 310.0);
            return;
        };
        let machine = self.machine.as_ref().expect("sampled first");
        assert!(unit(scheduler, first).prediction.peak > machine.headroom, "{first} fits");
        assert!(Some(machine.foreign) > self.least_foreign);
        let since = *self.idle_since.get_or_insert(now);
        assert!(now - since < 45.0, "{first} has waited since {since}");
    }

    /// Who has been first in line for a minute starts when all that ran by then are gone.
    fn the_first_gets_its_turn(&mut self, scheduler: &Scheduler, now: f64) {
        let Some(ticket) = self.first_in_line(scheduler).filter(|_| !self.running.is_empty()) else {
            self.first = None;
            return;
        };
        if self.first.as_ref().is_none_or(|first| first.ticket != ticket) {
            self.first = Some(First { ticket, since: now, then_running: None });
        }
        let threads: u64 = self.running.iter().map(|running| running.for_threads(scheduler)).sum();
        // What threads hold comes back with them; what is more than was predicted, nobody could keep free.
        let room = (self.headroom() + threads).saturating_sub(self.growth(scheduler) + KEPT);
        let fits = unit(scheduler, ticket).prediction.peak <= room;
        let excused = !self.may_start(scheduler, ticket, now) || self.running.iter().any(|one| one.is_over(scheduler));
        let Some(first) = self.first.as_mut().filter(|first| now - first.since > 60.0) else { return };
        let running = || self.running.iter().map(|running| running.ticket).collect();
        let then_running = first.then_running.get_or_insert_with(running);
        let all_gone = !self.running.iter().any(|running| then_running.contains(&running.ticket));
        assert!(!all_gone || fits || excused, "{ticket} is passed over since {}", first.since);
    }

    fn first_in_line(&self, scheduler: &Scheduler) -> Option<Ticket> {
        self.waiting.iter().copied().min_by_key(|ticket| {
            let unit = unit(scheduler, *ticket);
            (!unit.attempt.alone, u64::MAX - (unit.prediction.tail_s * 1e6) as u64, *ticket)
        })
    }

    fn headroom(&self) -> u64 {
        self.machine.as_ref().map_or(0, |machine| machine.headroom)
    }

    fn growth(&self, scheduler: &Scheduler) -> u64 {
        self.running.iter().map(|running| running.growth(scheduler)).sum()
    }
}

impl Running {
    fn growth(&self, scheduler: &Scheduler) -> u64 {
        if self.is_over(scheduler) {
            return self.seen.anon / 10;
        }
        let prediction = &unit(scheduler, self.ticket).prediction;
        let step = (self.seen.cpu_s / prediction.cpu_s.max(0.1) * STEPS as f64) as usize;
        let ahead = prediction.course.0.iter().skip(step.min(STEPS - 1).saturating_sub(1)).max();
        let most = ahead.copied().unwrap_or(prediction.peak) + self.for_threads(scheduler);
        most.saturating_sub(self.seen.anon)
    }

    fn for_threads(&self, scheduler: &Scheduler) -> u64 {
        unit(scheduler, self.ticket).prediction.thread_cost * self.tokens as u64
    }

    /// It holds more than was predicted.
    fn is_over(&self, scheduler: &Scheduler) -> bool {
        self.seen.anon > unit(scheduler, self.ticket).prediction.peak + self.for_threads(scheduler)
    }
}

fn unit(scheduler: &Scheduler, ticket: Ticket) -> &Unit {
    let running = scheduler.running.iter().find(|running| running.ticket == ticket);
    running.map(|running| &running.unit).or_else(|| scheduler.waiting.get(ticket)).expect("known")
}
