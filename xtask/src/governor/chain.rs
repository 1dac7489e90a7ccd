//! The wrapper that a user has set already: sccache, most likely.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::env;

/// `RUSTC_WRAPPER`, then cargo's configuration, the nearest file first, as cargo looks for it.
pub(crate) fn existing_wrapper() -> Option<OsString> {
    for name in [env::RUSTC_WRAPPER, env::CARGO_BUILD_RUSTC_WRAPPER] {
        if let Some(wrapper) = env::path(name) {
            return Some(wrapper.into_os_string());
        }
    }
    let here = env::current_folder();
    let mut folders: Vec<PathBuf> = here.ancestors().map(|folder| folder.join(".cargo")).collect();
    folders.extend(env::path(env::CARGO_HOME).or_else(|| Some(env::path(env::HOME)?.join(".cargo"))));
    folders.iter().find_map(|folder| in_config(folder)).map(OsString::from)
}

fn in_config(folder: &Path) -> Option<String> {
    ["config.toml", "config"].iter().find_map(|name| {
        let text = std::fs::read_to_string(folder.join(name)).ok()?;
        wrapper_in(&text)
    })
}

/// `rustc-wrapper = "…"` in `[build]`, or `build.rustc-wrapper = "…"` before any table. A reader of all TOML would cost a
/// dependency for one line that people write in one way.
fn wrapper_in(config: &str) -> Option<String> {
    let mut table = String::new();
    for line in config.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[') {
            table = name.trim_end_matches(']').trim().to_owned();
            continue;
        }
        let Some((key, value)) = line.split_once('=') else { continue };
        let full = if table.is_empty() { key.trim().to_owned() } else { format!("{table}.{}", key.trim()) };
        if full == "build.rustc-wrapper" {
            let value = value.split('#').next()?.trim();
            let wrapper = value.trim_matches(['"', '\'']);
            return (!wrapper.is_empty()).then(|| wrapper.to_owned());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_found_in_both_spellings_and_nowhere_else() {
        assert_eq!(wrapper_in("[build]\njobs = 2\nrustc-wrapper = \"sccache\" # fast\n"), Some("sccache".into()));
        assert_eq!(wrapper_in("build.rustc-wrapper = '/opt/s ccache'"), Some("/opt/s ccache".into()));
        assert_eq!(wrapper_in("[alias]\nrustc-wrapper = \"no\"\n[build]\nrustc-workspace-wrapper = \"no\"\n"), None);
        assert_eq!(wrapper_in("[build]\nrustc-wrapper = \"\"\n"), None);
    }
}
