//! What is remembered of a governor's events.

use std::time::Duration;

use crate::events::{Ended, Event, GaveUp, Totals};
use crate::memory::{UnitKind, UnitName, UnitPeak, human};

/// What a governor did in one step.
#[derive(Debug, Default, Clone)]
pub(crate) struct Governed {
    /// A governor has said something.
    pub(crate) is_there: bool,
    pub(crate) peak_anon: u64,
    pub(crate) peak_at: Duration,
    pub(crate) units: Vec<UnitPeak>,
    /// Those of them that came to a good end.
    pub(crate) compiled: usize,
    /// Units that were killed and started again, by name.
    pub(crate) retried: Vec<String>,
    pub(crate) evictions: usize,
    /// The unit for which nothing gentler was left.
    pub(crate) gave_up: Option<GaveUp>,
    /// Units whose wrapper was killed: cargo has failed because of it, and nothing is wrong with them.
    pub(crate) lost: Vec<String>,
    /// Since the governor started.
    pub(crate) totals: Option<Totals>,
}

impl Governed {
    /// Gives a line for people where there is something that they should know.
    pub(super) fn take(&mut self, event: Event, at: Duration) -> Option<String> {
        self.is_there = true;
        match event {
            Event::Sample(sample) => {
                if sample.anon > self.peak_anon {
                    (self.peak_anon, self.peak_at) = (sample.anon, at);
                }
                None
            }
            Event::Ended(ended) => {
                self.compiled += usize::from(ended.code == 0);
                self.units.push(unit_peak(&ended, at));
                None
            }
            Event::Killed { unit, held, confirmed, again, .. } => {
                let cause = if confirmed { "the kernel, out of memory" } else { "a signal, probably out of memory" };
                let then = if again { "it is run again, more gently" } else { "nothing gentler is left" };
                self.retried.push(unit.clone());
                Some(format!("note: {unit} was killed by {cause} (it held {}); {then}", human(held)))
            }
            Event::Evicted { unit, held, headroom, .. } => {
                self.evictions += 1;
                Some(format!(
                    "note: {unit} made room ({} of {} left); it is run again",
                    human(headroom),
                    human(headroom + held)
                ))
            }
            Event::GaveUp(gave_up) => {
                self.gave_up = Some(gave_up);
                None
            }
            Event::Waits { unit, need, headroom } => Some(format!(
                "note: {unit} needs {}, and {} are free: waiting for other programs to give memory back",
                human(need),
                human(headroom)
            )),
            Event::Lost { unit, .. } => {
                self.lost.push(unit);
                None
            }
            Event::Note { text } => Some(format!("note: {text}")),
            _ => None,
        }
    }

    /// The same step, run twice.
    pub(super) fn behind(mut self, earlier: Governed) -> Self {
        if earlier.peak_anon > self.peak_anon {
            (self.peak_anon, self.peak_at) = (earlier.peak_anon, earlier.peak_at);
        }
        self.units.extend(earlier.units);
        self.compiled += earlier.compiled;
        self.retried.extend(earlier.retried);
        self.evictions += earlier.evictions;
        self
    }

    pub(super) fn heaviest_first(&self) -> Vec<UnitPeak> {
        let mut units = self.units.clone();
        units.sort_by_key(|unit| std::cmp::Reverse(unit.anon));
        units
    }
}

fn unit_peak(ended: &Ended, at: Duration) -> UnitPeak {
    let kind = if ended.kind == "build-script" { UnitKind::BuildScript } else { UnitKind::Compile };
    let package = ended.unit.split(" (").next().unwrap_or_default();
    let wall = Duration::try_from_secs_f64(ended.wall_s).unwrap_or_default();
    UnitPeak {
        name: UnitName { crate_name: package.into(), kind, leader: 0 },
        anon: ended.peak,
        at,
        first_seen: at.saturating_sub(wall),
        last_seen: at,
        cpu_s: ended.cpu_s,
    }
}
