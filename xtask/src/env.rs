//! The only reader of the environment: the list of all that it can change in a build.

#![expect(clippy::disallowed_methods, reason = "this is the one file that may read the environment")]

use std::ffi::OsString;
use std::path::PathBuf;

/// The cargo that runs us; set by cargo itself.
pub(crate) const CARGO: &str = "CARGO";
/// Where cargo keeps the registry.
pub(crate) const CARGO_HOME: &str = "CARGO_HOME";
pub(crate) const CARGO_BUILD_JOBS: &str = "CARGO_BUILD_JOBS";
pub(crate) const CARGO_INCREMENTAL: &str = "CARGO_INCREMENTAL";
/// The profile of `cargo xtask build` where no `--profile` is given. Cargo itself does not read it.
pub(crate) const CARGO_PROFILE: &str = "CARGO_PROFILE";
pub(crate) const CARGO_ENCODED_RUSTFLAGS: &str = "CARGO_ENCODED_RUSTFLAGS";
pub(crate) const RUSTFLAGS: &str = "RUSTFLAGS";
pub(crate) const RUSTC_WRAPPER: &str = "RUSTC_WRAPPER";
/// The folder of the governor that watches over this build; set for cargo and all that it starts.
pub(crate) const GOVERNOR: &str = "XTASK_GOVERNOR";
/// What a wrapper has to know to be admitted.
pub(crate) const GOVERNOR_KEY: &str = "XTASK_GOVERNOR_KEY";
/// The wrapper that the user had set, which goes before ours.
pub(crate) const INNER_WRAPPER: &str = "XTASK_INNER_WRAPPER";
/// The compiler that a chained wrapper was not told of.
pub(crate) const REAL_RUSTC: &str = "XTASK_RUSTC";
pub(crate) const CARGO_BUILD_RUSTC_WRAPPER: &str = "CARGO_BUILD_RUSTC_WRAPPER";
pub(crate) const CARGO_MAKEFLAGS: &str = "CARGO_MAKEFLAGS";
/// Where a jobserver is told, in the order in which rustc looks.
pub(crate) const MAKE_FLAGS: [&str; 3] = [CARGO_MAKEFLAGS, "MAKEFLAGS", "MFLAGS"];
pub(crate) const CARGO_PKG_NAME: &str = "CARGO_PKG_NAME";
pub(crate) const CARGO_PKG_VERSION: &str = "CARGO_PKG_VERSION";
pub(crate) const CARGO_TARGET_DIR: &str = "CARGO_TARGET_DIR";
pub(crate) const CARGO_BUILD_TARGET_DIR: &str = "CARGO_BUILD_TARGET_DIR";
pub(crate) const CARGO_MANIFEST_DIR: &str = "CARGO_MANIFEST_DIR";
pub(crate) const RUSTUP_TOOLCHAIN: &str = "RUSTUP_TOOLCHAIN";
/// What rustc's allocator reads.
pub(crate) const MALLOC_CONF: &str = "MALLOC_CONF";
/// The folder for sockets and the like that a user's session has.
pub(crate) const XDG_RUNTIME_DIR: &str = "XDG_RUNTIME_DIR";
/// The Python to make `.venv` with, where the one on PATH is not the one that is wanted.
pub(crate) const MAOU_PYTHON: &str = "MAOU_PYTHON";
/// `true` on machines that check what is submitted.
pub(crate) const CI: &str = "CI";
/// `true` turns on the tests against S3, and against Google Cloud Storage; `false` turns them off where `CI` is `true`.
pub(crate) const TEST_AWS: &str = "TEST_AWS";
pub(crate) const TEST_GCP: &str = "TEST_GCP";
pub(crate) const PATH: &str = "PATH";
pub(crate) const HOME: &str = "HOME";
const COLUMNS: &str = "COLUMNS";

/// Variables that `cargo run` sets for us and that must not reach the cargo we start: its build scripts would take our
/// package for theirs.
pub(crate) const OURS_ALONE: &[&str] = &[
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_PATH",
    "CARGO_PKG_AUTHORS",
    "CARGO_PKG_DESCRIPTION",
    "CARGO_PKG_HOMEPAGE",
    "CARGO_PKG_LICENSE",
    "CARGO_PKG_LICENSE_FILE",
    "CARGO_PKG_NAME",
    "CARGO_PKG_README",
    "CARGO_PKG_REPOSITORY",
    "CARGO_PKG_RUST_VERSION",
    "CARGO_PKG_VERSION",
    "CARGO_PKG_VERSION_MAJOR",
    "CARGO_PKG_VERSION_MINOR",
    "CARGO_PKG_VERSION_PATCH",
    "CARGO_PKG_VERSION_PRE",
];

/// The command line without the program's name.
pub(crate) fn arguments() -> Vec<OsString> {
    std::env::args_os().skip(1).collect()
}

/// The command line, beginning with the name under which we were started.
pub(crate) fn all_arguments() -> std::env::ArgsOs {
    std::env::args_os()
}

/// Where this process runs; empty when that folder has gone.
pub(crate) fn current_folder() -> PathBuf {
    std::env::current_dir().unwrap_or_default()
}

/// This program's own file.
pub(crate) fn own_program() -> std::io::Result<PathBuf> {
    std::env::current_exe()
}

/// The folder for temporary files.
pub(crate) fn temporary_folder() -> PathBuf {
    std::env::temp_dir()
}

/// A variable that is set and not empty, as text; what is not UTF-8 is shown with replacement characters.
pub(crate) fn text(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()).filter(|value| !value.is_empty())
}

/// A variable that is set, if only to nothing.
pub(crate) fn raw(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// A variable that holds a path.
pub(crate) fn path(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// The folders that programs are looked up in.
pub(crate) fn search_path() -> Vec<PathBuf> {
    std::env::var_os(PATH).map(|value| std::env::split_paths(&value).collect()).unwrap_or_default()
}

/// The names of all variables that begin with one of `prefixes`.
pub(crate) fn names_that_begin(prefixes: &[&str]) -> Vec<OsString> {
    let begins = |name: &OsString| prefixes.iter().any(|prefix| name.as_encoded_bytes().starts_with(prefix.as_bytes()));
    std::env::vars_os().map(|(name, _)| name).filter(begins).collect()
}

/// `CARGO_TARGET_<TRIPLE>_LINKER`, which overrides the configured linker.
pub(crate) fn target_linker(triple: &str) -> (String, Option<String>) {
    let name = format!("CARGO_TARGET_{}_LINKER", triple.to_uppercase().replace('-', "_"));
    let value = text(&name);
    (name, value)
}

/// The folder of xtask's own manifest: as cargo says it now, else as it was when this binary was compiled.
pub(crate) fn own_manifest_dir() -> PathBuf {
    path(CARGO_MANIFEST_DIR).unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")))
}

/// The width of the terminal as the shell exports it, where it does.
pub(crate) fn columns() -> Option<usize> {
    text(COLUMNS)?.parse().ok()
}
