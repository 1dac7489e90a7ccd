//! LZ4 blocks of 64-bit numbers of which each differs from the one before in its lowest bytes: offsets of lists and texts.
//!
//! A compressor makes a sequence of each number: the bytes that differ, and the others from eight bytes back. To copy these
//! is to read what was written a moment ago, in two parts, and the processor waits until it is there; more than half of the
//! time to read HCPE records was spent so. Here the last eight bytes stay in a register. To make such blocks needs no search
//! either.

mod decode;
mod encode;

pub(super) use decode::decompress;
pub(super) use encode::compress;

/// Other sequences that a block may begin with.
const OTHERS_AT_FIRST: usize = 32;
