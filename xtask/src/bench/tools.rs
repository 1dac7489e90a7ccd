//! The tools: how each is found, called, and kept from everything that an earlier build left behind.
//!
//! All of them build the same crate with the same settings of cargo, from the same lock file and without the network. What
//! the user's environment says about wrappers, job servers, flags and profiles is taken away from all of them alike.
//!
//! The two that are caches get a cache, a ledger and a configuration that are new for each run: their schedulers then
//! govern as they do on a first build, and nothing can come out of the cache. Everything else stays as they have it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::str::FromStr;

use anyhow::{Context as _, bail};
use xshell::Shell;

use super::Folders;
use super::flags::{BuildBench, known};
use super::matrix::Cell;
use super::own::{self, Own};
use crate::terminal::say;
use crate::{env, proc};

/// In the order in which tables have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tool {
    /// `cargo xtask build`.
    Ours,
    /// Cargo alone.
    Cargo,
    /// Cargo alone with one job, whatever the others have: what people do today when a build is killed.
    CargoOneJob,
    /// <https://crates.io/crates/mbx>
    Mbx,
    /// <https://crates.io/crates/kache>
    Kache,
}

/// A tool that is there.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) tool: Tool,
    program: PathBuf,
    /// Runs of different versions are not put together.
    pub(super) version: String,
}

const TOOLS: [Tool; 5] = [Tool::Ours, Tool::Cargo, Tool::CargoOneJob, Tool::Mbx, Tool::Kache];

impl Tool {
    pub(super) fn name(self) -> &'static str {
        match self {
            Tool::Ours => "ours",
            Tool::Cargo => "cargo",
            Tool::CargoOneJob => "cargo-j1",
            Tool::Mbx => "mbx",
            Tool::Kache => "kache",
        }
    }
}

impl FromStr for Tool {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let tool = TOOLS.into_iter().find(|tool| tool.name() == text);
        tool.ok_or_else(|| known(text, &TOOLS.map(Tool::name)))
    }
}

impl Found {
    /// The build that `cell` is about.
    pub(super) fn command(&self, cell: &Cell, extension: &str, folders: &Folders) -> Command {
        let mut command = match self.tool {
            Tool::Ours => self.ours(),
            Tool::Cargo | Tool::CargoOneJob => cargo_build(proc::cargo(), extension),
            Tool::Mbx => self.mbx(extension, &folders.cache()),
            Tool::Kache => self.kache(extension, &folders.cache()),
        };
        command.args(["--profile", cell.profile.of_cargo(), "--jobs", &cell.jobs.to_string()]);
        command.args(["--locked", "--offline"]);
        if let Some(features) = cell.profile.features() {
            command.args(["--features", features]);
        }
        command.current_dir(&folders.root).env(env::CARGO_TARGET_DIR, folders.target());
        own::undisturbed(&mut command);
        command
    }

    fn ours(&self) -> Command {
        let mut command = proc::command(&self.program);
        command.args(["build", "--no-install", "--json"]);
        command
    }

    /// Mbx is a front of cargo that refuses to be RUSTC_WRAPPER: it sets that itself, to a shim that talks to an agent
    /// which lives as long as the build. Permits, their memory ledger and the cache are all below MBX_CACHE_DIR.
    fn mbx(&self, extension: &str, cache: &Path) -> Command {
        let mut command = cargo_build(proc::command(&self.program), extension);
        elsewhere(&mut command, cache);
        command.env("MBX_CACHE_DIR", cache.join("mbx"));
        // Sweeping an empty cache in the background is work that no user's build has.
        command.env("MBX_GC_AUTO", "0");
        command
    }

    /// Kache is RUSTC_WRAPPER. The first compiler starts a daemon, which does the work of all: it is in the cage too,
    /// is measured with the build, and ends with the cage.
    fn kache(&self, extension: &str, cache: &Path) -> Command {
        let mut command = cargo_build(proc::cargo(), extension);
        elsewhere(&mut command, cache);
        command.env("RUSTC_WRAPPER", &self.program).env("KACHE_CACHE_DIR", cache.join("kache"));
        // There is no such file: neither the user's settings nor, with an empty name, the machine's are read.
        command.env("KACHE_CONFIG", cache.join("kache.toml")).env("KACHE_HOST_CONFIG", "");
        command.env("KACHE_LOCAL_ONLY", "1").env("KACHE_AUTO_GC", "0");
        // It would copy what other checkouts on this machine have built into the cold target directory.
        command.env("KACHE_SEED_NEW_TARGETS", "0");
        command
    }
}

/// Those of the tools that are there; says which are not, and why.
pub(super) fn find_all(options: &BuildBench, folders: &Folders) -> anyhow::Result<Vec<Found>> {
    let mut found = Vec::new();
    for tool in &options.tools {
        match find(*tool, options, folders)? {
            Some(tool) => found.push(tool),
            None => say!(
                "skipped: no `{}` that works in --tool-path or on PATH; `cargo install {0} --locked` installs it",
                tool.name()
            ),
        }
    }
    if found.is_empty() {
        bail!("none of the tools is there, so that there is nothing to measure");
    }
    Ok(found)
}

/// Has everything that the builds need in the registry, so that none of them waits for a network.
pub(super) fn fetch(root: &Path) -> anyhow::Result<()> {
    let fetch = |arguments: &[&str], stderr: Stdio| -> anyhow::Result<bool> {
        let mut command = proc::cargo();
        command.current_dir(root).args(["fetch", "--locked", "--quiet"]).args(arguments);
        Ok(command.stdin(Stdio::null()).stderr(stderr).status().context("cannot start cargo")?.success())
    };
    // The first one only finds out whether a network is needed.
    if fetch(&["--offline"], Stdio::null())? || fetch(&[], Stdio::inherit())? {
        return Ok(());
    }
    bail!("cargo fetch --locked failed, and the builds run offline: mend what it says above")
}

fn find(tool: Tool, options: &BuildBench, folders: &Folders) -> anyhow::Result<Option<Found>> {
    let shell = Shell::new().context("cannot look for tools")?;
    let found = match tool {
        Tool::Ours => {
            let own = Own::copied_to(&folders.base)?;
            Some((own.program, own.version))
        }
        Tool::Cargo | Tool::CargoOneJob => {
            let program = env::path(env::CARGO).unwrap_or_else(|| "cargo".into());
            proc::read(&shell, &program, &["--version"]).map(|version| (program, version))
        }
        Tool::Mbx | Tool::Kache => look_up(tool.name(), options).and_then(|program| {
            let version = proc::read(&shell, &program, &["--version"])?;
            Some((program, version))
        }),
    };
    Ok(found.map(|(program, version)| Found { tool, program, version }))
}

fn look_up(name: &str, options: &BuildBench) -> Option<PathBuf> {
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    let beside = options.tool_path.as_ref().map(|folder| folder.join(file)).filter(|path| path.is_file());
    // The build runs in another directory than the one that a relative path was given in.
    std::path::absolute(beside.or_else(|| proc::find_on_path(name.as_ref()))?).ok()
}

fn cargo_build(mut command: Command, extension: &str) -> Command {
    command.args(["build", "--package", extension]);
    command
}

/// Keeps a tool from the user's own settings and caches.
fn elsewhere(command: &mut Command, cache: &Path) {
    command.env("XDG_CONFIG_HOME", cache.join("config")).env("XDG_CACHE_HOME", cache);
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::super::matrix::example;
    use super::*;

    fn words(tool: Tool, cell: &str) -> (String, Command) {
        let found = Found { tool, program: "/opt/bin/tool".into(), version: "1".into() };
        let folders = Folders { root: "/checkout".into(), base: "/checkout/target/xtask/bench".into() };
        let command = found.command(&example(cell), "maou_rust", &folders);
        let arguments: Vec<&str> = command.get_args().filter_map(OsStr::to_str).collect();
        (arguments.join(" "), command)
    }

    fn variable(command: &Command, name: &str) -> Option<String> {
        let set = command.get_envs().find(|(set, _)| *set == name)?.1?;
        Some(set.to_string_lossy().into_owned())
    }

    #[test]
    fn every_tool_builds_the_same() {
        let (ours, _) = words(Tool::Ours, "dev 1G 8 ours");
        assert_eq!(ours, "build --no-install --json --profile dev --jobs 8 --locked --offline");
        let (cargo, _) = words(Tool::Cargo, "release none 2 cargo");
        assert_eq!(cargo, "build --package maou_rust --profile release --jobs 2 --locked --offline");
        let (lazy, _) = words(Tool::CargoOneJob, "lazy none 1 cargo-j1");
        assert!(lazy.ends_with("--profile dev --jobs 1 --locked --offline --features maou_index/lazy"), "{lazy}");
        assert_eq!(words(Tool::Mbx, "release none 2 mbx").0, cargo);
        assert_eq!(words(Tool::Kache, "release none 2 kache").0, cargo);
    }

    #[test]
    fn caches_are_new_for_each_run() {
        let (_, mbx) = words(Tool::Mbx, "dev 1G 2 mbx");
        assert_eq!(mbx.get_program(), "/opt/bin/tool");
        assert_eq!(variable(&mbx, "MBX_CACHE_DIR").as_deref(), Some("/checkout/target/xtask/bench/cache/mbx"));
        let (_, kache) = words(Tool::Kache, "dev 1G 2 kache");
        assert_eq!(variable(&kache, "RUSTC_WRAPPER").as_deref(), Some("/opt/bin/tool"));
        assert_eq!(variable(&kache, "KACHE_CACHE_DIR").as_deref(), Some("/checkout/target/xtask/bench/cache/kache"));
        for command in [mbx, kache] {
            let target = variable(&command, "CARGO_TARGET_DIR");
            assert_eq!(target.as_deref(), Some("/checkout/target/xtask/bench/target"));
        }
    }

    #[test]
    fn names_are_read_as_they_are_shown() {
        for tool in TOOLS {
            assert_eq!(tool.name().parse(), Ok(tool));
        }
    }
}
