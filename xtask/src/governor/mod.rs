//! The governor: builds within the memory there is.
//!
//! ```text
//! xtask build                            holds cargo's pipes, draws the progress line, starts a dead governor again
//!   ├─ maou-governor                     decides; samples the tree; writes the ledger and the events
//!   │    └─ maou-decoy                   is there for the kernel to kill in cargo's place
//!   └─ cargo (or maturin, pip, uv)       offers every unit that is ready, `RUSTC_WRAPPER` is …
//!        └─ maou-rustc                   asks, waits, runs …
//!             └─ rustc                   with a jobserver of its own
//!                  └─ cc, ld             measured with it, ended with it
//! ```
//!
//! Any one of these can be killed. The governor: the wrappers wait for the next one, or go on one at a time. A wrapper:
//! the kernel ends its compiler, and the command is run again, which goes on where it was. Cargo: we end what it
//! started. We: the governor does.
//!
//! | module | is |
//! |---|---|
//! | `scheduler` | the decisions, pure: `step(event, now) -> actions`; start reading there |
//! | `unit` | what a rustc command line is |
//! | `prediction`, `ledger`, `estimate`, `critical_path` | what a unit will take, and what waits for it |
//! | `budget` | what there still is |
//! | `simulation` | the scheduler on machines that are not at hand |
//! | `server` | the process around the scheduler |
//! | `frame`, `place`, `jobserver`, `pool`, `decoy`, `os` | the socket, the folder, tokens, other builds, whom the kernel may kill, Unix |
//! | this one | what `build` and `govern` see of it |
//!
//! Windows has neither the sockets nor the process groups that this stands on: builds run ungoverned there, and say so.

pub(crate) mod budget;
pub(crate) mod prediction;
pub(crate) mod unit;

pub(crate) mod critical_path;
pub(crate) mod estimate;
pub(crate) mod ledger;
pub(crate) mod scheduler;
pub(crate) mod simulation;

#[cfg(unix)]
pub(crate) mod chain;
#[cfg(unix)]
pub(crate) mod decoy;
#[cfg(unix)]
pub(crate) mod frame;
#[cfg(unix)]
mod jobserver;
#[cfg(unix)]
mod os;
#[cfg(unix)]
pub(crate) mod place;
#[cfg(unix)]
mod pool;
#[cfg(unix)]
pub(crate) mod server;
#[cfg(unix)]
mod starter;
#[cfg(not(unix))]
#[path = "starter_elsewhere.rs"]
mod starter;

use std::path::PathBuf;

pub(crate) use starter::Governor;

/// What a build wants of its governor.
#[derive(Debug, Clone)]
pub(crate) struct Wishes {
    /// Processors that it may use.
    pub(crate) slots: usize,
    /// Memory that it may use, bytes, where that was said.
    pub(crate) memory: Option<u64>,
    /// What there is now, bytes; 0 where nobody knows.
    pub(crate) available: u64,
    /// `target/xtask`: the ledger, and the stable copy of this binary.
    pub(crate) own_files: PathBuf,
    /// Where the events of this run go.
    pub(crate) events: PathBuf,
}
