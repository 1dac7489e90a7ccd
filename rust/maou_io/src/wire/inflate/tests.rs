use std::io::Write as _;

use ::lz4::liblz4::BlockChecksum;
use ::lz4::{BlockMode, BlockSize, ContentChecksum, EncoderBuilder};

use super::*;
use crate::threads::with_threads;

/// Bytes that compress, in runs and in repetitions from far away.
fn content(len: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut bytes = Vec::with_capacity(len);
    while bytes.len() < len {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        match state >> 30 {
            0 => bytes.extend([(state >> 8) as u8; 300]),
            1 => bytes.extend(state.to_le_bytes()),
            _ => {
                let start = bytes.len().saturating_sub(1 + (state as usize >> 8) % 65_000);
                let end = bytes.len().min(start + (state as usize >> 4) % 90);
                bytes.extend_from_within(start..end);
            }
        }
    }
    bytes.truncate(len);
    bytes
}

/// Frames of the same content as other writers make them.
fn frames(content: &[u8]) -> Vec<(Encoding, Vec<u8>)> {
    let mut frames = vec![(Encoding::Plain, content.to_vec()), (Encoding::Zstd, zstd_safe_compressed(content))];
    for mode in [BlockMode::Linked, BlockMode::Independent] {
        for size in [BlockSize::Max64KB, BlockSize::Max1MB, BlockSize::Max4MB] {
            for checksum in [ContentChecksum::ChecksumEnabled, ContentChecksum::NoChecksum] {
                for blocks in [BlockChecksum::BlockChecksumEnabled, BlockChecksum::NoBlockChecksum] {
                    let mut encoder = EncoderBuilder::new()
                        .block_mode(mode.clone())
                        .block_size(size.clone())
                        .checksum(checksum.clone())
                        .block_checksum(blocks)
                        .build(Vec::new())
                        .expect("memory");
                    encoder.write_all(content).expect("memory");
                    let (frame, result) = encoder.finish();
                    result.expect("memory");
                    frames.push((Encoding::Lz4, frame));
                }
            }
        }
    }
    frames
}

fn zstd_safe_compressed(content: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(zstd_safe::compress_bound(content.len()));
    zstd_safe::compress(&mut frame, content, 1).expect("room");
    frame
}

/// A file with something before and behind `frame`.
fn source(frame: &[u8]) -> (tempfile::NamedTempFile, Source) {
    let mut file = tempfile::NamedTempFile::new().expect("writable");
    for bytes in [&b"before"[..], frame, b"behind"] {
        file.write_all(bytes).expect("writable");
    }
    let source = Source::open(file.path()).expect("there");
    (file, source)
}

fn read(frame: &[u8], encoding: Encoding, len: usize) -> Result<Vec<u8>> {
    let (_file, source) = source(frame);
    let mut target = vec![0; len];
    fill(&source, vec![Part { offset: 6, len: frame.len(), encoding, target: &mut target }])?;
    Ok(target)
}

#[test]
fn every_kind_of_frame_is_read_on_any_number_of_threads() {
    for threads in [1, 3] {
        with_threads(threads, || {
            for len in [1, 70_000, 5 << 20, 17 << 20] {
                let content = content(len);
                for (index, (encoding, frame)) in frames(&content).into_iter().enumerate() {
                    let read = read(&frame, encoding, len).expect("whole");
                    assert!(read == content, "{len} bytes, frame {index}, {threads} threads");
                }
            }
        });
    }
}

#[test]
fn a_size_that_is_not_the_frames_is_an_error() {
    for len in [70_000, 5 << 20] {
        for (encoding, frame) in frames(&content(len)).into_iter().skip(1) {
            for wrong in [len - 1, len + 1, len / 2, 2 * len] {
                assert!(read(&frame, encoding, wrong).is_err(), "{wrong} instead of {len}");
            }
        }
    }
}

#[test]
fn a_frame_that_is_cut_is_an_error() {
    let content = content(5 << 20);
    for (encoding, frame) in frames(&content).into_iter().skip(1) {
        for len in [0, 3, 7, 11, 100, frame.len() / 2, frame.len() - 5] {
            assert!(read(&frame[..len], encoding, content.len()).is_err(), "{len} of {}", frame.len());
        }
    }
}

#[test]
fn damage_is_an_error_or_other_bytes_and_never_worse() {
    let content = content(150_000);
    let mut state = 7_u32;
    for (encoding, frame) in frames(&content) {
        for _ in 0..200 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let mut damaged = frame.clone();
            let at = state as usize % damaged.len();
            damaged[at] ^= (state >> 24) as u8 | 1;
            if let Ok(read) = read(&damaged, encoding, content.len()) {
                assert_eq!(read.len(), content.len());
            }
        }
    }
}

#[test]
fn a_checksum_that_is_wrong_is_found() {
    let content = content(3 << 20);
    // Linked, 64 KiB, checksums of blocks: as Polars writes.
    let (encoding, frame) = frames(&content).swap_remove(2);
    let header = Header::parse(&frame).expect("a frame");
    assert!(header.linked && header.block_checksums);
    for at in (header.len + BLOCK_HEADER..frame.len() - 100).step_by(frame.len() / 50) {
        let mut damaged = frame.clone();
        damaged[at] ^= 1;
        assert!(read(&damaged, encoding, content.len()).is_err(), "byte {at}");
    }
}
