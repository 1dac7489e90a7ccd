//! Made-up records, for a user interface without data and for benchmarks.

use std::ops::ControlFlow;
use std::path::PathBuf;

use crate::array_type::ArrayType;
use crate::build::{Contents, Gather, Memory, Meter, Spill, write_memory};
use crate::error::Result;
use crate::source::{Fingerprint, SourceFile};
use crate::store::Store;
use crate::store::footer::IdKind;

/// Where mock records are if the index was given no file.
const FILE: &str = "mock.feather";

/// Evaluations run through `-EVAL_LIMIT..=EVAL_LIMIT` centipawns.
const EVAL_LIMIT: i64 = 3000;
/// Coprime to the number of evaluations: all of them come once before any comes twice, in no visible order.
const EVAL_STEP: i64 = 1237;

/// A store of so many records, all of `file`.
pub(crate) fn store(array_type: ArrayType, records: u32, file: Option<&PathBuf>) -> Result<Store> {
    let kind = if array_type == ArrayType::Hcpe { IdKind::Texts } else { IdKind::Numbers };
    let mut gather = Gather::new(kind, Spill::Memory, &Memory::unbounded());
    for row in 0..records {
        let record = u64::from(row);
        if array_type == ArrayType::Hcpe {
            gather.text(&format!("mock_id_{row}"), record)?;
            gather.eval(eval(row), record)?;
        } else {
            gather.number(record, record)?;
        }
    }
    let fingerprint = Fingerprint { size: 0, modified: 0, tail: 0 };
    let path = file.cloned().unwrap_or_else(|| PathBuf::from(FILE));
    let files = [SourceFile { path, rows: u64::from(records), fingerprint }];
    let contents = Contents { array_type, kind, files: &files, old: None };
    let mut silent = |_| ControlFlow::Continue(());
    write_memory(&contents, gather, &mut Meter::new(&mut silent, u64::from(records)))
}

fn eval(row: u32) -> i16 {
    let values = 2 * EVAL_LIMIT + 1;
    let eval = i64::from(row) * EVAL_STEP % values - EVAL_LIMIT;
    i16::try_from(eval).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::index::{Location, SearchIndex};

    #[test]
    fn hcpe_has_text_ids_and_evaluations() {
        let index = SearchIndex::new(Vec::new(), ArrayType::Hcpe);
        index.build_mock(1000).unwrap();
        assert_eq!(index.total_records(), 1000);
        assert_eq!(index.count_eval_range(None, None), 1000);
        let file = Arc::from(Path::new(FILE));
        assert_eq!(index.search_by_id("mock_id_999"), Some(Location { file, row: 999 }));
        assert_eq!(index.search_by_id("mock_id_1000"), None);
    }

    #[test]
    fn the_others_have_numbers_and_no_evaluations() {
        let index = SearchIndex::new(vec![PathBuf::from("a"), PathBuf::from("b")], ArrayType::Stage1);
        index.build_mock(12).unwrap();
        assert_eq!(index.get_all_ids(Some(4)), ["0", "1", "10", "11"]);
        assert_eq!(index.count_eval_range(None, None), 0);
        assert_eq!(index.search_by_id("11").unwrap().file.as_ref(), Path::new("a"));
        index.build_mock(0).unwrap();
        assert_eq!(index.total_records(), 0);
    }

    #[test]
    fn every_evaluation_comes_once_before_any_comes_twice() {
        let evals: BTreeSet<i16> = (0..6001).map(eval).collect();
        assert_eq!(evals.len(), 6001);
        assert_eq!((evals.first(), evals.last()), (Some(&-3000), Some(&3000)));
    }
}
