//! Sequences, which LZ4 blocks consist of: literals, and bytes from farther back.
//!
//! <https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md>

/// Lengths that a token cannot hold are this and what follows.
pub(super) const LONG: usize = 15;
pub(super) const SHORTEST_MATCH: usize = 4;
/// How far back a sequence can refer.
pub(super) const FARTHEST: usize = 0xffff;
/// Bytes at the end in which no match may begin, and those that no match may reach.
pub(super) const NO_MATCH_BEGINS: usize = 12;
pub(super) const NO_MATCH_REACHES: usize = 5;

/// Bytes that are found again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Match {
    /// How far back, at most [`FARTHEST`].
    pub(super) offset: usize,
    /// At least [`SHORTEST_MATCH`].
    pub(super) len: usize,
}

/// Appends a sequence; without a match, the last.
#[inline]
pub(super) fn put(block: &mut Vec<u8>, literals: &[u8], found: Option<Match>) {
    let more = found.map_or(0, |found| found.len - SHORTEST_MATCH);
    block.push((literals.len().min(LONG) << 4 | more.min(LONG)) as u8);
    put_rest(block, literals.len());
    block.extend_from_slice(literals);
    if let Some(found) = found {
        block.extend_from_slice(&(found.offset as u16).to_le_bytes());
        put_rest(block, more);
    }
}

/// What of a length is not in the token.
#[inline]
fn put_rest(block: &mut Vec<u8>, length: usize) {
    let Some(rest) = length.checked_sub(LONG) else { return };
    block.resize(block.len() + rest / 255, 255);
    block.push((rest % 255) as u8);
}
