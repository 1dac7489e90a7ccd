//! Codegen threads: processors that no unit needs go, as jobserver tokens, to the units that run.

use super::{Action, Running, Scheduler};

/// Samples in a row in which a token has to lie idle before it is taken back: rustc puts one down between two modules.
const IDLE_SAMPLES: u32 = 3;
/// How long a unit that did not use its token gets none, seconds: the front end has no use for threads.
const REST_S: f64 = 0.5;

impl Scheduler {
    /// Whether any was taken back: those that lie idle, and all of them when memory is short.
    pub(super) fn take_back_tokens(&mut self, now: f64) -> bool {
        let given = self.tokens_given();
        if given == 0 {
            return false;
        }
        let short = self.is_short();
        let crowded = self.running.len() + given > self.slots();
        for running in &mut self.running {
            let idle = running.idle_tokens > 0 && (crowded || running.idle_for >= IDLE_SAMPLES);
            if running.tokens > 0 && (short || idle) {
                running.set_tokens(if short { 0 } else { running.tokens - running.idle_tokens });
                running.tokens_after = now + REST_S;
            }
        }
        self.tokens_given() < given
    }

    /// Gives what is left, to the unit with the most work behind it first.
    pub(super) fn give_tokens(&mut self, now: f64) {
        let mut spare = self.slots().saturating_sub(self.running.len() + self.tokens_given());
        let mut room = if spare > 0 { self.room() } else { 0 };
        if room == 0 || self.machine.stalled {
            return;
        }
        let mut takers: Vec<&mut Running> =
            self.running.iter_mut().filter(|running| running.wants_tokens(now)).collect();
        takers.sort_by(|one, other| other.unit.prediction.tail_s.total_cmp(&one.unit.prediction.tail_s));
        for running in takers {
            let cost = running.unit.prediction.thread_cost.max(1);
            let affordable = usize::try_from(room / cost).unwrap_or(usize::MAX);
            let count = spare.min(affordable);
            if count > 0 {
                running.set_tokens(running.tokens + count);
                spare -= count;
                room -= cost * count as u64;
            }
        }
    }

    pub(super) fn tell_tokens(&mut self, actions: &mut Vec<Action>) {
        for running in self.running.iter_mut().filter(|running| running.tokens != running.told) {
            running.told = running.tokens;
            actions.push(Action::Tokens { ticket: running.ticket, count: running.tokens });
        }
    }

    /// The running units are predicted to take more than there is: no thread may add to that.
    fn is_short(&self) -> bool {
        self.machine.stalled || self.promised() > self.machine.headroom
    }

    fn tokens_given(&self) -> usize {
        self.running.iter().map(|running| running.tokens).sum()
    }
}

impl Running {
    fn wants_tokens(&self, now: f64) -> bool {
        let may_have = !self.unit.attempt.single_thread && !self.evicting;
        may_have && self.idle_tokens == 0 && now >= self.tokens_after
    }
}
