//! Records by evaluation.

use crate::place::Place;

/// Collects evaluations in any order.
#[derive(Debug, Default)]
pub(crate) struct EvalsBuilder {
    entries: Vec<EvalEntry>,
}

/// Every record that has an evaluation, by evaluation, then file, then row.
#[derive(Debug, Default)]
pub(crate) struct Evals {
    entries: Vec<EvalEntry>,
}

/// The field order is the sort order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct EvalEntry {
    /// Centipawns, from the side to move.
    eval: i16,
    place: Place,
}

impl EvalsBuilder {
    pub(crate) fn push(&mut self, eval: i16, place: Place) {
        self.entries.push(EvalEntry { eval, place });
    }

    pub(crate) fn finish(mut self) -> Evals {
        self.entries.sort_unstable();
        self.entries.shrink_to_fit();
        Evals { entries: self.entries }
    }
}

impl Evals {
    /// The records with `min <= eval <= max`; `None` is no bound. Bounds past the 16 bits of an evaluation are fine.
    pub(crate) fn places(&self, min: Option<i64>, max: Option<i64>) -> impl ExactSizeIterator<Item = Place> {
        self.range(min, max).iter().map(|entry| entry.place)
    }

    fn range(&self, min: Option<i64>, max: Option<i64>) -> &[EvalEntry] {
        let from = min.map_or(0, |min| self.entries.partition_point(|entry| i64::from(entry.eval) < min));
        let to =
            max.map_or(self.entries.len(), |max| self.entries.partition_point(|entry| i64::from(entry.eval) <= max));
        // An empty range when `min > max`.
        self.entries.get(from..to).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Random;

    #[test]
    fn an_entry_takes_twelve_bytes() {
        assert_eq!(size_of::<EvalEntry>(), 12);
    }

    #[test]
    fn bounds_are_inclusive_and_may_be_out_of_range() {
        let evals = evals(&[i16::MIN, -1, 0, 0, 1, i16::MAX]);
        let count = |min, max| evals.places(min, max).len();
        assert_eq!(count(None, None), 6);
        assert_eq!(count(Some(0), Some(0)), 2);
        assert_eq!(count(Some(-1), Some(1)), 4);
        assert_eq!(count(Some(1), Some(-1)), 0);
        assert_eq!(count(Some(40_000), None), 0);
        assert_eq!(count(None, Some(-40_000)), 0);
        assert_eq!(count(Some(i64::MIN), Some(i64::MAX)), 6);
    }

    #[test]
    fn agrees_with_a_scan() {
        let mut random = Random::new(7);
        let values: Vec<i16> = (0..500).map(|_| random.below(41) as i16 - 20).collect();
        let evals = evals(&values);
        for _ in 0..300 {
            let min = random.below(50) as i64 - 25;
            let max = random.below(50) as i64 - 25;
            let mut expected: Vec<(i16, u32)> = (0..).zip(&values).map(|(row, eval)| (*eval, row)).collect();
            expected.retain(|(eval, _)| (min..=max).contains(&i64::from(*eval)));
            expected.sort_unstable();
            let found: Vec<u32> = evals.places(Some(min), Some(max)).map(|place| place.row).collect();
            assert_eq!(found, expected.iter().map(|(_, row)| *row).collect::<Vec<_>>());
        }
    }

    fn evals(values: &[i16]) -> Evals {
        let mut builder = EvalsBuilder::default();
        for (row, eval) in (0..).zip(values) {
            builder.push(*eval, Place { file: 0, row });
        }
        builder.finish()
    }
}
