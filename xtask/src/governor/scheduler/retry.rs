//! Kills: a unit that was killed is tried again in gentler ways, and memory that others hold is waited for a while.

use super::{Action, Machine, Running, Scheduler};

/// Kills after which a unit is given up, whoever the killer is.
const MOST_KILLS: u32 = 10;
/// Kills after which the gentlest way has been tried.
const GENTLEST: u32 = 4;
/// From what a killed unit held to what is predicted of it next.
const RAISE_PERCENT: u64 = 110;
/// How long one unit waits for other programs to give memory back, and all units of a build together, seconds.
pub(crate) const ONE_WAIT_S: f64 = 45.0;
const ALL_WAITS_S: f64 = 300.0;

/// Others have taken what is worth waiting for when it is this part of what is needed: pages of files come and go.
const MUCH: u64 = 8;

/// Waiting for memory that other programs have taken since the build began.
#[derive(Debug)]
pub(super) struct Patience {
    left_s: f64,
    since: Option<(f64, f64)>,
    /// The least that other programs have held since the build began.
    foreign_at_best: u64,
}

impl Default for Patience {
    fn default() -> Self {
        Patience { left_s: ALL_WAITS_S, since: None, foreign_at_best: u64::MAX }
    }
}

impl Patience {
    pub(super) fn see(&mut self, foreign: u64) {
        self.foreign_at_best = self.foreign_at_best.min(foreign);
    }

    /// Whether `need` should wait, with nothing running: it does not fit now, it would if others gave back what they have
    /// taken since, which is not little, and it has not waited too long.
    pub(super) fn waits(&mut self, need: u64, machine: &Machine, now: f64) -> bool {
        let taken = self.taken(machine.foreign);
        let is_much = taken >= need / MUCH;
        let at_best = machine.headroom.saturating_add(taken).min(machine.most);
        if need <= machine.headroom || need > at_best || !is_much {
            return false;
        }
        let (since, _) = *self.since.get_or_insert((now, now));
        self.since = Some((since, now));
        now - since < ONE_WAIT_S.min(self.left_s)
    }

    pub(super) fn is_tried(&self) -> bool {
        self.since.is_some()
    }

    /// Something was started, or who waited has gone: the wait, if there was one, is over.
    pub(super) fn rests(&mut self) {
        if let Some((since, last)) = self.since.take() {
            self.left_s -= last - since;
        }
    }

    /// What others hold beyond the least that they held before.
    fn taken(&self, foreign: u64) -> u64 {
        foreign.saturating_sub(self.foreign_at_best)
    }
}

impl Scheduler {
    /// Whether the unit goes back into the queue.
    pub(super) fn was_killed(&self, killed: &mut Running, confirmed: bool, actions: &mut Vec<Action>) -> bool {
        let others_took = self.patience.taken(self.machine.foreign);
        let unit = &mut killed.unit;
        unit.died_with = unit.died_with.max(killed.most);
        unit.raise(killed.most / 100 * RAISE_PERCENT);
        let kills = unit.attempt.kills + 1;
        unit.attempt.kills = kills;
        unit.attempt.alone = true;
        unit.attempt.single_thread = kills >= 2;
        unit.attempt.more_codegen_units = kills >= 3;
        // It ran alone, in the gentlest way, and nobody had taken its memory.
        let hopeless = confirmed && kills >= GENTLEST && others_took < unit.prediction.peak / MUCH;
        if hopeless || kills >= MOST_KILLS {
            actions.push(Action::GiveUp { ticket: killed.ticket, need: unit.died_with });
            return false;
        }
        true
    }
}
