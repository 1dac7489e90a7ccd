//! Numbers into blocks.

use super::super::lz4_sequence::{FARTHEST, Match, NO_MATCH_BEGINS, SHORTEST_MATCH, put};
use super::OTHERS_AT_FIRST;

/// Bytes of a number, and how far back each finds the one before.
const WIDTH: usize = 8;
/// Numbers at the end that are left as they are.
const AS_THEY_ARE: usize = NO_MATCH_BEGINS.div_ceil(WIDTH);

/// Content of which sequences are made.
struct Encoder<'a> {
    content: &'a [u8],
    numbers: &'a [[u8; WIDTH]],
    block: &'a mut Vec<u8>,
    /// The number that is next, and the first that is left as it is.
    at: usize,
    end: usize,
    /// The first byte that has not been written, and how many from there on are not found further back.
    from: usize,
    literals: usize,
    /// The last number of which two bytes changed.
    carried: usize,
    sequences: usize,
    /// Numbers of which too much changed.
    others: usize,
}

/// Appends `content` to `block`; false, with anything appended, where it is something else, which is liblz4's.
pub(in crate::wire) fn compress(content: &[u8], block: &mut Vec<u8>) -> bool {
    let (numbers, _) = content.as_chunks();
    let end = numbers.len().saturating_sub(AS_THEY_ARE);
    let (at, from, literals) = (1, 0, WIDTH);
    let mut encoder = Encoder { content, numbers, block, at, end, from, literals, carried: 0, sequences: 0, others: 0 };
    while encoder.at < end {
        encoder.next();
        if encoder.others > OTHERS_AT_FIRST + encoder.sequences / 2 {
            return false;
        }
    }
    put(encoder.block, &content[encoder.from..], None);
    // Few numbers that change are runs, which liblz4 makes smaller.
    encoder.sequences * 2 > numbers.len()
}

impl Encoder<'_> {
    fn next(&mut self) {
        let changed = WIDTH - (self.number(self.at) ^ self.number(self.at - 1)).leading_zeros() as usize / 8;
        let period = if changed == 2 { self.at - std::mem::replace(&mut self.carried, self.at) } else { 0 };
        if WIDTH - changed < SHORTEST_MATCH {
            self.at += 1;
            self.literals += WIDTH;
            self.others += 1;
        } else if self.literals == 0 && self.repeats(period) {
            self.put_pair(period);
        } else {
            self.put_number(changed);
        }
    }

    /// Of the next number `changed` bytes, the others from the one before, and those after it that are the same.
    fn put_number(&mut self, changed: usize) {
        let mut len = WIDTH - changed;
        self.at += 1;
        while self.at < self.end && self.number(self.at) == self.number(self.at - 1) {
            len += WIDTH;
            self.at += 1;
        }
        self.literals += changed;
        if self.literals == 1 && len == WIDTH - 1 {
            self.block.extend_from_slice(&[0x13, self.content[self.from], WIDTH as u8, 0]);
        } else {
            let found = Match { offset: WIDTH, len };
            put(self.block, &self.content[self.from..self.from + self.literals], Some(found));
        }
        self.from += self.literals + len;
        self.literals = 0;
        self.sequences += 1;
    }

    /// Two numbers in sequences of five bytes and three: one byte less than with [`Self::put_number`].
    fn put_pair(&mut self, period: usize) {
        let [low, high] = ((period * WIDTH) as u16).to_le_bytes();
        let [first, second] = [self.content[self.from], self.content[self.from + 1]];
        self.block.extend_from_slice(&[0x23, first, second, low, high, 0x03, WIDTH as u8, 0]);
        self.from += 2 * WIDTH;
        self.at += 2;
        self.sequences += 2;
    }

    /// Whether what did not change of the next number, and the first byte of the one after it, which is all that changes there,
    /// are `period` numbers back as well.
    fn repeats(&self, period: usize) -> bool {
        let at = self.at;
        let is_far = period > 1 && period <= at && period * WIDTH <= FARTHEST && at + 1 < self.end;
        is_far
            && self.number(at) >> 16 == self.number(at - period) >> 16
            && self.number(at + 1) as u8 == self.number(at + 1 - period) as u8
            && (1..=0xff).contains(&(self.number(at + 1) ^ self.number(at)))
    }

    #[inline]
    fn number(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.numbers[at])
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::lz4;
    use super::super::decompress;
    use super::*;

    #[test]
    fn liblz4_reads_what_is_made_here() {
        for step in [50_u64, 64, 255, 256, 300, 70_000] {
            for some in [0, 1, 40] {
                for count in [40, 1000, 131_072] {
                    let offset = |at: u64| at * step + at * at * 7 % (some + 1) + if at > 500 { 1 << 33 } else { 0 };
                    let content: Vec<u8> = (0..count).flat_map(|at| offset(at).to_le_bytes()).collect();
                    for content in [&content[..], &content[..content.len() - 3]] {
                        let mut block = Vec::new();
                        assert!(compress(content, &mut block), "{step} {some} {count}");
                        let mut memory = vec![0; content.len()];
                        assert_eq!(lz4::decompress_any(&block, &mut memory), Ok(content.len()));
                        assert!(memory == content, "{step} {some} {count}");
                        memory.fill(0);
                        let len = decompress(&block, &mut memory, 0);
                        // Three bytes of each number are more than is worth it.
                        assert!(len == Some(content.len()) || len.is_none() && step > 65_536, "{step} {some} {count}");
                        assert!(len.is_none() || memory == content, "{step} {some} {count}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_something_else_is_not_taken() {
        let noise: Vec<u8> = (0..5_000_u32).flat_map(|at| at.wrapping_mul(0x9E37_79B9).to_le_bytes()).collect();
        let runs: Vec<u8> = (0..5_000_u64).flat_map(|at| (at / 90).to_le_bytes()).collect();
        for content in [&noise[..], &runs, &[], &[1], &[0; 8], &[7; 16], &[7; 4096]] {
            assert!(!compress(content, &mut Vec::new()), "{} bytes", content.len());
        }
    }

    #[test]
    fn it_is_no_larger_than_what_liblz4_makes() {
        for step in [2_u64, 13, 32, 90] {
            let content: Vec<u8> = (0..100_000).flat_map(|at| (at * step).to_le_bytes()).collect();
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            assert!(compress(&content, &mut ours));
            assert!(lz4::compress_any(&content, &mut theirs));
            assert!(ours.len() * 100 <= theirs.len() * 101, "step {step}: {} and {}", ours.len(), theirs.len());
        }
    }
}
