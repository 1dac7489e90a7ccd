//! Where decompressed blocks go: straight to their memory, or by way of the cache where there is more than fits into it.

use super::lz4::WINDOW;
use super::stream;

/// Memory that is filled from its beginning on.
pub(crate) struct Output<'a> {
    target: &'a mut [u8],
    /// Bytes of `target` that are there.
    copied: usize,
    /// Empty: blocks go straight to `target`.
    staged: &'a mut [u8],
    /// In `staged`: what has been copied ends, and what has been decompressed.
    start: usize,
    end: usize,
}

/// Room for a block.
pub(crate) struct Room<'a> {
    /// What came before lies in front of `at`: all of it, or as much as blocks refer to.
    pub(crate) memory: &'a mut [u8],
    pub(crate) at: usize,
    /// Bytes that the block may have.
    pub(crate) most: usize,
}

/// Bytes that are staged: they stay in a core's own cache.
const STAGED: usize = 1 << 20;

impl<'a> Output<'a> {
    /// `staged` is memory to be used where `target` is not worth the cache.
    pub(crate) fn new(target: &'a mut [u8], staged: Option<&'a mut Vec<u8>>, block_size: usize) -> Self {
        let staged = staged.filter(|_| block_size <= STAGED && target.len() > STAGED);
        let staged = staged.map_or(&mut [][..], |staged| {
            staged.resize(WINDOW + STAGED, 0);
            &mut staged[..]
        });
        Self { target, copied: 0, staged, start: 0, end: 0 }
    }

    /// Bytes that are there.
    pub(crate) fn len(&self) -> usize {
        self.copied + self.end - self.start
    }

    /// Room for the next block, of at most `block_size` bytes.
    pub(crate) fn room(&mut self, block_size: usize) -> Room<'_> {
        let most = block_size.min(self.target.len() - self.len());
        if self.staged.is_empty() {
            return Room { memory: self.target, at: self.copied, most };
        }
        if self.end + most > self.staged.len() {
            self.flush();
        }
        Room { memory: self.staged, at: self.end, most }
    }

    /// The block is there, and has `len` bytes.
    pub(crate) fn advance(&mut self, len: usize) {
        if self.staged.is_empty() {
            self.copied += len;
        } else {
            self.end += len;
        }
    }

    /// All blocks are there: gives the whole.
    pub(crate) fn finish(mut self) -> &'a mut [u8] {
        if !self.staged.is_empty() {
            self.flush();
            stream::finish();
        }
        self.target
    }

    fn flush(&mut self) {
        let len = self.end - self.start;
        stream::copy(&self.staged[self.start..self.end], &mut self.target[self.copied..self.copied + len]);
        self.copied += len;
        let kept = self.end.min(WINDOW);
        self.staged.copy_within(self.end - kept..self.end, 0);
        (self.start, self.end) = (kept, kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fills memory with blocks of which each byte is that before it, plus one.
    fn filled(len: usize, block: usize, staged: Option<&mut Vec<u8>>) -> Vec<u8> {
        let mut target = vec![0; len];
        let mut output = Output::new(&mut target, staged, block);
        while output.len() < len {
            let Room { memory, at, most } = output.room(block);
            for index in at..at + most {
                memory[index] = if index == 0 { 1 } else { memory[index - 1].wrapping_add(1) };
            }
            output.advance(most);
        }
        assert_eq!(output.finish().len(), len);
        target
    }

    #[test]
    fn blocks_find_what_came_before_them_and_all_arrives() {
        let mut staged = Vec::new();
        for len in [0, 1, 1000, STAGED, STAGED + 1, 3 * STAGED + 77] {
            for block in [64 << 10, 256 << 10, 1 << 20, 4 << 20] {
                let expected: Vec<u8> = (1..=len).map(|n| n as u8).collect();
                assert!(filled(len, block, None) == expected, "{len} in {block}");
                assert!(filled(len, block, Some(&mut staged)) == expected, "{len} in {block}, staged");
            }
        }
    }
}
