//! The bytes of one buffer, decompressed a few at a time: for batches that are larger than memory.

use zstd_safe::{DCtx, InBuffer, OutBuffer};

use super::frame::Source;
use super::inflate::Encoding;
use super::lz4::{self, BLOCK_HEADER, Block, CHECKSUM, Header, LONGEST_HEADER, Linked, WINDOW};
use crate::error::Result;

/// A buffer that is read from its beginning to its end.
pub(super) struct ByteStream {
    /// In the file: what has not been read.
    next: u64,
    end: u64,
    /// Decompressed bytes that have not been given.
    left: usize,
    decoder: Decoder,
}

enum Decoder {
    Plain,
    Lz4(Box<Lz4>),
    Zstd(Box<Zstd>),
}

struct Lz4 {
    header: Option<Header>,
    linked: Option<Linked>,
    compressed: Vec<u8>,
    /// What blocks may refer to, and the last block.
    window: Vec<u8>,
    /// In `window`: what has not been given.
    start: usize,
    end: usize,
}

struct Zstd {
    context: DCtx<'static>,
    compressed: Vec<u8>,
    taken: usize,
}

/// Compressed bytes that are read at a time.
const READ: usize = 256 << 10;

impl ByteStream {
    /// `len` bytes of the file from `offset` on, which come to `size` bytes.
    pub(super) fn new(offset: u64, len: usize, encoding: Encoding, size: usize) -> Self {
        let decoder = match encoding {
            Encoding::Plain => Decoder::Plain,
            Encoding::Lz4 => Decoder::Lz4(Box::new(Lz4 {
                header: None,
                linked: None,
                compressed: Vec::new(),
                window: Vec::new(),
                start: 0,
                end: 0,
            })),
            Encoding::Zstd => {
                Decoder::Zstd(Box::new(Zstd { context: DCtx::create(), compressed: Vec::new(), taken: 0 }))
            }
        };
        Self { next: offset, end: offset + len as u64, left: size, decoder }
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
        match &mut self.decoder {
            Decoder::Plain => {
                source.read_exact_at(target, self.next)?;
                self.next += target.len() as u64;
                Ok(())
            }
            Decoder::Lz4(lz4) => lz4.read(source, &mut self.next, self.end, target),
            Decoder::Zstd(zstd) => zstd.read(source, &mut self.next, self.end, target),
        }
    }
}

impl Lz4 {
    fn read(&mut self, source: &Source, next: &mut u64, end: u64, mut target: &mut [u8]) -> Result<()> {
        while !target.is_empty() {
            if self.start == self.end {
                self.refill(source, next, end)?;
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
    fn refill(&mut self, source: &Source, next: &mut u64, end: u64) -> Result<()> {
        let header = match self.header {
            Some(header) => header,
            None => self.open(source, next, end)?,
        };
        let kept = self.end.min(WINDOW);
        self.window.copy_within(self.end - kept..self.end, 0);
        let mut start = [0; BLOCK_HEADER];
        read_next(source, next, end, &mut start)?;
        let block = Block::parse(start);
        let (Block::Compressed(len) | Block::Stored(len)) = block else {
            return Err(source.bad("an LZ4 frame that ends early"));
        };
        if len > lz4::longest_block(header.block_size) {
            return Err(source.bad(format!("an LZ4 block of {len} bytes")));
        }
        self.compressed.resize(len, 0);
        read_next(source, next, end, &mut self.compressed)?;
        if header.block_checksums {
            let mut checksum = [0; CHECKSUM];
            read_next(source, next, end, &mut checksum)?;
            lz4::check(&self.compressed, checksum).map_err(|problem| source.bad(problem))?;
        }
        let content = &self.compressed;
        let len = match (block, &mut self.linked) {
            (Block::Stored(len), _) if len <= header.block_size => {
                self.window[kept..kept + len].copy_from_slice(content);
                Ok(len)
            }
            (Block::Stored(len), _) => Err(format!("an LZ4 block of {len} bytes")),
            (_, Some(linked)) => linked.decompress(content, &mut self.window, kept, header.block_size),
            (_, None) => lz4::decompress(content, &mut self.window[kept..]),
        };
        let len = len.map_err(|problem| source.bad(problem))?;
        if len == 0 {
            return Err(source.bad("an LZ4 block without bytes"));
        }
        (self.start, self.end) = (kept, kept + len);
        Ok(())
    }

    fn open(&mut self, source: &Source, next: &mut u64, end: u64) -> Result<Header> {
        let mut start = [0; LONGEST_HEADER];
        let len = usize::try_from(end - *next).map_or(LONGEST_HEADER, |left| left.min(LONGEST_HEADER));
        source.read_exact_at(&mut start[..len], *next)?;
        let header = Header::parse(&start[..len]).map_err(|problem| source.bad(problem))?;
        *next += header.len as u64;
        self.linked = if header.linked { Some(Linked::new().map_err(|problem| source.bad(problem))?) } else { None };
        self.window.resize(WINDOW + header.block_size, 0);
        self.header = Some(header);
        Ok(header)
    }
}

impl Zstd {
    fn read(&mut self, source: &Source, next: &mut u64, end: u64, target: &mut [u8]) -> Result<()> {
        let mut output = OutBuffer::around(target);
        loop {
            let mut input = InBuffer::around(&self.compressed[self.taken..]);
            let hint = self.context.decompress_stream(&mut output, &mut input);
            self.taken += input.pos();
            hint.map_err(|code| source.bad(format!("Zstandard: {}", zstd_safe::get_error_name(code))))?;
            if output.pos() == output.capacity() {
                return Ok(());
            }
            if self.taken == self.compressed.len() {
                let len = usize::try_from(end - *next).map_or(READ, |left| left.min(READ));
                if len == 0 {
                    return Err(source.bad("a Zstandard frame that ends early"));
                }
                self.compressed.resize(len, 0);
                self.taken = 0;
                read_next(source, next, end, &mut self.compressed)?;
            }
        }
    }
}

fn read_next(source: &Source, next: &mut u64, end: u64, target: &mut [u8]) -> Result<()> {
    if end - *next < target.len() as u64 {
        return Err(source.bad("a compressed buffer that ends early"));
    }
    source.read_exact_at(target, *next)?;
    *next += target.len() as u64;
    Ok(())
}
