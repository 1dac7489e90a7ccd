//! What is expected of one unit: how much memory, for how long, and how much of the build waits for it.

/// A prediction. Memory is anonymous memory of the compiler and all that it starts, bytes; times are seconds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Prediction {
    /// The highest it will hold, with the one thread that it always has, margin included.
    pub(crate) peak: u64,
    /// What each further codegen thread adds to that.
    pub(crate) thread_cost: u64,
    /// How the memory goes over the unit's life. Empty where only the peak is known.
    pub(crate) course: Course,
    /// Processor time from its start to its end.
    pub(crate) cpu_s: f64,
    /// From its start to the end of the build, along the longest chain of units that wait for one another.
    pub(crate) tail_s: f64,
    pub(crate) basis: Basis,
}

/// The highest memory in each of [`STEPS`] equal parts of a unit's processor time, bytes. The front end is in the first
/// of them, LLVM in the last.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Course(pub(crate) Vec<u64>);

/// Where a prediction comes from, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Basis {
    /// This very unit was measured here.
    Measured,
    /// This very unit was measured on the reference machine.
    Seed,
    /// The same crate in another version, or with other features or options.
    Relative,
    /// Its source size, kind and opt level.
    Estimate,
}

pub(crate) const STEPS: usize = 12;

impl Prediction {
    /// The most that it will hold from now on, having used `cpu_s` so far, with `threads` further codegen threads.
    pub(crate) fn still_to_come(&self, cpu_s: f64, threads: usize) -> u64 {
        let peak = self.course.highest_from(cpu_s / self.cpu_s.max(0.1)).map_or(self.peak, |peak| peak.min(self.peak));
        peak + self.thread_cost * threads as u64
    }

    /// Processor time that is left, at least a little: a unit that outlives its prediction may end at any moment.
    pub(crate) fn cpu_left_s(&self, cpu_s: f64) -> f64 {
        (self.cpu_s - cpu_s).max(0.1)
    }
}

impl Course {
    /// From samples `(processor time, memory)` of a unit that took `cpu_s` in all.
    pub(crate) fn of(samples: &[(f64, u64)], cpu_s: f64) -> Self {
        if samples.len() < STEPS || cpu_s <= 0.0 {
            return Course::default();
        }
        let mut highest = vec![0; STEPS];
        for (at, anon) in samples {
            let step = step_at(at / cpu_s);
            highest[step] = highest[step].max(*anon);
        }
        // A step without a sample: what was before it still held.
        for step in 1..STEPS {
            if highest[step] == 0 {
                highest[step] = highest[step - 1];
            }
        }
        Course(highest)
    }

    /// The highest from `progress` (0 to 1) to the end, the step before it included: no two runs go equally fast.
    pub(crate) fn highest_from(&self, progress: f64) -> Option<u64> {
        let from = step_at(progress).saturating_sub(1);
        self.0.get(from..)?.iter().copied().max()
    }
}

fn step_at(progress: f64) -> usize {
    // Clamped before the cast.
    (progress.clamp(0.0, 1.0) * STEPS as f64).floor().min(STEPS as f64 - 1.0) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_is_not_expected_again() {
        let samples: Vec<(f64, u64)> = (0..24_u64).map(|n| (n as f64, if n < 12 { 600 } else { 200 })).collect();
        let course = Course::of(&samples, 24.0);
        assert_eq!(course.highest_from(0.0), Some(600));
        assert_eq!(course.highest_from(0.5), Some(600), "the step before counts too");
        assert_eq!(course.highest_from(0.7), Some(200));
        assert_eq!(course.highest_from(7.0), Some(200));
        assert_eq!(Course::default().highest_from(0.5), None);
        assert_eq!(Course::of(&samples[..3], 3.0), Course::default(), "too few samples say nothing");
    }

    #[test]
    fn threads_cost_memory() {
        let course = Course(vec![100; STEPS]);
        let unit = Prediction { peak: 120, thread_cost: 7, course, cpu_s: 10.0, tail_s: 0.0, basis: Basis::Measured };
        assert_eq!(unit.still_to_come(5.0, 0), 100);
        assert_eq!(unit.still_to_come(5.0, 2), 114);
        assert_eq!(unit.cpu_left_s(99.0), 0.1);
    }
}
