//! Which crate a process works for, from its command line and from what its parent works for.

use std::path::Path;
use std::sync::Arc;

use super::{UnitKind, UnitName};

/// Names of linkers, and of the drivers that start them, without a target prefix (`x86_64-linux-gnu-`).
const LINKERS: [&str; 14] = [
    "cc", "gcc", "c++", "g++", "clang", "collect2", "ld", "ld64.lld", "ld.lld", "rust-lld", "lld-link", "link", "mold",
    "wild",
];

/// What a command line says about its process, whoever started it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Role {
    /// Begins a unit, unless it is part of its parent's.
    Unit {
        crate_name: Arc<str>,
        kind: UnitKind,
    },
    Linker,
    Other,
}

impl Role {
    /// `arguments` begin with the program.
    pub(super) fn of(arguments: &[String]) -> Self {
        let Some(program) = arguments.first() else { return Self::Other };
        if let Some(package) = running_build_script(program) {
            return Self::Unit { crate_name: package.into(), kind: UnitKind::BuildScriptRun };
        }
        if let Some(name) = option(arguments, "--crate-name") {
            return match compiled_build_script(name, arguments) {
                Some(package) => Self::Unit { crate_name: package.into(), kind: UnitKind::BuildScript },
                None => Self::Unit { crate_name: name.into(), kind: UnitKind::Compile },
            };
        }
        if is_linker(program) { Self::Linker } else { Self::Other }
    }

    /// The unit of process `pid` with this role.
    ///
    /// All that a unit starts belongs to it: a wrapper and its rustc have one crate name between them, a linker has
    /// none, and what a build script compiles to find out what the compiler can do is the build script's.
    pub(super) fn unit(&self, pid: u32, parent: Option<&UnitName>) -> Option<UnitName> {
        match (parent, self) {
            (Some(parent), role) => Some(UnitName { kind: role.kind_below(parent.kind), ..parent.clone() }),
            (None, Self::Unit { crate_name, kind }) => {
                Some(UnitName { crate_name: Arc::clone(crate_name), kind: *kind, leader: pid })
            }
            (None, _) => None,
        }
    }

    fn kind_below(&self, parent: UnitKind) -> UnitKind {
        match (parent, self) {
            // A build script that runs cc compiles C with it.
            (UnitKind::Compile | UnitKind::BuildScript, Self::Linker) => UnitKind::Link,
            _ => parent,
        }
    }
}

/// The package whose build script is the program: `target/debug/build/NAME-HASH/build-script-build`.
fn running_build_script(program: &str) -> Option<&str> {
    let name = Path::new(program).file_name()?.to_str()?;
    name.starts_with("build-script-").then(|| package_of_build_directory(program))?
}

/// The package whose build script is compiled, which the crate name `build_script_build` does not tell.
fn compiled_build_script<'a>(crate_name: &str, arguments: &'a [String]) -> Option<&'a str> {
    if !crate_name.starts_with("build_script_") {
        return None;
    }
    let by_output = option(arguments, "--out-dir").and_then(package_of_build_directory);
    by_output.or_else(|| {
        let source = arguments.iter().skip(1).find(|argument| argument.ends_with("build.rs"))?;
        let directory = Path::new(source).parent()?.file_name()?.to_str()?;
        Some(without_version(directory))
    })
}

/// `proc-macro2` for `/target/debug/build/proc-macro2-0123456789abcdef`, and whatever is below that.
fn package_of_build_directory(path: &str) -> Option<&str> {
    let mut names = Path::new(path).iter().rev().map(|name| name.to_str());
    let mut below = names.next()??;
    for name in names {
        if name? == "build" {
            return Some(without_hash(below));
        }
        below = name?;
    }
    None
}

fn without_hash(name: &str) -> &str {
    let is_hash = |text: &str| text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    name.rsplit_once('-').filter(|(_, hash)| is_hash(hash)).map_or(name, |(name, _)| name)
}

/// `foo-2d` for `foo-2d-1.2.3`, as the registry unpacks it.
fn without_version(name: &str) -> &str {
    let is_version = |text: &str| {
        let digits = text.trim_start_matches(|c: char| c.is_ascii_digit());
        digits.len() < text.len() && digits.starts_with('.')
    };
    let found = name.match_indices('-').find(|(index, _)| is_version(&name[index + 1..]));
    found.map_or(name, |(index, _)| &name[..index])
}

/// The value of `--name value` or `--name=value`.
fn option<'a>(arguments: &'a [String], name: &str) -> Option<&'a str> {
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.strip_prefix(name) {
            Some("") => return arguments.next().map(String::as_str),
            Some(value) if value.starts_with('=') => return Some(&value[1..]),
            _ => {}
        }
    }
    None
}

fn is_linker(program: &str) -> bool {
    let name = Path::new(program).file_name().and_then(|name| name.to_str()).unwrap_or(program);
    let name = name.strip_suffix(".exe").unwrap_or(name);
    let has_name =
        |linker: &str| name.strip_suffix(linker).is_some_and(|prefix| prefix.is_empty() || prefix.ends_with('-'));
    LINKERS.iter().any(|linker| has_name(linker)) || name.starts_with("ld.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(line: &str) -> Role {
        Role::of(&line.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    fn unit(crate_name: &str, kind: UnitKind) -> Role {
        Role::Unit { crate_name: crate_name.into(), kind }
    }

    #[test]
    fn command_lines_say_what_they_work_for() {
        use UnitKind::{BuildScript, BuildScriptRun, Compile};
        for (line, expected) in [
            ("/t/bin/rustc --crate-name polars_core --edition=2024 src/lib.rs", unit("polars_core", Compile)),
            ("/w/target/xtask /t/bin/rustc --crate-name=serde src/lib.rs", unit("serde", Compile)),
            ("rustc --crate-name build_script_utils src/lib.rs --out-dir /t/deps", unit("build_script_utils", Compile)),
            (
                "rustc --crate-name build_script_build build.rs --out-dir /build/debug/build/a-b2-0123456789abcdef",
                unit("a-b2", BuildScript),
            ),
            (
                "rustc --crate-name build_script_main x.rs --out-dir /t/debug/build/a/0123456789abcdef/out",
                unit("a", BuildScript),
            ),
            ("rustc --crate-name build_script_build /r/foo-2d-1.2.3-rc.1/build.rs", unit("foo-2d", BuildScript)),
            ("rustc --crate-name build_script_build rust/maou_rust/build.rs", unit("maou_rust", BuildScript)),
            ("/t/debug/build/libz-sys-0123456789abcdef/build-script-build", unit("libz-sys", BuildScriptRun)),
            ("rustc -vV", Role::Other),
            ("rustc --crate-name", Role::Other),
            ("/usr/bin/cc -m64 a.o", Role::Linker),
            ("/usr/bin/aarch64-linux-gnu-gcc a.o", Role::Linker),
            ("rust-lld -flavor gnu", Role::Linker),
            ("ld.gold a.o", Role::Linker),
            ("/bin/build", Role::Other),
            ("cargo-build-ld2", Role::Other),
        ] {
            assert_eq!(role(line), expected, "{line}");
        }
        assert_eq!(Role::of(&[]), Role::Other);
    }

    #[test]
    fn what_a_unit_starts_belongs_to_it() {
        let wrapper = role("xtask rustc --crate-name app --crate-type bin").unit(10, None).unwrap();
        let rustc = role("rustc --crate-name app --crate-type bin").unit(11, Some(&wrapper)).unwrap();
        let driver = role("cc a.o").unit(12, Some(&rustc)).unwrap();
        let linker = role("/usr/lib/something -o app").unit(13, Some(&driver)).unwrap();
        assert_eq!((rustc.kind, rustc.leader), (UnitKind::Compile, 10));
        assert_eq!((driver.kind, driver.leader), (UnitKind::Link, 10));
        assert_eq!((linker.kind, &*linker.crate_name), (UnitKind::Link, "app"));
    }

    #[test]
    fn a_build_script_keeps_its_compilers() {
        let run = role("/t/build/zstd-sys-0123456789abcdef/build-script-build").unit(20, None).unwrap();
        let compiler = role("cc -c zstd.c").unit(21, Some(&run)).unwrap();
        let probe = role("rustc --crate-name probe - --emit=metadata").unit(22, Some(&run)).unwrap();
        assert_eq!(compiler, UnitName { crate_name: "zstd-sys".into(), kind: UnitKind::BuildScriptRun, leader: 20 });
        assert_eq!(probe, compiler);
    }

    #[test]
    fn a_process_on_its_own_has_no_unit() {
        assert_eq!(role("cargo build").unit(1, None), None);
        assert_eq!(role("cc a.c").unit(1, None), None);
    }
}
