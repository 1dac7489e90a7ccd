//! Records by id.
//!
//! An id is asked for as a string, whatever the file stores: a 64-bit id goes by its decimal form. The order, too, is
//! that of the strings, so that a prefix means the same in both.

mod numbers;
mod texts;

use crate::ids::numbers::{NumberEntry, Numbers};
use crate::ids::texts::{Texts, TextsBuilder};
use crate::place::Place;

/// Collects ids in any order. Of several records with one id, the first by file and row is kept.
#[derive(Debug, Default)]
pub(crate) struct IdsBuilder {
    numbers: Vec<NumberEntry>,
    texts: TextsBuilder,
}

/// The distinct ids, each with the first record that has it.
#[derive(Debug)]
pub(crate) enum Ids {
    Numbers(Numbers),
    Texts(Texts),
}

impl IdsBuilder {
    pub(crate) fn push_number(&mut self, id: u64, place: Place) {
        self.numbers.push(NumberEntry { id, place });
    }

    pub(crate) fn push_text(&mut self, id: &str, place: Place) {
        self.texts.push(id, place);
    }

    pub(crate) fn finish(mut self) -> Ids {
        if self.texts.is_empty() {
            return Ids::Numbers(Numbers::new(self.numbers));
        }
        // Files of both kinds in one index: one order for all, that of the strings.
        for entry in self.numbers {
            self.texts.push(&entry.id.to_string(), entry.place);
        }
        Ids::Texts(self.texts.finish())
    }
}

impl Ids {
    pub(crate) fn find(&self, id: &str) -> Option<Place> {
        match self {
            Self::Numbers(numbers) => numbers.find(id),
            Self::Texts(texts) => texts.find(id),
        }
    }

    /// The first `limit` ids that begin with `prefix`, ascending as strings.
    pub(crate) fn with_prefix(&self, prefix: &str, limit: usize) -> Vec<String> {
        match self {
            Self::Numbers(numbers) => numbers.with_prefix(prefix, limit),
            Self::Texts(texts) => texts.with_prefix(prefix, limit),
        }
    }
}

impl Default for Ids {
    fn default() -> Self {
        IdsBuilder::default().finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::testing::Random;

    /// What an index must answer, said the slow way.
    #[derive(Default)]
    struct Model {
        first: BTreeMap<String, Place>,
    }

    impl Model {
        fn push(&mut self, id: String, place: Place) {
            let first = self.first.entry(id).or_insert(place);
            *first = place.min(*first);
        }

        fn check(&self, ids: &Ids, prefixes: &[String]) {
            for (id, place) in &self.first {
                assert_eq!(ids.find(id), Some(*place), "{id}");
            }
            for prefix in prefixes {
                let expected: Vec<&String> = self.first.keys().filter(|id| id.starts_with(prefix)).collect();
                assert_eq!(ids.with_prefix(prefix, usize::MAX).iter().collect::<Vec<_>>(), expected, "{prefix}");
                let limit = expected.len() / 2;
                assert_eq!(ids.with_prefix(prefix, limit).iter().collect::<Vec<_>>(), expected[..limit]);
                assert_eq!(ids.find(prefix), self.first.get(prefix).copied());
            }
        }
    }

    #[test]
    fn numbers_agree_with_the_model() {
        let mut random = Random::new(1);
        for _ in 0..20 {
            let (mut model, mut builder) = (Model::default(), IdsBuilder::default());
            for place in shuffled_places(&mut random, 300) {
                let id = any_number(&mut random);
                model.push(id.to_string(), place);
                builder.push_number(id, place);
            }
            let ids = builder.finish();
            assert!(matches!(ids, Ids::Numbers(_)));
            model.check(&ids, &prefixes_of(&model));
        }
    }

    #[test]
    fn texts_agree_with_the_model() {
        let mut random = Random::new(2);
        for _ in 0..20 {
            let (mut model, mut builder) = (Model::default(), IdsBuilder::default());
            for place in shuffled_places(&mut random, 300) {
                let id = any_text(&mut random);
                model.push(id.clone(), place);
                builder.push_text(&id, place);
            }
            model.check(&builder.finish(), &prefixes_of(&model));
        }
    }

    #[test]
    fn a_mixture_agrees_with_the_model() {
        let mut random = Random::new(3);
        let (mut model, mut builder) = (Model::default(), IdsBuilder::default());
        for place in shuffled_places(&mut random, 600) {
            let number = random.below(100);
            model.push(number.to_string(), place);
            match random.below(2) {
                0 => builder.push_number(number, place),
                _ => builder.push_text(&number.to_string(), place),
            }
        }
        model.check(&builder.finish(), &prefixes_of(&model));
    }

    #[test]
    fn nothing_is_found_in_nothing() {
        let ids = Ids::default();
        assert_eq!(ids.find("1"), None);
        assert_eq!(ids.find(""), None);
        assert!(ids.with_prefix("", usize::MAX).is_empty());
    }

    fn shuffled_places(random: &mut Random, count: u32) -> Vec<Place> {
        let mut places: Vec<Place> = (0..count).map(|n| Place { file: n % 3, row: n / 3 }).collect();
        for last in (1..places.len()).rev() {
            places.swap(last, random.below(last as u64 + 1) as usize);
        }
        places
    }

    /// Numbers of every length, with both ends and many collisions.
    fn any_number(random: &mut Random) -> u64 {
        match random.below(8) {
            0 => 0,
            1 => u64::MAX - random.below(3),
            2 => random.below(30),
            3 => 10_u64.pow(random.below(20) as u32),
            _ => random.next() >> random.below(64),
        }
    }

    fn any_text(random: &mut Random) -> String {
        const LETTERS: [char; 5] = ['a', 'b', '_', 'é', '角'];
        (0..random.below(5)).map(|_| LETTERS[random.below(5) as usize]).collect()
    }

    /// Every prefix of some ids, and strings that only look like ids.
    fn prefixes_of(model: &Model) -> Vec<String> {
        let mut prefixes: Vec<String> =
            ["", "0", "00", "07", "+7", " 7", "-1", "x", "1x", "99999999999999999999"].map(str::to_owned).to_vec();
        prefixes.push("1".repeat(40));
        for id in model.first.keys().step_by(7) {
            prefixes.extend(id.char_indices().map(|(end, _)| id[..end].to_owned()));
            prefixes.push(format!("{id}0"));
        }
        prefixes
    }
}
