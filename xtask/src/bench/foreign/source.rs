//! Published crates and their sources, as cargo has them.

use std::path::PathBuf;
use std::process::Stdio;
use std::str::FromStr;

use anyhow::{Context as _, bail};

use crate::bench::matrix::CageLimit;
use crate::{env, memory, proc};

/// A crate to be built, and in which cage: `bat@0.25.0:700M`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) name: String,
    pub(super) version: String,
    /// `None`: one is chosen when it is known what its units take.
    pub(super) cage: Option<u64>,
}

impl Wanted {
    /// `bat@0.25.0`.
    pub(super) fn id(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }

    /// As a part of a file's name.
    pub(super) fn file_name(&self) -> String {
        format!("{}-{}", self.name, self.version)
    }
}

impl FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (id, cage) = text.split_once(':').map_or((text, None), |(id, cage)| (id, Some(cage)));
        let cage = cage.map(memory::parse_size).transpose().map_err(|error| format!("{error:#}"))?;
        match id.split_once('@') {
            Some((name, version)) if !name.is_empty() && version.starts_with(|c: char| c.is_ascii_digit()) => {
                Ok(Wanted { name: name.to_owned(), version: version.to_owned(), cage })
            }
            _ => Err("not NAME@VERSION or NAME@VERSION:SIZE".to_owned()),
        }
    }
}

/// The unpacked source of `wanted`, with its lock file and all that it names, so that its build needs no network.
///
/// # Errors
///
/// When there is no such crate, it was published without a lock file, or it cannot be fetched.
pub(super) fn of(wanted: &Wanted) -> anyhow::Result<PathBuf> {
    let folder = match unpacked(wanted) {
        Some(folder) => folder,
        None => {
            // It shows a crate, for which cargo downloads and unpacks it.
            run_quietly(&["info", "--registry", "crates-io", &wanted.id()])?;
            let id = wanted.id();
            unpacked(wanted)
                .with_context(|| format!("there is no {id} in cargo's registry; `cargo info {id}` says why"))?
        }
    };
    if !folder.join("Cargo.lock").is_file() {
        bail!("{} was published without a Cargo.lock, so that no two builds of it would be of the same", wanted.id());
    }
    let manifest = folder.join("Cargo.toml").to_string_lossy().into_owned();
    let fetch = ["fetch", "--locked", "--manifest-path", manifest.as_str()];
    if !run_quietly(&[&fetch[..], &["--offline"]].concat())? && !run_quietly(&fetch)? {
        bail!("cannot fetch what {} needs: `cargo fetch --locked --manifest-path {manifest}` says why", wanted.id());
    }
    Ok(folder)
}

/// The smallest cage that the largest unit surely fits into, with a compiler's own needs and cargo beside it.
pub(super) fn cage_around(largest: u64) -> CageLimit {
    const BESIDE_MIB: f64 = 80.0;
    const MARGIN: f64 = 1.15;
    // Far below 2^53, and positive.
    let mebibytes = (memory::mib(largest) * MARGIN + BESIDE_MIB).ceil() as u64;
    CageLimit(Some(mebibytes << 20))
}

/// There is a folder for each registry's index.
fn unpacked(wanted: &Wanted) -> Option<PathBuf> {
    let home = env::path(env::CARGO_HOME).or_else(|| Some(env::path(env::HOME)?.join(".cargo")))?;
    let sources = std::fs::read_dir(home.join("registry").join("src")).ok()?.flatten();
    let mut folders = sources.map(|index| index.path().join(wanted.file_name()));
    folders.find(|folder| folder.join("Cargo.toml").is_file())
}

fn run_quietly(arguments: &[&str]) -> anyhow::Result<bool> {
    let mut command = proc::cargo();
    // Not in the checkout: its settings, and its lock file above all, are not what this is about.
    command.args(arguments).current_dir(env::temporary_folder());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(command.status().context("cannot start cargo")?.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_has_a_version_and_perhaps_a_cage() {
        let wanted: Wanted = "bat@0.25.0:700M".parse().expect("valid");
        assert_eq!((wanted.id(), wanted.file_name()), ("bat@0.25.0".to_owned(), "bat-0.25.0".to_owned()));
        assert_eq!(wanted.cage, Some(700 << 20));
        assert_eq!("bat@0.25.0".parse::<Wanted>().expect("valid").cage, None);
        for text in ["bat", "bat@", "@1.0.0", "bat@latest", "bat@1.0.0:much"] {
            assert!(text.parse::<Wanted>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_cage_is_a_little_larger_than_the_largest_unit() {
        assert_eq!(cage_around(400 << 20).to_string(), "540M");
    }
}
