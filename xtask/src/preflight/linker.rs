//! The linker that will be used, and the C compiler that drives it and builds zstd.

use super::Finding;
use crate::cargo_config::Setting;

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

/// The first `linker = "NAME"` of a `[target.TRIPLE]` or `[target.'cfg(…)']` table: in which file, and NAME.
pub(super) fn configured(mut settings: impl Iterator<Item = Setting>, triple: &str) -> Option<(String, String)> {
    let setting = settings.find(|setting| is_linker(&setting.key, triple))?;
    Some((setting.file.display().to_string(), setting.text))
}

fn is_linker(key: &str, triple: &str) -> bool {
    let table = key.strip_prefix("target.").and_then(|key| key.strip_suffix(".linker"));
    table.is_some_and(|table| table.contains(triple) || is_of(table, triple))
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
        let setting =
            |key: &str, text: &str| Setting { key: key.into(), text: text.into(), file: ".cargo/config.toml".into() };
        let found = |table: &str, triple: &str| {
            let settings = [setting("alias.linker", "no"), setting(&format!("target.{table}.linker"), "clang")];
            configured(settings.into_iter(), triple)
        };
        let clang = Some((".cargo/config.toml".to_owned(), "clang".to_owned()));
        assert_eq!(found("x86_64-unknown-linux-gnu", "x86_64-unknown-linux-gnu"), clang);
        assert_eq!(found("x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"), None);
        assert_eq!(found("'cfg(windows)'", "x86_64-unknown-linux-gnu"), None);
        assert_eq!(found("'cfg(windows)'", "x86_64-pc-windows-msvc"), clang);
        assert_eq!(found("'cfg(unix)'", "aarch64-apple-darwin"), clang);
        let linker = Linker { configured: clang, configured_is_there: Some(false), ..usual() };
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
