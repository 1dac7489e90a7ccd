//! Indexes in files: made, used again, extended, replaced, damaged.

#![expect(clippy::unwrap_used, reason = "clippy.toml allows it in tests, but not in what the tests of a file share")]

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, Int16Array, RecordBatch, StringArray, UInt64Array};
use maou_index::{ArrayType, BuildOptions, Error, Progress, SearchIndex};

/// Bytes of memory that make builds of these tests merge many runs.
const LITTLE: usize = 1;

/// A directory with record files and an index.
struct Records {
    directory: tempfile::TempDir,
}

impl Records {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A file with these ids and an evaluation for each, which is the id's last digit.
    fn numbers(&self, name: &str, ids: impl IntoIterator<Item = u64>) -> PathBuf {
        let ids: Vec<u64> = ids.into_iter().collect();
        let evals: ArrayRef = Arc::new(Int16Array::from_iter_values(ids.iter().map(|id| (id % 10) as i16)));
        self.save(name, Arc::new(UInt64Array::from(ids)), evals)
    }

    fn texts(&self, name: &str, ids: impl IntoIterator<Item = u64>) -> PathBuf {
        let ids: Vec<String> = ids.into_iter().map(|id| format!("game_{id:05}")).collect();
        let evals: ArrayRef = Arc::new(Int16Array::from_iter_values((0..ids.len()).map(|row| (row % 7) as i16)));
        self.save(name, Arc::new(StringArray::from(ids)), evals)
    }

    fn save(&self, name: &str, ids: ArrayRef, evals: ArrayRef) -> PathBuf {
        let path = self.path(name);
        let batch = RecordBatch::try_from_iter([("id", ids), ("eval", evals)]).unwrap();
        maou_io::save_feather_file(&batch, &path).unwrap();
        path
    }

    /// What lies there, without record files.
    fn others(&self) -> Vec<String> {
        let names = fs::read_dir(self.directory.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
        names.retain(|name| !name.ends_with(".feather"));
        names.sort();
        names
    }
}

/// Builds into `index`, and says how many records that read and wrote.
fn build(files: &[PathBuf], index: &Path) -> Result<(SearchIndex, u64), Error> {
    let built = SearchIndex::new(files.to_vec(), ArrayType::Hcpe);
    let mut last = Progress { done: 0, total: 0 };
    let mut progress = |now: Progress| {
        assert!(last.done <= now.done && now.done <= now.total);
        last = now;
        ControlFlow::Continue(())
    };
    built.build_into(index, &mut BuildOptions { memory: LITTLE, progress: &mut progress })?;
    assert_eq!(last.done, last.total, "the last call is the end");
    Ok((built, last.total))
}

/// The same answers as an index in memory over the same files.
fn check(index: &SearchIndex, files: &[PathBuf]) {
    let expected = SearchIndex::new(files.to_vec(), ArrayType::Hcpe);
    expected.build_from_files().unwrap();
    assert_eq!(index.file_paths(), files);
    assert_eq!(index.total_records(), expected.total_records());
    let ids = expected.get_all_ids(None);
    assert_eq!(index.get_all_ids(None), ids);
    for id in &ids {
        assert_eq!(index.search_by_id(id), expected.search_by_id(id), "{id}");
    }
    let all = |index: &SearchIndex| index.search_by_eval_range(None, None, 0, usize::MAX);
    assert_eq!(all(index), all(&expected));
    index.verify().unwrap();
}

#[test]
fn a_built_index_is_used_again() {
    let records = Records::new();
    let files = [records.numbers("a.feather", (0..9000).rev()), records.numbers("b.feather", 8000..12_000)];
    let path = records.path("all.maouidx");

    let (built, work) = build(&files, &path).unwrap();
    assert_eq!(work, 2 * 13_000, "each is read and written");
    check(&built, &files);
    assert_eq!(records.others(), ["all.maouidx"]);

    let time = fs::metadata(&path).unwrap().modified().unwrap();
    let (again, work) = build(&files, &path).unwrap();
    assert_eq!(work, 0);
    check(&again, &files);
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), time);

    let opened = SearchIndex::open(&path).unwrap();
    check(&opened, &files);
    assert_eq!((opened.array_type(), opened.is_stale()), (ArrayType::Hcpe, false));
}

#[test]
fn only_new_files_are_read() {
    let records = Records::new();
    let path = records.path("some.maouidx");
    for texts in [false, true] {
        let make = |name: &str, ids: std::ops::Range<u64>| {
            if texts { records.texts(name, ids) } else { records.numbers(name, ids) }
        };
        let (first, last) = (make("b.feather", 0..3000), make("d.feather", 2500..6000));
        let old = [first.clone(), last.clone()];
        fs::remove_file(&path).ok();
        build(&old, &path).unwrap();

        // In front, in between and behind, with ids that were there and ids that were not.
        let files = [make("a.feather", 100..200), first, make("c.feather", 5900..6100), last, make("e.feather", 0..10)];
        let (extended, work) = build(&files, &path).unwrap();
        assert_eq!(work, 310 + (6500 + 310), "what is new is read, all is written");
        check(&extended, &files);
    }
}

#[test]
fn a_changed_a_missing_and_a_moved_file_make_it_anew() {
    let records = Records::new();
    let path = records.path("all.maouidx");
    let files = [records.numbers("a.feather", 0..100), records.numbers("b.feather", 100..200)];
    let (index, _) = build(&files, &path).unwrap();
    assert!(!index.is_stale());

    records.numbers("b.feather", 100..201);
    assert!(index.is_stale());
    let (index, work) = build(&files, &path).unwrap();
    assert_eq!(work, 2 * 201);
    check(&index, &files);

    let turned = [files[1].clone(), files[0].clone()];
    let (index, work) = build(&turned, &path).unwrap();
    assert_eq!(work, 2 * 201);
    check(&index, &turned);

    let (index, work) = build(&files[..1], &path).unwrap();
    assert_eq!(work, 2 * 100);
    check(&index, &files[..1]);
    fs::remove_file(&files[0]).unwrap();
    assert!(index.is_stale());
    assert!(matches!(build(&files[..1], &path), Err(Error::Io { .. })));
    assert_eq!(SearchIndex::open(&path).unwrap().total_records(), 100, "a failed build leaves the old index");
}

#[test]
fn texts_among_numbers_sort_all_anew() {
    let records = Records::new();
    let path = records.path("all.maouidx");
    let numbers = records.numbers("a.feather", 0..100);
    build(std::slice::from_ref(&numbers), &path).unwrap();
    let files = [numbers, records.texts("b.feather", 0..50)];
    let (index, work) = build(&files, &path).unwrap();
    assert_eq!(work, 2 * 150);
    check(&index, &files);
}

#[test]
fn a_cancelled_build_leaves_what_was_there() {
    let records = Records::new();
    let path = records.path("all.maouidx");
    let files = [records.numbers("a.feather", 0..20_000)];
    for old in [false, true] {
        if old {
            build(&files[..0], &path).unwrap();
        }
        for calls in 0..20 {
            let mut left = calls;
            let mut progress = |_| {
                left -= 1;
                if left < 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            let index = SearchIndex::new(files.to_vec(), ArrayType::Hcpe);
            match index.build_into(&path, &mut BuildOptions { memory: LITTLE, progress: &mut progress }) {
                Err(Error::Cancelled) => {
                    assert_eq!(index.total_records(), 0);
                    assert_eq!(records.others().len(), usize::from(old), "{:?}", records.others());
                }
                Ok(()) => break,
                Err(other) => panic!("{other:?}"),
            }
        }
        fs::remove_file(&path).ok();
    }
}

#[test]
fn a_build_is_watched_and_cancelled_while_evaluations_are_merged() {
    let records = Records::new();
    let path = records.path("all.maouidx");
    let files = [records.numbers("a.feather", 0..1 << 17)];
    let build_until = |calls_at_the_end: u32| {
        let mut calls = 0;
        let mut progress = |now: Progress| {
            calls += u32::from(now.done == now.total);
            if calls == calls_at_the_end { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let index = SearchIndex::new(files.to_vec(), ArrayType::Hcpe);
        let built = index.build_into(&path, &mut BuildOptions { memory: 1 << 20, progress: &mut progress });
        (built, calls)
    };
    // One with the last id, one at the end.
    let (cancelled, _) = build_until(5);
    assert!(matches!(cancelled, Err(Error::Cancelled)));
    assert!(records.others().is_empty());
    let (built, calls) = build_until(u32::MAX);
    built.unwrap();
    assert!(calls > 8, "{calls}");
}

#[test]
fn an_index_that_cannot_be_written_is_refused_before_anything_is_read() {
    let records = Records::new();
    let files = [records.numbers("a.feather", 0..1000)];
    let refused = |path: &Path, files: &[PathBuf]| {
        let mut calls = 0;
        let mut progress = |_| {
            calls += 1;
            ControlFlow::Continue(())
        };
        let index = SearchIndex::new(files.to_vec(), ArrayType::Hcpe);
        let error = index.build_into(path, &mut BuildOptions { memory: LITTLE, progress: &mut progress }).unwrap_err();
        assert_eq!(calls, 0, "{error}");
        error.to_string()
    };
    let directory = records.path("directory.maouidx");
    fs::create_dir(&directory).unwrap();
    assert!(refused(&directory, &files).contains("directory.maouidx"));
    assert!(refused(&records.path("missing").join("a.maouidx"), &files).contains("missing"));

    let kept = records.path("kept.maouidx");
    build(&files, &kept).unwrap();
    let mut permissions = fs::metadata(&kept).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&kept, permissions).unwrap();
    let more = [files[0].clone(), records.numbers("b.feather", 1000..1100)];
    let message = refused(&kept, &more);
    assert!(message.starts_with("cannot write") && message.contains("kept.maouidx"), "{message}");
    assert_eq!(build(&files, &kept).unwrap().1, 0, "nothing has to be written where it is used again");
    assert_eq!(records.others(), ["directory.maouidx", "kept.maouidx"]);
}

#[test]
fn damaged_indexes_are_named_and_replaced_and_other_files_are_not() {
    let records = Records::new();
    let path = records.path("all.maouidx");
    let files = [records.numbers("a.feather", 0..1000)];
    build(&files, &path).unwrap();
    let good = fs::read(&path).unwrap();
    let mut version = good.clone();
    version[7] = 9;
    for (bytes, expected) in [
        (&good[..good.len() - 1], "truncated"),
        (&good[..4], "no maou index"),
        (&[], "no maou index"),
        (&version, "version 9"),
    ] {
        fs::write(&path, bytes).unwrap();
        let message = SearchIndex::open(&path).unwrap_err().to_string();
        assert!(message.contains("all.maouidx") && message.contains(expected), "{message}");
        let (index, _) = build(&files, &path).unwrap();
        check(&index, &files);
    }
    let mut flipped = good;
    flipped[100] ^= 1;
    fs::write(&path, flipped).unwrap();
    let message = SearchIndex::open(&path).unwrap().verify().unwrap_err().to_string();
    assert!(message.contains("its ids are damaged"), "{message}");

    let message = build(&files, &files[0]).unwrap_err().to_string();
    assert!(message.contains("not replaced"), "{message}");
    assert!(maou_io::load_feather_file(&files[0]).is_ok());
    assert!(matches!(SearchIndex::open(&records.path("none.maouidx")), Err(Error::Io { .. })));
    assert!(SearchIndex::open(records.directory.path()).is_err());
    let nowhere = records.path("missing").join("all.maouidx");
    let message = build(&files, &nowhere).unwrap_err().to_string();
    assert!(message.contains("missing"), "{message}");
}
