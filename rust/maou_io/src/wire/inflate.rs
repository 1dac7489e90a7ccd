//! Buffers from a file into memory, decompressed, on as many threads as are worth it.

use std::sync::Mutex;

use super::frame::Source;
use super::lz4::{self, BLOCK_HEADER, Block, CHECKSUM, Header, LONGEST_HEADER, Linked};
use super::output::{Output, Room};
use crate::error::Result;
use crate::threads;

/// A buffer in a file, and where its bytes go. There are exactly as many as `target` is long.
#[derive(Debug)]
pub(crate) struct Part<'a> {
    pub(crate) offset: u64,
    pub(crate) len: usize,
    pub(crate) encoding: Encoding,
    pub(crate) target: &'a mut [u8],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Plain,
    Lz4,
    Zstd,
}

/// What one thread does without asking another.
struct Task<'a> {
    offset: u64,
    len: usize,
    kind: Kind,
    target: &'a mut [u8],
}

#[derive(Clone, Copy)]
enum Kind {
    Plain,
    Lz4Frame,
    /// Blocks of a frame that refer to no others, all but the last of them full.
    Lz4Blocks(Header),
    Zstd,
}

/// What a thread needs and uses again, in this call and in later ones.
#[derive(Default)]
struct Scratch {
    compressed: Compressed,
    staged: Vec<u8>,
}

#[derive(Default)]
struct Compressed {
    bytes: Vec<u8>,
}

/// Those that no thread uses now.
static SPARE: Mutex<Vec<Scratch>> = Mutex::new(Vec::new());
/// Bytes of the largest that is kept.
const KEPT: usize = 4 << 20;

/// One of them, until it is dropped.
#[derive(Default)]
struct Borrowed(Scratch);

/// Decompressed bytes of a task: enough that a thread is not forever asking for the next, few enough to share evenly.
const TASK: usize = 2 << 20;
/// Decompressed bytes of all parts above which they go past the cache.
const LARGE: usize = 16 << 20;
/// Compressed bytes that a frame is read in.
const READ: usize = 256 << 10;

/// Fills the target of each of `parts`.
///
/// # Errors
///
/// When bytes cannot be read, or do not decompress to as many as were announced.
pub(crate) fn fill(source: &Source, parts: Vec<Part<'_>>) -> Result<()> {
    let bytes = parts.iter().map(|part| part.target.len()).sum();
    let threads = threads::worth(bytes, usize::MAX);
    let mut tasks = Vec::with_capacity(parts.len());
    for part in parts {
        plan(source, part, threads > 1, &mut tasks)?;
    }
    // The long ones first: nobody should begin one when all others are done.
    tasks.sort_by_key(|task| std::cmp::Reverse(task.target.len()));
    let threads = threads.min(tasks.len());
    let past_cache = bytes > LARGE;
    threads::for_each(tasks, threads, Borrowed::new, |scratch, task| run(source, &mut scratch.0, past_cache, task))
}

/// The tasks of a part; `shared` among threads it is divided.
fn plan<'a>(source: &Source, part: Part<'a>, shared: bool, tasks: &mut Vec<Task<'a>>) -> Result<()> {
    let Part { offset, len, encoding, target } = part;
    let divided = shared && target.len() > 2 * TASK;
    match encoding {
        Encoding::Plain if divided => {
            let mut offset = offset;
            for target in target.chunks_mut(TASK) {
                let len = target.len();
                tasks.push(Task { offset, len, kind: Kind::Plain, target });
                offset += len as u64;
            }
        }
        Encoding::Plain => tasks.push(Task { offset, len, kind: Kind::Plain, target }),
        Encoding::Zstd => tasks.push(Task { offset, len, kind: Kind::Zstd, target }),
        Encoding::Lz4 => {
            let whole = Task { offset, len, kind: Kind::Lz4Frame, target };
            match if divided { blocks(source, &whole)? } else { None } {
                Some((header, blocks)) => divide(whole.target, header, &blocks, tasks),
                None => tasks.push(whole),
            }
        }
    }
    Ok(())
}

/// Each with its place in the file, the frame's end included.
type Blocks = Vec<(u64, Block)>;

/// The blocks of a frame; nothing where they have to be read one after the other.
fn blocks(source: &Source, frame: &Task<'_>) -> Result<Option<(Header, Blocks)>> {
    let end = frame.offset + frame.len as u64;
    let mut start = [0; LONGEST_HEADER];
    let start = &mut start[..LONGEST_HEADER.min(frame.len)];
    source.read_exact_at(start, frame.offset)?;
    let header = Header::parse(start).map_err(|problem| source.bad(problem))?;
    if header.linked || header.content_checksum {
        return Ok(None);
    }
    let count = frame.target.len().div_ceil(header.block_size);
    let behind = if header.block_checksums { CHECKSUM } else { 0 };
    let mut at = frame.offset + header.len as u64;
    let mut blocks = Vec::with_capacity(count + 1);
    while at + BLOCK_HEADER as u64 <= end {
        let mut bytes = [0; BLOCK_HEADER];
        source.read_exact_at(&mut bytes, at)?;
        let block = Block::parse(bytes);
        blocks.push((at, block));
        match block {
            Block::Compressed(len) | Block::Stored(len) => at += (BLOCK_HEADER + len + behind) as u64,
            // As many as there would be if all were full: then all are, or the first that is not will be found.
            Block::End => return Ok((blocks.len() == count + 1).then_some((header, blocks))),
        }
    }
    Ok(None)
}

/// Some blocks for each task. One that is stored is read to where it belongs.
fn divide<'a>(target: &'a mut [u8], header: Header, blocks: &[(u64, Block)], tasks: &mut Vec<Task<'a>>) {
    let together = (TASK / header.block_size).max(1);
    let is_plain = |block: Block| matches!(block, Block::Stored(_)) && !header.block_checksums;
    let mut rest = target;
    let mut index = 0;
    while !rest.is_empty() {
        let group = blocks[index..].iter().take(together);
        let compressed = group.take_while(|(_, block)| !is_plain(*block) && *block != Block::End).count();
        let count = compressed.max(1);
        let (target, behind) = rest.split_at_mut(rest.len().min(count * header.block_size));
        rest = behind;
        let (offset, block) = blocks[index];
        index += count;
        match block {
            Block::Stored(len) if is_plain(block) && len == target.len() => {
                tasks.push(Task { offset: offset + BLOCK_HEADER as u64, len, kind: Kind::Plain, target });
            }
            _ => {
                // Both lie in the file, whose blocks are at most 2 GiB each.
                let len = (blocks[index].0 - offset) as usize;
                tasks.push(Task { offset, len, kind: Kind::Lz4Blocks(header), target });
            }
        }
    }
}

fn run(source: &Source, scratch: &mut Scratch, past_cache: bool, task: Task<'_>) -> Result<()> {
    let Task { offset, len, kind, target } = task;
    let Scratch { compressed, staged } = scratch;
    let staged = past_cache.then_some(staged);
    let done = match kind {
        Kind::Plain => return source.read_exact_at(target, offset),
        Kind::Zstd => zstd(compressed.read(source, offset, len)?, target),
        Kind::Lz4Frame => {
            let bytes = Bytes { source, next: offset, end: offset + len as u64, start: 0, compressed };
            return whole_frame(bytes, target, staged);
        }
        Kind::Lz4Blocks(header) => {
            let output = Output::new(target, staged, header.block_size);
            independent_blocks(compressed.read(source, offset, len)?, header, output)
        }
    };
    done.map_err(|problem| source.bad(problem))
}

impl Borrowed {
    fn new() -> Self {
        Self(threads::locked(&SPARE).pop().unwrap_or_default())
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        let scratch = std::mem::take(&mut self.0);
        let mut spare = threads::locked(&SPARE);
        if spare.len() < threads::threads() && scratch.compressed.bytes.len() <= KEPT {
            spare.push(scratch);
        }
    }
}

impl Compressed {
    fn read(&mut self, source: &Source, offset: u64, len: usize) -> Result<&[u8]> {
        self.make_room(source, len)?;
        source.read_exact_at(&mut self.bytes[..len], offset)?;
        Ok(&self.bytes[..len])
    }

    fn make_room(&mut self, source: &Source, len: usize) -> Result<()> {
        let more = len.saturating_sub(self.bytes.len());
        self.bytes
            .try_reserve_exact(more)
            .map_err(|error| source.bad(format!("cannot read {len} bytes at once: {error}")))?;
        self.bytes.resize(self.bytes.len() + more, 0);
        Ok(())
    }
}

fn independent_blocks(mut bytes: &[u8], header: Header, mut output: Output<'_>) -> Result<(), String> {
    let cut = || "an LZ4 frame that ends in a block".to_owned();
    loop {
        let Room { memory, at, most } = output.room(header.block_size);
        if most == 0 {
            output.finish();
            return Ok(());
        }
        let target = &mut memory[at..at + most];
        let (start, rest) = bytes.split_first_chunk().ok_or_else(cut)?;
        let block = Block::parse(*start);
        let (Block::Compressed(len) | Block::Stored(len)) = block else { return Err(short(most, 0)) };
        let (content, rest) = rest.split_at_checked(len).ok_or_else(cut)?;
        bytes = rest;
        if header.block_checksums {
            let (checksum, rest) = bytes.split_first_chunk().ok_or_else(cut)?;
            lz4::check(content, *checksum)?;
            bytes = rest;
        }
        match block {
            Block::Stored(len) if len == most => target.copy_from_slice(content),
            Block::Stored(len) => return Err(short(most, len)),
            _ => {
                let len = lz4::decompress(content, target)?;
                if len != most {
                    return Err(short(most, len));
                }
            }
        }
        output.advance(most);
    }
}

fn zstd(bytes: &[u8], target: &mut [u8]) -> Result<(), String> {
    let expected = target.len();
    match zstd_safe::decompress(target, bytes) {
        Ok(len) if len == expected => Ok(()),
        Ok(len) => Err(short(expected, len)),
        Err(code) => Err(format!("Zstandard: {}", zstd_safe::get_error_name(code))),
    }
}

/// The compressed bytes of a buffer, read as they are needed.
struct Bytes<'a> {
    source: &'a Source,
    /// What has not been read: from here to the end.
    next: u64,
    end: u64,
    /// What has been read and not been taken is in `compressed` from here on.
    start: usize,
    compressed: &'a mut Compressed,
}

impl Bytes<'_> {
    /// The next `len` bytes.
    fn take(&mut self, len: usize) -> Result<&[u8]> {
        let there = self.compressed.bytes.len() - self.start;
        if there < len {
            self.read_more(len)?;
        }
        let start = self.start;
        self.start += len;
        Ok(&self.compressed.bytes[start..start + len])
    }

    fn take_chunk<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut chunk = [0; N];
        chunk.copy_from_slice(self.take(N)?);
        Ok(chunk)
    }

    fn read_more(&mut self, len: usize) -> Result<()> {
        let bytes = &mut self.compressed.bytes;
        bytes.drain(..self.start);
        self.start = 0;
        let there = bytes.len();
        // Not more than there is, and at least what is asked for.
        let left = usize::try_from(self.end - self.next).unwrap_or(usize::MAX);
        if left < len - there {
            return Err(self.source.bad("an LZ4 frame that ends in a block"));
        }
        let more = left.min(READ.max(len - there));
        self.compressed.make_room(self.source, there + more)?;
        self.source.read_exact_at(&mut self.compressed.bytes[there..], self.next)?;
        self.next += more as u64;
        Ok(())
    }
}

/// A frame whose blocks are read one after the other.
fn whole_frame(mut bytes: Bytes<'_>, target: &mut [u8], staged: Option<&mut Vec<u8>>) -> Result<()> {
    let source = bytes.source;
    let bad = |problem| source.bad(problem);
    let expected = target.len();
    bytes.compressed.bytes.clear();
    let longest = LONGEST_HEADER.min(usize::try_from(bytes.end - bytes.next).unwrap_or(usize::MAX));
    let header = Header::parse(bytes.take(longest)?).map_err(bad)?;
    bytes.start = header.len;
    let mut linked = if header.linked { Some(Linked::new().map_err(bad)?) } else { None };
    let mut output = Output::new(target, staged, header.block_size);
    loop {
        let block = Block::parse(bytes.take_chunk()?);
        let (Block::Compressed(len) | Block::Stored(len)) = block else { break };
        if len > lz4::longest_block(header.block_size) {
            return Err(source.bad(format!("an LZ4 block of {len} bytes")));
        }
        let checksum = if header.block_checksums { CHECKSUM } else { 0 };
        let (content, checksum) = bytes.take(len + checksum)?.split_at(len);
        if let Some(checksum) = checksum.first_chunk() {
            lz4::check(content, *checksum).map_err(bad)?;
        }
        let Room { memory, at, most } = output.room(header.block_size);
        let len = match (block, &mut linked) {
            (Block::Stored(_), _) if len > most => return Err(source.bad(long(expected))),
            (Block::Stored(_), _) => {
                memory[at..at + len].copy_from_slice(content);
                len
            }
            (_, Some(linked)) => linked.decompress(content, memory, at, most).map_err(bad)?,
            (_, None) => lz4::decompress(content, &mut memory[at..at + most]).map_err(bad)?,
        };
        output.advance(len);
    }
    if output.len() != expected {
        return Err(source.bad(short(expected, output.len())));
    }
    let target = output.finish();
    // Where each block had its own, that of the whole would tell of liblz4's mistakes only.
    if header.content_checksum && !header.block_checksums {
        lz4::check(target, bytes.take_chunk()?).map_err(bad)?;
    }
    Ok(())
}

fn short(expected: usize, found: usize) -> String {
    format!("a compressed buffer that announces {expected} bytes and holds {found}")
}

fn long(expected: usize) -> String {
    format!("a compressed buffer that announces {expected} bytes and holds more")
}

#[cfg(test)]
mod tests;
