//! Memory for decompressed buffers, on huge pages where it is large, and used again.
//!
//! What a large read costs is half the kernel's: it hands out a page at a time, at the first touch, and clears it. Huge
//! pages make that 512 times fewer. And memory that was given back is kept, for the next read of about that size, in a way
//! that lets the kernel take it whenever it is short (docs/how-it-works.md).

use std::io;
use std::ptr::NonNull;
use std::sync::Arc;

use arrow_buffer::Buffer;

/// Memory that becomes a [`Buffer`] when it is filled. What is in it before is nobody's business: zeros, or older buffers.
#[derive(Debug)]
pub(crate) struct Region {
    start: NonNull<u8>,
    len: usize,
    _memory: os::Memory,
}

// SAFETY: it owns its memory alone, and gives it out by `&mut self` only.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

/// Arrow asks for this much, so that its vector instructions may.
pub(crate) const ALIGNMENT: usize = 64;

impl Region {
    /// # Errors
    ///
    /// When there is no memory of that size.
    pub(crate) fn new(len: usize) -> io::Result<Self> {
        let memory = os::Memory::new(len)?;
        Ok(Self { start: memory.start(), len, _memory: memory })
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: `start` is valid for `len` initialised bytes, which are ours alone.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }

    pub(crate) fn into_buffer(self) -> Buffer {
        let (start, len) = (self.start, self.len);
        // SAFETY: the memory is valid for `len` bytes and lives as long as its owner, which the buffer keeps.
        unsafe { Buffer::from_custom_allocation(start, len, Arc::new(self)) }
    }
}

#[cfg(unix)]
mod os {
    use std::io;
    use std::ptr::NonNull;
    use std::sync::Mutex;

    use super::super::heap::Heap;
    use crate::threads::locked;

    #[derive(Debug)]
    pub(super) enum Memory {
        Heap(Heap),
        Mapped(Mapping),
    }

    /// Whole huge pages of the kernel's.
    #[derive(Debug)]
    pub(super) struct Mapping {
        start: NonNull<u8>,
        len: usize,
    }

    // SAFETY: it is an address range that nobody else has.
    unsafe impl Send for Mapping {}

    const HUGE_PAGE: usize = 2 << 20;
    /// Below, the allocator's own memory is warm, and a mapping costs two system calls.
    const LARGE: usize = 2 * HUGE_PAGE;
    /// A mapping is used again for what needs at least this part of it.
    const WORTH: f64 = 0.75;

    /// What was given back. The kernel may take its pages whenever it wants to.
    static KEPT: Mutex<Vec<Mapping>> = Mutex::new(Vec::new());

    impl Memory {
        pub(super) fn new(len: usize) -> io::Result<Self> {
            // Miri knows mappings, but not that the kernel may be advised about them.
            let is_small = len < LARGE || cfg!(miri);
            if is_small { Heap::zeroed(len).map(Self::Heap) } else { Mapping::new(len).map(Self::Mapped) }
        }

        pub(super) fn start(&self) -> NonNull<u8> {
            match self {
                Self::Heap(heap) => heap.start(),
                Self::Mapped(mapping) => mapping.start,
            }
        }
    }

    impl Drop for Memory {
        fn drop(&mut self) {
            if let Self::Mapped(mapping) = self {
                keep(Mapping { start: mapping.start, len: std::mem::take(&mut mapping.len) });
            }
        }
    }

    impl Mapping {
        fn new(len: usize) -> io::Result<Self> {
            let too_much = || io::Error::from(io::ErrorKind::OutOfMemory);
            let len = len.checked_next_multiple_of(HUGE_PAGE).ok_or_else(too_much)?;
            if let Some(kept) = take_kept(len) {
                return Ok(kept);
            }
            // One huge page more, so that the first one can begin where huge pages do.
            let mapped = len.checked_add(HUGE_PAGE).ok_or_else(too_much)?;
            let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
            // SAFETY: a new mapping, wherever the kernel has room.
            let mapping = unsafe { libc::mmap(std::ptr::null_mut(), mapped, access, kind, -1, 0) };
            if mapping == libc::MAP_FAILED {
                return Err(io::Error::last_os_error());
            }
            let mapping = mapping.cast::<u8>();
            let before = mapping.align_offset(HUGE_PAGE);
            // SAFETY: less than a huge page, and the mapping is one larger than `len`. What is not used goes back.
            unsafe {
                let start = mapping.add(before);
                libc::munmap(mapping.cast(), before);
                libc::munmap(start.add(len).cast(), HUGE_PAGE - before);
                #[cfg(target_os = "linux")]
                // Where the advice is refused, pages are small.
                libc::madvise(start.cast(), len, libc::MADV_HUGEPAGE);
                Ok(Self { start: NonNull::new(start).ok_or_else(too_much)?, len })
            }
        }
    }

    impl Drop for Mapping {
        fn drop(&mut self) {
            if self.len > 0 {
                // SAFETY: a mapping of ours, which nobody uses any more.
                unsafe { libc::munmap(self.start.as_ptr().cast(), self.len) };
            }
        }
    }

    /// One that was kept and fits; where none does, all go: else memory of every size would gather.
    fn take_kept(len: usize) -> Option<Mapping> {
        let mut kept = locked(&KEPT);
        let fits = |mapping: &Mapping| mapping.len >= len && len as f64 >= mapping.len as f64 * WORTH;
        let found = kept.iter().position(fits);
        if found.is_none() {
            kept.clear();
        }
        found.map(|index| kept.swap_remove(index))
    }

    fn keep(mapping: Mapping) {
        // SAFETY: a mapping of ours. The kernel may take its pages from now on, and until it does they stay as they are.
        let is_free = unsafe { libc::madvise(mapping.start.as_ptr().cast(), mapping.len, libc::MADV_FREE) } == 0;
        if is_free {
            locked(&KEPT).push(mapping);
        }
    }
}

#[cfg(not(unix))]
mod os {
    pub(super) use super::super::heap::Heap as Memory;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_aligned_and_keeps_what_was_written() {
        // Miri looks at each byte.
        for len in [0, 1, 100, if cfg!(miri) { 5 << 10 } else { 5 << 20 }] {
            let mut region = Region::new(len).expect("little");
            assert_eq!(region.start.align_offset(ALIGNMENT), 0);
            region.bytes_mut().fill(7);
            let buffer = region.into_buffer();
            assert_eq!(buffer.len(), len);
            assert!(buffer.slice(len / 2).iter().all(|byte| *byte == 7));
        }
    }

    #[test]
    fn memory_that_was_given_back_can_be_used_again() {
        let sizes = [9 << 20, 8 << 20, 30 << 20, 9 << 20];
        for (round, len) in sizes.into_iter().cycle().take(40).enumerate() {
            let mut regions = [Region::new(len).expect("little"), Region::new(len + round).expect("little")];
            for (index, region) in regions.iter_mut().enumerate() {
                region.bytes_mut().fill(index as u8);
            }
            let [zeros, ones] = regions.map(Region::into_buffer);
            assert!(zeros.iter().all(|byte| *byte == 0) && ones.iter().all(|byte| *byte == 1));
        }
    }

    #[test]
    fn memory_that_is_not_there_is_an_error() {
        for len in [usize::MAX, usize::MAX - 100, isize::MAX as usize] {
            assert!(Region::new(len).is_err(), "{len}");
        }
    }
}
