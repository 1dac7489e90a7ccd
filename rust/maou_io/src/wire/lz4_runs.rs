//! LZ4 blocks of content that repeats itself over long stretches: lists that are zero but for a few values.
//!
//! To compress those is to see how far each repetition goes. liblz4 compares eight bytes at a time, which takes longer than
//! to read them from memory; here it is [`STRIDE`]. The rest is what every fast LZ4 compressor does: the place where four
//! bytes stood last is in a table, and who finds nothing for long looks less often.

use super::lz4_sequence::{FARTHEST, Match, NO_MATCH_BEGINS, NO_MATCH_REACHES, SHORTEST_MATCH, put};

/// Where the bytes with each hash stood last.
type Places = [u32; 1 << HASH_BITS];

const HASH_BITS: u32 = 12;
/// Bytes that are hashed: one more than have to be found again, since what is found then is longer more often.
const HASHED_BITS: u32 = 40;
/// Odd, and its bits are spread: 2^64 divided by the golden ratio.
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;
/// Looks in vain after which they become rarer.
const PATIENCE: usize = 64;

/// Bytes that are compared at once: the most for which `==` is a few vector instructions and no call.
const STRIDE: usize = 32;

/// Content is looked at in so many places, and has to repeat itself in so many of them.
const PROBES: usize = 32;
const REPEATING: usize = 20;
/// Bytes of a probe that are the same as those a number before.
const PROBED: usize = 256;
const NUMBER: usize = 8;
const SHORTEST: usize = 64 << 10;

/// Appends `content` to `block`; false, with nothing appended, where it is something else, which is liblz4's.
pub(super) fn compress(content: &[u8], block: &mut Vec<u8>) -> bool {
    if content.len() < SHORTEST || !is_repetitive(content) {
        return false;
    }
    let (last, end) = (content.len() - NO_MATCH_BEGINS, content.len() - NO_MATCH_REACHES);
    let mut places: Places = [0; 1 << HASH_BITS];
    let (mut at, mut literals_from, mut in_vain) = (1, 0, 0);
    while at <= last {
        // Below 2^32: blocks are short.
        let earlier = std::mem::replace(&mut places[hash(content, at)], at as u32) as usize;
        if at - earlier > FARTHEST || four(content, earlier) != four(content, at) {
            in_vain += 1;
            at += 1 + in_vain / PATIENCE;
            continue;
        }
        let before = common_before(&content[literals_from..at], &content[..earlier]);
        let behind = common(content, earlier + SHORTEST_MATCH, at + SHORTEST_MATCH, end);
        let found = Match { offset: at - earlier, len: before + SHORTEST_MATCH + behind };
        put(block, &content[literals_from..at - before], Some(found));
        at += SHORTEST_MATCH + behind;
        literals_from = at;
        in_vain = 0;
        places[hash(content, at - 2)] = at as u32 - 2;
    }
    put(block, &content[literals_from..], None);
    true
}

fn is_repetitive(content: &[u8]) -> bool {
    let repeats = |probe: &usize| {
        let start = probe * (content.len() - PROBED - NUMBER) / (PROBES - 1);
        content[start..start + PROBED] == content[start + NUMBER..start + NUMBER + PROBED]
    };
    (0..PROBES).filter(repeats).count() >= REPEATING
}

#[inline]
fn hash(content: &[u8], at: usize) -> usize {
    let bytes = content[at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    ((bytes << (u64::BITS - HASHED_BITS)).wrapping_mul(SPREAD) >> (u64::BITS - HASH_BITS)) as usize
}

#[inline]
fn four(content: &[u8], at: usize) -> Option<&[u8; 4]> {
    content[at..].first_chunk()
}

/// Bytes at the end of both that are the same.
#[inline]
fn common_before(one: &[u8], other: &[u8]) -> usize {
    one.iter().rev().zip(other.iter().rev()).take_while(|(one, other)| one == other).count()
}

/// Bytes from `one` and from `other`, the later one, on that are the same, before `end`.
#[inline]
fn common(content: &[u8], one: usize, other: usize, end: usize) -> usize {
    let (one, other) = (&content[one..one + end - other], &content[other..end]);
    let (strides, others) = (one.as_chunks::<STRIDE>().0, other.as_chunks::<STRIDE>().0);
    let same = strides.iter().zip(others).take_while(|(one, other)| one == other).count() * STRIDE;
    same + common_eights(&one[same..], &other[same..])
}

/// The same of two that differ soon.
#[inline]
fn common_eights(one: &[u8], other: &[u8]) -> usize {
    let (eights, rest) = one.as_chunks::<8>();
    let (others, other_rest) = other.as_chunks::<8>();
    for (index, (one, other)) in eights.iter().zip(others).enumerate() {
        let differ = u64::from_le_bytes(*one) ^ u64::from_le_bytes(*other);
        if differ != 0 {
            return index * 8 + differ.trailing_zeros() as usize / 8;
        }
    }
    eights.len() * 8 + rest.iter().zip(other_rest).take_while(|(one, other)| one == other).count()
}

#[cfg(test)]
mod tests {
    use super::super::lz4;
    use super::*;

    /// Zeros with a value here and there, each `apart` bytes from the last or a little more.
    fn sparse(len: usize, apart: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        let mut state = 7_u32;
        let mut at = 0;
        while at < len {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            bytes[at] = (state >> 24) as u8;
            at += apart + (state >> 16) as usize % apart;
        }
        bytes
    }

    fn round_trip(content: &[u8]) -> Option<Vec<u8>> {
        let mut block = b"before".to_vec();
        if !compress(content, &mut block) {
            assert_eq!(block, b"before");
            return None;
        }
        let mut memory = vec![1; content.len()];
        assert_eq!(lz4::decompress_any(&block[6..], &mut memory), Ok(content.len()));
        assert!(memory == content);
        Some(block.split_off(6))
    }

    #[test]
    fn liblz4_reads_what_is_made_here() {
        for len in [SHORTEST, SHORTEST + 1, 100_003, 1 << 20] {
            for apart in [777, 1500, 6000, 90_000] {
                let mut content = sparse(len, apart);
                assert!(round_trip(&content).is_some(), "{len} {apart}");
                for end in 1..20 {
                    content[len - end] = end as u8;
                    assert!(round_trip(&content).is_some(), "{len} {apart}, {end} other bytes at the end");
                }
            }
            for period in [1, 2, 4, 8] {
                let content: Vec<u8> = (0..len).map(|at| (at % period) as u8).collect();
                assert!(round_trip(&content).is_some_and(|block| block.len() * 200 < len), "{len} {period}");
            }
        }
    }

    #[test]
    fn it_is_about_as_small_as_what_liblz4_makes() {
        for apart in [700, 1500, 3000, 50_000] {
            let content = sparse(1 << 20, apart);
            let mut theirs = Vec::new();
            assert!(lz4::compress_any(&content, &mut theirs));
            let ours = round_trip(&content).expect("mostly zeros").len();
            assert!(ours * 100 <= theirs.len() * 102, "{apart}: {ours} and {}", theirs.len());
        }
    }

    #[test]
    fn what_is_something_else_is_not_taken() {
        let noise: Vec<u8> = (0..100_000_u32).flat_map(|at| at.wrapping_mul(0x9E37_79B9).to_le_bytes()).collect();
        for content in [&noise[..], &vec![0; SHORTEST - 1], &sparse(1 << 18, 40), &[]] {
            assert!(round_trip(content).is_none(), "{} bytes", content.len());
        }
    }

    #[test]
    fn what_is_the_same_is_counted_to_the_byte() {
        for len in [0, 1, 7, 8, 9, 63, 64, 65, 200] {
            let mut content = vec![5_u8; 2 * len + 40];
            content[len + 10] = 6;
            assert_eq!(common(&content, 10, 11, content.len()), len.saturating_sub(1), "{len}");
            assert_eq!(common(&content[len + 11..], 0, 3, len + 20), len + 17, "up to the end");
        }
    }
}
