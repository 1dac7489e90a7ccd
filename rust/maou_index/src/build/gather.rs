//! What was read, sorted in runs.

use arrow_array::{Array, UInt64Array};

use super::entries::{EntryStream, EvalEntry, IdEntry, Runs};
use super::read::{Ids, Part};
use super::spill::Spill;
use super::texts::{TextRuns, TextStream};
use crate::error::Result;
use crate::store::footer::IdKind;

/// How a build divides its memory.
#[derive(Debug)]
pub(crate) struct Memory {
    /// Entries of a run of numbers, and of evaluations.
    entries: usize,
    /// Bytes of a run of texts.
    texts: usize,
    /// Bytes of a run that are read at a time where runs are merged.
    step: usize,
}

/// Takes parts of files.
pub(crate) struct Gather {
    ids: IdRuns,
    evals: Runs<EvalEntry>,
    spill: Spill,
    step: usize,
}

enum IdRuns {
    Numbers(Runs<IdEntry>),
    Texts(TextRuns),
}

/// Runs of ids to be merged.
pub(crate) enum IdStreams<'a> {
    Numbers(Vec<EntryStream<'a, IdEntry>>),
    /// And what they all begin with, if there are any.
    Texts(Vec<TextStream<'a>>, Option<Vec<u8>>),
}

/// An id and an evaluation, each as it is gathered, and once more as it is sorted or as the bytes of its run; an id as all
/// three.
const ENTRY_BYTES: usize = 16 + 16 + 13 + 8 + 8;

/// Bytes of a text run for each byte of the texts: gathered, and as the bytes of the run.
const TEXT_COPIES: usize = 2;

impl Memory {
    /// For so many records in so many bytes.
    pub(crate) fn of(bytes: usize, records: u64, kind: IdKind) -> Self {
        let for_texts = if kind == IdKind::Texts { bytes / 4 * 3 } else { 0 };
        let entries = ((bytes - for_texts) / ENTRY_BYTES).max(1 << 12);
        let texts = (for_texts / TEXT_COPIES).max(1 << 16);
        // Parts of a run are runs of their own. Ids are merged first, evaluations then.
        let runs = (records / entries as u64 + 1) as usize * maou_io::threads();
        Self { entries, texts, step: (bytes / 2 / runs).clamp(16 << 10, 1 << 20) }
    }

    /// For an index in memory: its runs are there as long as they are needed anyway.
    pub(crate) fn unbounded() -> Self {
        Self { entries: 1 << 22, texts: 256 << 20, step: 0 }
    }
}

impl Gather {
    pub(crate) fn new(kind: IdKind, spill: Spill, memory: &Memory) -> Self {
        let ids = match kind {
            IdKind::Numbers => IdRuns::Numbers(Runs::new(memory.entries)),
            IdKind::Texts => IdRuns::Texts(TextRuns::new(memory.texts)),
        };
        Self { ids, evals: Runs::new(memory.entries), spill, step: memory.step }
    }

    /// Takes a part of a file whose first row is record `start`.
    pub(crate) fn part(&mut self, part: &Part, start: u64) -> Result<()> {
        match &part.ids {
            Ids::Numbers(ids) => self.numbers(ids, start)?,
            Ids::Texts(ids) => self.texts(ids.iter(), start)?,
            Ids::LargeTexts(ids) => self.texts(ids.iter(), start)?,
            Ids::TextViews(ids) => self.texts(ids.iter(), start)?,
        }
        for (record, eval) in (start..).zip(part.evals.iter().flatten()) {
            if let Some(eval) = eval {
                self.eval(eval, record)?;
            }
        }
        Ok(())
    }

    pub(crate) fn number(&mut self, id: u64, record: u64) -> Result<()> {
        match &mut self.ids {
            IdRuns::Numbers(runs) => runs.push(IdEntry::new(id, record), &mut self.spill, self.step),
            // Files of both kinds in one index: one order for all, that of the strings.
            IdRuns::Texts(runs) => runs.push(&id.to_string(), record, &mut self.spill, self.step),
        }
    }

    pub(crate) fn text(&mut self, id: &str, record: u64) -> Result<()> {
        match &mut self.ids {
            IdRuns::Texts(runs) => runs.push(id, record, &mut self.spill, self.step),
            // A file that changed since its schema was read; its rows are counted, and do not match.
            IdRuns::Numbers(_) => Ok(()),
        }
    }

    pub(crate) fn eval(&mut self, eval: i16, record: u64) -> Result<()> {
        self.evals.push(EvalEntry::new(eval, record), &mut self.spill, self.step)
    }

    /// The runs of ids and of evaluations, to be merged.
    pub(crate) fn finish<'a>(self) -> Result<(IdStreams<'a>, Vec<EntryStream<'a, EvalEntry>>)> {
        let Self { ids, evals, mut spill, step } = self;
        let ids = match ids {
            IdRuns::Numbers(runs) => IdStreams::Numbers(runs.finish(&mut spill, step)?),
            IdRuns::Texts(runs) => {
                let (common, streams) = runs.finish(&mut spill, step)?;
                IdStreams::Texts(streams, common)
            }
        };
        Ok((ids, evals.finish(&mut spill, step)?))
    }

    fn numbers(&mut self, ids: &UInt64Array, start: u64) -> Result<()> {
        if let (IdRuns::Numbers(runs), 0) = (&mut self.ids, ids.null_count()) {
            let ids = ids.values();
            let entry = |row| IdEntry::new(ids[row], start + row as u64);
            return runs.extend(ids.len(), entry, &mut self.spill, self.step);
        }
        for (record, id) in (start..).zip(ids) {
            if let Some(id) = id {
                self.number(id, record)?;
            }
        }
        Ok(())
    }

    fn texts<'t>(&mut self, ids: impl Iterator<Item = Option<&'t str>>, start: u64) -> Result<()> {
        for (record, id) in (start..).zip(ids) {
            if let Some(id) = id {
                self.text(id, record)?;
            }
        }
        Ok(())
    }
}
