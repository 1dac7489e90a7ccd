//! Checksums of a file's messages, in its footer: damage is found without the file's writer.

use std::fmt;

use xxhash_rust::xxh3::Xxh3Default;

/// Of each message in the file's order: schema, dictionaries and batches as they come. XXH3, 64 bits, of the body and the
/// metadata behind it, since that is the order in which they are written.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Checksums(Vec<u64>);

/// Of a body that is being written or read.
#[derive(Default)]
pub(crate) struct Hasher(Xxh3Default);

impl Hasher {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// `header` is the metadata with what precedes and pads it.
    pub(crate) fn finish(mut self, header: &[u8]) -> u64 {
        self.0.update(header);
        self.0.digest()
    }
}

impl Checksums {
    /// In the footer's metadata.
    pub(crate) const KEY: &str = "maou.xxh3";

    pub(crate) fn message(&mut self, body: Hasher, header: &[u8]) {
        self.0.push(body.finish(header));
    }

    /// What `Display` has written.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        text.split(',').map(|word| u64::from_str_radix(word, 16).ok()).collect::<Option<_>>().map(Self)
    }

    /// In the file's order.
    pub(crate) fn as_slice(&self) -> &[u64] {
        &self.0
    }
}

impl fmt::Display for Checksums {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, checksum) in self.0.iter().enumerate() {
            if index > 0 {
                formatter.write_str(",")?;
            }
            write!(formatter, "{checksum:016x}")?;
        }
        Ok(())
    }
}
