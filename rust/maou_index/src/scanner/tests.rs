use std::fs;
use std::io::ErrorKind;

use tempfile::TempDir;

use super::*;
use crate::Error;

const TTL: Duration = Duration::from_secs(60);

/// `a/`, `a/b/`, `a/b/c/`, `d/` and a file or two in each.
struct Tree {
    dir: TempDir,
    scanner: PathScanner,
    now: Instant,
}

impl Tree {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("a/b/c")).unwrap();
        fs::create_dir_all(dir.path().join("d")).unwrap();
        for file in ["1.feather", "a/2.feather", "a/b/c/3.feather", "d/4.feather", "d/5.arrow", "d/feather"] {
            fs::write(dir.path().join(file), "").unwrap();
        }
        Self { dir, scanner: PathScanner::new(TTL), now: Instant::now() }
    }

    fn base(&self) -> &Path {
        self.dir.path()
    }

    fn directories(&self, max_depth: usize) -> Vec<String> {
        self.relative(&self.scanner.scan_directories(self.base(), max_depth, self.now).unwrap())
    }

    fn files(&self, recursive: bool) -> Vec<String> {
        self.relative(&self.scanner.scan_feather_files(self.base(), recursive, self.now).unwrap())
    }

    fn relative(&self, paths: &[OsString]) -> Vec<String> {
        paths
            .iter()
            .map(|path| Path::new(path).strip_prefix(self.base()).unwrap().to_str().unwrap().to_owned())
            .collect()
    }

    fn prefix(&self, relative: &str) -> OsString {
        self.base().join(relative).into_os_string()
    }
}

#[test]
fn directories_down_to_a_depth() {
    let tree = Tree::new();
    assert_eq!(tree.directories(0), Vec::<String>::new());
    assert_eq!(tree.directories(1), ["a", "d"]);
    assert_eq!(tree.directories(2), ["a", "a/b", "d"]);
    assert_eq!(tree.directories(9), ["a", "a/b", "a/b/c", "d"]);
}

#[test]
fn feather_files_with_and_without_descending() {
    let tree = Tree::new();
    fs::create_dir(tree.base().join("directory.feather")).unwrap();
    assert_eq!(tree.files(false), ["1.feather"]);
    assert_eq!(tree.files(true), ["1.feather", "a/2.feather", "a/b/c/3.feather", "d/4.feather"]);
}

#[test]
fn prefixes_are_of_the_whole_path() {
    let tree = Tree::new();
    assert!(tree.scanner.search_file_prefix(OsStr::new(""), 9).is_empty());
    tree.directories(5);
    tree.files(true);
    let directories =
        |prefix: &str, limit| tree.relative(&tree.scanner.search_directory_prefix(&tree.prefix(prefix), limit));
    assert_eq!(directories("a", 50), ["a", "a/b", "a/b/c"]);
    assert_eq!(directories("a/", 1), ["a/b"]);
    assert_eq!(directories("a/b/c/d", 50), Vec::<String>::new());
    assert_eq!(directories("a", 0), Vec::<String>::new());
    let files = |prefix: &str| tree.relative(&tree.scanner.search_file_prefix(&tree.prefix(prefix), 100));
    assert_eq!(files("d/"), ["d/4.feather"]);
    assert_eq!(files("").len(), 4);
}

#[test]
fn overlapping_scans_are_searched_as_one() {
    let tree = Tree::new();
    tree.files(true);
    tree.scanner.scan_feather_files(&tree.base().join("d"), true, tree.now).unwrap();
    tree.files(false);
    assert_eq!(tree.scanner.search_file_prefix(OsStr::new(""), 100).len(), 4);
    assert_eq!(tree.scanner.search_file_prefix(OsStr::new(""), 2).len(), 2);
    assert_eq!(tree.scanner.cache_stats(tree.now).files, 4);
}

#[test]
fn a_scan_is_good_for_the_time_to_live() {
    let mut tree = Tree::new();
    assert!(tree.scanner.is_stale(tree.now));
    assert_eq!(tree.scanner.cache_stats(tree.now).age, None);
    assert_eq!(tree.directories(1), ["a", "d"]);
    fs::create_dir(tree.base().join("new")).unwrap();

    tree.now += TTL - Duration::from_millis(1);
    assert!(!tree.scanner.is_stale(tree.now));
    assert_eq!(tree.directories(1), ["a", "d"], "from the cache");
    assert_eq!(tree.directories(2), ["a", "a/b", "d", "new"], "other arguments, another scan");

    tree.now += Duration::from_millis(1);
    assert_eq!(tree.directories(1), ["a", "d", "new"], "out of date");
    let stats = tree.scanner.cache_stats(tree.now + TTL);
    assert_eq!((stats.directories, stats.files, stats.age, stats.ttl), (4, 0, Some(TTL), TTL));
    assert!(tree.scanner.is_stale(tree.now + TTL));
}

#[test]
fn a_base_that_cannot_be_read_is_an_error() {
    let tree = Tree::new();
    let kind = |base: &str| match tree.scanner.scan_directories(&tree.base().join(base), 5, tree.now) {
        Err(Error::Io { source, .. }) => source.kind(),
        other => panic!("{other:?}"),
    };
    assert_eq!(kind("missing"), ErrorKind::NotFound);
    assert_eq!(kind("1.feather"), ErrorKind::NotADirectory);
    assert!(tree.scanner.is_stale(tree.now), "a failed scan is none");
}

#[cfg(unix)]
#[test]
fn links_to_directories_are_not_followed() {
    use std::os::unix::fs::symlink;

    let tree = Tree::new();
    symlink(tree.base(), tree.base().join("a/loop")).unwrap();
    symlink(tree.base().join("1.feather"), tree.base().join("d/link.feather")).unwrap();
    symlink(tree.base().join("gone"), tree.base().join("d/dangling.feather")).unwrap();
    assert_eq!(tree.directories(50), ["a", "a/b", "a/b/c", "d"]);
    assert_eq!(tree.files(true).last().map(String::as_str), Some("d/link.feather"));
    assert_eq!(tree.files(true).len(), 5);
}

#[cfg(target_os = "linux")]
#[test]
fn names_that_are_no_unicode_are_kept() {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};

    let tree = Tree::new();
    let odd = tree.base().join(OsStr::from_bytes(b"d/\xff.feather"));
    fs::write(&odd, "").unwrap();
    tree.scanner.scan_feather_files(tree.base(), true, tree.now).unwrap();
    let prefix = OsString::from_vec([tree.base().as_os_str().as_bytes(), b"/d/\xff"].concat());
    assert_eq!(tree.scanner.search_file_prefix(&prefix, 9), [odd.into_os_string()]);
}

#[test]
fn runs_agree_with_a_scan() {
    let mut random = crate::testing::Random::new(5);
    let word = |random: &mut crate::testing::Random| -> OsString {
        (0..random.below(5)).map(|_| ["a", "b", "/", "é"][random.below(4) as usize]).collect::<String>().into()
    };
    for _ in 0..50 {
        let paths = sorted((0..60).map(|_| word(&mut random)).collect());
        let prefix = word(&mut random);
        let expected: Vec<&OsString> = paths.iter().filter(|path| bytes(path).starts_with(bytes(&prefix))).collect();
        assert_eq!(run_with_prefix(&paths, &prefix).iter().collect::<Vec<_>>(), expected);
    }
}
