//! Made-up records, for a user interface without data and for benchmarks.

use crate::array_type::ArrayType;
use crate::index::{Content, ContentBuilder};
use crate::place::Place;

/// Where mock records are if the index was given no file.
pub(crate) const FILE: &str = "mock.feather";

/// Evaluations run through `-EVAL_LIMIT..=EVAL_LIMIT` centipawns.
const EVAL_LIMIT: i64 = 3000;
/// Coprime to the number of evaluations: all of them come once before any comes twice, in no visible order.
const EVAL_STEP: i64 = 1237;

pub(crate) fn content(array_type: ArrayType, records: u32) -> Content {
    let mut builder = ContentBuilder { records: records as usize, ..ContentBuilder::default() };
    for row in 0..records {
        let place = Place { file: 0, row };
        if array_type == ArrayType::Hcpe {
            builder.ids.push_text(&format!("mock_id_{row}"), place);
            builder.evals.push(eval(row), place);
        } else {
            builder.ids.push_number(u64::from(row), place);
        }
    }
    builder.finish()
}

fn eval(row: u32) -> i16 {
    let values = 2 * EVAL_LIMIT + 1;
    let eval = i64::from(row) * EVAL_STEP % values - EVAL_LIMIT;
    i16::try_from(eval).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::index::{Location, SearchIndex};

    #[test]
    fn hcpe_has_text_ids_and_evaluations() {
        let index = SearchIndex::new(Vec::new(), ArrayType::Hcpe);
        index.build_mock(1000);
        assert_eq!(index.total_records(), 1000);
        assert_eq!(index.count_eval_range(None, None), 1000);
        let file = Path::new(FILE);
        assert_eq!(index.search_by_id("mock_id_999"), Some(Location { file, row: 999 }));
        assert_eq!(index.search_by_id("mock_id_1000"), None);
    }

    #[test]
    fn the_others_have_numbers_and_no_evaluations() {
        let index = SearchIndex::new(vec![PathBuf::from("a"), PathBuf::from("b")], ArrayType::Stage1);
        index.build_mock(12);
        assert_eq!(index.get_all_ids(Some(4)), ["0", "1", "10", "11"]);
        assert_eq!(index.count_eval_range(None, None), 0);
        assert_eq!(index.search_by_id("11").unwrap().file, Path::new("a"));
        index.build_mock(0);
        assert_eq!(index.total_records(), 0);
    }

    #[test]
    fn every_evaluation_comes_once_before_any_comes_twice() {
        let evals: BTreeSet<i16> = (0..6001).map(eval).collect();
        assert_eq!(evals.len(), 6001);
        assert_eq!((evals.first(), evals.last()), (Some(&-3000), Some(&3000)));
    }
}
