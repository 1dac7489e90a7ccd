//! What one run of rustc is: read from its command line and from what cargo tells it in the environment.

use std::path::{Path, PathBuf};

use crate::fnv;

/// What a wrapper knows of the compiler it is to start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Call {
    /// rustc's arguments, without the program itself.
    pub(crate) arguments: Vec<String>,
    /// The program: `/…/bin/rustc`.
    pub(crate) program: String,
    /// `CARGO_PKG_NAME`: a build script's crate name does not tell whose it is.
    pub(crate) package: String,
    /// `CARGO_PKG_VERSION`.
    pub(crate) version: String,
    /// `CARGO_MANIFEST_DIR`: where the sources are.
    pub(crate) manifest_dir: PathBuf,
    /// Where rustc runs, and what relative paths are relative to.
    pub(crate) folder: PathBuf,
}

/// A unit as the ledger knows it: runs with one and the same identity take the same memory.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Identity {
    /// The package, which for a library is the crate: `polars-core`.
    pub(crate) package: String,
    pub(crate) version: String,
    pub(crate) kind: Kind,
    /// FNV-1a of the sorted `--cfg feature="…"` values.
    pub(crate) features: String,
    /// `0` to `3`, `s`, `z`.
    pub(crate) opt_level: String,
    pub(crate) codegen_units: u32,
    /// FNV-1a of the other options that change what is generated: debug info, LTO, checks, target features, …
    pub(crate) options: String,
    /// `--target`, else the host: `x86_64-unknown-linux-gnu`.
    pub(crate) target: String,
    /// `1.95.0`.
    pub(crate) rustc: String,
}

/// What is made of a crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    Library,
    ProcMacro,
    /// A shared library for others than Rust: the extension. Linked.
    Cdylib,
    /// A program. Linked.
    Binary,
    BuildScript,
    /// `--test`. Linked.
    Test,
    /// Metadata only: `cargo check`, clippy.
    Check,
}

/// A unit with all that a schedule needs to know of its place in the graph.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Unit {
    pub(crate) identity: Identity,
    /// What this run's files are called: `libserde-f8aaf1f9eab74305`. Unique in a build.
    pub(crate) stem: String,
    /// The stems of the units whose files it reads: `--extern`.
    pub(crate) needs: Vec<String>,
    /// The crate's root file.
    pub(crate) source: Option<PathBuf>,
    /// The libraries it reads: what a linker has to take in.
    pub(crate) inputs: Vec<PathBuf>,
}

/// rustc's default without optimisation is 256 and incremental, 16 otherwise; cargo says nothing where the profile
/// says nothing.
const DEFAULT_UNITS_INCREMENTAL: u32 = 256;
const DEFAULT_UNITS: u32 = 16;

/// Options that name places and not what is made, and those that the identity has in fields of their own.
const NOT_IN_OPTIONS: [&str; 11] = [
    "metadata",
    "extra-filename",
    "incremental",
    "linker",
    "linker-flavor",
    "link-arg",
    "link-args",
    "ar",
    "opt-level",
    "codegen-units",
    "dlltool",
];

impl Call {
    /// Whether cargo runs this as a unit of a build. Its probes (`-vV`, `--print`, `-`) and what build scripts compile to
    /// find out what the compiler can do have no metadata hash; a cache that asks for the names of the sources makes
    /// nothing.
    pub(crate) fn is_unit(&self) -> bool {
        let makes_something =
            self.value("--emit").is_none_or(|emit| emit.split(',').any(|what| !what.starts_with("dep-info")));
        self.value("--crate-name").is_some() && self.codegen("metadata").is_some() && !self.has("-") && makes_something
    }

    /// `rustc` is the version, `host` the compiler's own triple.
    pub(crate) fn unit(&self, rustc: &str, host: &str) -> Unit {
        Unit {
            identity: self.identity(rustc, host),
            stem: self.stem(),
            needs: self.externs().filter_map(|path| stem_of(&path)).collect(),
            source: self.source(),
            inputs: self.externs().collect(),
        }
    }

    pub(crate) fn crate_name(&self) -> &str {
        self.value("--crate-name").unwrap_or_default()
    }

    /// `-C codegen-units`, or what rustc takes where it is not said.
    pub(crate) fn codegen_units(&self) -> u32 {
        let default = if self.codegen("incremental").is_some() { DEFAULT_UNITS_INCREMENTAL } else { DEFAULT_UNITS };
        self.codegen("codegen-units").and_then(|text| text.parse().ok()).unwrap_or(default)
    }

    fn identity(&self, rustc: &str, host: &str) -> Identity {
        let mut features: Vec<&str> = self
            .values("--cfg")
            .filter_map(|cfg| cfg.strip_prefix("feature="))
            .map(|name| name.trim_matches('"'))
            .collect();
        features.sort_unstable();
        let mut options: Vec<String> = self
            .codegen_options()
            .filter(|option| !NOT_IN_OPTIONS.contains(&option.split('=').next().unwrap_or(option)))
            .map(str::to_owned)
            .collect();
        options.extend(self.values("-Z").map(|option| format!("-Z{option}")));
        options.sort_unstable();
        let name = if self.package.is_empty() { self.crate_name() } else { &self.package };
        Identity {
            package: name.to_owned(),
            version: self.version.clone(),
            kind: self.kind(),
            features: fnv::hex(features.join(",").bytes()),
            opt_level: self.codegen("opt-level").unwrap_or("0").to_owned(),
            codegen_units: self.codegen_units(),
            options: fnv::hex(options.join(",").bytes()),
            target: self.value("--target").unwrap_or(host).to_owned(),
            rustc: rustc.to_owned(),
        }
    }

    fn kind(&self) -> Kind {
        let emits_code = self.value("--emit").is_none_or(|emit| emit.split(',').any(|what| what.starts_with("link")));
        let types: Vec<&str> = self.values("--crate-type").flat_map(|types| types.split(',')).collect();
        let is = |wanted: &str| types.contains(&wanted);
        if self.crate_name().starts_with("build_script_") && is("bin") {
            Kind::BuildScript
        } else if !emits_code {
            Kind::Check
        } else if self.has("--test") {
            Kind::Test
        } else if is("proc-macro") {
            Kind::ProcMacro
        } else if is("cdylib") || is("dylib") {
            Kind::Cdylib
        } else if is("bin") {
            Kind::Binary
        } else {
            Kind::Library
        }
    }

    fn stem(&self) -> String {
        let extra = self.codegen("extra-filename").or_else(|| self.codegen("metadata")).unwrap_or_default();
        format!("{}{extra}", self.crate_name())
    }

    fn source(&self) -> Option<PathBuf> {
        let root = self.arguments.iter().find(|argument| argument.ends_with(".rs") && !argument.starts_with('-'))?;
        Some(self.folder.join(root))
    }

    /// `--extern name=path`, with or without `priv:` and the like before the name.
    fn externs(&self) -> impl Iterator<Item = PathBuf> {
        self.values("--extern").filter_map(|text| text.split_once('=')).map(|(_, path)| self.folder.join(path))
    }

    fn has(&self, flag: &str) -> bool {
        self.arguments.iter().any(|argument| argument == flag)
    }

    fn value<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.values(name).next()
    }

    /// Each `name value` and `name=value`.
    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let next = self.arguments.iter().skip(1).map(String::as_str).chain(std::iter::once(""));
        self.arguments.iter().zip(next).filter_map(move |(argument, next)| match argument.strip_prefix(name)? {
            "" => Some(next),
            rest => rest.strip_prefix('='),
        })
    }

    /// The values of `-C x`, `-Cx` and `--codegen x`.
    fn codegen_options(&self) -> impl Iterator<Item = &str> {
        let joined =
            self.arguments.iter().filter_map(|argument| argument.strip_prefix("-C")).filter(|rest| !rest.is_empty());
        self.values("-C").chain(self.values("--codegen")).chain(joined).filter(|text| !text.is_empty())
    }

    fn codegen(&self, name: &str) -> Option<&str> {
        self.codegen_options().filter_map(|option| option.strip_prefix(name)?.strip_prefix('=')).last()
    }
}

impl Kind {
    pub(crate) const ALL: [Kind; 7] =
        [Kind::Library, Kind::ProcMacro, Kind::Cdylib, Kind::Binary, Kind::BuildScript, Kind::Test, Kind::Check];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Library => "lib",
            Kind::ProcMacro => "proc-macro",
            Kind::Cdylib => "cdylib",
            Kind::Binary => "bin",
            Kind::BuildScript => "build-script",
            Kind::Test => "test",
            Kind::Check => "check",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether a linker runs: what needs whole libraries and not their metadata only.
    pub(crate) fn links(self) -> bool {
        !matches!(self, Kind::Library | Kind::Check)
    }
}

impl Identity {
    /// What people read: `polars-core`, `serde (build script)`.
    pub(crate) fn label(&self) -> String {
        match self.kind {
            Kind::BuildScript => format!("{} (build script)", self.package),
            Kind::Test => format!("{} (test)", self.package),
            _ => self.package.clone(),
        }
    }
}

/// `serde-f8aaf1f9eab74305` for `/…/libserde-f8aaf1f9eab74305.rmeta`.
fn stem_of(path: &Path) -> Option<String> {
    let stem = path.file_stem()?.to_str()?;
    Some(stem.strip_prefix("lib").unwrap_or(stem).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(line: &str) -> Call {
        Call {
            arguments: line.split(' ').map(str::to_owned).collect(),
            program: "rustc".into(),
            package: "serde_derive".into(),
            version: "1.0.229".into(),
            manifest_dir: "/r/serde_derive".into(),
            folder: "/w".into(),
        }
    }

    const MACRO: &str = "--crate-name serde_derive --edition=2021 src/lib.rs --error-format=json --crate-type proc-macro \
        --emit=dep-info,link -C prefer-dynamic -C embed-bitcode=no -C metadata=1e83 -C extra-filename=-89 --out-dir /t \
        -L dependency=/t --cfg feature=\"b\" --cfg feature=\"a\" --extern syn=/t/libsyn-68.rlib --extern proc_macro";

    #[test]
    fn cargos_units_are_told_from_its_probes() {
        assert!(call(MACRO).is_unit());
        for probe in [
            "-vV",
            "- --crate-name ___ --print=file-names",
            "--edition=2021 --crate-name=proc_macro2 --crate-type=lib --emit=dep-info,metadata src/probe.rs",
            "--crate-name a src/lib.rs --emit dep-info -C metadata=1e83",
        ] {
            assert!(!call(probe).is_unit(), "{probe}");
        }
    }

    #[test]
    fn a_unit_knows_what_it_needs_and_what_needs_it() {
        let unit = call(MACRO).unit("1.95.0", "x86_64-unknown-linux-gnu");
        assert_eq!((unit.stem.as_str(), unit.needs), ("serde_derive-89", vec!["syn-68".to_owned()]));
        assert_eq!(unit.source, Some("/w/src/lib.rs".into()));
        assert_eq!((unit.identity.kind, unit.identity.codegen_units), (Kind::ProcMacro, 16));
        assert_eq!(
            (unit.identity.opt_level.as_str(), unit.identity.target.as_str()),
            ("0", "x86_64-unknown-linux-gnu")
        );
    }

    #[test]
    fn what_names_a_place_is_not_in_the_identity() {
        let here = call(MACRO).unit("1.95.0", "h").identity;
        let there = MACRO.replace("1e83", "ffff").replace("-89", "-11").replace("/t", "/elsewhere");
        let swapped =
            there.replace("--cfg feature=\"b\" --cfg feature=\"a\"", "--cfg feature=\"a\" --cfg feature=\"b\"");
        assert_eq!(call(&swapped).unit("1.95.0", "h").identity, here);
        assert_ne!(call(&format!("{MACRO} -C debuginfo=2")).unit("1.95.0", "h").identity, here);
        assert_ne!(call(&format!("{MACRO} -Copt-level=3")).unit("1.95.0", "h").identity, here);
        assert_ne!(call(&format!("{MACRO} --codegen codegen-units=256")).unit("1.95.0", "h").identity, here);
        assert_ne!(call(&format!("{MACRO} --cfg feature=\"c\"")).unit("1.95.0", "h").identity, here);
        assert_ne!(call(MACRO).unit("1.96.0", "h").identity, here);
    }

    #[test]
    fn kinds_by_what_comes_out() {
        let kind = |line: &str| call(line).kind();
        assert_eq!(kind("--crate-name a --crate-type lib --emit=dep-info,metadata"), Kind::Check);
        assert_eq!(kind("--crate-name a --crate-type lib --emit=dep-info,metadata,link"), Kind::Library);
        assert_eq!(kind("--crate-name build_script_build --crate-type bin --emit=dep-info,link"), Kind::BuildScript);
        assert_eq!(kind("--crate-name a --crate-type cdylib --emit=link"), Kind::Cdylib);
        assert_eq!(kind("--crate-name a --test --emit=link"), Kind::Test);
        for kind in Kind::ALL {
            assert_eq!(Kind::parse(kind.name()), Some(kind));
        }
    }
}
