//! The bytes of one buffer, decompressed a few at a time: for batches that are larger than memory.

use zstd_safe::{DCtx, InBuffer, OutBuffer};

use super::frame::Source;
use super::inflate::Encoding;
use super::input::Input;
use super::lz4::{Decoder, WINDOW};
use crate::error::Result;

/// A buffer that is read from its beginning to its end.
pub(super) struct ByteStream {
    /// Decompressed bytes that have not been given.
    left: usize,
    content: Content,
}

enum Content {
    /// As it is, from here on.
    Plain(u64),
    Lz4(Box<Lz4>),
    Zstd(Box<Zstd>),
}

struct Lz4 {
    input: Input,
    /// Nothing before the first block.
    decoder: Option<Decoder>,
    /// What blocks may refer to, and the last block; all of the buffer, where that is less.
    window: Vec<u8>,
    /// Bytes of the buffer.
    size: usize,
    /// In `window`: what has not been given.
    start: usize,
    end: usize,
}

struct Zstd {
    input: Input,
    context: DCtx<'static>,
}

impl ByteStream {
    /// `len` bytes of the file from `offset` on, which come to `size` bytes.
    pub(super) fn new(offset: u64, len: usize, encoding: Encoding, size: usize) -> Self {
        let mut input = Input::default();
        input.begin(offset, len);
        let content = match encoding {
            Encoding::Plain => Content::Plain(offset),
            Encoding::Lz4 => {
                Content::Lz4(Box::new(Lz4 { input, decoder: None, window: Vec::new(), size, start: 0, end: 0 }))
            }
            Encoding::Zstd => Content::Zstd(Box::new(Zstd { input, context: DCtx::create() })),
        };
        Self { left: size, content }
    }

    /// Bytes that have not been given.
    pub(super) fn left(&self) -> usize {
        self.left
    }

    /// The next bytes, as many as `target` has.
    pub(super) fn read(&mut self, source: &Source, target: &mut [u8]) -> Result<()> {
        let Some(left) = self.left.checked_sub(target.len()) else {
            let (asked, left) = (target.len(), self.left);
            return Err(source.bad(format!("a buffer that ends {} bytes early", asked - left)));
        };
        self.left = left;
        match &mut self.content {
            Content::Plain(next) => {
                source.read_exact_at(target, *next)?;
                *next += target.len() as u64;
                Ok(())
            }
            Content::Lz4(lz4) => lz4.read(source, target),
            Content::Zstd(zstd) => zstd.read(source, target),
        }
    }
}

impl Lz4 {
    fn read(&mut self, source: &Source, mut target: &mut [u8]) -> Result<()> {
        while !target.is_empty() {
            if self.start == self.end {
                self.refill(source)?;
            }
            let len = target.len().min(self.end - self.start);
            let (now, later) = target.split_at_mut(len);
            now.copy_from_slice(&self.window[self.start..self.start + len]);
            self.start += len;
            target = later;
        }
        Ok(())
    }

    /// Decompresses the next block behind what it may refer to.
    fn refill(&mut self, source: &Source) -> Result<()> {
        let decoder = match &mut self.decoder {
            Some(decoder) => decoder,
            empty => empty.insert(Decoder::open(source, &mut self.input)?),
        };
        let block_size = decoder.header().block_size;
        // A header of a few bytes may announce blocks of 4 MiB, in each of a thousand buffers.
        self.window.resize(self.size.min(WINDOW + block_size), 0);
        let kept = self.end.min(WINDOW);
        self.window.copy_within(self.end - kept..self.end, 0);
        let most = block_size.min(self.window.len() - kept);
        match decoder.next(source, &mut self.input, &mut self.window, kept, most)? {
            None => Err(source.bad("an LZ4 frame that ends early")),
            Some(0) => Err(source.bad("an LZ4 block without bytes")),
            Some(len) => {
                (self.start, self.end) = (kept, kept + len);
                Ok(())
            }
        }
    }
}

impl Zstd {
    fn read(&mut self, source: &Source, target: &mut [u8]) -> Result<()> {
        let mut output = OutBuffer::around(target);
        loop {
            let bytes = self.input.peek(source, 1)?;
            let is_end = bytes.is_empty();
            let mut input = InBuffer::around(bytes);
            let hint = self.context.decompress_stream(&mut output, &mut input);
            let taken = input.pos();
            hint.map_err(|code| source.bad(format!("Zstandard: {}", zstd_safe::get_error_name(code))))?;
            self.input.skip(taken);
            if output.pos() == output.capacity() {
                return Ok(());
            }
            if is_end {
                return Err(source.bad("a Zstandard frame that ends early"));
            }
        }
    }
}
