//! `clean`: removes what the project made, and nothing else.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::json;

use crate::build;
use crate::flags::CleanFlags;
use crate::memory::human;
use crate::outcome::Outcome;
use crate::python::MADE_BY_US;
use crate::terminal::say;
use crate::workspace::{self, Places};

/// Directories that tools leave in the checkout.
const CACHES: [&str; 4] = [".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis"];
/// cargo's mark in a directory that it made itself.
const CACHEDIR_TAG: &str = "CACHEDIR.TAG";

pub(crate) fn run(places: &Places, flags: &CleanFlags) -> anyhow::Result<Outcome> {
    let _no_builds = build::keep_builds_away(&places.own_files())?;
    let doomed = if flags.all { everything(places) } else { build_output(places) };
    let mut freed = 0;
    let mut removed = Vec::new();
    for path in doomed.into_iter().filter(|path| path.symlink_metadata().is_ok()) {
        let size = size_of(&path);
        remove(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        let shown = path.strip_prefix(&places.root).unwrap_or(&path).display().to_string();
        say!("removed {shown:<40} {:>10}", human(size));
        freed += size;
        removed.push(json!({"path": shown, "bytes": size}));
    }
    say!("freed {}", human(freed));
    let mut outcome = Outcome::default();
    outcome.figures.insert("freed_bytes".into(), freed.into());
    outcome.figures.insert("removed".into(), removed.into());
    Ok(outcome)
}

/// Build output but not xtask's own: the running binary, records and logs stay.
fn build_output(places: &Places) -> Vec<PathBuf> {
    let keep = [workspace::own_files(&places.target), places.target.join("tool"), places.target.join(CACHEDIR_TAG)];
    let mut doomed = made_by_cargo(&places.target).map(children).unwrap_or_default();
    doomed.retain(|path| !keep.contains(path));
    doomed.extend(in_checkout(&places.root));
    doomed
}

fn everything(places: &Places) -> Vec<PathBuf> {
    let mut doomed: Vec<PathBuf> = made_by_cargo(&places.target).map(Path::to_path_buf).into_iter().collect();
    doomed.extend(in_checkout(&places.root));
    let venv = places.root.join(".venv");
    if venv.join(MADE_BY_US).exists() {
        doomed.push(venv);
    } else if venv.exists() {
        say!("kept .venv: xtask did not make it");
    }
    doomed
}

/// The target directory, if cargo made it: CARGO_TARGET_DIR may point anywhere.
fn made_by_cargo(target: &Path) -> Option<&Path> {
    target.join(CACHEDIR_TAG).exists().then_some(target)
}

fn in_checkout(root: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = CACHES.iter().map(|name| root.join(name)).collect();
    let package = root.join("python").join("maou");
    found.extend(children(&package).into_iter().filter(|path| is_extension(path)));
    for folder in ["python", "tests", "rust"] {
        find_pycache(&root.join(folder), &mut found);
    }
    found
}

/// `_rust.abi3.so`, `_rust.pyd` and the like.
fn is_extension(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    name.starts_with("_rust.") && [".so", ".pyd", ".dylib"].iter().any(|ending| name.ends_with(ending))
}

fn find_pycache(folder: &Path, found: &mut Vec<PathBuf>) {
    for path in children(folder) {
        if path.is_symlink() || !path.is_dir() {
            continue;
        }
        if path.file_name().is_some_and(|name| name == "__pycache__") {
            found.push(path);
        } else {
            find_pycache(&path, found);
        }
    }
}

fn children(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).map(|entries| entries.flatten().map(|entry| entry.path()).collect()).unwrap_or_default()
}

/// Bytes on disk below `path`; links are not followed.
fn size_of(path: &Path) -> u64 {
    let Ok(data) = path.symlink_metadata() else { return 0 };
    if !data.is_dir() {
        return data.len();
    }
    children(path).iter().map(|child| size_of(child)).sum()
}

fn remove(path: &Path) -> std::io::Result<()> {
    if path.is_symlink() || path.is_file() { std::fs::remove_file(path) } else { std::fs::remove_dir_all(path) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkout(name: &str) -> Places {
        let root = std::env::temp_dir().join(format!("xtask-clean-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&root);
        for folder in ["target/debug", "target/tool", "target/xtask", ".venv", "python/maou/__pycache__"] {
            std::fs::create_dir_all(root.join(folder)).expect("writable");
        }
        for file in ["target/CACHEDIR.TAG", "target/debug/lib_rust.so", "python/maou/_rust.abi3.so", "python/maou/a.py"]
        {
            std::fs::write(root.join(file), "x").expect("writable");
        }
        Places { target: root.join("target"), root }
    }

    #[test]
    fn sources_records_and_foreign_environments_stay() {
        let places = checkout("some");
        run(&places, &CleanFlags { all: false }).expect("cleans");
        assert!(!places.target.join("debug").exists());
        assert!(places.target.join("tool").exists() && places.target.join("xtask").exists());
        assert!(!places.root.join("python/maou/_rust.abi3.so").exists());
        run(&places, &CleanFlags { all: true }).expect("cleans");
        assert!(!places.target.exists());
        assert!(places.root.join(".venv").exists(), "xtask did not make this one");
        assert!(places.root.join("python/maou/a.py").exists());
        std::fs::remove_dir_all(&places.root).expect("ours");
    }

    #[test]
    fn a_target_that_cargo_did_not_make_is_left_alone() {
        let places = checkout("foreign");
        std::fs::remove_file(places.target.join(CACHEDIR_TAG)).expect("ours");
        run(&places, &CleanFlags { all: true }).expect("cleans");
        assert!(places.target.join("debug").exists());
        std::fs::remove_dir_all(&places.root).expect("ours");
    }
}
