//! Runs a step again when one of its processes was killed, as soon as there is memory to do so.

use std::thread;
use std::time::{Duration, Instant};

use super::diagnose::{Death, Oom, find_death};
use crate::governor::budget::budget;
use crate::governor::scheduler::ONE_WAIT_S;
use crate::memory::{self, human};
use crate::proc::{self, End};
use crate::stream::Watched;
use crate::terminal::say;

/// How often in a row a step is run again that failed because one of its processes was killed, and built nothing.
const FRUITLESS: usize = 3;
/// What cargo holds of a build of some hundred units, with the governor and the first compiler beside it, bytes.
const ENOUGH: u64 = 128 << 20;
/// A cage that small has other worries.
const ENOUGH_SHARE: u64 = 4;
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Runs something to its end, and again when one of its processes was killed; `run` is told why it is run again.
pub(crate) fn persist(mut run: impl FnMut(Option<String>) -> anyhow::Result<Watched>) -> anyhow::Result<Watched> {
    let mut watched = run(None)?;
    // Of the last run alone: what was mended in an earlier one is no reason for another.
    let mut murdered = was_murdered(&watched);
    let mut fruitless = 0;
    while fruitless < FRUITLESS
        && let Some(why) = murdered
    {
        if watched.oom_kills.is_some_and(|kills| kills > 0) {
            wait_for_memory();
        }
        if proc::interrupted() {
            watched.interrupted = true;
            break;
        }
        let again = run(Some(why))?;
        fruitless = if again.governed.compiled == 0 { fruitless + 1 } else { 0 };
        murdered = was_murdered(&again);
        watched = again.behind(watched);
    }
    Ok(watched)
}

/// Why a step failed that would succeed if it were run again: one of its processes was killed, and nothing is wrong with
/// what it compiles. Compilers that are killed do not come to this: the governor runs them again itself.
fn was_murdered(watched: &Watched) -> Option<String> {
    let governed = &watched.governed;
    if watched.end.succeeded() || watched.interrupted || governed.gave_up.is_some() {
        return None;
    }
    if let End::Signal(9 | 15) = watched.end {
        return Some(format!("it was ended by {}", watched.end));
    }
    if let Some(unit) = governed.lost.first() {
        return Some(format!("the wrapper around the compiler of {unit} was killed"));
    }
    match find_death(watched) {
        Death::Killed { oom: Oom::Confirmed, who, .. } if governed.is_there => {
            Some(format!("{who} was killed by the kernel for want of memory"))
        }
        _ => None,
    }
}

/// Nothing of ours is left that could be asked to make room: what is full is full of others. They are waited for as long as
/// by one unit.
fn wait_for_memory() {
    let mut sensor = memory::sensor(memory::Sensing::best());
    let begun = Instant::now();
    let mut said = false;
    while begun.elapsed().as_secs_f64() < ONE_WAIT_S && !proc::interrupted() {
        let machine = sensor.snapshot();
        let free = budget(&machine, 0, None).headroom;
        if free >= ENOUGH.min(machine.limit / ENOUGH_SHARE) {
            break;
        }
        if !std::mem::replace(&mut said, true) {
            say!("note: {} are free: waiting for other programs to give memory back", human(free));
        }
        thread::sleep(LOOK_EVERY);
    }
}

#[cfg(test)]
mod tests {
    use super::super::diagnose::tests::{KILLED, watched};
    use super::*;
    use crate::events::GaveUp;

    #[test]
    fn only_what_would_succeed_is_run_again() {
        let mut lost = watched(End::Code(101), Some(0), KILLED);
        assert_eq!(was_murdered(&lost), None, "a governor has tried all there is");
        lost.governed.lost.push("serde".into());
        assert!(was_murdered(&lost).is_some_and(|why| why.contains("serde")));
        lost.interrupted = true;
        assert_eq!(was_murdered(&lost), None);
        assert!(was_murdered(&watched(End::Signal(9), None, &[])).is_some(), "cargo itself");
        assert_eq!(was_murdered(&watched(End::Code(101), Some(0), &["error[E0308]: mismatched types"])), None);
    }

    #[test]
    fn what_nothing_gentler_is_left_for_is_not_run_again() {
        let mut given_up = watched(End::Code(101), Some(4), KILLED);
        given_up.governed.gave_up = Some(GaveUp { unit: "polars-core".into(), ..GaveUp::default() });
        assert_eq!(was_murdered(&given_up), None);
    }

    #[test]
    fn a_step_that_gets_on_is_run_again_as_often_as_it_takes() {
        let runs = |fruitful: usize| {
            let mut runs = 0;
            let last = persist(|_| {
                runs += 1;
                let mut step = watched(End::Signal(9), None, &[]);
                step.governed.compiled = usize::from(runs <= fruitful);
                Ok(step)
            });
            assert_eq!(last.expect("no error").end, End::Signal(9));
            runs
        };
        assert_eq!(runs(0), 4);
        assert_eq!(runs(7), 10);
    }
}
