//! Copies that go past the cache: memory that is larger than it would only be read into it to be overwritten.

/// Copies `from` to `to`, of the same length, which nobody is going to read soon.
///
/// Ordinary stores read each line of memory before they write it. On two cores that share the way to memory, a large
/// read is twice as fast without (docs/how-it-works.md).
pub(crate) fn copy(from: &[u8], to: &mut [u8]) {
    debug_assert_eq!(from.len(), to.len());
    #[cfg(target_arch = "x86_64")]
    {
        // SAFETY: SSE2 is part of x86-64.
        let (start, middle, end) = unsafe { to.align_to_mut::<std::arch::x86_64::__m128i>() };
        let (first, rest) = from.split_at(start.len());
        let (second, third) = rest.split_at(middle.len() * LANE);
        start.copy_from_slice(first);
        end.copy_from_slice(third);
        for (lane, bytes) in middle.iter_mut().zip(second.chunks_exact(LANE)) {
            // SAFETY: 16 bytes to read, wherever they are; 16 to write, aligned.
            unsafe {
                let value = std::arch::x86_64::_mm_loadu_si128(bytes.as_ptr().cast());
                std::arch::x86_64::_mm_stream_si128(lane, value);
            }
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    to.copy_from_slice(from);
}

/// Has what was copied be seen by other threads: such stores wait for nobody.
pub(crate) fn finish() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: SSE is part of x86-64.
    unsafe {
        std::arch::x86_64::_mm_sfence();
    }
}

#[cfg(target_arch = "x86_64")]
const LANE: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_arrives_wherever_it_begins() {
        let from: Vec<u8> = (0..5000_u32).map(|n| n as u8).collect();
        for start in 0..20 {
            for len in [0, 1, 15, 16, 17, 100, 4000] {
                let mut to = vec![0xaa; 5000];
                copy(&from[start..start + len], &mut to[20 - start..20 - start + len]);
                finish();
                assert_eq!(to[20 - start..20 - start + len], from[start..start + len]);
                assert!(to[..20 - start].iter().chain(&to[20 - start + len..]).all(|byte| *byte == 0xaa));
            }
        }
    }
}
