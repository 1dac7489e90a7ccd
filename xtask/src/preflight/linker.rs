//! The linker that will be used, and the C compiler that drives it and builds zstd.

use std::path::Path;

use super::Finding;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Linker {
    /// Where a linker is configured, and its name.
    pub(super) configured: Option<(String, String)>,
    pub(super) configured_is_there: Option<bool>,
    /// rustc brings its own lld and uses it unasked.
    pub(super) rust_lld: bool,
    /// `cc`, `gcc` or `clang`, the first that is there.
    pub(super) c_compiler: Option<String>,
    /// Linkers on PATH.
    pub(super) others: Vec<String>,
    /// `-fuse-ld=NAME` in RUSTFLAGS, and whether NAME is there.
    pub(super) asked_by_flags: Option<(String, bool)>,
}

pub(super) fn judge(linker: &Linker) -> Vec<Finding> {
    vec![which(linker), c_compiler(linker)]
}

fn which(linker: &Linker) -> Finding {
    if let (Some((place, name)), Some(false)) = (&linker.configured, linker.configured_is_there) {
        let fix = format!("apt-get install {name}, or take the line out of {place} (rustc has a linker of its own)");
        return Finding::failure("linker", format!("{place} wants `{name}`, which is not on PATH"), fix);
    }
    if let Some((name, false)) = &linker.asked_by_flags {
        let fix = format!("apt-get install {name}, or unset RUSTFLAGS");
        return Finding::failure("linker", format!("RUSTFLAGS has -fuse-ld={name}, which is not installed"), fix);
    }
    if let Some((place, name)) = &linker.configured {
        return Finding::ok("linker", format!("`{name}` by {place}"));
    }
    if linker.rust_lld {
        return Finding::ok("linker", "rust-lld, which rustc brings");
    }
    match linker.others.first() {
        Some(name) => Finding::ok("linker", format!("the system's ({name} is there)")),
        None => Finding::failure("linker", "none on PATH", "apt-get install binutils"),
    }
}

fn c_compiler(linker: &Linker) -> Finding {
    match &linker.c_compiler {
        Some(name) if name == "cc" || linker.configured.is_some() => Finding::ok("C compiler", name.clone()),
        Some(name) => {
            let fix = format!("export CC={name} CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER={name}");
            Finding::warning("C compiler", format!("{name}, but no `cc`, which rustc links with"), fix)
        }
        None => Finding::failure(
            "C compiler",
            "none; rustc links with it and zstd is written in C",
            "apt-get install gcc libc6-dev",
        ),
    }
}

/// `linker = "NAME"` of a `[target.TRIPLE]` or `[target.'cfg(…)']` table in a cargo configuration file.
pub(super) fn configured_in(path: &Path, triple: &str) -> Option<(String, String)> {
    let text = std::fs::read_to_string(path).ok()?;
    let name = linker_line(&text, triple)?;
    Some((path.display().to_string(), name))
}

fn linker_line(text: &str, triple: &str) -> Option<String> {
    let mut applies = false;
    for line in text.lines().map(str::trim) {
        if let Some(table) = line.strip_prefix('[') {
            applies = table.starts_with("target.") && (table.contains(triple) || is_of(table, triple));
        } else if applies && line.split('=').next().is_some_and(|key| key.trim() == "linker") {
            return Some(line.split(['"', '\'']).nth(1)?.to_owned());
        }
    }
    None
}

/// Whether `cfg(…)` of a table speaks of the system of `triple`, as far as that can be seen without reading it all.
fn is_of(table: &str, triple: &str) -> bool {
    let systems = [("windows", "windows"), ("linux", "linux"), ("apple", "macos")];
    let system = systems.iter().find(|(part, _)| triple.contains(part)).map_or("unix", |(_, system)| *system);
    let names_it = table.contains(system) || (system != "windows" && table.contains("unix"));
    table.contains("cfg(") && !table.contains("not(") && names_it
}

/// NAME of `-fuse-ld=NAME`.
pub(super) fn asked_in_flags(flags: &str) -> Option<String> {
    let (_, rest) = flags.split_once("-fuse-ld=")?;
    Some(rest.split_whitespace().next()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::Verdict;

    const CONFIG: &str = "[alias]\nx = \"y\"\n[target.x86_64-unknown-linux-gnu]\nlinker = \"clang\"\n";

    fn usual() -> Linker {
        Linker { rust_lld: true, c_compiler: Some("cc".into()), others: vec!["ld".into()], ..Linker::default() }
    }

    fn verdicts(linker: &Linker) -> Vec<Verdict> {
        judge(linker).iter().map(|finding| finding.verdict).collect()
    }

    #[test]
    fn rusts_own_linker_needs_nothing() {
        assert_eq!(verdicts(&usual()), [Verdict::Ok, Verdict::Ok]);
    }

    #[test]
    fn a_configured_linker_that_is_missing_is_named_with_its_file() {
        assert_eq!(linker_line(CONFIG, "x86_64-unknown-linux-gnu").as_deref(), Some("clang"));
        assert_eq!(linker_line(CONFIG, "aarch64-unknown-linux-gnu"), None);
        let windows = "[target.'cfg(windows)']\nlinker = 'lld-link'\n";
        assert_eq!(linker_line(windows, "x86_64-unknown-linux-gnu"), None);
        assert_eq!(linker_line(windows, "x86_64-pc-windows-msvc").as_deref(), Some("lld-link"));
        assert_eq!(
            linker_line(&windows.replace("windows", "unix"), "aarch64-apple-darwin").as_deref(),
            Some("lld-link")
        );
        let linker = Linker {
            configured: Some((".cargo/config.toml".into(), "clang".into())),
            configured_is_there: Some(false),
            ..usual()
        };
        let finding = which(&linker);
        assert_eq!(finding.verdict, Verdict::Failure);
        assert!(finding.message.contains("clang") && finding.message.contains(".cargo/config.toml"));
    }

    #[test]
    fn flags_that_ask_for_a_missing_linker_fail() {
        assert_eq!(asked_in_flags("-C link-arg=-fuse-ld=mold -C x").as_deref(), Some("mold"));
        let linker = Linker { asked_by_flags: Some(("mold".into(), false)), ..usual() };
        assert_eq!(verdicts(&linker), [Verdict::Failure, Verdict::Ok]);
    }

    #[test]
    fn without_a_c_compiler_nothing_links() {
        let linker = Linker { c_compiler: None, ..usual() };
        assert_eq!(verdicts(&linker), [Verdict::Ok, Verdict::Failure]);
    }
}
