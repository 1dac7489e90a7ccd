//! In which order the kernel ends processes when memory is out: compilers first, then what can be started again, and this
//! program, which does that, last. Anybody may offer himself; nobody may be spared without privileges.

use std::ffi::CStr;

/// Compilers and what they start: the governor runs them again.
pub(crate) const COMPILER: &CStr = c"500";
/// Processes that nobody needs. A compiler that is killed takes a tenth of a second to give its memory back; who asks the
/// kernel for memory meanwhile makes it kill again.
pub(crate) const DECOY: &CStr = c"300";
/// Cargo, its wrappers and the governor: a step is run again without them, and goes on where it was.
pub(crate) const REPLACEABLE: &CStr = c"100";

/// Offers the calling process. Async-signal-safe. A kernel or a container that does not allow it is no reason not to go on.
#[cfg(target_os = "linux")]
pub(crate) fn offer(score: &CStr) {
    // SAFETY: open, write and close on a string that ends, in memory that nobody changes.
    unsafe {
        let file = libc::open(c"/proc/self/oom_score_adj".as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        if file >= 0 {
            libc::write(file, score.as_ptr().cast(), score.count_bytes());
            libc::close(file);
        }
    }
}

/// Only Linux can be told.
#[cfg(not(target_os = "linux"))]
pub(crate) fn offer(_score: &CStr) {}
