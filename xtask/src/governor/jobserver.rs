//! GNU make's jobserver, as named pipes: a byte is a token, and whoever reads one may run one more thread or job.
//!
//! Two uses. One pipe for the whole build is cargo's: it takes a token for each unit that it offers, so that the number
//! of tokens says how many units it may offer, and `-j`, which build scripts would see as `NUM_JOBS`, stays what it is.
//! And one for each running unit: rustc takes a token for each codegen thread beyond its first, and a killed rustc
//! takes its tokens with it without harming others.

use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// A named pipe and how many tokens of it are about.
#[derive(Debug)]
pub(crate) struct Jobserver {
    path: PathBuf,
    pipe: File,
    /// Tokens in the pipe and in others' hands.
    count: usize,
}

/// A pipe holds 4096 bytes at least, wherever it is.
const MOST: usize = 4096;

impl Jobserver {
    /// Makes the pipe, or opens the one that an earlier governor has left.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        make(path)?;
        // Both ways: a pipe without a writer reads as ended, and one without a reader cannot be opened.
        let pipe = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(path)?;
        let mut server = Jobserver { path: path.to_owned(), pipe, count: 0 };
        server.count = server.idle();
        Ok(server)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Tokens that nobody has taken.
    pub(crate) fn idle(&self) -> usize {
        let mut count: libc::c_int = 0;
        // SAFETY: FIONREAD writes one integer.
        let asked = unsafe { libc::ioctl(self.pipe.as_raw_fd(), libc::FIONREAD, &raw mut count) };
        if asked == 0 { usize::try_from(count).unwrap_or(0) } else { 0 }
    }

    /// Puts tokens in, or takes back those that lie there, until `wanted` are about. Those in others' hands can only be
    /// taken back once they are put down: ask again.
    pub(crate) fn set(&mut self, wanted: usize) {
        let wanted = wanted.min(MOST);
        // Some that were given up as lost may have come back.
        self.count = self.count.max(self.idle());
        if wanted > self.count {
            let tokens = vec![b'+'; wanted - self.count];
            self.count += self.pipe.write(&tokens).unwrap_or(0);
        } else if wanted < self.count {
            let mut tokens = vec![0; self.count - wanted];
            self.count -= self.pipe.read(&mut tokens).unwrap_or(0).min(self.count);
        }
    }

    /// Gives up tokens that others have taken: they are gone with a program that was killed.
    pub(crate) fn give_up_taken(&mut self) {
        self.count = self.idle();
    }
}

impl Drop for Jobserver {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// What tells a program of the jobserver at `path`.
pub(crate) fn make_flags(path: &Path) -> String {
    let path = path.display();
    // Both spellings: make has changed its mind about the name. The space says that no flags of one letter follow.
    format!(" -j --jobserver-fds=fifo:{path} --jobserver-auth=fifo:{path}")
}

fn make(path: &Path) -> io::Result<()> {
    let name = CString::new(path.as_os_str().as_bytes()).map_err(io::Error::other)?;
    // SAFETY: mkfifo reads a string that ends with a zero.
    if unsafe { libc::mkfifo(name.as_ptr(), 0o600) } == 0 {
        return Ok(());
    }
    match io::Error::last_os_error() {
        error if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        error => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env;

    #[test]
    fn tokens_go_in_and_come_back() {
        let path = env::temporary_folder().join(format!("xtask-jobserver-{}", std::process::id()));
        let mut server = Jobserver::open(&path).expect("a pipe");
        server.set(3);
        assert_eq!(server.idle(), 3);
        let mut client = File::open(&path).expect("ours");
        client.read_exact(&mut [0]).expect("a token");
        assert_eq!(server.idle(), 2);
        server.set(0);
        assert_eq!((server.idle(), server.count), (0, 1), "one is in another's hands");
        OpenOptions::new().write(true).open(&path).and_then(|mut file| file.write_all(b"+")).expect("put down");
        server.set(0);
        assert_eq!((server.idle(), server.count), (0, 0));
        drop(server);
        assert!(!path.exists());
    }

    #[test]
    fn tokens_that_died_with_their_taker_are_replaced_and_those_that_come_back_are_not_too_many() {
        let path = env::temporary_folder().join(format!("xtask-jobserver-lost-{}", std::process::id()));
        let mut server = Jobserver::open(&path).expect("a pipe");
        server.set(3);
        File::open(&path).and_then(|mut file| file.read_exact(&mut [0; 3])).expect("three tokens");
        server.set(3);
        assert_eq!(server.idle(), 0, "they may still come back");
        server.give_up_taken();
        server.set(3);
        assert_eq!(server.idle(), 3);
        OpenOptions::new().write(true).open(&path).and_then(|mut file| file.write_all(b"++")).expect("put down");
        server.set(3);
        assert_eq!(server.idle(), 3);
    }
}
