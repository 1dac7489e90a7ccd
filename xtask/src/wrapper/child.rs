//! The compiler as a process: in a group of its own with what it starts, gone when we are, first in line for the kernel.

use std::io::{self, Read as _};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::process::CommandExt as _;
use std::process::{ChildStderr, Command, Stdio};

use super::relay::contains;
use crate::{env, oom_score};

/// What linkers' drivers say, in rustc's error about them, when something below rustc was killed.
const KILLED_LINKER: [&str; 6] = [
    "terminated with signal 9",
    "terminated with signal 15",
    "failed: signal: 9",
    "failed: signal: 15",
    "unable to execute command: Killed",
    "Killed signal terminated program",
];

/// A running compiler.
#[derive(Debug)]
pub(super) struct Compiler {
    pid: libc::pid_t,
    stderr: ChildStderr,
    /// Becomes readable when the compiler ends; only Linux has it.
    ends: Option<OwnedFd>,
    /// Both ends of a jobserver without tokens, where the governor gave none.
    _no_tokens: Option<(OwnedFd, OwnedFd)>,
}

/// How it ended and what it took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Exit {
    pub(super) code: Option<i32>,
    pub(super) signal: Option<i32>,
    pub(super) cpu_us: u64,
    pub(super) resident_kib: u64,
}

impl Compiler {
    /// `tokens` is the path of a jobserver's FIFO; without one the compiler has the one thread that it always has.
    pub(super) fn start(mut command: Command, tokens: Option<&str>) -> io::Result<Self> {
        let no_tokens = if tokens.is_some() { None } else { Some(pipe()?) };
        let auth = match (&no_tokens, tokens) {
            (Some((read, write)), _) => format!("{},{}", read.as_raw_fd(), write.as_raw_fd()),
            (None, path) => format!("fifo:{}", path.unwrap_or_default()),
        };
        let flags = format!(" -j --jobserver-fds={auth} --jobserver-auth={auth}");
        for name in env::MAKE_FLAGS {
            command.env(name, &flags);
        }
        command.stderr(Stdio::piped()).process_group(0);
        let parent = std::process::id();
        // SAFETY: only system calls that are async-signal-safe, on memory that is there before the fork.
        unsafe {
            command.pre_exec(move || prepare(parent));
        }
        let mut child = command.spawn()?;
        let stderr = child.stderr.take().ok_or_else(|| io::Error::other("no stderr"))?;
        set_nonblocking(stderr.as_raw_fd());
        let pid = libc::pid_t::try_from(child.id()).map_err(io::Error::other)?;
        Ok(Compiler { pid, stderr, ends: pidfd(pid), _no_tokens: no_tokens })
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid.unsigned_abs()
    }

    pub(super) fn stderr_fd(&self) -> RawFd {
        self.stderr.as_raw_fd()
    }

    pub(super) fn end_fd(&self) -> Option<RawFd> {
        self.ends.as_ref().map(OwnedFd::as_raw_fd)
    }

    /// Reads what is there. `Ok(0)`: the pipe is closed; `None`: there is nothing now.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Option<usize> {
        match self.stderr.read(buffer) {
            Ok(count) => Some(count),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => None,
            Err(_) => Some(0),
        }
    }

    /// Ends the compiler and all that it started.
    pub(super) fn kill(&self) {
        // SAFETY: kill takes two integers.
        unsafe {
            libc::kill(-self.pid, libc::SIGKILL);
        }
    }

    /// How it ended, if it has.
    pub(super) fn poll(&self) -> Option<Exit> {
        let mut status = 0;
        // SAFETY: rusage is plain numbers, for which zero is a value; wait4 writes to the two places that it is given.
        let (ended, usage) = unsafe {
            let mut usage: libc::rusage = std::mem::zeroed();
            (libc::wait4(self.pid, &raw mut status, libc::WNOHANG, &raw mut usage), usage)
        };
        (ended == self.pid).then(|| Exit::of(status, &usage))
    }
}

impl Exit {
    fn of(status: libc::c_int, usage: &libc::rusage) -> Self {
        let code = libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status));
        let signal = libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status));
        let resident = u64::try_from(usage.ru_maxrss).unwrap_or(0);
        Exit {
            code,
            signal,
            cpu_us: micros(usage.ru_utime) + micros(usage.ru_stime),
            // macOS counts bytes.
            resident_kib: if cfg!(target_os = "macos") { resident / 1024 } else { resident },
        }
    }
}

/// Whether a line of stderr says that the linker was killed, or that memory was refused to the compiler.
pub(super) fn was_killed_inside(line: &[u8]) -> bool {
    let linker = contains(line, b"\"message\":\"linking with ")
        && KILLED_LINKER.iter().any(|words| contains(line, words.as_bytes()));
    // Rust's own allocator, and LLVM's, before they abort.
    linker || line.starts_with(b"memory allocation of ") || line.starts_with(b"LLVM ERROR: out of memory")
}

/// Ends this process as the compiler ended.
pub(super) fn end_like(exit: Exit) -> std::process::ExitCode {
    if let Some(signal) = exit.signal {
        // SAFETY: no memory is touched; the default action ends this process, without a second dump of the core.
        unsafe {
            let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
            libc::setrlimit(libc::RLIMIT_CORE, &raw const none);
            libc::signal(signal, libc::SIG_DFL);
            libc::raise(signal);
        }
    }
    std::process::ExitCode::from(u8::try_from(exit.code.unwrap_or(1)).unwrap_or(1))
}

/// Runs in the child, before the compiler does.
fn prepare(parent: u32) -> io::Result<()> {
    oom_score::offer(oom_score::COMPILER);
    #[cfg(target_os = "linux")]
    // SAFETY: prctl and getppid are async-signal-safe.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        // Our end may have come before that line.
        if u32::try_from(libc::getppid()).ok() != Some(parent) {
            return Err(io::Error::other("the wrapper has gone"));
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = parent;
    Ok(())
}

/// A pipe that the compiler inherits.
fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [0; 2];
    // SAFETY: pipe writes two file descriptors, which are then ours alone.
    unsafe {
        if libc::pipe(ends.as_mut_ptr()) != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok((OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])))
    }
}

#[cfg(target_os = "linux")]
fn pidfd(pid: libc::pid_t) -> Option<OwnedFd> {
    // SAFETY: the system call takes two integers and gives a file descriptor, which is then ours alone.
    unsafe {
        let file = libc::syscall(libc::SYS_pidfd_open, pid, 0);
        RawFd::try_from(file).ok().filter(|file| *file >= 0).map(|file| OwnedFd::from_raw_fd(file))
    }
}

#[cfg(not(target_os = "linux"))]
fn pidfd(_pid: libc::pid_t) -> Option<OwnedFd> {
    None
}

pub(super) fn set_nonblocking(file: RawFd) {
    // SAFETY: fcntl on a descriptor that is open, with integer arguments.
    unsafe {
        let flags = libc::fcntl(file, libc::F_GETFL);
        libc::fcntl(file, libc::F_SETFL, flags | libc::O_NONBLOCK);
    }
}

fn micros(time: libc::timeval) -> u64 {
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000 + u64::try_from(time.tv_usec).unwrap_or(0)
}
