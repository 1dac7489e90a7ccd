//! Processes that do nothing, for the kernel to kill. Between the death of a compiler and the return of its memory the
//! kernel may kill again, whoever asks for memory then: one death in four was followed by another, 12 ms later
//! (docs/governor.md). It would take cargo, or the build itself, since that is what is left.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{ExitCode, Stdio};

use crate::proc::{self, Group};
use crate::{env, oom_score};

/// A few children that wait for their end.
#[derive(Debug)]
pub(super) struct Decoys {
    program: Option<PathBuf>,
    running: Vec<Group>,
}

/// The name under which this binary is a decoy.
pub(crate) const NAME: &str = "maou-decoy";

/// One was enough each time.
const COUNT: usize = 2;

/// Waits for the end if that is what this process was started for.
pub(crate) fn run_if_asked() -> Option<ExitCode> {
    if env::all_arguments().next()? != NAME {
        return None;
    }
    oom_score::offer(oom_score::DECOY);
    loop {
        std::thread::park();
    }
}

impl Decoys {
    pub(super) fn new() -> Self {
        // Elsewhere the kernel cannot be told whom to take.
        let program = if cfg!(target_os = "linux") { env::own_program().ok() } else { None };
        Decoys { program, running: Vec::new() }
    }

    /// Replaces those that were killed, and says how many that were.
    pub(super) fn refresh(&mut self) -> u64 {
        let before = self.running.len();
        self.running.retain_mut(|decoy| matches!(decoy.poll(), Ok(None)));
        let killed = before - self.running.len();
        while self.running.len() < COUNT {
            let Some(decoy) = self.spawn() else { break };
            self.running.push(decoy);
        }
        killed as u64
    }

    fn spawn(&self) -> Option<Group> {
        let mut command = proc::command(self.program.as_ref()?);
        command.arg0(NAME).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Group::spawn(command).ok()
    }
}
