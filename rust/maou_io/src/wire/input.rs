//! The compressed bytes of a buffer, read as they are needed, or where they are if the file is mapped.

use super::frame::Source;
use crate::error::Result;

/// Bytes of a file, from the first to the last.
#[derive(Debug, Default)]
pub(super) struct Input {
    /// In the file: what has not been read.
    next: u64,
    end: u64,
    /// Only grows, so that nothing is cleared again and again.
    bytes: Vec<u8>,
    /// In `bytes`: what has been read and not been taken.
    start: usize,
    filled: usize,
}

/// Bytes that are read at a time.
const READ: usize = 256 << 10;

impl Input {
    /// Goes to the `len` bytes from `offset` on.
    pub(super) fn begin(&mut self, offset: u64, len: usize) {
        (self.next, self.end) = (offset, offset + len as u64);
        (self.start, self.filled) = (0, 0);
    }

    /// The next `len` bytes.
    ///
    /// # Errors
    ///
    /// When there are not as many, or they cannot be read.
    pub(super) fn take<'a>(&'a mut self, source: &'a Source, len: usize) -> Result<&'a [u8]> {
        if self.left() < len {
            return Err(source.bad("a compressed buffer that ends early"));
        }
        if let Some(bytes) = source.mapped_bytes(self.next, len)? {
            self.next += len as u64;
            return Ok(bytes);
        }
        self.fill(source, len)?;
        let start = self.start;
        self.start += len;
        Ok(&self.bytes[start..start + len])
    }

    /// As [`Input::take`], of a length that is known.
    pub(super) fn take_chunk<const N: usize>(&mut self, source: &Source) -> Result<[u8; N]> {
        let mut chunk = [0; N];
        chunk.copy_from_slice(self.take(source, N)?);
        Ok(chunk)
    }

    /// The next bytes, without taking them: as many as are there, at least `least` unless fewer are left.
    pub(super) fn peek<'a>(&'a mut self, source: &'a Source, least: usize) -> Result<&'a [u8]> {
        if let Some(bytes) = source.mapped_bytes(self.next, self.left())? {
            return Ok(bytes);
        }
        self.fill(source, least.min(self.left()))?;
        Ok(&self.bytes[self.start..self.filled])
    }

    /// Takes `len` of the bytes that [`Input::peek`] gave.
    pub(super) fn skip(&mut self, len: usize) {
        let read = len.min(self.filled - self.start);
        self.start += read;
        // Of a mapped file nothing is read.
        self.next += (len - read) as u64;
    }

    /// Bytes of memory that it has.
    pub(super) fn memory(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes that have not been taken.
    fn left(&self) -> usize {
        let unread = usize::try_from(self.end - self.next).unwrap_or(usize::MAX);
        unread.saturating_add(self.filled - self.start)
    }

    /// Reads until `len` bytes are there, which are left, and more where reading is worth it.
    fn fill(&mut self, source: &Source, len: usize) -> Result<()> {
        let there = self.filled - self.start;
        if there >= len {
            return Ok(());
        }
        self.bytes.copy_within(self.start..self.filled, 0);
        (self.start, self.filled) = (0, there);
        let filled = self.left().min(READ.max(len));
        let missing = filled.saturating_sub(self.bytes.len());
        self.bytes
            .try_reserve_exact(missing)
            .map_err(|error| source.bad(format!("cannot read {filled} bytes at once: {error}")))?;
        self.bytes.resize(self.bytes.len() + missing, 0);
        source.read_exact_at(&mut self.bytes[there..filled], self.next)?;
        self.next += (filled - there) as u64;
        self.filled = filled;
        Ok(())
    }
}
