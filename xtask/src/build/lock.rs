//! One build in a checkout at a time: a second one waits, and says for whom.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::proc;

/// Held until dropped; the kernel lets go of it when its owner dies.
#[derive(Debug)]
pub(crate) struct BuildLock {
    _file: File,
}

const NAME: &str = "build.lock";
const POLL: Duration = Duration::from_millis(200);

impl BuildLock {
    pub(crate) fn take(folder: &Path, say: &mut dyn FnMut(&str)) -> anyhow::Result<Self> {
        let path = folder.join(NAME);
        let open = || {
            std::fs::create_dir_all(folder)?;
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)
        };
        let mut file = open().with_context(|| {
            format!("cannot write to {}; make it writable, or point CARGO_TARGET_DIR elsewhere", folder.display())
        })?;
        wait_for(&mut file, say)?;
        // Who holds it is a courtesy to the one that waits.
        let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| write!(file, "{}", std::process::id()));
        Ok(BuildLock { _file: file })
    }
}

/// Keeps builds away while what they made is removed; refuses while one runs. Nothing to hold where nothing was built.
pub(crate) fn keep_builds_away(folder: &Path) -> anyhow::Result<Option<File>> {
    let Ok(mut file) = OpenOptions::new().read(true).write(true).open(folder.join(NAME)) else { return Ok(None) };
    if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
        bail!(
            "a build runs in this checkout (process {}): wait for its end, or end it, and run this again",
            owner(&mut file)
        );
    }
    Ok(Some(file))
}

fn wait_for(file: &mut File, say: &mut dyn FnMut(&str)) -> anyhow::Result<()> {
    let mut said = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => {}
            // A file system without locks: cargo's own lock still keeps two builds apart.
            Err(TryLockError::Error(_)) => return Ok(()),
        }
        if !said {
            said = true;
            say(&format!("another build runs in this checkout (process {}); waiting for it to end", owner(file)));
        }
        if proc::interrupted() {
            bail!("interrupted while waiting for the other build");
        }
        std::thread::sleep(POLL);
    }
}

fn owner(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.rewind().and_then(|()| file.read_to_string(&mut text));
    if read.is_ok() && !text.is_empty() { text } else { "unknown".to_owned() }
}
