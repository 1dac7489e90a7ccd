//! LZ4 frames: <https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md>. The blocks in them are liblz4's affair, which
//! Polars links as well, but for those of offsets ([`super::lz4_offsets`]) and, where they are made, of long repetitions
//! ([`super::lz4_runs`]).

use std::ffi::c_int;

use lz4_sys::{
    LZ4_compress_default, LZ4_createStreamDecode, LZ4_decompress_safe, LZ4_decompress_safe_continue,
    LZ4_freeStreamDecode, LZ4_setStreamDecode, LZ4StreamDecode,
};
use xxhash_rust::xxh32::xxh32;

use super::frame::Source;
use super::input::Input;
use super::{lz4_offsets, lz4_runs};
use crate::error::Result;

/// What stands before the blocks of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// Bytes of the header itself.
    pub(crate) len: usize,
    /// Blocks refer to those before them.
    pub(crate) linked: bool,
    /// Each block is followed by a checksum.
    pub(crate) block_checksums: bool,
    /// The last block is followed by one.
    pub(crate) content_checksum: bool,
    /// The most that a block decompresses to.
    pub(crate) block_size: usize,
}

/// What stands before a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Block {
    Compressed(usize),
    Stored(usize),
    End,
}

/// Appends content to a block; false, with anything appended, where it is not made for that content.
type Compressor = fn(&[u8], &mut Vec<u8>) -> bool;

/// The longest header: magic, flags, content size, dictionary id, checksum.
pub(crate) const LONGEST_HEADER: usize = 4 + 2 + 8 + 4 + 1;
/// Bytes before each block.
pub(crate) const BLOCK_HEADER: usize = 4;
/// Bytes of each checksum.
pub(crate) const CHECKSUM: usize = 4;

const MAGIC: u32 = 0x184D_2204;
const VERSION: u8 = 0b0100_0000;
const INDEPENDENT: u8 = 0b0010_0000;
const BLOCK_CHECKSUMS: u8 = 0b0001_0000;
const CONTENT_SIZE: u8 = 0b0000_1000;
const CONTENT_CHECKSUM: u8 = 0b0000_0100;
const DICTIONARY: u8 = 0b0000_0001;
/// In a block's length: it is stored as it is.
const STORED: u32 = 1 << 31;
/// How far back LZ4 refers.
pub(crate) const WINDOW: usize = 64 << 10;

/// What we write: independent blocks, so that as many threads as there are can read them.
pub(crate) const BLOCK_SIZE: usize = 1 << 20;
/// The last byte is the second of the two before it as xxHash32, as the format has it.
pub(crate) const FRAME_START: [u8; 7] = [0x04, 0x22, 0x4d, 0x18, VERSION | INDEPENDENT, 6 << 4, 0x51];
pub(crate) const FRAME_END: [u8; 4] = [0; 4];

impl Header {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let short = || "an LZ4 frame that ends in its header".to_owned();
        let magic = bytes.first_chunk().map(|magic| u32::from_le_bytes(*magic));
        let (Some(magic), Some([flags, descriptor])) = (magic, bytes.get(4..).and_then(|rest| rest.first_chunk()))
        else {
            return Err(short());
        };
        if magic != MAGIC || flags & 0b1100_0000 != VERSION {
            return Err("compressed bytes that are no LZ4 frame".to_owned());
        }
        if flags & DICTIONARY != 0 {
            return Err("an LZ4 frame that needs a dictionary".to_owned());
        }
        let size = descriptor >> 4 & 0b111;
        if size < 4 {
            return Err(format!("an LZ4 frame with blocks of the size {size}, which there is not"));
        }
        let len = 4 + 2 + if flags & CONTENT_SIZE == 0 { 0 } else { 8 } + 1;
        if bytes.len() < len {
            return Err(short());
        }
        Ok(Self {
            len,
            linked: flags & INDEPENDENT == 0,
            block_checksums: flags & BLOCK_CHECKSUMS != 0,
            content_checksum: flags & CONTENT_CHECKSUM != 0,
            block_size: 1 << (8 + 2 * usize::from(size)),
        })
    }
}

impl Block {
    pub(crate) fn parse(header: [u8; BLOCK_HEADER]) -> Self {
        let header = u32::from_le_bytes(header);
        // At most 31 bits.
        let len = (header & !STORED) as usize;
        match header {
            0 => Self::End,
            _ if header & STORED != 0 => Self::Stored(len),
            _ => Self::Compressed(len),
        }
    }
}

/// Decodes a frame, a block at a time.
#[derive(Debug)]
pub(crate) struct Decoder {
    header: Header,
    linked: Option<Linked>,
}

impl Decoder {
    /// Takes a frame's header off `input`.
    pub(super) fn open(source: &Source, input: &mut Input) -> Result<Self> {
        let bad = |problem| source.bad(problem);
        let header = Header::parse(input.peek(source, LONGEST_HEADER)?).map_err(bad)?;
        input.skip(header.len);
        Self::of(header).map_err(bad)
    }

    /// Decodes blocks behind such a header.
    pub(super) fn of(header: Header) -> Result<Self, String> {
        Ok(Self { header, linked: if header.linked { Some(Linked::new()?) } else { None } })
    }

    pub(super) fn header(&self) -> Header {
        self.header
    }

    /// Decodes the next block to at most `most` bytes of `memory` from `at` on, and says how many it came to; nothing at
    /// the frame's end. What linked blocks refer to stands before `at`.
    pub(super) fn next(
        &mut self,
        source: &Source,
        input: &mut Input,
        memory: &mut [u8],
        at: usize,
        most: usize,
    ) -> Result<Option<usize>> {
        let bad = |problem| source.bad(problem);
        let block = Block::parse(input.take_chunk(source)?);
        let (Block::Compressed(len) | Block::Stored(len)) = block else { return Ok(None) };
        if len > longest_block(self.header.block_size) {
            return Err(source.bad(format!("an LZ4 block of {len} bytes")));
        }
        let checksum = if self.header.block_checksums { CHECKSUM } else { 0 };
        let (content, checksum) = input.take(source, len + checksum)?.split_at(len);
        if let Some(checksum) = checksum.first_chunk() {
            check(content, *checksum).map_err(bad)?;
        }
        let decoded = match (block, &mut self.linked) {
            (Block::Stored(_), _) if len > most => {
                Err(format!("an LZ4 block of {len} bytes where at most {most} were expected"))
            }
            (Block::Stored(_), _) => {
                memory[at..at + len].copy_from_slice(content);
                Ok(len)
            }
            (_, Some(linked)) => linked.decompress(content, memory, at, most),
            (_, None) => decompress(content, &mut memory[at..at + most]),
        };
        decoded.map(Some).map_err(bad)
    }
}

/// Decompresses a block that refers to no other, and says how many bytes it came to.
pub(crate) fn decompress(block: &[u8], target: &mut [u8]) -> Result<usize, String> {
    lz4_offsets::decompress(block, target, 0).map_or_else(|| decompress_any(block, target), Ok)
}

/// As [`decompress`], whatever the block holds.
pub(super) fn decompress_any(block: &[u8], target: &mut [u8]) -> Result<usize, String> {
    let (block_len, target_len) = (c_len(block.len()), c_len(target.len()));
    // SAFETY: both are valid for their lengths; liblz4 checks everything that it reads in the block.
    let len = unsafe { LZ4_decompress_safe(block.as_ptr().cast(), target.as_mut_ptr().cast(), block_len, target_len) };
    usize::try_from(len).map_err(|_| damaged())
}

/// Decompresses blocks that refer to those before them.
#[derive(Debug)]
struct Linked(*mut LZ4StreamDecode);

// SAFETY: nobody else has what it points to, and liblz4 keeps nothing for each thread.
unsafe impl Send for Linked {}

impl Linked {
    fn new() -> Result<Self, String> {
        // SAFETY: gives a new one, or null.
        let stream = unsafe { LZ4_createStreamDecode() };
        if stream.is_null() { Err("no memory to decompress LZ4".to_owned()) } else { Ok(Self(stream)) }
    }

    /// Decompresses `block` to the bytes of `target` from `done` on, of which those before are there already.
    fn decompress(&mut self, block: &[u8], target: &mut [u8], done: usize, most: usize) -> Result<usize, String> {
        let history = done.min(WINDOW);
        let most = most.min(target.len() - done);
        if let Some(len) = lz4_offsets::decompress(block, &mut target[done - history..done + most], history) {
            return Ok(len);
        }
        let (block_len, history_len, most) = (c_len(block.len()), c_len(history), c_len(most));
        // SAFETY: `history` bytes before `done` and `most` bytes from it on are in `target`.
        let len = unsafe {
            let at = target.as_mut_ptr().add(done);
            LZ4_setStreamDecode(self.0, at.sub(history), history_len);
            LZ4_decompress_safe_continue(self.0, block.as_ptr(), at, block_len, most)
        };
        usize::try_from(len).map_err(|_| damaged())
    }
}

impl Drop for Linked {
    fn drop(&mut self) {
        // SAFETY: made by LZ4_createStreamDecode, and freed once.
        unsafe { LZ4_freeStreamDecode(self.0) };
    }
}

/// Appends `bytes`, at most [`BLOCK_SIZE`] of them, to `frame` as a block with its header.
pub(crate) fn append_block(bytes: &[u8], frame: &mut Vec<u8>) {
    debug_assert!(bytes.len() <= BLOCK_SIZE);
    let start = frame.len();
    let body = start + BLOCK_HEADER;
    frame.resize(body, 0);
    let compressors: [Compressor; 3] = [lz4_runs::compress, lz4_offsets::compress, compress_any];
    let is_smaller = compressors.into_iter().any(|compress| {
        frame.truncate(body);
        compress(bytes, frame) && frame.len() - body < bytes.len()
    });
    let header = if is_smaller {
        (frame.len() - body) as u32
    } else {
        frame.truncate(body);
        frame.extend_from_slice(bytes);
        bytes.len() as u32 | STORED
    };
    frame[start..body].copy_from_slice(&header.to_le_bytes());
}

/// Appends `bytes`, whatever they are, compressed by liblz4; false where it cannot.
pub(super) fn compress_any(bytes: &[u8], block: &mut Vec<u8>) -> bool {
    let start = block.len();
    // Room for whatever it comes to: liblz4 then does not look where it ends. Most of it is never touched, which is why
    // it is not filled with zeros first.
    let most = longest_block(bytes.len());
    block.reserve(most);
    let (len, room) = (c_len(bytes.len()), block.spare_capacity_mut());
    // SAFETY: `bytes` is valid for `len`, and `room` for writes of `most`, which was reserved.
    let written = unsafe { LZ4_compress_default(bytes.as_ptr().cast(), room.as_mut_ptr().cast(), len, c_len(most)) };
    let written = usize::try_from(written).unwrap_or(0);
    // SAFETY: liblz4 has written so many, which are at most `most`.
    unsafe { block.set_len(start + written) };
    written > 0
}

/// liblz4 counts with C's integers; blocks are far shorter.
fn c_len(len: usize) -> c_int {
    c_int::try_from(len).unwrap_or(c_int::MAX)
}

/// The longest block that an encoder makes of so many bytes.
fn longest_block(block_size: usize) -> usize {
    block_size + block_size / 255 + 16
}

/// Holds bytes against their checksum.
pub(crate) fn check(bytes: &[u8], checksum: [u8; CHECKSUM]) -> Result<(), String> {
    if xxh32(bytes, 0) == u32::from_le_bytes(checksum) {
        Ok(())
    } else {
        Err("an LZ4 checksum that is wrong".to_owned())
    }
}

fn damaged() -> String {
    "an LZ4 block that is damaged".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_frames_begin_as_the_format_has_it() {
        let header = Header::parse(&FRAME_START).expect("ours");
        let expected = Header {
            len: FRAME_START.len(),
            linked: false,
            block_checksums: false,
            content_checksum: false,
            block_size: BLOCK_SIZE,
        };
        assert_eq!(header, expected);
        assert_eq!(FRAME_START[6], (xxh32(&FRAME_START[4..6], 0) >> 8) as u8);
    }

    #[test]
    fn headers_of_polars_and_pyarrow_are_understood() {
        let polars = Header::parse(&[0x04, 0x22, 0x4d, 0x18, 0x54, 0x40, 0xae]).expect("Polars 2.1");
        assert!(polars.linked && polars.block_checksums && polars.content_checksum);
        assert_eq!((polars.len, polars.block_size), (7, 64 << 10));
        let pyarrow = Header::parse(&[0x04, 0x22, 0x4d, 0x18, 0x40, 0x40, 0xc0]).expect("pyarrow 26");
        assert!(pyarrow.linked && !pyarrow.block_checksums && !pyarrow.content_checksum);
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        for bytes in [
            &b""[..],
            b"\x04\x22\x4d",
            b"\x04\x22\x4d\x18\x60\x60",
            b"\x05\x22\x4d\x18\x60\x60\x51",
            b"\x04\x22\x4d\x18\x61\x60\x51\0\0\0\0",
            b"\x04\x22\x4d\x18\x60\x30\x51",
            b"\x04\x22\x4d\x18\xe0\x60\x51",
        ] {
            assert!(Header::parse(bytes).is_err(), "{bytes:x?}");
        }
    }

    #[test]
    fn blocks_come_back_as_they_were_and_never_larger() {
        let mut state = 1_u32;
        let noise: Vec<u8> = (0..BLOCK_SIZE)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        for bytes in [&b"x"[..], &[7; BLOCK_SIZE], &noise, &noise[..100], &[3; 17]] {
            let mut frame = vec![1, 2, 3];
            append_block(bytes, &mut frame);
            assert!(frame.len() <= 3 + BLOCK_HEADER + bytes.len());
            let header = *frame[3..].first_chunk().expect("a header");
            let block = &frame[3 + BLOCK_HEADER..];
            match Block::parse(header) {
                Block::Stored(len) => assert_eq!((len, block), (bytes.len(), bytes)),
                Block::Compressed(len) => {
                    assert_eq!(len, block.len());
                    let mut target = vec![0; bytes.len()];
                    assert_eq!(decompress(block, &mut target), Ok(bytes.len()));
                    assert_eq!(target, bytes);
                    assert!(decompress(&block[..len - 1], &mut target).is_err());
                    assert!(decompress(block, &mut target[1..]).is_err());
                }
                Block::End => panic!("an end"),
            }
        }
    }
}
