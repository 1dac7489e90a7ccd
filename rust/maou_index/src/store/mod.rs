//! What an index is made of, in memory and in a `*.maouidx` file: one layout, so that a file needs only to be mapped.
//!
//! All numbers are little-endian. A *record number* counts the records of all files in their order, from 0.
//!
//! | part | holds |
//! |---|---|
//! | head | [`MAGIC`] and the version |
//! | ids | the distinct ids in order, each with the number of the first record that has it, in blocks ([`numbers`], [`texts`]) |
//! | id directory | what finds the block of an id |
//! | eval records | the numbers of all records with an evaluation, by evaluation, then number |
//! | evals | each evaluation that occurs, and where its records end |
//! | footer | what the parts are, their checksums, and the files ([`footer`]) |
//! | tail | the footer's length and checksum, [`MAGIC`] |
//!
//! A query reads a few pages of a mapped file. Nothing that a damaged file may say makes one panic, or run on: what does not
//! fit is not found, and [`Store::verify`] tells whether all bytes are what was written.

mod bytes;
pub(crate) mod evals;
pub(crate) mod footer;
pub(crate) mod numbers;
pub(crate) mod texts;
mod writer;

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
pub(crate) use bytes::Bytes;
use evals::Evals;
use footer::{Footer, IdKind, Section};
use numbers::Numbers;
use texts::Texts;
pub(crate) use writer::{Sink, StoreWriter};

/// What a file begins and ends with.
pub(crate) const MAGIC: &[u8; 8] = b"MAOUIDX\x01";

/// Bytes of a record number: enough for 2⁴⁰ records.
pub(crate) const RECORD_BYTES: usize = 5;

/// More records than that cannot be numbered.
pub(crate) const MAX_RECORDS: u64 = 1 << (8 * RECORD_BYTES);

/// An index that can be asked.
#[derive(Debug)]
pub(crate) struct Store {
    bytes: Bytes,
    /// Of its file, if it has one.
    path: PathBuf,
    footer: Footer,
}

/// The ids of a store.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ids<'a> {
    Numbers(Numbers<'a>),
    Texts(Texts<'a>),
}

impl Store {
    /// Takes `bytes` for a store; an error says what is wrong with them.
    pub(crate) fn parse(bytes: Bytes) -> Result<Self, String> {
        let footer = Footer::find(&bytes)?;
        Ok(Self { bytes, path: PathBuf::from("in memory"), footer })
    }

    /// Maps the file at `path`.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let bytes = Bytes::map(path)?;
        let store = Self::parse(bytes).map_err(|problem| Error::index(path, problem))?;
        Ok(Self { path: path.to_owned(), ..store })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    #[cfg(test)]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn footer(&self) -> &Footer {
        &self.footer
    }

    pub(crate) fn ids(&self) -> Ids<'_> {
        let (blocks, directory) = (self.section(self.footer.ids), self.section(self.footer.directory));
        match self.footer.id_kind {
            IdKind::Numbers => Ids::Numbers(Numbers::new(blocks, directory, self.footer.distinct_ids)),
            IdKind::Texts => Ids::Texts(Texts::new(blocks, directory, &self.footer.common)),
        }
    }

    pub(crate) fn evals(&self) -> Evals<'_> {
        Evals::new(self.section(self.footer.eval_records), self.section(self.footer.evals))
    }

    /// Compares every byte with what was written; an error names the part that differs.
    pub(crate) fn verify(&self) -> Result<(), String> {
        for (name, section) in self.footer.sections() {
            if xxhash_rust::xxh3::xxh3_64(self.section(section)) != section.checksum {
                return Err(format!("its {name} are damaged: they are not what was written"));
            }
        }
        Ok(())
    }

    fn section(&self, section: Section) -> &[u8] {
        // Within the file: the footer was checked.
        self.bytes.get(section.range()).unwrap_or_default()
    }
}

impl Ids<'_> {
    /// The number of the first record with this id.
    pub(crate) fn find(&self, id: &str) -> Option<u64> {
        match self {
            Self::Numbers(numbers) => numbers.find(id),
            Self::Texts(texts) => texts.find(id.as_bytes()),
        }
    }

    /// The first `limit` ids that begin with `prefix`, ascending as strings.
    pub(crate) fn with_prefix(&self, prefix: &str, limit: usize) -> Vec<String> {
        match self {
            Self::Numbers(numbers) => numbers.with_prefix(prefix, limit),
            Self::Texts(texts) => texts.with_prefix(prefix, limit),
        }
    }
}

/// The record number at the beginning of `bytes`; nothing where there are too few.
#[inline]
pub(crate) fn record_number(bytes: &[u8]) -> Option<u64> {
    let mut number = [0; 8];
    number[..RECORD_BYTES].copy_from_slice(bytes.get(..RECORD_BYTES)?);
    Some(u64::from_le_bytes(number))
}

/// What [`record_number`] reads. `record` is below [`MAX_RECORDS`].
#[inline]
pub(crate) fn record_bytes(record: u64) -> [u8; RECORD_BYTES] {
    let [a, b, c, d, e, ..] = record.to_le_bytes();
    [a, b, c, d, e]
}

/// The number at the beginning of `bytes`; nothing where there are too few.
#[inline]
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at.checked_add(8)?)?.try_into().ok().map(u64::from_le_bytes)
}
