//! Files in memory, without a read: the kernel brings in what is looked at.

use std::fs::File;
use std::io;
use std::ptr::NonNull;
use std::sync::Arc;

use arrow_buffer::Buffer;
use memmap2::Mmap;

/// All of `file`. What is sliced off keeps the mapping.
pub(super) fn map(file: &File) -> io::Result<Buffer> {
    // SAFETY: whoever asks for a mapping has been told that nobody may change the file while it is there
    // (`BatchReader::with_memory_map`).
    let mapping = unsafe { Mmap::map(file) }?;
    let (start, len) = (NonNull::from(&mapping[..]).cast(), mapping.len());
    // SAFETY: the mapping is valid for `len` bytes and lives as long as its owner, which the buffer keeps.
    Ok(unsafe { Buffer::from_custom_allocation(start, len, Arc::new(mapping)) })
}
