//! Writing a store, part after part.

use std::io::{self, Write};

use xxhash_rust::xxh3::Xxh3Default;

use super::MAGIC;
use super::footer::{Footer, Section};

/// Bytes that are gathered before they are written.
const GATHERED: usize = 1 << 20;

/// Where a store is written to.
pub(crate) enum Sink<'a> {
    Memory(Vec<u8>),
    File(&'a mut dyn Write),
}

/// Writes a store from its beginning to its end.
pub(crate) struct StoreWriter<'a> {
    sink: Sink<'a>,
    /// What is to be written next: whoever makes a part appends to it and calls [`StoreWriter::flush_if_full`].
    pub(crate) pending: Vec<u8>,
    written: u64,
    start: u64,
    checksum: Xxh3Default,
}

impl<'a> StoreWriter<'a> {
    pub(crate) fn new(sink: Sink<'a>) -> io::Result<Self> {
        let pending = Vec::with_capacity(GATHERED * 2);
        let mut writer = Self { sink, pending, written: 0, start: 0, checksum: Xxh3Default::new() };
        writer.pending.extend_from_slice(MAGIC);
        writer.end_section()?;
        Ok(writer)
    }

    /// Writes what is pending if it is worth a write.
    pub(crate) fn flush_if_full(&mut self) -> io::Result<()> {
        if self.pending.len() < GATHERED { Ok(()) } else { self.flush() }
    }

    /// Ends a part, which began where the one before it ended.
    pub(crate) fn end_section(&mut self) -> io::Result<Section> {
        self.flush()?;
        let section =
            Section { start: self.start, length: self.written - self.start, checksum: self.checksum.digest() };
        self.start = self.written;
        self.checksum.reset();
        Ok(section)
    }

    /// Writes a part that is at hand as a whole.
    pub(crate) fn section(&mut self, bytes: &[u8]) -> io::Result<Section> {
        self.pending.extend_from_slice(bytes);
        self.end_section()
    }

    /// Writes the footer; in memory, gives the whole.
    pub(crate) fn finish(mut self, footer: &Footer) -> io::Result<Option<Vec<u8>>> {
        self.pending.extend_from_slice(&footer.to_bytes());
        self.flush()?;
        match self.sink {
            Sink::Memory(bytes) => Ok(Some(bytes)),
            Sink::File(_) => Ok(None),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.checksum.update(&self.pending);
        self.written += self.pending.len() as u64;
        match &mut self.sink {
            Sink::Memory(bytes) => bytes.extend_from_slice(&self.pending),
            Sink::File(file) => file.write_all(&self.pending)?,
        }
        self.pending.clear();
        Ok(())
    }
}
