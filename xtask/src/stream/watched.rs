//! What is known of a step that has ended.

use std::time::Duration;

use super::{Artifacts, Governed};
use crate::memory::UnitPeak;
use crate::proc::End;

/// What one step did and took.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) end: End,
    pub(crate) wall: Duration,
    /// Highest anonymous memory of the step's process tree, bytes, and when: since the start of the whole command.
    pub(crate) peak_anon: u64,
    pub(crate) peak_at: Duration,
    pub(crate) units: Vec<UnitPeak>,
    pub(crate) artifacts: Artifacts,
    /// Kernel OOM kills during the step, where the kernel counts them.
    pub(crate) oom_kills: Option<u64>,
    /// Space that was left where the target directory is when the step ended, bytes.
    pub(crate) disk_left: Option<u64>,
    /// Memory that could be had when the step began, bytes.
    pub(crate) available_before: u64,
    /// The end of what the step said on stderr, without progress.
    pub(crate) tail: Vec<String>,
    /// Every warning, once.
    pub(crate) warnings: Vec<String>,
    pub(crate) interrupted: bool,
    /// What its governor did.
    pub(crate) governed: Governed,
}

impl Watched {
    /// The same step run again behind `earlier`: what was done before counts as done in this one.
    pub(crate) fn behind(self, earlier: Watched) -> Self {
        let (peak_anon, peak_at) = if earlier.peak_anon > self.peak_anon {
            (earlier.peak_anon, earlier.peak_at)
        } else {
            (self.peak_anon, self.peak_at)
        };
        let mut units = self.units;
        units.extend(earlier.units);
        units.sort_by_key(|unit| std::cmp::Reverse(unit.anon));
        let mut artifacts = self.artifacts;
        artifacts.fresh = artifacts.fresh.saturating_sub(earlier.artifacts.compiled());
        Watched {
            wall: self.wall + earlier.wall,
            peak_anon,
            peak_at,
            units,
            artifacts,
            oom_kills: self.oom_kills.zip(earlier.oom_kills).map(|(again, before)| again + before),
            available_before: earlier.available_before,
            governed: self.governed.behind(earlier.governed),
            ..self
        }
    }
}
