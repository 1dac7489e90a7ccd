//! This very program as a benchmark's subject, and an environment in which no build is helped or hindered by settings
//! that are this user's alone.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::{env, fnv, proc};

/// What the environment may not say, all names that begin so.
const TAKEN_AWAY: &[&str] = &[
    "CARGO_BUILD_",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_INCREMENTAL",
    "CARGO_MAKEFLAGS",
    "CARGO_PROFILE",
    "CARGO_TARGET_DIR",
    "KACHE_",
    "MAKEFLAGS",
    "MBX_",
    "MFLAGS",
    "NUM_JOBS",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_WRAPPER",
    "RUSTFLAGS",
    "SCCACHE_",
    "XTASK_",
];

/// A copy of this program: a benchmark takes hours, and the original may be compiled anew meanwhile.
#[derive(Debug, Clone)]
pub(super) struct Own {
    pub(super) program: PathBuf,
    /// Runs of different programs are not put together.
    pub(super) version: String,
}

impl Own {
    pub(super) fn copied_to(folder: &Path) -> anyhow::Result<Self> {
        let program = folder.join(format!("xtask{}", std::env::consts::EXE_SUFFIX));
        let own = env::own_program().context("cannot find xtask's own program")?;
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::copy(&own, &program))
            .with_context(|| format!("cannot copy {} to {}", own.display(), program.display()))?;
        let bytes = std::fs::read(&program).context("cannot read the copy of xtask")?;
        Ok(Own { program, version: format!("xtask {}", fnv::hex(bytes)) })
    }

    /// The copy, in the checkout that we are in: it may have been compiled in another one.
    pub(super) fn command(&self) -> Command {
        let mut command = proc::command(&self.program);
        command.env(env::CARGO_MANIFEST_DIR, env::own_manifest_dir());
        command
    }
}

/// Takes away what the environment says about wrappers, job servers, flags and profiles, but for what `command` has
/// been given for itself: call it last.
pub(super) fn undisturbed(command: &mut Command) {
    command.env("CARGO_TERM_COLOR", "never");
    for name in env::names_that_begin(TAKEN_AWAY) {
        if command.get_envs().all(|(set, _)| set != name) {
            command.env_remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_set_for_the_command_stays() {
        let mut command = proc::command("true");
        command.env("RUSTC_WRAPPER", "ours");
        undisturbed(&mut command);
        let set = command.get_envs().find(|(name, _)| *name == "RUSTC_WRAPPER");
        assert_eq!(set.and_then(|(_, value)| value), Some("ours".as_ref()));
    }

    #[test]
    fn the_copy_is_this_program() {
        let folder = std::env::temp_dir().join(format!("xtask-bench-own-{}", std::process::id()));
        let own = Own::copied_to(&folder).expect("writable");
        assert_eq!(own.program.metadata().expect("there").len(), env::own_program().unwrap().metadata().unwrap().len());
        assert!(own.version.starts_with("xtask "));
        std::fs::remove_dir_all(&folder).expect("ours");
    }
}
