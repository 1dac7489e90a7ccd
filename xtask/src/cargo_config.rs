//! What cargo's configuration files say, of the few settings that have to be known before cargo runs.

use std::path::{Path, PathBuf};

use crate::env;

/// A text as it stands in a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    /// With its table, as `build.target-dir`.
    pub(crate) key: String,
    /// Empty: the file switches off what another one, farther away, switches on.
    pub(crate) text: String,
    pub(crate) file: PathBuf,
}

impl Setting {
    pub(crate) fn path(&self) -> PathBuf {
        self.folder().join(&self.text)
    }

    /// One without a folder in its name is looked up on PATH.
    #[cfg(unix)]
    pub(crate) fn program(&self) -> PathBuf {
        program(&self.text, self.folder())
    }

    /// What relative paths in the file are of: where its `.cargo` is.
    fn folder(&self) -> &Path {
        self.file.ancestors().nth(2).unwrap_or(&self.file)
    }
}

/// A program's name as cargo reads it: relative to `folder` if it has a folder in it.
#[cfg(unix)]
pub(crate) fn program(text: &str, folder: &Path) -> PathBuf {
    if text.contains(std::path::is_separator) { folder.join(text) } else { PathBuf::from(text) }
}

/// What is said of `key` for a cargo that runs in `folder`.
pub(crate) fn setting(folder: &Path, key: &str) -> Option<Setting> {
    settings(folder).find(|setting| setting.key == key)
}

/// All that a cargo that runs in `folder` is told, what counts first.
pub(crate) fn settings(folder: &Path) -> impl Iterator<Item = Setting> {
    let home = env::path(env::CARGO_HOME).or_else(|| Some(env::path(env::HOME)?.join(".cargo")));
    let places = folder.ancestors().map(|folder| folder.join(".cargo")).chain(home);
    // Where there are both, cargo takes the first.
    let files = places.flat_map(|place| ["config", "config.toml"].map(|name| place.join(name)));
    files.flat_map(|file| {
        let pairs = std::fs::read_to_string(&file).map(|config| pairs(&config)).unwrap_or_default();
        pairs.into_iter().map(move |(key, text)| Setting { key, text, file: file.clone() })
    })
}

/// Each `key = "…"`, with its table. A reader of all TOML would cost a dependency for lines that people write in one way.
fn pairs(config: &str) -> Vec<(String, String)> {
    let mut table = String::new();
    let mut found = Vec::new();
    for line in config.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[') {
            table = name.split(']').next().unwrap_or(name).trim().to_owned();
        } else if let Some((name, value)) = line.split_once('=')
            && let Some(text) = quoted(value.trim())
        {
            let name = name.trim();
            found.push((if table.is_empty() { name.to_owned() } else { format!("{table}.{name}") }, text));
        }
    }
    found
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
        let wrapper =
            |config| pairs(config).into_iter().find(|(key, _)| key == "build.rustc-wrapper").map(|(_, text)| text);
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
