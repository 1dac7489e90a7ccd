//! Blocks into numbers.

use super::super::lz4_sequence::{LONG, SHORTEST_MATCH};
use super::OTHERS_AT_FIRST;

/// A literal, and seven bytes from eight bytes back: token, literal, offset.
const ONE_CHANGED: u64 = 0x0008_0013;
const ONE_CHANGED_MASK: u64 = 0xffff_00ff;
/// Two literals, and six bytes.
const TWO_CHANGED: u64 = 0x0800_0022;
const TWO_CHANGED_MASK: u64 = 0x00ff_ff00_00ff;
/// Two literals, and seven bytes from farther back: token; the offset is above [`FAR_OFFSET`].
const TWO_AND_SEVEN: u64 = 0x23;
const FAR_OFFSET: u32 = 24;
/// No literal, and seven bytes: a number in two parts, of which this is the second.
const SEVEN_BYTES: u64 = 0x0000_0803;
const SEVEN_BYTES_MASK: u64 = 0x00ff_ffff;

/// A block that is read, and where its bytes go.
struct Block<'a> {
    bytes: &'a [u8],
    /// In `bytes`.
    next: usize,
    /// What may be referred to, and room for the block.
    memory: &'a mut [u8],
    /// In `memory`.
    at: usize,
}

/// Decompresses `block` to `memory` from `at` on, and says how many bytes it came to; nothing where most of the block is
/// anything else, or it is damaged: such a block is liblz4's. It may refer to what stands before `at`.
pub(in crate::wire) fn decompress(block: &[u8], memory: &mut [u8], at: usize) -> Option<usize> {
    let mut block = Block { bytes: block, next: 0, memory, at };
    let (mut numbers, mut others) = (0, 0);
    while block.sequence()? {
        numbers += block.numbers();
        others += 1;
        if others > OTHERS_AT_FIRST + numbers / 2 {
            return None;
        }
    }
    Some(block.at - at)
}

impl Block<'_> {
    /// Goes on as long as there is one number after the other, and says how many sequences these were.
    fn numbers(&mut self) -> usize {
        let mut count = 0;
        let Some(before) = self.at.checked_sub(8) else { return count };
        let Some(mut last) = self.memory[before..].first_chunk().map(|last| u64::from_le_bytes(*last)) else {
            return count;
        };
        while let Some(sequence) = self.bytes.get(self.next..).and_then(|bytes| bytes.first_chunk())
            && let Some(room) = self.memory.get_mut(self.at..).and_then(|room| room.first_chunk_mut())
        {
            let sequence = u64::from_le_bytes(*sequence);
            if sequence & ONE_CHANGED_MASK == ONE_CHANGED {
                last = last & !0xff | sequence >> 8 & 0xff;
                *room = last.to_le_bytes();
                self.next += 4;
                self.at += 8;
            } else if sequence & TWO_CHANGED_MASK == TWO_CHANGED {
                last = last & !0xffff | sequence >> 8 & 0xffff;
                *room = last.to_le_bytes();
                self.next += 5;
                self.at += 8;
            } else if sequence & SEVEN_BYTES_MASK == SEVEN_BYTES {
                // The eighth is written over by what follows.
                *room = last.to_le_bytes();
                last = last.rotate_left(8);
                self.next += 3;
                self.at += 7;
            } else if sequence & 0xff == TWO_AND_SEVEN && self.two_and_seven(sequence, &mut last).is_some() {
                self.next += 5;
                self.at += 9;
            } else {
                break;
            }
            count += 1;
        }
        count
    }

    fn two_and_seven(&mut self, sequence: u64, last: &mut u64) -> Option<()> {
        let offset = (sequence >> FAR_OFFSET & 0xffff) as usize;
        let from = (self.at + 2).checked_sub(offset).filter(|_| offset > 16)?;
        let far = u64::from_le_bytes(*self.memory.get(from..)?.first_chunk()?);
        let room: &mut [u8; 10] = self.memory.get_mut(self.at..)?.first_chunk_mut()?;
        room[..2].copy_from_slice(&(sequence >> 8).to_le_bytes()[..2]);
        // The eighth is written over by what follows.
        room[2..].copy_from_slice(&far.to_le_bytes());
        *last = far << 8 | sequence >> 16 & 0xff;
        Some(())
    }

    /// Decompresses any sequence; false after the last one.
    fn sequence(&mut self) -> Option<bool> {
        let token = self.byte()?;
        let literals = self.length(usize::from(token >> 4))?;
        let from = self.bytes.get(self.next..)?.get(..literals)?;
        self.memory.get_mut(self.at..)?.get_mut(..literals)?.copy_from_slice(from);
        self.next += literals;
        self.at += literals;
        if self.next == self.bytes.len() {
            return Some(false);
        }
        let offset = usize::from(u16::from_le_bytes([self.byte()?, self.byte()?]));
        let len = SHORTEST_MATCH + self.length(usize::from(token & 0xf))?;
        self.copy(offset, len)?;
        Some(true)
    }

    /// Repeats `len` bytes from `offset` bytes back, which may be among them.
    fn copy(&mut self, offset: usize, len: usize) -> Option<()> {
        let from = self.at.checked_sub(offset).filter(|_| offset > 0)?;
        let end = self.at.checked_add(len).filter(|end| *end <= self.memory.len())?;
        while self.at < end {
            // What there is, which is twice as much each time.
            let len = (self.at - from).min(end - self.at);
            self.memory.copy_within(from..from + len, self.at);
            self.at += len;
        }
        Some(())
    }

    fn length(&mut self, start: usize) -> Option<usize> {
        let mut length = start;
        if start == LONG {
            loop {
                let more = self.byte()?;
                length += usize::from(more);
                if more != u8::MAX {
                    break;
                }
            }
        }
        Some(length)
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.next)?;
        self.next += 1;
        Some(byte)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::lz4;
    use super::*;

    fn compressed(content: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        lz4::append_block(content, &mut frame);
        frame.split_off(lz4::BLOCK_HEADER)
    }

    /// Offsets that grow by `step` and some.
    fn offsets(count: u64, step: u64, some: u64) -> Vec<u8> {
        (0..count).flat_map(|at| (at * step + at * at * 7 % (some + 1)).to_le_bytes()).collect()
    }

    #[test]
    fn offsets_come_back_as_they_were() {
        for (step, some) in [(32, 0), (2, 0), (13, 3), (200, 50), (1, 0), (0, 0)] {
            let content = offsets(100_000, step, some);
            let block = compressed(&content[..content.len().min(lz4::BLOCK_SIZE)]);
            let mut memory = vec![0; content.len()];
            let len = decompress(&block, &mut memory, 0);
            if step == 200 || step == 0 {
                // Two bytes change too often, or none does: runs are liblz4's.
                continue;
            }
            assert_eq!(len, Some(content.len()), "{step} {some}");
            assert!(memory == content, "{step} {some}");
        }
    }

    #[test]
    fn other_content_is_left_to_liblz4() {
        let text: Vec<u8> =
            (0..60_000_u32).flat_map(|at| format!("game_{}_{}", at % 91, at / 7).into_bytes()).collect();
        assert_eq!(decompress(&compressed(&text), &mut vec![0; text.len()], 0), None);
    }

    #[test]
    fn what_stands_before_is_referred_to() {
        let content = offsets(3_000, 3, 0);
        let mut memory = vec![0; 2 * content.len() + 20];
        memory[10..10 + content.len()].copy_from_slice(&content);
        // Two matches, to the beginning and across it, and five literals.
        let mut block = vec![0x0f];
        block.extend((content.len() as u16).to_le_bytes());
        let mut left = content.len() - 8 - SHORTEST_MATCH - LONG;
        while left >= 255 {
            block.push(255);
            left -= 255;
        }
        block.push(left as u8);
        block.extend([0x13, 9, 8, 0, 0x50, 1, 2, 3, 4, 5]);
        let at = 10 + content.len();
        assert_eq!(decompress(&block, &mut memory, at), Some(content.len() + 5));
        assert_eq!(memory[at..at + content.len() - 8], content[..content.len() - 8]);
        assert_eq!(memory[at + content.len() - 8], 9);
        assert_eq!(
            memory[at + content.len() - 7..at + content.len()],
            memory[at + content.len() - 15..at + content.len() - 8]
        );
        assert_eq!(decompress(&block, &mut memory[..at + 100], at), None, "no room");
    }

    #[test]
    fn damage_ends_it_or_is_other_bytes() {
        let content = offsets(2_000, 5, 1);
        let good = compressed(&content);
        let mut state = 3_u32;
        for round in 0..3_000 {
            let mut block = good.clone();
            for _ in 0..=round % 4 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let at = (state >> 8) as usize % block.len();
                block[at] = state as u8;
            }
            block.truncate(block.len() - round % 9 * (round % 2));
            let mut memory = vec![0; content.len()];
            if let Some(len) = decompress(&block, &mut memory, 0) {
                let mut expected = vec![0; content.len()];
                // liblz4 refuses a block that does not end in five literals, and gives the same where it does not.
                if let Ok(found) = lz4::decompress_any(&block, &mut expected) {
                    assert_eq!((len, &memory[..len]), (found, &expected[..len]));
                }
            }
        }
    }
}
