//! Everything that preflight looks at, read once. Reading never fails: what cannot be known is `None`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::environment::Environment;
use super::linker::Linker;
use super::python::PythonFacts;
use super::toolchain::Toolchain;
use crate::flags::BuildFlags;
use crate::memory::{self, Snapshot};
use crate::python;
use crate::workspace::Workspace;
use crate::{cargo_config, env, proc};

pub(super) struct Facts {
    pub(super) machine: Snapshot,
    pub(super) requested_memory: Option<u64>,
    pub(super) disk: super::disk::Disk,
    pub(super) target_on_tmpfs: Option<bool>,
    pub(super) toolchain: Toolchain,
    pub(super) linker: Linker,
    pub(super) python: PythonFacts,
    /// Whether every crate that this target needs is in the registry cache.
    pub(super) registry_complete: Option<bool>,
    /// Packages of the resolved graph with `dtype-full`; `None` when the graph cannot be resolved without a network.
    pub(super) dtype_full: Option<Vec<String>>,
    pub(super) environment: Environment,
}

impl Facts {
    pub(super) fn gather(workspace: &Workspace, flags: &BuildFlags) -> Self {
        let mut sensor = memory::sensor(memory::Sensing::best());
        let shell = shell_in(&workspace.root);
        let toolchain = shell.as_ref().map(|shell| toolchain(shell, &workspace.root)).unwrap_or_default();
        let triple = toolchain.host.clone().unwrap_or_default();
        let linker = linker(shell.as_ref(), &workspace.root, &triple);
        let resolved = workspace.resolve(&triple, true).ok();
        Facts {
            machine: sensor.snapshot(),
            requested_memory: flags.memory,
            disk: super::disk::measure(&workspace.target),
            target_on_tmpfs: sensor.on_tmpfs(&workspace.target),
            linker,
            python: python_facts(&workspace.root),
            registry_complete: (!triple.is_empty()).then_some(resolved.is_some()),
            dtype_full: resolved.map(|graph| super::features::with_dtype_full(&graph)),
            environment: Environment::read(),
            toolchain,
        }
    }
}

fn shell_in(root: &Path) -> Option<xshell::Shell> {
    let shell = xshell::Shell::new().ok()?;
    shell.change_dir(root);
    Some(shell)
}

fn toolchain(shell: &xshell::Shell, root: &Path) -> Toolchain {
    let verbose = proc::read(shell, "rustc", &["-vV"]).unwrap_or_default();
    let field =
        |name: &str| verbose.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned());
    let wanted = std::fs::read_to_string(root.join("rust-toolchain.toml")).unwrap_or_default();
    Toolchain { release: field("release:"), host: field("host:"), wanted: super::toolchain::channel_in(&wanted) }
}

fn linker(shell: Option<&xshell::Shell>, root: &Path, triple: &str) -> Linker {
    let (variable, from_environment) = env::target_linker(triple);
    let configured = from_environment
        .map(|name| (variable, name))
        .or_else(|| super::linker::configured(cargo_config::settings(root), triple));
    let sysroot = shell.and_then(|shell| proc::read(shell, "rustc", &["--print", "sysroot"]));
    let bundled = sysroot.map(|path| PathBuf::from(path).join("lib/rustlib").join(triple).join("bin/gcc-ld"));
    let found = |name: &str| proc::find_on_path(OsStr::new(name)).is_some();
    Linker {
        configured_is_there: configured.as_ref().map(|(_, name)| found(name)),
        configured,
        rust_lld: triple == "x86_64-unknown-linux-gnu" && bundled.is_some_and(|path| path.is_dir()),
        c_compiler: ["cc", "gcc", "clang"].into_iter().find(|name| found(name)).map(str::to_owned),
        others: ["ld.lld", "mold", "ld"].into_iter().filter(|name| found(name)).map(str::to_owned).collect(),
        asked_by_flags: env::text(env::RUSTFLAGS)
            .and_then(|flags| super::linker::asked_in_flags(&flags))
            .map(|name| (name.clone(), found(&format!("ld.{name}")) || found(&name))),
    }
}

fn python_facts(root: &Path) -> PythonFacts {
    let venv = python::Venv::at(root);
    PythonFacts {
        found: python::find_interpreter(),
        advice: python::no_python(),
        venv_exists: venv.root.symlink_metadata().is_ok(),
        venv: python::ask(&venv.python),
        uv: python::uv(),
    }
}
