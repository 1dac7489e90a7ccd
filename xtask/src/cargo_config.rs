//! What cargo's configuration files say, of the few settings that have to be known before cargo runs.

use std::path::{Path, PathBuf};

use crate::env;

/// A text as it stands in a file, and the folder that relative paths in that file are of.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    /// Empty: the file switches off what another one, farther away, switches on.
    pub(crate) text: String,
    folder: PathBuf,
}

impl Setting {
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.join(&self.text)
    }

    /// One without a folder in its name is looked up on PATH.
    #[cfg(unix)]
    pub(crate) fn program(&self) -> PathBuf {
        program(&self.text, &self.folder)
    }
}

/// A program's name as cargo reads it: relative to `folder` if it has a folder in it.
#[cfg(unix)]
pub(crate) fn program(text: &str, folder: &Path) -> PathBuf {
    if text.contains(std::path::is_separator) { folder.join(text) } else { PathBuf::from(text) }
}

/// What is said of `key`, as `build.target-dir`, for a cargo that runs in `folder`: the nearest file counts.
pub(crate) fn setting(folder: &Path, key: &str) -> Option<Setting> {
    let mut places: Vec<PathBuf> = folder.ancestors().map(|folder| folder.join(".cargo")).collect();
    places.extend(env::path(env::CARGO_HOME).or_else(|| Some(env::path(env::HOME)?.join(".cargo"))));
    places.iter().find_map(|place| {
        let text = in_files(place, key)?;
        Some(Setting { text, folder: place.parent()?.to_path_buf() })
    })
}

fn in_files(place: &Path, key: &str) -> Option<String> {
    // Where there are both, cargo takes the first.
    ["config", "config.toml"].iter().find_map(|name| value(&std::fs::read_to_string(place.join(name)).ok()?, key))
}

/// `key = "…"` in its table, or `table.key = "…"` before any. A reader of all TOML would cost a dependency for lines that
/// people write in one way.
fn value(config: &str, key: &str) -> Option<String> {
    let mut table = String::new();
    for line in config.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[') {
            table = name.split(']').next()?.trim().to_owned();
            continue;
        }
        let Some((name, value)) = line.split_once('=') else { continue };
        let full = if table.is_empty() { name.trim().to_owned() } else { format!("{table}.{}", name.trim()) };
        if full == key {
            return quoted(value.trim());
        }
    }
    None
}

/// What is between the quotes; a comment may stand behind them.
fn quoted(value: &str) -> Option<String> {
    let quote = value.chars().next().filter(|quote| ['"', '\''].contains(quote))?;
    Some(value[1..].split(quote).next()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_found_in_both_spellings_and_nowhere_else() {
        let wrapper = |config| value(config, "build.rustc-wrapper");
        assert_eq!(wrapper("[build]\njobs = 2\nrustc-wrapper = \"sccache\" # fast\n"), Some("sccache".into()));
        assert_eq!(wrapper("[build] # mine\nrustc-wrapper = 'a#b'"), Some("a#b".into()));
        assert_eq!(wrapper("build.rustc-wrapper = '/opt/s ccache'"), Some("/opt/s ccache".into()));
        assert_eq!(wrapper("[alias]\nrustc-wrapper = \"no\"\n[build]\nrustc-workspace-wrapper = \"no\"\n"), None);
        assert_eq!(wrapper("[build]\nrustc-wrapper = \"\"\n"), Some(String::new()));
    }

    #[test]
    fn the_nearest_file_counts_and_its_paths_are_relative_to_its_folder() {
        let root = env::temporary_folder().join(format!("xtask-config-{}", std::process::id()));
        let inner = root.join("inner");
        for (folder, text) in [
            (&root, "[build]\ntarget-dir = \"out\"\nrustc-wrapper = \"tools/w\""),
            (&inner, "[build]\nrustc-wrapper = \"\""),
        ] {
            std::fs::create_dir_all(folder.join(".cargo")).expect("writable");
            std::fs::write(folder.join(".cargo/config.toml"), text).expect("writable");
        }
        assert_eq!(setting(&inner, "build.target-dir").map(|found| found.path()), Some(root.join("out")));
        #[cfg(unix)]
        assert_eq!(setting(&root, "build.rustc-wrapper").map(|found| found.program()), Some(root.join("tools/w")));
        assert_eq!(setting(&inner, "build.rustc-wrapper").map(|found| found.text), Some(String::new()));
        std::fs::remove_dir_all(root).expect("ours");
    }
}
