use super::*;
use crate::wire::lz4::{Block, Header};

fn buffers() -> Vec<Buffer> {
    let mut state = 1_u32;
    let mut noise = |len: usize| -> Vec<u8> {
        (0..len)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect()
    };
    let mut buffers: Vec<Vec<u8>> = vec![Vec::new(), vec![7; 3 * BLOCK_SIZE + 5], noise(BLOCK_SIZE), b"short".to_vec()];
    buffers.extend((0..40).map(|index| if index % 2 == 0 { noise(index * 10_000) } else { vec![1; index * 50_000] }));
    buffers.into_iter().map(Buffer::from).collect()
}

/// What stands in a frame, for tests that need no threads.
fn decompressed(mut frame: &[u8]) -> Vec<u8> {
    let (size, rest) = frame.split_first_chunk().expect("a size");
    let size = i64::from_le_bytes(*size);
    if size == STORED {
        return rest.to_vec();
    }
    frame = &rest[Header::parse(rest).expect("a frame").len..];
    let mut bytes = Vec::new();
    loop {
        let (header, rest) = frame.split_first_chunk().expect("a block");
        match Block::parse(*header) {
            Block::End => {
                assert!(rest.is_empty());
                assert_eq!(bytes.len() as i64, size);
                return bytes;
            }
            Block::Stored(len) => {
                bytes.extend_from_slice(&rest[..len]);
                frame = &rest[len..];
            }
            Block::Compressed(len) => {
                let mut block = vec![0; BLOCK_SIZE];
                let size = lz4::decompress(&rest[..len], &mut block).expect("ours");
                bytes.extend_from_slice(&block[..size]);
                frame = &rest[len..];
            }
        }
    }
}

#[test]
fn buffers_come_in_order_and_whole_on_any_number_of_threads() {
    let buffers = buffers();
    for threads in [1, 2, 5] {
        crate::threads::with_threads(threads, || {
            for _ in 0..20 {
                let mut file = Vec::new();
                let lens = compress(&buffers, |bytes| {
                    file.extend_from_slice(bytes);
                    Ok(())
                })
                .expect("memory does not fail");
                let mut rest = &file[..];
                for (buffer, len) in buffers.iter().zip(lens) {
                    let (frame, behind) = rest.split_at(padded(len));
                    rest = behind;
                    let bytes = if len == 0 { Vec::new() } else { decompressed(&frame[..len]) };
                    assert!(bytes == buffer.as_slice(), "{} bytes, {threads} threads", buffer.len());
                }
                assert!(rest.is_empty());
            }
        });
    }
}

#[test]
fn a_disk_that_is_full_ends_it() {
    for threads in [1, 4] {
        crate::threads::with_threads(threads, || {
            let mut left = 2;
            let result = compress(&buffers(), |_| {
                left -= 1;
                if left == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
            });
            assert_eq!(result.map_err(|error| error.kind()), Err(io::ErrorKind::StorageFull));
        });
    }
}
