//! Making an index: files are read a part at a time, ids and evaluations sorted in runs that fit into memory, and the runs
//! merged into a store.
//!
//! | module | does |
//! |---|---|
//! | [`read`] | the two columns of a file |
//! | [`entries`], [`texts`] | gathers and sorts numbers, evaluations, texts |
//! | [`spill`] | keeps runs until they are merged |
//! | [`merge`] | makes one of many |
//! | [`write`] | makes a store of what is merged |

mod entries;
mod gather;
mod merge;
mod read;
mod remap;
mod spill;
mod texts;
mod write;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::array_type::ArrayType;
use crate::error::{Error, Result};
use crate::source::{Fingerprint, Plan, SourceFile};
use crate::store::footer::IdKind;
use crate::store::{MAX_RECORDS, Store};
pub(crate) use gather::{Gather, Memory};
use remap::Remap;
pub(crate) use spill::Spill;
pub(crate) use write::{Contents, write_memory};

/// Memory that a build into a file takes, unless told otherwise: 256 MiB.
pub const BUILD_MEMORY: usize = 256 << 20;

/// How to build.
pub struct BuildOptions<'a> {
    /// Bytes that the build may take for sorting and merging, about; parts of files come on top, with 16 MiB.
    pub memory: usize,
    /// Is told how far the build is, some times a second, and may end it. `done` and `total` count a record once when it is
    /// read and once when it is written with its id; while evaluations are written, `done` stays at `total`.
    pub progress: &'a mut dyn FnMut(Progress) -> ControlFlow<()>,
}

/// How far a build is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Records that were read, and records that were written.
    pub done: u64,
    /// What `done` will be at the end.
    pub total: u64,
}

/// Tells of progress, a little at a time.
pub(crate) struct Meter<'a> {
    progress: &'a mut dyn FnMut(Progress) -> ControlFlow<()>,
    done: u64,
    /// What was worked through since it was told.
    untold: u64,
    total: u64,
}

/// What is to be built, and of what.
struct Job<'a> {
    array_type: ArrayType,
    kind: IdKind,
    files: Vec<SourceFile>,
    /// Where each file's records begin.
    starts: Vec<u64>,
    /// For each file, whether the old index has it.
    is_old: Vec<bool>,
    old: Option<(&'a Store, Remap)>,
}

/// An index of `paths` in memory.
pub(crate) fn in_memory(paths: &[PathBuf], array_type: ArrayType, options: &mut BuildOptions<'_>) -> Result<Store> {
    let fingerprints = paths.iter().map(|path| Fingerprint::of(path)).collect::<Result<Vec<_>>>()?;
    let job = Job::new(paths, array_type, &fingerprints, None)?;
    let mut meter = Meter::new(options.progress, job.work());
    let gathered = job.gather(Spill::Memory, &Memory::unbounded(), &mut meter)?;
    write_memory(&job.contents(), gathered, &mut meter)
}

/// An index of `paths` in the file `index`, which is used again as far as it is one of them already.
pub(crate) fn in_file(
    paths: &[PathBuf],
    array_type: ArrayType,
    index: &Path,
    options: &mut BuildOptions<'_>,
) -> Result<Store> {
    let fingerprints = paths.iter().map(|path| Fingerprint::of(path)).collect::<Result<Vec<_>>>()?;
    // One that is damaged, of another version or no index at all is replaced as one that is not there is made; but not
    // a file that is something else.
    let old = match Store::open(index) {
        Ok(store) => Some(store).filter(|store| store.footer().array_type == array_type),
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => refuse_foreign(index, error)?,
    };
    let plan = old.as_ref().map_or(Plan::Rebuild, |old| Plan::new(&old.footer().files, paths, &fingerprints));
    let old = match (old, plan) {
        (Some(old), Plan::Reuse) => {
            Meter::new(options.progress, 0).finish()?;
            return Ok(old);
        }
        (Some(old), Plan::Extend(places)) => Some((old, places)),
        _ => None,
    };
    // An index that cannot be put in its place is found out now, and not when all is read.
    maou_io::AtomicFile::create(index).map(drop).map_err(Error::save)?;
    // What is carried on is all read anyway, and damage would get good checksums.
    let old = old.filter(|(old, _)| old.verify().is_ok());
    let old = old.as_ref().map(|(store, places)| (store, places.clone()));
    let job = Job::new(paths, array_type, &fingerprints, old)?;
    let mut meter = Meter::new(options.progress, job.work());
    let memory = Memory::of(options.memory, job.contents().records(), job.kind);
    let gathered = job.gather(Spill::beside(index)?, &memory, &mut meter)?;
    write::write_file(index, &job.contents(), gathered, &mut meter)?;
    Store::open(index)
}

/// Whether a file that could not be opened as an index may be replaced by one.
fn refuse_foreign(index: &Path, error: Error) -> Result<Option<Store>> {
    let is_index = |path: &Path| path.extension().is_some_and(|extension| extension == "maouidx");
    match &error {
        Error::Index { .. } if is_index(index) => Ok(None),
        Error::Index { path, problem } => {
            let problem = format!("{problem}; it is not replaced. Name an index with the extension .maouidx");
            Err(Error::index(path, problem))
        }
        _ => Err(error),
    }
}

impl<'a> Job<'a> {
    /// `old` is an index of some of the files; for each file, its place there.
    fn new(
        paths: &[PathBuf],
        array_type: ArrayType,
        fingerprints: &[Fingerprint],
        old: Option<(&'a Store, Vec<Option<usize>>)>,
    ) -> Result<Self> {
        let (store, places) = match old {
            Some((store, places)) => (Some(store), places),
            None => (None, vec![None; paths.len()]),
        };
        let mut kind = store.map_or(IdKind::Numbers, |store| store.footer().id_kind);
        let mut files = Vec::with_capacity(paths.len());
        for ((path, fingerprint), place) in paths.iter().zip(fingerprints).zip(&places) {
            let stored = store.zip(*place).and_then(|(store, place)| store.footer().files.get(place));
            let rows = match stored {
                Some(file) => file.rows,
                None => {
                    let columns = read::open(path)?;
                    if columns.kind == IdKind::Texts {
                        kind = IdKind::Texts;
                    }
                    columns.rows
                }
            };
            files.push(SourceFile { path: path.clone(), rows, fingerprint: *fingerprint });
        }
        if let Some(store) = store.filter(|store| store.footer().id_kind != kind) {
            // Its numbers would have to be sorted again as texts.
            debug_assert_eq!(store.footer().id_kind, IdKind::Numbers);
            return Self::new(paths, array_type, fingerprints, None);
        }
        let starts = starts(&files)?;
        let old = store.map(|store| {
            let new_starts: Vec<u64> =
                places.iter().zip(&starts).filter_map(|(place, start)| place.map(|_| *start)).collect();
            (store, Remap::new(&store.footer().files, &new_starts))
        });
        Ok(Self { array_type, kind, files, starts, is_old: places.iter().map(Option::is_some).collect(), old })
    }

    fn contents(&self) -> Contents<'_> {
        Contents {
            array_type: self.array_type,
            kind: self.kind,
            files: &self.files,
            old: self.old.as_ref().map(|(store, remap)| (*store, remap)),
        }
    }

    /// What [`Progress::total`] counts.
    fn work(&self) -> u64 {
        let read: u64 = self.fresh().map(|(file, _)| file.rows).sum();
        read + self.contents().records()
    }

    /// The files that have to be read, and where their records begin.
    fn fresh(&self) -> impl Iterator<Item = (&SourceFile, u64)> {
        let files = self.files.iter().zip(&self.starts).zip(&self.is_old);
        files.filter(|(_, is_old)| !**is_old).map(|((file, start), _)| (file, *start))
    }

    fn gather(&self, spill: Spill, memory: &Memory, meter: &mut Meter<'_>) -> Result<Gather> {
        let mut gather = Gather::new(self.kind, spill, memory);
        for (file, start) in self.fresh() {
            let mut rows = 0;
            for part in read::open(&file.path)?.parts() {
                let part = part?;
                gather.part(&part, start + rows)?;
                rows += part.rows as u64;
                meter.step(part.rows as u64)?;
            }
            if rows != file.rows {
                let problem = format!("it had {} rows, and {rows} when it was read: it is being written to", file.rows);
                return Err(Error::data(&file.path, problem));
            }
        }
        Ok(gather)
    }
}

impl<'a> Meter<'a> {
    /// Calls that are worth it: a thousand for a build.
    const CALLS: u64 = 1000;

    pub(crate) fn new(progress: &'a mut dyn FnMut(Progress) -> ControlFlow<()>, total: u64) -> Self {
        Self { progress, done: 0, untold: 0, total }
    }

    /// Some records further.
    pub(crate) fn step(&mut self, records: u64) -> Result<()> {
        self.done = (self.done + records).min(self.total);
        self.pass(records)
    }

    /// Some entries further, which do not count: whoever watches wants to be asked all the same.
    pub(crate) fn pass(&mut self, entries: u64) -> Result<()> {
        self.untold += entries;
        if self.untold <= self.total / Self::CALLS { Ok(()) } else { self.tell() }
    }

    pub(crate) fn finish(&mut self) -> Result<()> {
        self.done = self.total;
        self.tell()
    }

    fn tell(&mut self) -> Result<()> {
        self.untold = 0;
        match (self.progress)(Progress { done: self.done, total: self.total }) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Error::Cancelled),
        }
    }
}

/// Where each file's records begin.
fn starts(files: &[SourceFile]) -> Result<Vec<u64>> {
    let mut next = 0;
    let start = |file: &SourceFile| {
        if u32::try_from(file.rows).is_err() {
            let problem = format!("its {} rows are more than 2^32; split it", file.rows);
            return Err(Error::data(&file.path, problem));
        }
        let start = next;
        next += file.rows;
        if next >= MAX_RECORDS {
            return Err(Error::data(
                &file.path,
                format!("with it the index would have {next} records, of at most 2^40"),
            ));
        }
        Ok(start)
    };
    files.iter().map(start).collect()
}

impl std::fmt::Debug for BuildOptions<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("BuildOptions").field("memory", &self.memory).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
