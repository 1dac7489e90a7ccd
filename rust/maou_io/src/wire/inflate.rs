//! Buffers from a file into memory, decompressed, on as many threads as are worth it.

use super::frame::Source;
use super::input::Input;
use super::lz4::{self, BLOCK_HEADER, Block, CHECKSUM, Decoder, Header, LONGEST_HEADER};
use super::output::{Output, Room};
use super::spare::Spare;
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
    input: Input,
    staged: Vec<u8>,
}

static SPARE: Spare<Scratch> = Spare::new();
/// Bytes of the largest that is kept.
const KEPT: usize = 4 << 20;

/// One of them, until it is dropped.
#[derive(Default)]
struct Borrowed(Scratch);

/// Decompressed bytes of a task: enough that a thread is not forever asking for the next, few enough to share evenly.
const TASK: usize = 2 << 20;
/// Decompressed bytes of all parts above which they go past the cache.
const LARGE: usize = 16 << 20;

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
    let Scratch { input, staged } = scratch;
    let staged = past_cache.then_some(staged);
    input.begin(offset, len);
    match kind {
        Kind::Plain => source.read_exact_at(target, offset),
        Kind::Zstd => zstd_frame(input.take(source, len)?, target).map_err(|problem| source.bad(problem)),
        Kind::Lz4Frame => whole_frame(source, input, target, staged),
        Kind::Lz4Blocks(header) => {
            let output = Output::new(target, staged, header.block_size);
            independent_blocks(source, input, header, output)
        }
    }
}

impl Borrowed {
    fn new() -> Self {
        Self(SPARE.take())
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        let scratch = std::mem::take(&mut self.0);
        if scratch.input.memory() <= KEPT {
            SPARE.give(scratch, 1);
        }
    }
}

/// Blocks that refer to no others, each as long as there is room.
fn independent_blocks(source: &Source, input: &mut Input, header: Header, mut output: Output<'_>) -> Result<()> {
    let mut decoder = Decoder::of(header).map_err(|problem| source.bad(problem))?;
    loop {
        let Room { memory, at, most } = output.room(header.block_size);
        if most == 0 {
            output.finish();
            return Ok(());
        }
        let len = decoder.next(source, input, memory, at, most)?.unwrap_or(0);
        if len != most {
            return Err(source.bad(short(most, len)));
        }
        output.advance(most);
    }
}

pub(super) fn zstd_frame(bytes: &[u8], target: &mut [u8]) -> Result<(), String> {
    let expected = target.len();
    match zstd_safe::decompress(target, bytes) {
        Ok(len) if len == expected => Ok(()),
        Ok(len) => Err(short(expected, len)),
        Err(code) => Err(format!("Zstandard: {}", zstd_safe::get_error_name(code))),
    }
}

/// A frame whose blocks are read one after the other.
fn whole_frame(source: &Source, input: &mut Input, target: &mut [u8], staged: Option<&mut Vec<u8>>) -> Result<()> {
    let expected = target.len();
    let mut decoder = Decoder::open(source, input)?;
    let header = decoder.header();
    let mut output = Output::new(target, staged, header.block_size);
    loop {
        let Room { memory, at, most } = output.room(header.block_size);
        let Some(len) = decoder.next(source, input, memory, at, most)? else { break };
        output.advance(len);
    }
    if output.len() != expected {
        return Err(source.bad(short(expected, output.len())));
    }
    let target = output.finish();
    // Where each block had its own, that of the whole would tell of liblz4's mistakes only.
    if header.content_checksum && !header.block_checksums {
        lz4::check(target, input.take_chunk(source)?).map_err(|problem| source.bad(problem))?;
    }
    Ok(())
}

fn short(expected: usize, found: usize) -> String {
    format!("a compressed buffer that announces {expected} bytes and holds {found}")
}

#[cfg(test)]
mod tests;
