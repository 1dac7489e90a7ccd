//! What the governor asks of a Unix system beyond the standard library.

use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;

/// This user's number.
pub(super) fn user() -> u32 {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::getuid() }
}

/// Whether a process with this id exists. One of another user's does too.
pub(super) fn is_alive(pid: u32) -> bool {
    let Ok(pid) = libc::pid_t::try_from(pid) else { return false };
    // SAFETY: signal 0 only asks.
    unsafe { libc::kill(pid, 0) == 0 || *errno() == libc::EPERM }
}

/// Ends a process group.
pub(super) fn kill_group(leader: u32) {
    let Ok(leader) = libc::pid_t::try_from(leader) else { return };
    if leader > 1 {
        // SAFETY: kill takes two integers; a group that is gone is an error that we want to ignore.
        unsafe {
            libc::kill(-leader, libc::SIGKILL);
        }
    }
}

/// Ends one process.
pub(super) fn kill(pid: u32) {
    let Ok(pid) = libc::pid_t::try_from(pid) else { return };
    if pid > 1 {
        // SAFETY: as above.
        unsafe {
            libc::kill(pid, libc::SIGKILL);
        }
    }
}

/// Whether the process at the other end is this user's. The folder is private already; this is the second lock.
#[cfg(target_os = "linux")]
pub(super) fn is_own_user(stream: &UnixStream) -> bool {
    credentials(stream).is_some_and(|peer| peer.uid == user())
}

/// The process at the other end, by the number that it has here; 0 where it has none.
#[cfg(target_os = "linux")]
pub(super) fn peer(stream: &UnixStream) -> Option<u32> {
    credentials(stream).and_then(|peer| u32::try_from(peer.pid).ok())
}

#[cfg(target_os = "linux")]
fn credentials(stream: &UnixStream) -> Option<libc::ucred> {
    // SAFETY: ucred is three integers; getsockopt writes at most the length that it is given.
    unsafe {
        let mut peer: libc::ucred = std::mem::zeroed();
        let mut length = size_of::<libc::ucred>() as libc::socklen_t;
        let got = libc::getsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut peer).cast(),
            &raw mut length,
        );
        (got == 0).then_some(peer)
    }
}

/// Nothing tells here.
#[cfg(not(target_os = "linux"))]
pub(super) fn peer(_stream: &UnixStream) -> Option<u32> {
    None
}

#[cfg(not(target_os = "linux"))]
pub(super) fn is_own_user(stream: &UnixStream) -> bool {
    let (mut uid, mut gid) = (0, 0);
    // SAFETY: getpeereid writes two integers.
    unsafe { libc::getpeereid(stream.as_raw_fd(), &raw mut uid, &raw mut gid) == 0 && uid == user() }
}

#[cfg(target_os = "linux")]
unsafe fn errno() -> *mut libc::c_int {
    // SAFETY: gives the address of this thread's errno.
    unsafe { libc::__errno_location() }
}

#[cfg(not(target_os = "linux"))]
unsafe fn errno() -> *mut libc::c_int {
    // SAFETY: as above, by its name on macOS and the BSDs.
    unsafe { libc::__error() }
}
