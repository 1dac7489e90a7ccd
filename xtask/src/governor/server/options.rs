//! What a governor is told by whoever starts it.

use std::path::PathBuf;

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Options {
    /// Where its socket is.
    pub(crate) folder: PathBuf,
    pub(crate) key: String,
    /// The process whose tree is the build.
    pub(crate) root: u32,
    /// Processors.
    pub(crate) slots: usize,
    /// Wrappers that may wait at a time: each takes memory.
    pub(crate) most_waiting: usize,
    /// What the build may take, bytes, where that was said.
    pub(crate) memory: Option<u64>,
    pub(crate) ledger: PathBuf,
    /// Where events go; appended to, when a governor comes after one that died.
    pub(crate) events: PathBuf,
}

impl Options {
    /// As arguments, in an order that only [`Options::parse`] has to know. The key is not among them: others see them.
    pub(crate) fn to_arguments(&self) -> Vec<String> {
        vec![
            self.folder.to_string_lossy().into_owned(),
            self.root.to_string(),
            self.slots.to_string(),
            self.most_waiting.to_string(),
            self.memory.unwrap_or(0).to_string(),
            self.ledger.to_string_lossy().into_owned(),
            self.events.to_string_lossy().into_owned(),
        ]
    }

    pub(super) fn parse(mut arguments: impl Iterator<Item = String>) -> Option<Self> {
        Some(Options {
            key: crate::env::text(crate::env::GOVERNOR_KEY)?,
            folder: arguments.next()?.into(),
            root: arguments.next()?.parse().ok()?,
            slots: arguments.next()?.parse().ok()?,
            most_waiting: arguments.next()?.parse().ok()?,
            memory: Some(arguments.next()?.parse().ok()?).filter(|memory| *memory > 0),
            ledger: arguments.next()?.into(),
            events: arguments.next()?.into(),
        })
    }
}
