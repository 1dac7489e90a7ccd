//! The only place that starts a process. Keeps exit code and signal, leaves no orphan.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::env;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Code(i32),
    Signal(i32),
}

/// A child that leads a process group of its own: a terminal's Ctrl-C reaches us alone, and we pass it on.
#[derive(Debug)]
pub(crate) struct Group {
    child: Child,
    ended: Option<End>,
    /// When it was asked to stop.
    stopping: Option<Instant>,
    /// It is in our group, and signals go to it alone.
    beside: bool,
}

/// Between asking a group to stop and ending it.
const GRACE: Duration = Duration::from_secs(3);

/// What Ctrl-C, SIGTERM and SIGHUP have asked for so far.
static SIGNALS: AtomicUsize = AtomicUsize::new(0);

impl End {
    pub(crate) fn succeeded(self) -> bool {
        self == End::Code(0)
    }
}

impl From<ExitStatus> for End {
    fn from(status: ExitStatus) -> Self {
        #[cfg(unix)]
        {
            use std::os::unix::process::ExitStatusExt as _;
            if let Some(signal) = status.signal() {
                return End::Signal(signal);
            }
        }
        End::Code(status.code().unwrap_or(1))
    }
}

impl fmt::Display for End {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Code(code) => write!(formatter, "exit status {code}"),
            End::Signal(9) => formatter.write_str("signal 9, SIGKILL"),
            End::Signal(15) => formatter.write_str("signal 15, SIGTERM"),
            End::Signal(2) => formatter.write_str("signal 2, SIGINT"),
            End::Signal(number) => write!(formatter, "signal {number}"),
        }
    }
}

impl Group {
    pub(crate) fn spawn(mut command: Command) -> anyhow::Result<Self> {
        os::lead_a_group(&mut command);
        Group::start(command, false)
    }

    /// In our own group, so that it can talk to the terminal that we are on; Ctrl-C reaches it too.
    pub(crate) fn spawn_beside(mut command: Command) -> anyhow::Result<Self> {
        os::die_with_us(&mut command);
        Group::start(command, true)
    }

    fn start(mut command: Command, beside: bool) -> anyhow::Result<Self> {
        let program = command.get_program().to_os_string();
        let child = command.spawn().with_context(|| format!("cannot start `{}`", program.display()))?;
        Ok(Group { child, ended: None, stopping: None, beside })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn child_mut(&mut self) -> &mut Child {
        &mut self.child
    }

    /// How the leader ended, or `None` while it runs.
    pub(crate) fn poll(&mut self) -> anyhow::Result<Option<End>> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().context("cannot wait for a child process")?.map(End::from);
        }
        Ok(self.ended)
    }

    /// Passes on what Ctrl-C and the like have asked of us: the first asks the group to stop, the second ends it, and so
    /// does waiting too long.
    pub(crate) fn pass_on_signals(&mut self) {
        match (interrupts(), self.stopping) {
            (0, _) => {}
            (1, None) => {
                self.stopping = Some(Instant::now());
                self.terminate();
            }
            (1, Some(since)) if since.elapsed() < GRACE => {}
            _ => self.kill(),
        }
    }

    /// Asks every process of the group to stop.
    fn terminate(&self) {
        self.signal(os::TERMINATE);
    }

    /// Ends every process of the group, at once.
    pub(crate) fn kill(&self) {
        self.signal(os::KILL);
    }

    fn signal(&self, signal: i32) {
        // One that has been waited for may have left its number to another process; a group keeps its own.
        if !self.beside {
            os::signal_group(self.pid(), signal);
        } else if self.ended.is_none() {
            os::signal_one(self.pid(), signal);
        }
    }
}

impl Drop for Group {
    /// Whatever way we leave, nothing that we started goes on.
    fn drop(&mut self) {
        if self.ended.is_none() {
            self.kill();
            let _ = self.child.wait();
        }
    }
}

/// A command with just the environment that we have: a compiler reads what cargo says of the package in it.
pub(crate) fn same_environment(program: impl AsRef<OsStr>) -> Command {
    #[expect(clippy::disallowed_methods, reason = "this is the one file that makes a Command")]
    Command::new(program)
}

/// Turns this process into `command`. Comes back only with an error, which has been said.
#[cfg(unix)]
pub(crate) fn become_it(command: &mut Command) -> std::process::ExitCode {
    use std::os::unix::process::CommandExt as _;
    let error = command.exec();
    crate::terminal::say!("error: cannot start `{}`: {error}", command.get_program().display());
    std::process::ExitCode::FAILURE
}

/// A command with an environment as the user's shell has it, not as `cargo run` has it.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that makes a Command")]
    let mut command = Command::new(program);
    for name in env::OURS_ALONE {
        command.env_remove(name);
    }
    command
}

/// The cargo that runs us, so that one toolchain does all the work.
pub(crate) fn cargo() -> Command {
    command(env::path(env::CARGO).unwrap_or_else(|| PathBuf::from("cargo")))
}

/// Where `program` is: as it stands when it has a folder, else the first match on PATH.
pub(crate) fn find_on_path(program: &OsStr) -> Option<PathBuf> {
    let path = Path::new(program);
    if path.components().count() > 1 {
        return is_executable(path).then(|| path.to_path_buf());
    }
    let file_name = format!("{}{}", program.to_string_lossy(), std::env::consts::EXE_SUFFIX);
    env::search_path().into_iter().map(|folder| folder.join(&file_name)).find(|path| is_executable(path))
}

pub(crate) fn is_on_path(program: &OsStr) -> bool {
    find_on_path(program).is_some()
}

/// Runs a short helper to its end and gives its standard output, trimmed; `None` when it cannot or will not.
pub(crate) fn read(shell: &xshell::Shell, program: impl AsRef<Path>, arguments: &[&str]) -> Option<String> {
    let output = shell.cmd(program.as_ref()).args(arguments).quiet().ignore_status().output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Counts Ctrl-C, SIGTERM and SIGHUP from now on, instead of dying of them, and adopts orphaned grandchildren, so that
/// they can be ended too.
pub(crate) fn catch_signals() {
    os::catch_signals();
}

/// Has `handler` hear of Ctrl-C, SIGTERM and SIGHUP instead of dying of them, but for those that are ignored. It must be
/// async-signal-safe.
#[cfg(unix)]
pub(crate) fn on_signals(handler: extern "C" fn(libc::c_int)) {
    os::on_signals(handler);
}

/// Whether the user, or the terminal, wants us to stop.
pub(crate) fn interrupted() -> bool {
    interrupts() > 0
}

/// How often we were asked to stop; the second time means: at once.
pub(crate) fn interrupts() -> usize {
    SIGNALS.load(Ordering::Relaxed)
}

#[cfg(unix)]
fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(path: &Path) -> bool {
    path.is_file()
}

#[cfg(unix)]
mod os {
    use std::os::unix::process::CommandExt as _;
    use std::process::Command;
    use std::sync::atomic::Ordering;

    #[cfg(target_os = "linux")]
    use crate::oom_score;

    pub(super) const TERMINATE: i32 = libc::SIGTERM;
    pub(super) const KILL: i32 = libc::SIGKILL;

    pub(super) fn lead_a_group(command: &mut Command) {
        command.process_group(0);
        die_with_us(command);
    }

    pub(super) fn die_with_us(command: &mut Command) {
        #[cfg(not(target_os = "linux"))]
        let _ = command;
        #[cfg(target_os = "linux")]
        // SAFETY: both are async-signal-safe and touch nothing of ours.
        unsafe {
            command.pre_exec(|| {
                // If we are killed in a way that we cannot see, the child goes too.
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
                oom_score::offer(oom_score::REPLACEABLE);
                Ok(())
            });
        }
    }

    pub(super) fn signal_group(leader: u32, signal: i32) {
        let Ok(leader) = libc::pid_t::try_from(leader) else { return };
        // SAFETY: kill takes two integers; a group that is gone is an error that we want to ignore.
        unsafe {
            libc::kill(-leader, signal);
        }
    }

    pub(super) fn signal_one(process: u32, signal: i32) {
        let Ok(process) = libc::pid_t::try_from(process) else { return };
        // SAFETY: as above.
        unsafe {
            libc::kill(process, signal);
        }
    }

    pub(super) fn on_signals(handler: extern "C" fn(libc::c_int)) {
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
            // SAFETY: signal takes an integer and a function of this signature.
            unsafe {
                let before = libc::signal(signal, handler as *const () as libc::sighandler_t);
                if before == libc::SIG_IGN {
                    // `nohup`, or a shell's background job: whoever started us wants this signal ignored.
                    libc::signal(signal, libc::SIG_IGN);
                }
            }
        }
    }

    pub(super) fn catch_signals() {
        extern "C" fn count(_signal: libc::c_int) {
            super::SIGNALS.fetch_add(1, Ordering::Relaxed);
        }
        // It does one atomic addition, which is async-signal-safe.
        on_signals(count);
        #[cfg(target_os = "linux")]
        // SAFETY: prctl with this option takes one integer; failure leaves us as we were.
        unsafe {
            libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1);
        }
    }
}

#[cfg(not(unix))]
mod os {
    //! Windows: no signals and no groups. Ctrl-C ends the console's processes all together.
    use std::process::Command;

    pub(super) const TERMINATE: i32 = 15;
    pub(super) const KILL: i32 = 9;

    pub(super) fn lead_a_group(_command: &mut Command) {}

    pub(super) fn die_with_us(_command: &mut Command) {}

    pub(super) fn signal_group(_leader: u32, _signal: i32) {}

    pub(super) fn signal_one(_process: u32, _signal: i32) {}

    pub(super) fn catch_signals() {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_says_its_signal() {
        assert_eq!(End::Signal(9).to_string(), "signal 9, SIGKILL");
        assert_eq!(End::Code(101).to_string(), "exit status 101");
        assert!(End::Code(0).succeeded());
        assert!(!End::Signal(15).succeeded());
    }

    #[cfg(unix)]
    #[test]
    fn a_group_dies_with_its_handle() {
        let mut shell = command("sh");
        shell.args(["-c", "sleep 1000 & wait"]);
        let group = Group::spawn(shell).expect("sh runs");
        let leader = group.pid();
        drop(group);
        // SAFETY: signal 0 only asks whether the group exists.
        let alive = unsafe { libc::kill(-libc::pid_t::try_from(leader).expect("a pid"), 0) } == 0;
        // A member that is a zombie still counts as alive until it is reaped; only a running one is an orphan.
        let running = alive && running_members(leader) > 0;
        assert!(!running, "a member of group {leader} is still running");
    }

    #[cfg(unix)]
    fn running_members(leader: u32) -> usize {
        let listing = command("ps").args(["-eo", "pgid=,stat="]).output().expect("ps runs");
        String::from_utf8_lossy(&listing.stdout)
            .lines()
            .filter(|line| {
                let mut words = line.split_whitespace();
                words.next() == Some(&leader.to_string()) && !words.next().unwrap_or("Z").starts_with('Z')
            })
            .count()
    }
}
