//! The bytes of a store.

use std::ops::Deref;
use std::path::Path;

use memmap2::Mmap;

use crate::error::{Error, Result};

/// Made in this process, or mapped from a file.
#[derive(Debug)]
pub(crate) enum Bytes {
    Own(Vec<u8>),
    Mapped(Mmap),
}

impl Bytes {
    pub(crate) fn map(path: &Path) -> Result<Self> {
        let file = maou_io::open_regular(path).map_err(Error::open)?;
        // SAFETY: the bytes are read through this map only, and every read of them bears any content. An index file is
        // replaced by a rename and never changed in place, so the pages that are mapped stay. Whoever truncates one by
        // hand ends this process by a signal; the documentation of `SearchIndex` says so.
        let map = unsafe { Mmap::map(&file) }.map_err(|source| Error::io(path, source))?;
        Ok(Self::Mapped(map))
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::Mapped(map) => map,
        }
    }
}
