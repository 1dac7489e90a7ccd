//! Seeds of the fuzz targets, whole and damaged at random, through what the targets call: docs/fuzzing.md.

mod arrays;
mod bound;
mod crafted;
mod directory;
mod entry;
mod model;
mod random;

use std::fs;
use std::path::{Path, PathBuf};

use random::Random;

#[global_allocator]
static ALLOCATOR: bound::Bounded = bound::Bounded;

/// Damaged copies of each seed.
const COPIES: u64 = 25;

#[test]
fn files() {
    replay(&["file"], entry::file);
}

#[test]
fn streams() {
    replay(&["stream"], entry::stream);
}

#[test]
fn splits_and_merges() {
    replay(&["split_merge"], entry::split_merge);
}

#[test]
fn schemas() {
    noise(300, 600, entry::schema);
}

#[test]
fn sparse_arrays() {
    noise(2000, 2000, entry::sparse);
}

/// `entry` with each seed of `folders`, and with copies of it that are damaged.
fn replay(folders: &[&str], entry: fn(&[u8])) {
    for seed in folders.iter().flat_map(|folder| seeds(folder)) {
        let whole = fs::read(&seed).expect("a seed");
        entry(&whole);
        for copy in 0..COPIES {
            let mut damaged = whole.clone();
            let mut random = Random(copy << 32 | whole.len() as u64);
            damage(&mut damaged, &mut random);
            entry(&damaged);
        }
    }
}

/// `entry` with random bytes, up to `length` of them.
fn noise(rounds: u64, length: u64, entry: fn(&[u8])) {
    for round in 0..rounds {
        let mut random = Random(round);
        let bytes: Vec<u8> = (0..random.below(length)).map(|_| random.below(256) as u8).collect();
        entry(&bytes);
    }
}

fn seeds(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile/seeds").join(folder);
    let mut seeds: Vec<PathBuf> =
        fs::read_dir(folder).expect("seeds").map(|entry| entry.expect("a seed").path()).collect();
    seeds.sort();
    assert!(!seeds.is_empty());
    seeds
}

/// A few bytes are changed, or some are left out, or said again.
fn damage(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() as u64) as usize;
        let end = (at + random.below(16) as usize).min(bytes.len());
        match random.below(8) {
            0 => bytes.truncate(at.max(1)),
            1 => drop(bytes.drain(at..end.min(bytes.len() - 1))),
            2 => bytes.extend_from_within(at..end),
            3 => bytes[at] = 0xff,
            4 => bytes[at..end].fill(0),
            5 => bytes[at] = bytes[at].wrapping_add(1),
            _ => bytes[at] ^= 1 << random.below(8),
        }
    }
}
