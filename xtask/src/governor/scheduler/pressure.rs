//! Pressure: memory gets short in spite of the predictions.

use super::{Action, Running, Scheduler, Shortage};

/// Below this, bytes, the kernel may kill at any moment: rustc takes 16 MiB in a few hundredths of a second.
pub(super) const CRITICAL: u64 = 16 << 20;
/// How far ahead a fall is followed, seconds: a compiler needs that long to die and to give its memory back.
const HORIZON_S: f64 = 0.25;
/// Between two evictions, and from an eviction to the next admission: what was freed has to show first.
const PAUSE_S: f64 = 1.0;
/// After this many evictions a unit waits until it can run alone.
const EVICTIONS: u32 = 3;
/// What a unit loses for being predicted too low: from what it held to what is predicted of it next.
const RAISE_PERCENT: u64 = 115;

#[derive(Debug, Default)]
pub(super) struct State {
    last: Option<Seen>,
    /// Bytes a second by which headroom shrinks, and by which other programs grow.
    falling: u64,
    others_grow: u64,
    evicted: Option<f64>,
}

#[derive(Debug)]
struct Seen {
    at: f64,
    headroom: u64,
    foreign: u64,
}

impl State {
    pub(super) fn see(&mut self, headroom: u64, foreign: u64, now: f64) {
        if let Some(last) = self.last.as_ref().filter(|last| now > last.at) {
            let a_second = |bytes: u64| (bytes as f64 / (now - last.at)) as u64;
            self.falling = a_second(last.headroom.saturating_sub(headroom));
            self.others_grow = a_second(foreign.saturating_sub(last.foreign));
        }
        self.last = Some(Seen { at: now, headroom, foreign });
    }

    /// Nothing is started right behind an eviction.
    pub(super) fn holds_back(&self, now: f64) -> bool {
        self.evicted.is_some_and(|at| now < at + PAUSE_S)
    }
}

impl Scheduler {
    pub(super) fn relieve(&mut self, now: f64, actions: &mut Vec<Action>) {
        let headroom = self.machine.headroom;
        if headroom.saturating_sub(self.soon_taken()) >= CRITICAL || self.pressure.holds_back(now) {
            return;
        }
        let falling = self.pressure.falling;
        let Some(victim) = self.victim() else { return };
        victim.evicting = true;
        actions.push(Action::Evict { ticket: victim.ticket, reason: Shortage { headroom, falling } });
        self.pressure.evicted = Some(now);
    }

    /// What is lost before an eviction could help, bytes. Units that keep to what was predicted of them stop where it was
    /// predicted, however fast they grow.
    fn soon_taken(&self) -> u64 {
        let soon = |a_second: u64| (a_second as f64 * HORIZON_S) as u64;
        let taken = soon(self.pressure.falling);
        if self.running.iter().any(Running::exceeds) {
            return taken;
        }
        taken.min(self.promised().saturating_add(soon(self.pressure.others_grow)))
    }

    /// The unit that frees most memory for the work that is lost; never the oldest of those that are to live.
    fn victim(&mut self) -> Option<&mut Running> {
        let living = self.running.iter_mut().filter(|running| !running.evicting);
        let candidates = living.skip(1).filter(|running| running.anon > 0);
        candidates.max_by(|one, other| one.worth().total_cmp(&other.worth()))
    }
}

impl Running {
    /// Memory freed for each CPU-second lost. One that has reported its metadata has others building on it, and may not
    /// be changed any more: half as good.
    fn worth(&self) -> f64 {
        let worth = self.anon as f64 / (self.cpu_s + 0.5);
        if self.metadata_out { worth / 2.0 } else { worth }
    }

    pub(super) fn was_evicted(&mut self) {
        self.unit.evictions += 1;
        self.unit.attempt.alone |= self.unit.evictions >= EVICTIONS;
        self.unit.raise(self.most / 100 * RAISE_PERCENT);
    }
}
