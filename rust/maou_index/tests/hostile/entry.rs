//! What damaged indexes are given to. None of them may panic, abort, run on, or take more memory than [`MEMORY`].

use std::fs;
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use arrow_array::{ArrayRef, Int16Array, RecordBatch, StringArray, UInt64Array};
use maou_index::{ArrayType, BuildOptions, SearchIndex};
use xxhash_rust::xxh3::xxh3_64;

use crate::bound::{Above, within};
use crate::directory::Directory;

/// Bytes that a question or a build of so little may take: a page of ids, each as long as the whole file at most, and what
/// sorting and merging take at least.
const MEMORY: usize = 64 << 20;
/// Rows of a record file: some blocks of ids.
const ROWS: u64 = 1200;
/// Ids or places that are asked for.
const PAGE: usize = 50;

/// Places in an index, as `rust/maou_index/src/store/footer.rs` writes it.
const TAIL: usize = 24;
const COMMON: usize = 18;
const SECTIONS: usize = 4;
const SECTION: usize = 24;

/// Indexes to be damaged, and the files that they are made of.
struct Models {
    _directory: Directory,
    models: Vec<Model>,
}

struct Model {
    /// Of the first file.
    index: Vec<u8>,
    files: [PathBuf; 2],
    /// Of a record of both.
    id: fn(u64) -> String,
}

/// Which index, and what becomes of its bytes: `[which: u8]([place: u16][byte: u8])…`, or cut there: `[place: u8]`.
pub(crate) fn index(data: &[u8]) {
    static MODELS: LazyLock<Models> = LazyLock::new(Models::new);
    let Some((which, edits)) = data.split_first() else { return };
    let model = &MODELS.models[usize::from(*which) % MODELS.models.len()];
    let damaged = model.damaged(edits);
    within(MEMORY, Above::Aborts, || {
        let directory = Directory::new();
        let path = directory.write("damaged.maouidx", &damaged);
        ask(&path);
        // Damage that shows is not carried on.
        let index = model.extend(&path).expect("built anew");
        assert_eq!(index.get_all_ids(None).len() as u64, 2 * ROWS);
        assert_eq!(index.count_eval_range(Some(-48), Some(48)) as u64, 2 * ROWS);
        model.check(&index);
        // And where checksums agree with it, nothing shows.
        let mut sealed = damaged.clone();
        if seal(&mut sealed).is_some() {
            directory.write("damaged.maouidx", &sealed);
            ask(&path);
            let _ = model.extend(&path);
        }
    });
}

/// In no order.
fn number_id(record: u64) -> String {
    record.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_string()
}

fn text_id(record: u64) -> String {
    format!("game_{record:05}")
}

/// Every question that an index answers.
fn ask(path: &Path) {
    let Ok(index) = SearchIndex::open(path) else { return };
    let _ = (index.verify(), index.is_stale(), index.total_records());
    for prefix in ["", "1", "18", "game_", "game_00007", "\u{5c06}"] {
        let ids = index.search_id_prefix(prefix, PAGE);
        assert!(ids.len() <= PAGE);
        for id in ids.iter().map(String::as_str).chain([prefix]) {
            let _ = index.search_by_id(id);
        }
    }
    for (from, to) in [(None, None), (Some(-3), Some(4)), (Some(5), Some(-5)), (Some(i64::MIN), Some(i64::MAX))] {
        let count = index.count_eval_range(from, to);
        for offset in [0, 1, count.saturating_sub(1), count, usize::MAX] {
            assert!(index.search_by_eval_range(from, to, offset, PAGE).len() <= PAGE);
        }
    }
}

/// Makes the checksums those of what is there, as whoever wants to do harm would; nothing where no parts can be told.
fn seal(bytes: &mut [u8]) -> Option<()> {
    let tail = bytes.len().checked_sub(TAIL)?;
    let length = usize::try_from(number(bytes, tail)?).ok()?;
    let footer = tail.checked_sub(length)?;
    let common = usize::try_from(number(bytes, footer + COMMON)?).ok()?;
    let sections = (footer + COMMON + 8).checked_add(common)?;
    for section in (0..SECTIONS).map(|place| sections.saturating_add(place * SECTION)) {
        let range = range(number(bytes, section)?, number(bytes, section.checked_add(8)?)?)?;
        let checksum = xxh3_64(bytes.get(range)?);
        put(bytes, section + 16, checksum)?;
    }
    let checksum = xxh3_64(&bytes[footer..tail]);
    put(bytes, tail + 8, checksum)
}

fn range(start: u64, length: u64) -> Option<Range<usize>> {
    let end = start.checked_add(length)?;
    Some(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
}

fn number(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at.checked_add(8)?)?.try_into().ok().map(u64::from_le_bytes)
}

fn put(bytes: &mut [u8], at: usize, number: u64) -> Option<()> {
    bytes.get_mut(at..at.checked_add(8)?)?.copy_from_slice(&number.to_le_bytes());
    Some(())
}

impl Models {
    fn new() -> Self {
        let directory = Directory::new();
        let models = vec![
            Model::new(&directory, "numbers", number_id, |ids| {
                Arc::new(ids.map(|id| id.parse::<u64>().expect("a number")).collect::<UInt64Array>())
            }),
            Model::new(&directory, "texts", text_id, |ids| Arc::new(StringArray::from_iter_values(ids))),
        ];
        Self { models, _directory: directory }
    }
}

impl Model {
    fn new(
        directory: &Directory,
        name: &str,
        id: fn(u64) -> String,
        column: fn(&mut dyn Iterator<Item = String>) -> ArrayRef,
    ) -> Self {
        let files = [0, ROWS].map(|first| {
            let ids = column(&mut (first..first + ROWS).map(id));
            let evals: ArrayRef = Arc::new(Int16Array::from_iter_values((0..ROWS).map(|row| (row % 97) as i16 - 48)));
            let batch = RecordBatch::try_from_iter([("id", ids), ("eval", evals)]).expect("columns");
            let path = directory.path(&format!("{name}_{first}.feather"));
            maou_io::save_feather_file(&batch, &path).expect("room for records");
            path
        });
        let index = directory.path(name).with_extension("maouidx");
        build(&files[..1], &index).expect("good files");
        Self { index: fs::read(index).expect("just written"), files, id }
    }

    fn damaged(&self, edits: &[u8]) -> Vec<u8> {
        let mut bytes = self.index.clone();
        let (edits, cut) = edits.as_chunks::<3>();
        for [low, high, byte] in edits {
            // From the end on, where what the rest means is written.
            let place = bytes.len() - 1 - usize::from(u16::from_le_bytes([*low, *high])) % bytes.len();
            bytes[place] = *byte;
        }
        if let [cut] = cut {
            bytes.truncate(bytes.len() * usize::from(*cut) / 256);
        }
        bytes
    }

    /// Makes the index at `path` one of both files.
    fn extend(&self, path: &Path) -> maou_index::Result<SearchIndex> {
        let index = build(&self.files, path)?;
        index.verify()?;
        Ok(index)
    }

    /// All ids lead to where they are.
    fn check(&self, index: &SearchIndex) {
        for record in 0..2 * ROWS {
            let place = index.search_by_id(&(self.id)(record)).expect("an id of the files");
            assert_eq!(&*place.file, &*self.files[(record / ROWS) as usize]);
            assert_eq!(u64::from(place.row), record % ROWS);
        }
    }
}

fn build(files: &[PathBuf], path: &Path) -> maou_index::Result<SearchIndex> {
    let index = SearchIndex::new(files.to_vec(), ArrayType::Hcpe);
    let mut progress = |_| ControlFlow::Continue(());
    index.build_into(path, &mut BuildOptions { memory: 1 << 20, progress: &mut progress })?;
    Ok(index)
}
