//! The end of a store: what its parts are.

use std::ops::Range;
use std::path::PathBuf;

use xxhash_rust::xxh3::xxh3_64;

use super::{MAGIC, MAX_RECORDS, RECORD_BYTES, evals, numbers, texts};
use crate::array_type::ArrayType;
use crate::source::{Fingerprint, SourceFile};

/// The footer's length, its checksum, the magic.
const TAIL: usize = 8 + 8 + MAGIC.len();

/// Everything about a store but its records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Footer {
    pub(crate) array_type: ArrayType,
    pub(crate) id_kind: IdKind,
    /// Including those without an id and without an evaluation.
    pub(crate) records: u64,
    pub(crate) distinct_ids: u64,
    /// What all ids begin with, where they are texts.
    pub(crate) common: Vec<u8>,
    pub(crate) ids: Section,
    pub(crate) directory: Section,
    pub(crate) eval_records: Section,
    pub(crate) evals: Section,
    /// In their order.
    pub(crate) files: Vec<SourceFile>,
}

/// How ids are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IdKind {
    Numbers = 0,
    Texts = 1,
}

/// A part of a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) start: u64,
    pub(crate) length: u64,
    pub(crate) checksum: u64,
}

impl Footer {
    /// The footer and the tail.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![array_type_code(self.array_type), self.id_kind as u8];
        put(&mut out, self.records);
        put(&mut out, self.distinct_ids);
        put_bytes(&mut out, &self.common);
        for (_, section) in self.sections() {
            for number in [section.start, section.length, section.checksum] {
                put(&mut out, number);
            }
        }
        put(&mut out, self.files.len() as u64);
        for file in &self.files {
            put_bytes(&mut out, file.path.as_os_str().as_encoded_bytes());
            for number in [file.rows, file.fingerprint.size, file.fingerprint.modified, file.fingerprint.tail] {
                put(&mut out, number);
            }
        }
        let (length, checksum) = (out.len() as u64, xxh3_64(&out));
        put(&mut out, length);
        put(&mut out, checksum);
        out.extend_from_slice(MAGIC);
        out
    }

    /// The footer of the store in `bytes`, whose parts are within `bytes`; an error says what is wrong.
    pub(crate) fn find(bytes: &[u8]) -> Result<Self, String> {
        match bytes.first_chunk::<8>() {
            Some(magic) if magic == MAGIC => {}
            Some([head @ .., version]) if *head == MAGIC[..7] => {
                return Err(format!("it has version {version}, this maou reads version {}", MAGIC[7]));
            }
            _ => return Err("it is no maou index".to_owned()),
        }
        let truncated = || "it is truncated: its writer was interrupted, or its copy".to_owned();
        let (body, tail) = bytes
            .split_at_checked(bytes.len().saturating_sub(TAIL))
            .filter(|_| bytes.len() >= TAIL)
            .ok_or_else(truncated)?;
        let mut reader = Reader { rest: tail };
        let (length, checksum) = (reader.number().ok_or_else(truncated)?, reader.number().ok_or_else(truncated)?);
        if reader.rest != MAGIC {
            return Err(truncated());
        }
        let start = usize::try_from(length).ok().and_then(|length| body.len().checked_sub(length));
        let footer = start.and_then(|start| body.get(start..)).ok_or("its footer is damaged")?;
        if xxh3_64(footer) != checksum {
            return Err("its footer is damaged".to_owned());
        }
        let parsed = Self::parse(footer).ok_or("its footer is damaged")?;
        parsed.check((body.len() - footer.len()) as u64)?;
        Ok(parsed)
    }

    /// The parts by name, in the order of the file.
    pub(crate) fn sections(&self) -> [(&'static str, Section); 4] {
        [
            ("ids", self.ids),
            ("id directory's entries", self.directory),
            ("records by evaluation", self.eval_records),
            ("evaluations", self.evals),
        ]
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader { rest: bytes };
        let array_type = *ARRAY_TYPES.get(usize::from(reader.byte()?))?;
        let id_kind = match reader.byte()? {
            0 => IdKind::Numbers,
            1 => IdKind::Texts,
            _ => return None,
        };
        let (records, distinct_ids) = (reader.number()?, reader.number()?);
        let common = reader.bytes()?.to_vec();
        let (ids, directory) = (reader.section()?, reader.section()?);
        let (eval_records, evals) = (reader.section()?, reader.section()?);
        let count = reader.number()?;
        // Not reserved in advance: a count may say anything.
        let files = (0..count).map(|_| reader.file()).collect::<Option<Vec<_>>>()?;
        let footer =
            Self { array_type, id_kind, records, distinct_ids, common, ids, directory, eval_records, evals, files };
        reader.rest.is_empty().then_some(footer)
    }

    /// Whether all numbers fit together, in a file whose parts end at `end`.
    fn check(&self, end: u64) -> Result<(), String> {
        let inside = |section: &Section| {
            section.start >= MAGIC.len() as u64 && section.start.checked_add(section.length).is_some_and(|to| to <= end)
        };
        let rows = self.files.iter().try_fold(0_u64, |sum, file| sum.checked_add(file.rows));
        let id_lengths = match self.id_kind {
            IdKind::Numbers => numbers::lengths(self.distinct_ids) == Some((self.ids.length, self.directory.length)),
            IdKind::Texts => texts::directory_length(self.distinct_ids) == Some(self.directory.length),
        };
        let fits = self.sections().iter().all(|(_, section)| inside(section))
            && id_lengths
            && self.eval_records.length.is_multiple_of(RECORD_BYTES as u64)
            && self.evals.length.is_multiple_of(evals::ENTRY_BYTES as u64)
            && self.records < MAX_RECORDS
            && rows == Some(self.records);
        if fits { Ok(()) } else { Err("its footer is damaged: its numbers contradict each other".to_owned()) }
    }
}

impl Section {
    pub(super) fn range(self) -> Range<usize> {
        self.start as usize..(self.start + self.length) as usize
    }
}

const ARRAY_TYPES: [ArrayType; 4] = [ArrayType::Hcpe, ArrayType::Preprocessing, ArrayType::Stage1, ArrayType::Stage2];

fn array_type_code(array_type: ArrayType) -> u8 {
    match array_type {
        ArrayType::Hcpe => 0,
        ArrayType::Preprocessing => 1,
        ArrayType::Stage1 => 2,
        ArrayType::Stage2 => 3,
    }
}

fn put(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_le_bytes());
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Takes numbers and bytes from the front, as long as there are any.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn number(&mut self) -> Option<u64> {
        self.take(8)?.try_into().ok().map(u64::from_le_bytes)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        self.take(length)
    }

    fn section(&mut self) -> Option<Section> {
        Some(Section { start: self.number()?, length: self.number()?, checksum: self.number()? })
    }

    fn file(&mut self) -> Option<SourceFile> {
        let path = path_of(self.bytes()?)?;
        let rows = self.number()?;
        let fingerprint = Fingerprint { size: self.number()?, modified: self.number()?, tail: self.number()? };
        Some(SourceFile { path, rows, fingerprint })
    }
}

/// The path that was written by its encoded bytes.
#[cfg(unix)]
fn path_of(bytes: &[u8]) -> Option<PathBuf> {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    Some(PathBuf::from(OsStr::from_bytes(bytes)))
}

#[cfg(not(unix))]
fn path_of(bytes: &[u8]) -> Option<PathBuf> {
    std::str::from_utf8(bytes).ok().map(PathBuf::from)
}
