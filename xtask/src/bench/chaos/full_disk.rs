//! A file system that is full, for one command and all that it starts: a tiny one in memory is mounted over a folder, in
//! a mount namespace of the command's own. Nobody else sees it, and it goes with the last process in it.

use std::process::Command;

/// Whether this user may do so.
pub(super) fn is_possible() -> bool {
    let folder = std::env::temp_dir();
    let mut command = crate::proc::command("true");
    mount(&mut command, &folder, 4096) && command.status().is_ok_and(|status| status.success())
}

/// Lets `command` find a file system of `bytes` at `folder`, which is there. `false`: not on this system.
#[cfg(target_os = "linux")]
pub(super) fn mount(command: &mut Command, folder: &std::path::Path, bytes: u64) -> bool {
    use std::ffi::CString;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::process::CommandExt as _;

    let options = CString::new(format!("size={bytes},mode=755"));
    let (Ok(folder), Ok(options)) = (CString::new(folder.as_os_str().as_bytes()), options) else { return false };
    // SAFETY: unshare and mount are system calls, on strings that are there before the fork.
    unsafe {
        command.pre_exec(move || {
            let nothing = std::ptr::null();
            let private = libc::MS_REC | libc::MS_PRIVATE;
            let tmpfs = c"tmpfs".as_ptr();
            let mounted = libc::unshare(libc::CLONE_NEWNS) == 0
                // Else what is mounted here would be mounted for everybody.
                && libc::mount(nothing, c"/".as_ptr(), nothing, private, nothing.cast()) == 0
                && libc::mount(tmpfs, folder.as_ptr(), tmpfs, 0, options.as_ptr().cast()) == 0;
            if mounted { Ok(()) } else { Err(std::io::Error::last_os_error()) }
        });
    }
    true
}

#[cfg(not(target_os = "linux"))]
pub(super) fn mount(_command: &mut Command, _folder: &std::path::Path, _bytes: u64) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_full_for_the_command_and_for_nobody_else() {
        if !is_possible() {
            eprintln!("skipped: needs to be root on Linux");
            return;
        }
        let folder = std::env::temp_dir().join(format!("xtask-chaos-full-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("writable");
        let mut command = crate::proc::command("sh");
        command.args(["-c", &format!("head -c 9000 /dev/zero > {}/a", folder.display())]);
        assert!(mount(&mut command, &folder, 8192));
        assert!(!command.output().expect("sh runs").status.success());
        assert_eq!(std::fs::read_dir(&folder).expect("there").filter_map(Result::ok).count(), 0);
        std::fs::remove_dir_all(&folder).expect("ours");
    }
}
