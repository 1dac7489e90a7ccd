//! Record numbers of an index, in one of more files.

use crate::source::SourceFile;

/// Where the records of each old file begin, before and after. Both ascend, so that the order of records stays.
#[derive(Debug)]
pub(crate) struct Remap {
    starts: Vec<(u64, u64)>,
}

impl Remap {
    /// `new_starts` is where the records of each of `old` begin in the new numbering.
    pub(crate) fn new(old: &[SourceFile], new_starts: &[u64]) -> Self {
        let mut start = 0;
        let starts = old.iter().zip(new_starts).map(|(file, new)| {
            let old = start;
            start += file.rows;
            (old, *new)
        });
        Self { starts: starts.collect() }
    }

    /// The new number of an old record.
    pub(crate) fn record(&self, record: u64) -> u64 {
        let after = self.starts.partition_point(|(old, _)| *old <= record);
        self.starts[..after].last().map_or(record, |(old, new)| new + (record - old))
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::source::Fingerprint;

    #[test]
    fn records_move_with_their_file() {
        let fingerprint = Fingerprint { size: 0, modified: 0, tail: 0 };
        let file = |rows| SourceFile { path: PathBuf::new(), rows, fingerprint };
        let remap = Remap::new(&[file(3), file(0), file(2)], &[10, 13, 20]);
        let new: Vec<u64> = (0..5).map(|record| remap.record(record)).collect();
        assert_eq!(new, [10, 11, 12, 20, 21]);
    }
}
