//! Makes a store of merged runs.

use std::io;
use std::path::Path;

use super::Meter;
use super::entries::{EntryStream, EvalEntry, IdEntry};
use super::gather::{Gather, IdStreams};
use super::merge::{Merge, Stream};
use super::remap::Remap;
use super::texts::{TextStream, narrow};
use crate::array_type::ArrayType;
use crate::error::{Error, Result};
use crate::source::SourceFile;
use crate::store::evals::EvalsBuilder;
use crate::store::footer::{Footer, IdKind, Section};
use crate::store::numbers::NumbersBuilder;
use crate::store::texts::TextsBuilder;
use crate::store::{Bytes, Ids, Sink, Store, StoreWriter};

/// What an index is to be of.
pub(crate) struct Contents<'a> {
    pub(crate) array_type: ArrayType,
    pub(crate) kind: IdKind,
    pub(crate) files: &'a [SourceFile],
    /// An index of some of the files, and their records' new numbers.
    pub(crate) old: Option<(&'a Store, &'a Remap)>,
}

/// Entries after which progress is told, and the end may be asked for.
const TELL_AFTER: u64 = 1 << 14;

impl Contents<'_> {
    pub(crate) fn records(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }
}

/// A store in memory.
pub(crate) fn write_memory(contents: &Contents<'_>, gathered: Gather, meter: &mut Meter<'_>) -> Result<Store> {
    let bytes = write(contents, gathered, Sink::Memory(Vec::new()), meter, &in_memory)?;
    Store::parse(Bytes::Own(bytes.unwrap_or_default())).map_err(|problem| Error::index(Path::new("memory"), problem))
}

/// A store under the name `index`, which is the whole of it or what it was.
pub(crate) fn write_file(index: &Path, contents: &Contents<'_>, gathered: Gather, meter: &mut Meter<'_>) -> Result<()> {
    let (guard, mut file) = maou_io::AtomicFile::create(index).map_err(Error::save)?;
    let failed = |source| Error::write(index, source);
    write(contents, gathered, Sink::File(&mut file), meter, &failed)?;
    file.sync_all().map_err(failed)?;
    // Windows renames no open file.
    drop(file);
    guard.publish(true).map_err(Error::save)
}

fn in_memory(source: io::Error) -> Error {
    Error::write(Path::new("memory"), source)
}

fn write(
    contents: &Contents<'_>,
    gathered: Gather,
    sink: Sink<'_>,
    meter: &mut Meter<'_>,
    failed: &dyn Fn(io::Error) -> Error,
) -> Result<Option<Vec<u8>>> {
    let (ids, evals) = gathered.finish()?;
    let mut writer = StoreWriter::new(sink).map_err(failed)?;
    let mut out = Out { writer: &mut writer, meter, failed, since: 0 };
    let (sections, distinct_ids, common) = match (ids, contents.old.map(|(store, remap)| (store.ids(), remap))) {
        (IdStreams::Numbers(mut streams), old) => {
            if let Some((Ids::Numbers(numbers), remap)) = old {
                streams.push(EntryStream::of_ids(numbers, remap)?);
            }
            out.numbers(Merge::new(streams))?
        }
        (IdStreams::Texts(mut streams, mut common), old) => {
            if let Some((Ids::Texts(texts), remap)) = old {
                if let Some((store, _)) = contents.old
                    && store.footer().distinct_ids > 0
                {
                    narrow(&mut common, &store.footer().common);
                }
                streams.push(TextStream::of_texts(texts, remap)?);
            }
            out.texts(Merge::new(streams), common.unwrap_or_default())?
        }
    };
    let mut streams = evals;
    if let Some((store, remap)) = contents.old {
        streams.push(EntryStream::of_evals(store.evals(), remap)?);
    }
    let (eval_records, values) = out.evals(Merge::new(streams))?;
    let footer = Footer {
        array_type: contents.array_type,
        id_kind: contents.kind,
        records: contents.records(),
        distinct_ids,
        common,
        ids: sections.0,
        directory: sections.1,
        eval_records,
        evals: values,
        files: contents.files.to_vec(),
    };
    let bytes = writer.finish(&footer).map_err(failed)?;
    meter.finish()?;
    Ok(bytes)
}

/// Where merged entries go.
struct Out<'w, 's, 'm, 'p> {
    writer: &'w mut StoreWriter<'s>,
    meter: &'m mut Meter<'p>,
    failed: &'m dyn Fn(io::Error) -> Error,
    /// Entries since progress was told.
    since: u64,
}

/// The parts with ids and with their directory, how many ids there are, and what they all begin with.
type WrittenIds = ((Section, Section), u64, Vec<u8>);

impl<'p> Out<'_, '_, '_, 'p> {
    fn numbers(&mut self, mut merge: Merge<EntryStream<'_, IdEntry>>) -> Result<WrittenIds> {
        let mut builder = NumbersBuilder::new();
        while let Some(entry) = merge.head() {
            builder.push(entry.id(), entry.record(), &mut self.writer.pending);
            merge.advance()?;
            self.entry(Meter::step)?;
        }
        builder.finish(&mut self.writer.pending);
        let ids = self.end()?;
        let directory = self.writer.section(&builder.directory).map_err(self.failed)?;
        Ok(((ids, directory), builder.count, Vec::new()))
    }

    fn texts(&mut self, mut merge: Merge<TextStream<'_>>, common: Vec<u8>) -> Result<WrittenIds> {
        let mut builder = TextsBuilder::new(common);
        while let Some(entry) = merge.head() {
            builder.push(entry.text(), entry.record(), &mut self.writer.pending);
            merge.advance()?;
            self.entry(Meter::step)?;
        }
        let ids = self.end()?;
        let count = builder.count;
        let (common, directory) = builder.into_parts();
        let directory = self.writer.section(&directory).map_err(self.failed)?;
        Ok(((ids, directory), count, common))
    }

    fn evals(&mut self, mut merge: Merge<EntryStream<'_, EvalEntry>>) -> Result<(Section, Section)> {
        let mut builder = EvalsBuilder::default();
        while let Some(entry) = merge.head() {
            builder.push(entry.eval(), entry.record(), &mut self.writer.pending);
            merge.advance()?;
            // Counted with the ids already.
            self.entry(Meter::pass)?;
        }
        builder.finish();
        let records = self.end()?;
        let values = self.writer.section(&builder.values).map_err(self.failed)?;
        Ok((records, values))
    }

    /// One more entry, and what tells of it.
    #[inline]
    fn entry(&mut self, tell: impl FnOnce(&mut Meter<'p>, u64) -> Result<()>) -> Result<()> {
        self.since += 1;
        if self.since < TELL_AFTER {
            return Ok(());
        }
        tell(self.meter, self.since)?;
        self.since = 0;
        self.writer.flush_if_full().map_err(self.failed)
    }

    fn end(&mut self) -> Result<Section> {
        self.since = 0;
        self.writer.end_section().map_err(self.failed)
    }
}
