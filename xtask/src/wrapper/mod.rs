//! What cargo starts in place of rustc, once for each unit: it waits for its turn, runs the compiler, and tells the
//! governor what that took.
//!
//! The same binary as xtask, under a name and with an environment of its own; nothing else of xtask runs in it, so that
//! a waiting one is small. It holds nothing while it waits.
//!
//! - Cargo's probes and what build scripts compile to find out about the compiler go straight through: this process
//!   becomes the compiler.
//! - A wrapper that the user has set, such as sccache, goes before us: we start it with a `rustc` that is us again, so
//!   that a hit costs no turn and a miss compiles under the governor, also when a server starts the compiler.
//! - Stderr goes to cargo line by line, as it comes: cargo starts dependents on the line that says that the metadata is
//!   there. On a further attempt the lines that cargo has had are left out; it must not have an artifact twice.
//! - What a linker says when it is killed is kept back until it is clear that there is no other attempt.
//! - Exit code and signal are the compiler's.
//! - Without a governor (it was killed, its socket is gone) units run one at a time behind a lock, and a killed one is
//!   tried again here.
//! - When cargo dies, we end the compiler; when we are killed, the kernel does.

mod child;
mod link;
mod relay;
mod run;
mod slim;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::governor::unit::Call;
use crate::{env, proc};

/// The name under which this binary is a wrapper.
pub(crate) const NAME: &str = "maou-rustc";
/// The name that a chained wrapper must see: it tells compilers by theirs.
pub(crate) const COMPILER_NAME: &str = "rustc";

/// Everything that a wrapper has been told.
struct Orders {
    /// Where the governor's socket and locks are.
    folder: PathBuf,
    key: String,
    program: OsString,
    arguments: Vec<OsString>,
}

/// Does a wrapper's work if that is what this process was started for.
pub(crate) fn run_if_asked() -> Option<ExitCode> {
    let mut arguments = env::all_arguments();
    let name = arguments.next().map(PathBuf::from)?;
    let name = name.file_stem()?.to_str()?;
    let governor = env::path(env::GOVERNOR).zip(env::text(env::GOVERNOR_KEY));
    let orders = match name {
        NAME => {
            let program = arguments.next()?;
            let Some((folder, key)) = governor else {
                // Somebody has kept `RUSTC_WRAPPER` and nothing else of a governed build.
                return Some(proc::become_it(proc::same_environment(program).args(arguments)));
            };
            if let Some(outer) = env::path(env::INNER_WRAPPER) {
                return Some(chain(&outer, &folder, &program, arguments));
            }
            Orders { folder, key, program, arguments: arguments.collect() }
        }
        COMPILER_NAME => {
            let (folder, key) = governor?;
            let program = env::path(env::REAL_RUSTC)?.into_os_string();
            Orders { folder, key, program, arguments: arguments.collect() }
        }
        _ => return None,
    };
    Some(wrap(&orders))
}

fn wrap(orders: &Orders) -> ExitCode {
    let call = call(orders);
    if !call.is_unit() {
        return proc::become_it(proc::same_environment(&orders.program).args(&orders.arguments));
    }
    run::run(orders, &call)
}

/// The user's wrapper, with us as its compiler.
fn chain(outer: &Path, folder: &Path, program: &OsString, arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let mut command = proc::same_environment(outer);
    command.arg(folder.join(COMPILER_NAME)).args(arguments).env(env::REAL_RUSTC, program);
    proc::become_it(&mut command)
}

fn call(orders: &Orders) -> Call {
    let words = orders.arguments.iter().map(|argument| argument.to_string_lossy().into_owned());
    Call {
        arguments: words.flat_map(expanded).collect(),
        program: orders.program.to_string_lossy().into_owned(),
        package: env::text(env::CARGO_PKG_NAME).unwrap_or_default(),
        version: env::text(env::CARGO_PKG_VERSION).unwrap_or_default(),
        manifest_dir: env::path(env::CARGO_MANIFEST_DIR).unwrap_or_default(),
        folder: env::current_folder(),
    }
}

/// `@file` stands for the lines of a file: cargo writes one where a command line is too long for the system.
fn expanded(word: String) -> Vec<String> {
    let lines = word.strip_prefix('@').and_then(|path| std::fs::read_to_string(path).ok());
    lines.map_or_else(|| vec![word], |text| text.lines().map(str::to_owned).collect())
}
