//! Who stands between cargo and the compiler, and how a build with each is called.
//!
//! All build the same workspace with the same number of jobs, from an empty target directory, with caches that are
//! empty too: what is measured is what each takes for a unit when it can do nothing for it.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;

use crate::bench::own::{self, Own};
use crate::{env, proc};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rival {
    /// Cargo alone.
    Plain,
    /// `cargo xtask govern`.
    Ours,
    /// <https://crates.io/crates/sccache>, as RUSTC_WRAPPER.
    Sccache,
    /// <https://crates.io/crates/mbx>, as a front of cargo.
    Mbx,
}

/// Where and with what builds run.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) xtask: Own,
    /// The workspace.
    pub(super) workspace: PathBuf,
    pub(super) target: PathBuf,
    /// Of whoever has one.
    pub(super) cache: PathBuf,
    pub(super) jobs: usize,
}

/// One that is there.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) rival: Rival,
    program: PathBuf,
    /// Where its server listens, for one that has a server and no user's server shall be touched.
    port: u16,
}

pub(super) const RIVALS: [Rival; 4] = [Rival::Plain, Rival::Ours, Rival::Sccache, Rival::Mbx];

impl Rival {
    pub(super) fn name(self) -> &'static str {
        match self {
            Rival::Plain => "cargo",
            Rival::Ours => "ours",
            Rival::Sccache => "sccache",
            Rival::Mbx => "mbx",
        }
    }

    /// In `folder`, else on PATH. `None`: it is not there.
    pub(super) fn find(self, folder: Option<&Path>, scene: &Scene) -> anyhow::Result<Option<Found>> {
        let program = match self {
            Rival::Plain => Some(env::path(env::CARGO).unwrap_or_else(|| "cargo".into())),
            Rival::Ours => Some(scene.xtask.program.clone()),
            Rival::Sccache | Rival::Mbx => self.look_up(folder),
        };
        let port = if self == Rival::Sccache { free_port()? } else { 0 };
        Ok(program.map(|program| Found { rival: self, program, port }))
    }

    fn look_up(self, folder: Option<&Path>) -> Option<PathBuf> {
        let beside = folder.map(|folder| folder.join(self.name())).filter(|path| path.is_file());
        // Builds run in another directory than the one that a relative path was given in.
        std::path::absolute(beside.or_else(|| proc::find_on_path(self.name().as_ref()))?).ok()
    }
}

impl Found {
    /// A cold build of the scene's workspace. The target directory and the cache are the caller's to empty.
    pub(super) fn build(&self, scene: &Scene) -> Command {
        let jobs = scene.jobs.to_string();
        let mut command = match self.rival {
            Rival::Plain | Rival::Sccache => proc::cargo(),
            Rival::Ours => govern(scene, &jobs),
            Rival::Mbx => proc::command(&self.program),
        };
        command.args(["build", "--offline", "--locked", "--quiet"]);
        // What is governed takes its jobs from the governor, and cargo would only say so.
        if self.rival != Rival::Ours {
            command.args(["--jobs", &jobs]);
        }
        self.add_settings(&mut command, scene);
        in_the_open(&mut command, scene);
        command
    }

    /// Ends a server that would go on behind the build.
    pub(super) fn stop(&self, scene: &Scene) {
        if self.rival != Rival::Sccache {
            return;
        }
        let mut command = proc::command(&self.program);
        command.arg("--stop-server").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.add_settings(&mut command, scene);
        in_the_open(&mut command, scene);
        // It may have been ended with its build already.
        let _ = command.status();
    }

    fn add_settings(&self, command: &mut Command, scene: &Scene) {
        match self.rival {
            Rival::Plain | Rival::Ours => {}
            Rival::Sccache => {
                command.env("RUSTC_WRAPPER", &self.program).env("SCCACHE_DIR", scene.cache.join("sccache"));
                command.env("SCCACHE_SERVER_PORT", self.port.to_string());
                command.env("SCCACHE_CONF", scene.cache.join("none"));
            }
            Rival::Mbx => {
                command.env("MBX_CACHE_DIR", scene.cache.join("mbx")).env("MBX_GC_AUTO", "0");
                command.env("XDG_CONFIG_HOME", scene.cache.join("config")).env("XDG_CACHE_HOME", &scene.cache);
            }
        }
    }
}

/// `xtask govern -- cargo`, without what cargo is to do.
pub(super) fn govern(scene: &Scene, jobs: &str) -> Command {
    let mut command = scene.xtask.command();
    command.args(["govern", "--jobs", jobs, "--"]).arg(env::path(env::CARGO).unwrap_or_else(|| "cargo".into()));
    command
}

/// In the scene's workspace, and as if nobody had set anything.
pub(super) fn in_the_open(command: &mut Command, scene: &Scene) {
    command.current_dir(&scene.workspace).env("CARGO_TARGET_DIR", &scene.target);
    // A cache could not keep what is incremental, and would stand aside.
    command.env("CARGO_INCREMENTAL", "0");
    own::undisturbed(command);
}

/// Free now, and hardly taken until the server listens.
fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("cannot find a free port for a server")?;
    Ok(listener.local_addr().context("cannot find a free port for a server")?.port())
}

#[cfg(test)]
pub(super) fn example_scene() -> Scene {
    Scene {
        xtask: Own { program: "/opt/xtask".into(), version: "1".into() },
        workspace: std::env::temp_dir(),
        target: "/t".into(),
        cache: "/c".into(),
        jobs: 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(rival: Rival) -> (String, Command) {
        let found = Found { rival, program: "/opt/tool".into(), port: 4711 };
        let command = found.build(&example_scene());
        let words = command.get_args().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ");
        (words, command)
    }

    fn variable(command: &Command, name: &str) -> Option<String> {
        let set = command.get_envs().find(|(set, _)| *set == name)?.1?;
        Some(set.to_string_lossy().into_owned())
    }

    #[test]
    fn all_build_the_same_with_as_many_jobs() {
        let (plain, command) = words(Rival::Plain);
        assert_eq!(plain, "build --offline --locked --quiet --jobs 3");
        assert_eq!(variable(&command, "CARGO_TARGET_DIR").as_deref(), Some("/t"));
        assert_eq!((words(Rival::Sccache).0, words(Rival::Mbx).0), (plain.clone(), plain));
        let (ours, _) = words(Rival::Ours);
        assert!(
            ours.starts_with("govern --jobs 3 -- ") && ours.ends_with("build --offline --locked --quiet"),
            "{ours}"
        );
    }

    #[test]
    fn a_user_s_cache_and_server_are_left_alone() {
        let (_, sccache) = words(Rival::Sccache);
        assert_eq!(variable(&sccache, "RUSTC_WRAPPER").as_deref(), Some("/opt/tool"));
        assert_eq!(variable(&sccache, "SCCACHE_DIR").as_deref(), Some("/c/sccache"));
        assert_eq!(variable(&sccache, "SCCACHE_SERVER_PORT").as_deref(), Some("4711"));
        let (_, mbx) = words(Rival::Mbx);
        assert_eq!(mbx.get_program(), "/opt/tool");
        assert_eq!(variable(&mbx, "MBX_CACHE_DIR").as_deref(), Some("/c/mbx"));
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        let scene = example_scene();
        assert!(Rival::Plain.find(None, &scene).expect("needs no port").is_some());
        assert_eq!(
            Rival::Ours.find(None, &scene).expect("needs no port").map(|found| found.program),
            Some(scene.xtask.program.clone())
        );
        let empty = std::env::temp_dir().join("xtask-bench-nothing-is-here");
        assert!(Rival::Mbx.look_up(Some(&empty)).is_none_or(|path| !path.starts_with(&empty)));
    }
}
