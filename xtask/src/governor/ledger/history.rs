//! What the runs of one unit say together, and how far such words were off so far.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use super::{Measurement, Ran};
use crate::governor::prediction::Course;

/// The runs of one unit that still count, the oldest first.
#[derive(Debug, Default)]
pub(super) struct History<'a>(Vec<&'a Measurement>);

/// How far one run was from what had been foretold of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Miss {
    /// Bytes.
    foretold: u64,
    /// What it took, of that.
    ratio: f64,
}

/// Completed runs that count. What was measured before them was another checkout, more often than not.
const COMPLETED_KEPT: usize = 3;
/// What a higher peak of earlier is worth beside the latest: half of the excess, a quarter after one run more.
const FADE: f64 = 0.5;
/// A killed run would have gone on to take more, nobody knows how much more.
const KILLED: f64 = 1.1;
/// The weight of the latest run in the mean time.
const LATEST: f64 = 0.5;

/// What a further codegen thread adds, of the peak with one, where nothing was measured. Sixteen threads took a quarter
/// to a third more than one for polars-core, and the first of them weigh most.
const USUAL_THREAD_SHARE: f64 = 0.05;
/// Two runs are never quite alike: no pair of them makes threads free, nor worth a third of the crate.
const THREAD_SHARES: RangeInclusive<f64> = 0.005..=0.3;

/// Runs below this many say little of the rarest one in twenty.
const FEW: usize = 8;
/// What is added where nothing was measured twice yet.
const USUAL_MARGIN: f64 = 0.1;
/// Processor time that says how fast a machine is, seconds; and how different two machines can be.
const ENOUGH_S: f64 = 1.0;
const PACES: RangeInclusive<f64> = 0.1..=10.0;
/// A lighter unit is over before it was looked at twice, and how far its peak is off decides nothing.
const HEAVY: f64 = 64.0 * 1_048_576.0;

impl<'a> History<'a> {
    /// `runs` of one unit, the oldest first.
    pub(super) fn of(runs: &[&'a Measurement]) -> Self {
        History(kept(runs).into_iter().map(|index| runs[index]).collect())
    }

    pub(super) fn completed(&self) -> impl DoubleEndedIterator<Item = &'a Measurement> {
        self.0.iter().copied().filter(|run| run.outcome == Ran::Done)
    }

    pub(super) fn is_completed(&self) -> bool {
        self.completed().next().is_some()
    }

    /// The most it will take with one thread, `margin` included, bytes. `otherwise` is what to expect without these runs:
    /// it stands until one of them has completed.
    pub(super) fn peak(&self, thread_share: f64, margin: f64, otherwise: f64) -> f64 {
        let otherwise = if self.is_completed() { 0.0 } else { otherwise };
        self.0.iter().fold(otherwise, |level, run| {
            let peak = one_thread(run, thread_share);
            match run.outcome {
                Ran::Done => faded(level, peak * (1.0 + margin)),
                Ran::Killed => level.max(peak * KILLED),
            }
        })
    }

    /// Processor time, seconds; the latest runs weigh most.
    pub(super) fn cpu_s(&self) -> Option<f64> {
        self.completed().map(|run| run.cpu_s).reduce(|mean, latest| mean + (latest - mean) * LATEST)
    }

    /// Completed or not.
    pub(super) fn last(&self) -> Option<&'a Measurement> {
        self.0.last().copied()
    }

    /// The latest that completed.
    pub(super) fn latest(&self) -> Option<&'a Measurement> {
        self.completed().next_back()
    }

    /// Keys of what any run has read, each once, in their order. What it stands on may be built with other features for another
    /// profile or command, and then goes by another key: the latest run alone would leave out who waits for this one.
    pub(super) fn needs(&self) -> impl Iterator<Item = &'a str> {
        self.0.iter().flat_map(|run| run.needs.iter().map(String::as_str)).collect::<BTreeSet<_>>().into_iter()
    }

    /// What the latest run took, had it had one thread, bytes.
    pub(super) fn latest_peak(&self, thread_share: f64) -> Option<f64> {
        self.latest().map(|run| one_thread(run, thread_share))
    }

    /// How far the latest run was from what `foretold` says. None where either has no completed run, or is light.
    pub(super) fn miss(&self, foretold: &History<'_>, thread_share: f64) -> Option<Miss> {
        let level = foretold.peak(thread_share, 0.0, 0.0);
        let latest = self.latest_peak(thread_share)?;
        foretold.is_completed().then(|| Miss::of(latest, level))?
    }

    /// Of the latest run that has one.
    pub(super) fn course(&self) -> Option<&'a Course> {
        self.completed().map(|run| &run.course).rfind(|course| !course.0.is_empty())
    }

    /// What a further thread adds, of the peak with one: from two runs with different threads.
    pub(super) fn thread_share(&self) -> Option<f64> {
        let few = self.completed().min_by_key(|run| run.threads)?;
        let many = self.completed().max_by_key(|run| run.threads)?;
        if few.threads == many.threads {
            return None;
        }
        // peak = one * (1 + share * threads), twice.
        let (low, high) = (few.peak as f64, many.peak as f64);
        let share = (high - low) / (low * many.threads as f64 - high * few.threads as f64);
        // Where twice the threads take more than twice the memory, the two runs differ by something else.
        share.is_finite().then(|| share.clamp(*THREAD_SHARES.start(), *THREAD_SHARES.end()))
    }

    /// For each run but the first: how far it was from what those before it foretold.
    pub(super) fn misses(&self, thread_share: f64) -> Vec<Miss> {
        let mut level = 0.0;
        let mut misses = Vec::new();
        for run in self.completed() {
            let peak = one_thread(run, thread_share);
            misses.extend(Miss::of(peak, level));
            level = faded(level, peak);
        }
        misses
    }
}

impl Miss {
    /// None where the unit is light.
    fn of(peak: f64, foretold: f64) -> Option<Self> {
        (foretold >= HEAVY).then(|| Miss { foretold: foretold as u64, ratio: peak / foretold })
    }
}

/// Which of one unit's runs, the oldest first, still say something: the latest that completed, and of those killed in a
/// row the one that had got furthest. Leaving out the others changes no prediction.
pub(super) fn kept(runs: &[&Measurement]) -> Vec<usize> {
    let mut kept: Vec<usize> = Vec::new();
    let mut completed = 0;
    for (index, run) in runs.iter().enumerate().rev() {
        if completed == COMPLETED_KEPT {
            break;
        }
        match (run.outcome, kept.last().map(|later| runs[*later])) {
            (Ran::Done, _) => completed += 1,
            (Ran::Killed, Some(later)) if later.outcome == Ran::Killed => {
                let bound = |run| one_thread(run, USUAL_THREAD_SHARE);
                if bound(later) >= bound(run) {
                    continue;
                }
                kept.pop();
            }
            (Ran::Killed, _) => {}
        }
        kept.push(index);
    }
    kept.reverse();
    kept
}

/// What a further thread adds to a unit of which no two runs with different threads are known.
pub(super) fn usual_thread_share(mut shares: Vec<f64>) -> f64 {
    shares.sort_by(f64::total_cmp);
    shares.get(shares.len() / 2).copied().unwrap_or(USUAL_THREAD_SHARE)
}

/// What to add so that a twentieth is above it, of the memory and not of the units: the light ones vary by much of the
/// little that they take, and would keep a heavy one waiting for memory that neither of them needs.
pub(super) fn margin(mut misses: Vec<Miss>, bounds: RangeInclusive<f64>) -> f64 {
    misses.sort_by(|a, b| a.ratio.total_cmp(&b.ratio));
    let all: u64 = misses.iter().map(|miss| miss.foretold).sum();
    let mut below = 0;
    let decisive = misses.iter().find(|miss| {
        below += miss.foretold;
        below * 20 >= all * 19
    });
    let measured = decisive.map_or(0.0, |miss| miss.ratio - 1.0);
    let margin = if misses.len() < FEW { measured.max(USUAL_MARGIN) } else { measured };
    margin.clamp(*bounds.start(), *bounds.end())
}

/// What units take here of what they take elsewhere, from the processor time of those that ran in both places. Short ones
/// decide little, as they should: a clock that ticks a hundred times a second does not see them well.
pub(super) fn pace(here_and_there: impl Iterator<Item = (f64, f64)>) -> f64 {
    let (here, there) = here_and_there.fold((0.0, 0.0), |sums, (here, there)| (sums.0 + here, sums.1 + there));
    if there < ENOUGH_S { 1.0 } else { (here / there).clamp(*PACES.start(), *PACES.end()) }
}

/// The run's peak had it had no thread but the one that it always has.
fn one_thread(run: &Measurement, thread_share: f64) -> f64 {
    run.peak as f64 / (1.0 + thread_share * run.threads as f64)
}

fn faded(level: f64, latest: f64) -> f64 {
    latest + (level - latest).max(0.0) * FADE
}

#[cfg(test)]
mod tests {
    use super::super::tests::measured;
    use super::*;

    fn done(mib: u64) -> Measurement {
        measured("a", mib, 1.0)
    }

    fn killed(mib: u64) -> Measurement {
        Measurement { outcome: Ran::Killed, ..done(mib) }
    }

    fn peak_mib(runs: &[Measurement], otherwise_mib: f64) -> f64 {
        let runs: Vec<&Measurement> = runs.iter().collect();
        (History::of(&runs).peak(0.05, 0.0, otherwise_mib * 1_048_576.0) / 1_048_576.0 * 100.0).round() / 100.0
    }

    #[test]
    fn an_old_high_peak_fades() {
        assert_eq!(peak_mib(&[done(800)], 5.0), 800.0);
        assert_eq!(peak_mib(&[done(800), done(400)], 5.0), 600.0);
        assert_eq!(peak_mib(&[done(800), done(400), done(400)], 5.0), 500.0);
        assert_eq!(peak_mib(&[done(800), done(400), done(400), done(400)], 5.0), 400.0, "three runs count");
        assert_eq!(peak_mib(&[done(400), done(800)], 5.0), 800.0, "a new one is believed at once");
        assert_eq!(peak_mib(&[done(400)], 900.0), 400.0, "what was expected before it ran is over");
    }

    #[test]
    fn a_killed_run_raises_and_never_lowers() {
        assert_eq!(peak_mib(&[done(400), killed(600)], 0.0), 660.0);
        assert_eq!(peak_mib(&[done(400), killed(100)], 0.0), 400.0);
        assert_eq!(peak_mib(&[done(400), killed(600), killed(100)], 0.0), 660.0, "the later one does not lower it");
        assert_eq!(peak_mib(&[killed(600), done(400)], 0.0), 530.0, "it fades once a run completed");
        assert_eq!(peak_mib(&[killed(600)], 500.0), 660.0);
        assert_eq!(peak_mib(&[killed(600)], 900.0), 900.0, "what was expected otherwise stands");
    }

    #[test]
    fn what_is_left_out_changes_no_prediction() {
        let outcomes = [done(700), killed(900), killed(950), killed(20), done(500), killed(510), done(450), done(440)];
        for end in 1..=outcomes.len() {
            let runs: Vec<&Measurement> = outcomes[..end].iter().collect();
            let fewer: Vec<&Measurement> = kept(&runs).into_iter().map(|index| runs[index]).collect();
            assert_eq!(kept(&fewer).len(), fewer.len(), "twice is once");
            if end < outcomes.len() {
                let all = History(runs);
                assert_eq!(History::of(&fewer).peak(0.1, 0.1, 1e9), all.peak(0.1, 0.1, 1e9), "{end} runs");
            }
        }
        let runs: Vec<&Measurement> = outcomes.iter().collect();
        assert_eq!(kept(&runs), [4, 5, 6, 7]);
        assert_eq!(kept(&runs[..4]), [0, 2]);
    }

    #[test]
    fn threads_are_taken_off_and_their_cost_is_measured() {
        let with = |mib, threads| Measurement { threads, ..done(mib) };
        assert_eq!(peak_mib(&[with(1200, 4)], 0.0), 1000.0);
        let share = |runs: &[Measurement]| History::of(&runs.iter().collect::<Vec<_>>()).thread_share();
        assert_eq!(share(&[with(1000, 0), with(1200, 2)]), Some(0.1));
        assert!((share(&[with(1100, 1), with(1300, 3)]).expect("a pair") - 0.1).abs() < 1e-9);
        assert_eq!(share(&[with(1000, 2), with(1100, 2)]), None);
        assert_eq!(share(&[with(1000, 0), with(900, 2)]), Some(0.005));
        assert_eq!(usual_thread_share(vec![0.3, 0.1, 0.02]), 0.1);
        assert_eq!(usual_thread_share(vec![]), 0.05);
    }

    fn misses(ratios: impl IntoIterator<Item = f64>) -> Vec<Miss> {
        ratios.into_iter().map(|ratio| Miss { foretold: 100 << 20, ratio }).collect()
    }

    #[test]
    fn the_margin_is_what_was_measured() {
        let bounds = || 0.03..=0.15;
        let steady = (0..20).map(|n| 1.0 + f64::from(n) / 400.0);
        assert!((margin(misses(steady), bounds()) - 0.045).abs() < 1e-9, "the 19th of 20");
        assert_eq!(margin(misses([1.0; 20]), bounds()), 0.03);
        assert_eq!(margin(misses([1.5; 20]), bounds()), 0.15);
        assert_eq!(margin(vec![], bounds()), 0.1, "nothing measured twice");
        assert_eq!(margin(misses([1.01; 3]), bounds()), 0.1, "too few to say that it is steady");
        assert_eq!(margin(misses([1.13; 3]), bounds()), 1.13 - 1.0, "enough to say that it is not");
    }

    #[test]
    fn light_units_that_vary_say_little_of_heavy_ones() {
        let of = |count: usize, mib: u64, ratio| vec![Miss { foretold: mib << 20, ratio }; count];
        let heavy = || of(10, 300, 1.04);
        let with = |others: Vec<Miss>| margin([heavy(), others].concat(), 0.0..=1.0);
        assert!((with(of(2, 70, 1.6)) - 0.04).abs() < 1e-9, "two of twelve, and a twentieth of the memory");
        assert!((with(of(6, 70, 1.6)) - 0.6).abs() < 1e-9, "more than a twentieth");
        assert!((with(of(1, 300, 1.2)) - 0.2).abs() < 1e-9, "a heavy one counts");
    }

    #[test]
    fn each_run_is_held_against_those_before_it() {
        let of = |runs: &[Measurement]| History::of(&runs.iter().collect::<Vec<_>>()).misses(0.05);
        let ratios: Vec<f64> = of(&[done(100), done(110), done(105)]).iter().map(|miss| miss.ratio).collect();
        assert_eq!(ratios.len(), 2);
        assert!((ratios[0] - 1.1).abs() < 1e-9 && (ratios[1] - 105.0 / 110.0).abs() < 1e-9, "{ratios:?}");
        assert!(of(&[done(10), done(20)]).is_empty(), "light");
    }

    #[test]
    fn a_machines_pace_is_that_of_all_its_units() {
        let of = |times: &[(f64, f64)]| pace(times.iter().copied());
        assert_eq!(of(&[(5.0, 10.0), (0.5, 0.0), (0.5, 2.0)]), 0.5);
        assert_eq!(of(&[(0.9, 0.1)]), 1.0, "too little to say");
        assert_eq!(of(&[]), 1.0);
        assert_eq!(of(&[(0.0, 5.0)]), 0.1, "whatever a broken ledger says");
    }

    #[test]
    fn times_lean_towards_the_latest() {
        let runs = [measured("a", 1, 8.0), measured("a", 1, 4.0), measured("a", 1, 2.0), killed(1)];
        assert_eq!(History::of(&runs.iter().collect::<Vec<_>>()).cpu_s(), Some(4.0));
        assert_eq!(History::of(&[&killed(1)]).cpu_s(), None);
    }
}
