//! What an index answers, held against a model that says it the slow way.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;

use super::*;
use crate::store::Bytes;
use crate::store::footer::Footer;
use crate::testing::Random;

/// Records in their order.
#[derive(Default)]
struct Model {
    ids: BTreeMap<String, u64>,
    evals: Vec<(i16, u64)>,
}

impl Model {
    fn id(&mut self, id: &str, record: u64) {
        let first = self.ids.entry(id.to_owned()).or_insert(record);
        *first = record.min(*first);
    }

    fn check(&self, store: &Store, random: &mut Random) {
        let ids = store.ids();
        assert_eq!(store.footer().distinct_ids, self.ids.len() as u64);
        for (id, record) in &self.ids {
            assert_eq!(ids.find(id), Some(*record), "{id}");
        }
        for prefix in self.prefixes() {
            let expected: Vec<&String> = self.ids.keys().filter(|id| id.starts_with(&prefix)).collect();
            assert_eq!(ids.with_prefix(&prefix, usize::MAX).iter().collect::<Vec<_>>(), expected, "{prefix}");
            let limit = expected.len() / 2;
            assert_eq!(ids.with_prefix(&prefix, limit).iter().collect::<Vec<_>>(), expected[..limit]);
            assert_eq!(ids.find(&prefix), self.ids.get(&prefix).copied());
        }
        let mut sorted = self.evals.clone();
        sorted.sort_unstable();
        for _ in 0..50 {
            let (min, max) = (random.below(50) as i64 - 25, random.below(50) as i64 - 25);
            let expected = sorted.iter().filter(|(eval, _)| (min..=max).contains(&i64::from(*eval)));
            let found: Vec<u64> = store.evals().records(Some(min), Some(max)).all().collect();
            let expected: Vec<u64> = expected.map(|(_, record)| *record).collect();
            assert_eq!(found, expected);
            let offset = random.below(expected.len() as u64 + 2) as usize;
            let page: Vec<u64> = store.evals().records(Some(min), Some(max)).page(offset, 3).collect();
            assert_eq!(page, expected.iter().copied().skip(offset).take(3).collect::<Vec<_>>());
        }
        assert_eq!(store.evals().records(None, None).len(), sorted.len());
        store.verify().unwrap();
    }

    /// Every prefix of some ids, and strings that only look like ids.
    fn prefixes(&self) -> Vec<String> {
        let mut prefixes: Vec<String> =
            ["", "0", "00", "07", "+7", " 7", "-1", "x", "1x", "\u{10FFFF}", "99999999999999999999"]
                .map(str::to_owned)
                .to_vec();
        prefixes.push("1".repeat(40));
        for id in self.ids.keys().step_by(self.ids.len() / 20 + 1) {
            prefixes.extend(id.char_indices().map(|(end, _)| id[..end].to_owned()));
            prefixes.push(format!("{id}0"));
        }
        prefixes
    }
}

/// Runs of a few entries, so that many are merged.
fn small() -> Memory {
    Memory::of(1, 10_000, IdKind::Numbers)
}

fn files(records: u64) -> Vec<SourceFile> {
    let fingerprint = Fingerprint { size: 0, modified: 0, tail: 0 };
    vec![SourceFile { path: PathBuf::from("a"), rows: records, fingerprint }]
}

fn finished(gather: Gather, kind: IdKind, records: u64) -> Store {
    let files = files(records);
    let contents = Contents { array_type: ArrayType::Hcpe, kind, files: &files, old: None };
    write_memory(&contents, gather, &mut Meter::new(&mut |_| ControlFlow::Continue(()), records)).unwrap()
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

#[test]
fn numbers_agree_with_the_model() {
    let mut random = Random::new(1);
    for records in [0, 1, 2, 511, 512, 513, 1024, 20_000] {
        let mut model = Model::default();
        let mut gather = Gather::new(IdKind::Numbers, Spill::Memory, &small());
        for record in 0..records {
            let id = any_number(&mut random);
            model.id(&id.to_string(), record);
            gather.number(id, record).unwrap();
            if random.below(3) > 0 {
                let eval = random.below(41) as i16 - 20;
                model.evals.push((eval, record));
                gather.eval(eval, record).unwrap();
            }
        }
        model.check(&finished(gather, IdKind::Numbers, records), &mut random);
    }
}

#[test]
fn texts_agree_with_the_model_whatever_they_all_begin_with() {
    let mut random = Random::new(2);
    for (records, common) in [(0, ""), (1, "game_"), (300, ""), (3000, "game_2024_"), (6000, "n")] {
        let mut model = Model::default();
        let mut gather = Gather::new(IdKind::Texts, Spill::Memory, &small());
        for record in 0..records {
            let id = match random.below(3) {
                0 => format!("{common}{}", any_text(&mut random)),
                1 => format!("{common}{:08}", random.below(1000)),
                _ => format!("{common}{}_{}", random.below(records), random.below(9)),
            };
            model.id(&id, record);
            gather.text(&id, record).unwrap();
        }
        model.check(&finished(gather, IdKind::Texts, records), &mut random);
    }
}

#[test]
fn numbers_among_texts_are_texts() {
    let mut random = Random::new(3);
    let mut model = Model::default();
    let mut gather = Gather::new(IdKind::Texts, Spill::Memory, &small());
    for record in 0..600 {
        let number = random.below(100);
        model.id(&number.to_string(), record);
        match random.below(2) {
            0 => gather.number(number, record).unwrap(),
            _ => gather.text(&number.to_string(), record).unwrap(),
        }
    }
    model.check(&finished(gather, IdKind::Texts, 600), &mut random);
}

/// Nothing that a file may hold makes a query panic or run on, and whatever was changed is found.
#[test]
fn a_damaged_store_is_refused_or_answers_something() {
    let mut random = Random::new(4);
    for kind in [IdKind::Numbers, IdKind::Texts] {
        let mut gather = Gather::new(kind, Spill::Memory, &small());
        for record in 0..700 {
            gather.number(random.next() >> 40, record).unwrap();
            gather.eval(random.below(300) as i16, record).unwrap();
        }
        let good = finished(gather, kind, 700);
        let bytes = good.bytes().to_vec();
        for _ in 0..3000 {
            let mut bad = bytes.clone();
            match random.below(4) {
                0 => bad.truncate(random.below(bytes.len() as u64) as usize),
                _ => {
                    for _ in 0..=random.below(8) {
                        let at = random.below(bytes.len() as u64) as usize;
                        bad[at] ^= 1 << random.below(8);
                    }
                }
            }
            let is_changed = bad != bytes;
            let Ok(store) = Store::parse(Bytes::Own(bad)) else { continue };
            assert_eq!(store.verify().is_err(), is_changed);
            for id in ["", "1", "77", "99999"] {
                let _ = store.ids().find(id);
                assert!(store.ids().with_prefix(id, 1000).len() <= 1000);
            }
            let _ = store.evals().records(Some(3), Some(200)).all().count();
        }
    }
}

#[test]
fn a_footer_whose_numbers_contradict_each_other_is_refused() {
    let mut gather = Gather::new(IdKind::Numbers, Spill::Memory, &small());
    (0..600).for_each(|record| gather.number(record, record).unwrap());
    let good = finished(gather, IdKind::Numbers, 600);
    let spoil = |change: fn(&mut Footer)| {
        let mut footer = good.footer().clone();
        change(&mut footer);
        let old = good.footer().to_bytes().len();
        let mut bytes = good.bytes()[..good.bytes().len() - old].to_vec();
        bytes.extend_from_slice(&footer.to_bytes());
        Store::parse(Bytes::Own(bytes)).map(|_| ())
    };
    assert_eq!(spoil(|_| ()), Ok(()));
    let changes: [fn(&mut Footer); 8] = [
        |footer| footer.distinct_ids += 1,
        |footer| footer.ids.length += 13,
        |footer| footer.ids.start = u64::MAX,
        |footer| footer.directory.length = u64::MAX,
        |footer| footer.eval_records.length = 3,
        |footer| footer.records += 1,
        |footer| footer.files[0].rows = u64::MAX,
        |footer| footer.distinct_ids = u64::MAX,
    ];
    for change in changes {
        assert!(spoil(change).is_err_and(|problem| problem.contains("contradict")), "{change:?}");
    }
}
