//! Admission: who is started next.

use super::queue::Demand;
use super::{Action, Reservation, Running, Scheduler, Ticket};

/// How long others may overtake the first in line because they are predicted to be gone in time, seconds.
const LONGEST_BELIEF_S: f64 = 60.0;

/// How long a build that runs nothing waits for other builds, seconds: one of them may have been stopped with Ctrl-Z.
const LONGEST_FOR_OTHERS_S: f64 = 600.0;

/// A unit that is predicted to leave less than this part of the memory free is told to be frugal.
const TIGHT: u64 = 8;

impl Scheduler {
    pub(super) fn admit(&mut self, now: f64, actions: &mut Vec<Action>) {
        if self.stopping {
            return;
        }
        while let Some(ticket) = self.next(now, actions) {
            self.start(ticket, now, actions);
        }
    }

    /// The next unit to start now, if any is.
    fn next(&mut self, now: f64, actions: &mut Vec<Action>) -> Option<Ticket> {
        let (first, unit) = self.waiting.first()?;
        let (need, alone) = (unit.prediction.peak, unit.attempt.alone);
        // With nothing running, the first in line starts, whether it fits or not.
        if self.running.is_empty() && !self.waits_for_others(first, need, now, actions) {
            return Some(first);
        }
        let somebody_must_be_alone = alone || self.running.first().is_some_and(|oldest| oldest.unit.attempt.alone);
        if somebody_must_be_alone || self.slots_used() >= self.slots() || self.pressure.holds_back(now) {
            return None;
        }
        let room = self.room();
        if self.machine.stalled || self.waiting.least_peak().is_none_or(|least| least > room) {
            self.reserve(first, now);
            return None;
        }
        if need <= room {
            return Some(first);
        }
        let since = self.reserve(first, now);
        self.overtaker(need, room, since, now)
    }

    /// Whether `first`, which could start alone, does not fit now and soon might.
    fn waits_for_others(&mut self, first: Ticket, need: u64, now: f64, actions: &mut Vec<Action>) -> bool {
        if self.machine.share.behind_others && need > self.room() {
            let is_new = self.reservation.is_none_or(|reserved| reserved.ticket != first);
            let since = self.reserve(first, now);
            if now - since < LONGEST_FOR_OTHERS_S {
                actions.extend(is_new.then_some(Action::Wait { ticket: first, need }));
                return true;
            }
        }
        let waits_already = self.patience.is_tried();
        if !self.patience.waits(need, &self.machine, now) {
            return false;
        }
        if !waits_already {
            actions.push(Action::Wait { ticket: first, need });
        }
        self.reserve(first, now);
        true
    }

    /// Since when it is reserved.
    fn reserve(&mut self, ticket: Ticket, now: f64) -> f64 {
        let reserved = self.reservation.filter(|reserved| reserved.ticket == ticket);
        self.reservation.insert(reserved.unwrap_or(Reservation { ticket, since: now })).since
    }

    /// The first of the others that fits and does not make the first in line wait longer: it is gone before that one could
    /// start, or there is room for both when it can.
    fn overtaker(&self, need: u64, room: u64, since: f64, now: f64) -> Option<Ticket> {
        // Predicted times may be wrong, and are not believed for ever.
        let late = now - since > LONGEST_BELIEF_S;
        let (until, spare) = if late { (0.0, self.beside(need, room, since)) } else { self.opening(need, room) };
        let harmless = |demand: &Demand| demand.peak <= spare || demand.cpu_s < until;
        self.waiting.find(|demand| demand.peak <= room && harmless(demand))
    }

    /// When `need` will fit, seconds from now, and what will be left beside it then.
    fn opening(&self, need: u64, mut room: u64) -> (f64, u64) {
        let mut ends: Vec<_> = self.running.iter().map(|running| (running.time_left(), running.holds())).collect();
        ends.sort_by(|one, other| one.0.total_cmp(&other.0));
        for (at, freed) in ends {
            room = room.saturating_add(freed);
            if room >= need {
                return (at, room - need);
            }
        }
        // It never fits: it will run alone, behind all that run now.
        (f64::INFINITY, 0)
    }

    /// What is left beside `need` when all are gone that were started by `since`, be it when it may.
    fn beside(&self, need: u64, room: u64, since: f64) -> u64 {
        let by_then = self.running.iter().filter(|running| running.started <= since);
        (room + by_then.map(Running::holds).sum::<u64>()).saturating_sub(need)
    }

    fn start(&mut self, ticket: Ticket, now: f64, actions: &mut Vec<Action>) {
        let Some(mut unit) = self.dequeue(ticket) else { return };
        let spare = self.room().saturating_sub(unit.prediction.peak);
        unit.attempt.frugal = unit.attempt.kills > 0 || spare < unit.prediction.peak / TIGHT;
        actions.push(Action::Start { ticket, attempt: unit.attempt });
        self.running.push(Running::new(ticket, unit, now));
        self.patience.rests();
    }
}
