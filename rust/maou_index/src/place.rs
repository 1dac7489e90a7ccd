//! Where a record is.

/// A record by the number of its file in the list that the index was given, and its row within that file.
///
/// Both count from 0. Ordered by file, then row. Eight bytes, because an index holds up to two for every record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub(crate) file: u32,
    pub(crate) row: u32,
}
