//! The bytes of one buffer, decompressed a few at a time: for batches that are larger than memory.

use std::ops::RangeInclusive;

use zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer};

use super::frame::Source;
use super::inflate::{Encoding, zstd_frame};
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
    /// Where its compressed bytes are, and what they come to.
    offset: u64,
    len: usize,
    size: usize,
    /// Whether some have been decompressed.
    has_begun: bool,
    /// All of them, where the window is larger than that, and how many have been given.
    whole: Option<(Vec<u8>, usize)>,
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
            Encoding::Zstd => Content::Zstd(Box::new(Zstd::new(input, offset, len, size))),
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
    /// Logarithms of the windows that the format allows without asking.
    const WINDOW_LOGS: RangeInclusive<u32> = 10..=27;

    fn new(input: Input, offset: u64, len: usize, size: usize) -> Self {
        let mut context = DCtx::create();
        // A frame of a few bytes may ask for a window of 128 MiB.
        let log = size.next_power_of_two().ilog2().clamp(*Self::WINDOW_LOGS.start(), *Self::WINDOW_LOGS.end());
        // Within the bounds, so that it is not refused; and without it, memory is all that differs.
        let _ = context.set_parameter(DParameter::WindowLogMax(log));
        Self { input, context, offset, len, size, has_begun: false, whole: None }
    }

    fn read(&mut self, source: &Source, target: &mut [u8]) -> Result<()> {
        if self.whole.is_none() {
            match self.next(source, target) {
                Err(_) if !self.has_begun => self.whole = Some((self.all(source)?, 0)),
                result => return result,
            }
        }
        // Some: it was made above, or before.
        if let Some((bytes, given)) = &mut self.whole {
            target.copy_from_slice(&bytes[*given..*given + target.len()]);
            *given += target.len();
        }
        Ok(())
    }

    fn next(&mut self, source: &Source, target: &mut [u8]) -> Result<()> {
        let mut output = OutBuffer::around(target);
        loop {
            let bytes = self.input.peek(source, 1)?;
            let is_end = bytes.is_empty();
            let mut input = InBuffer::around(bytes);
            let hint = self.context.decompress_stream(&mut output, &mut input);
            let taken = input.pos();
            hint.map_err(|code| source.bad(format!("Zstandard: {}", zstd_safe::get_error_name(code))))?;
            self.has_begun |= output.pos() > 0;
            self.input.skip(taken);
            if output.pos() == output.capacity() {
                return Ok(());
            }
            if is_end {
                return Err(source.bad("a Zstandard frame that ends early"));
            }
        }
    }

    /// Decompresses all at once, which needs no window.
    fn all(&self, source: &Source) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(self.size).map_err(|_| source.bad(format!("no memory for {} bytes", self.size)))?;
        bytes.resize(self.size, 0);
        let mut input = Input::default();
        input.begin(self.offset, self.len);
        zstd_frame(input.take(source, self.len)?, &mut bytes).map_err(|problem| source.bad(problem))?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use zstd_safe::{CCtx, CParameter};

    use super::*;

    /// `content` by a writer that does not know how much there will be, with a window of 128 MiB.
    fn frame(content: &[u8]) -> Vec<u8> {
        let mut context = CCtx::create();
        context.set_parameter(CParameter::WindowLog(27)).expect("within the bounds");
        let mut frame = vec![0; zstd_safe::compress_bound(content.len()) + 64];
        let mut output = OutBuffer::around(&mut frame[..]);
        let mut input = InBuffer::around(content);
        while input.pos() < content.len() {
            context.compress_stream(&mut output, &mut input).expect("room");
        }
        while context.end_stream(&mut output).expect("room") > 0 {}
        let len = output.pos();
        frame.truncate(len);
        frame
    }

    #[test]
    fn a_window_is_not_larger_than_what_it_is_for() {
        for size in [1_usize, 1_000, 100_000, 3 << 20] {
            let content: Vec<u8> = (0..size).map(|at| (at * at / 7) as u8).collect();
            let frame = frame(&content);
            let file = tempfile::NamedTempFile::new().expect("writable");
            std::fs::write(file.path(), &frame).expect("writable");
            let source = Source::open(file.path()).expect("there");
            let mut stream = ByteStream::new(0, frame.len(), Encoding::Zstd, size);
            let mut read = vec![0; size];
            for part in read.chunks_mut(size.div_ceil(10)) {
                stream.read(&source, part).expect("whole");
            }
            assert!(read == content, "{size} bytes");
            let Content::Zstd(zstd) = &stream.content else { panic!("what was asked for") };
            assert!(zstd.context.sizeof() < 2 * size + (1 << 20), "{} for {size} bytes", zstd.context.sizeof());
        }
    }
}
