//! The ledger's file. Several builds may read, append to and compact it at once, be killed while they do, and run out of
//! disk.
//!
//! An appender opens the file anew for each line and writes the line with one call, which O_APPEND keeps whole. A
//! compaction reads, writes beside and renames; what was appended in between would be lost with the old file. So it holds
//! a lock, exclusively, that appenders share for the moment of their write. The lock is on a file of its own, as the
//! ledger's is another one after the rename. Nobody waits long for it: a compaction that does not get it is left to the
//! next build, an appender that does not get it writes all the same, and risks one line.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Error, ErrorKind, Read as _, Result, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::time::Duration;

use crate::run_record::write_atomically;

/// Only the end of a larger file is read.
pub(super) const READ_AT_MOST: u64 = 8 << 20;

/// A second in all: a compaction takes milliseconds, and one that was stopped in the middle must not stop a build.
const LOCK_TRIES: usize = 500;
const LOCK_PAUSE: Duration = Duration::from_millis(2);

/// Whole lines at the end of the file; nothing where there is none that can be read.
pub(super) fn read(path: &Path) -> String {
    let bytes = tail(path).unwrap_or_default();
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// The file's length, 0 where there is none.
pub(super) fn length(path: &Path) -> u64 {
    path.metadata().map_or(0, |metadata| metadata.len())
}

/// Appends `line`, which ends with a line break.
///
/// # Errors
///
/// When the folder or the file cannot be written. What has been written of the line by then stays a line of its own.
pub(super) fn append(path: &Path, line: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let _lock = shared_lock(path);
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
    // The last writer may have been killed, or found the disk full, in the middle of its line.
    let text = if ends_whole(&mut file)? { line.to_owned() } else { format!("\n{line}") };
    let written = write_once(&mut file, text.as_bytes())?;
    if written < text.len() {
        let _ = file.write(b"\n");
        return Err(Error::new(ErrorKind::StorageFull, "no room for a whole line"));
    }
    Ok(())
}

/// Replaces the file's text by what `shorter` makes of it, where there is nobody who writes to it just now.
pub(super) fn compact(path: &Path, shorter: impl FnOnce(&str) -> String) -> anyhow::Result<()> {
    let Ok(lock) = lock_file(path) else { return Ok(()) };
    if lock.try_lock().is_err() {
        return Ok(());
    }
    write_atomically(path, &shorter(&read(path)))
}

fn tail(path: &Path) -> Result<Vec<u8>> {
    // A pipe or a device in the ledger's place would never end.
    if !path.metadata()?.is_file() {
        return Ok(Vec::new());
    }
    let mut file = File::open(path)?;
    let surplus = file.metadata()?.len().saturating_sub(READ_AT_MOST);
    file.seek(SeekFrom::Start(surplus))?;
    let mut text = Vec::new();
    file.take(READ_AT_MOST).read_to_end(&mut text)?;
    if surplus > 0 {
        let first = text.iter().position(|byte| *byte == b'\n').map_or(text.len(), |end| end + 1);
        text.drain(..first);
    }
    Ok(text)
}

fn ends_whole(file: &mut File) -> Result<bool> {
    let mut last = [b'\n'];
    if file.seek(SeekFrom::End(0))? > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    Ok(last == [b'\n'])
}

fn write_once(file: &mut File, text: &[u8]) -> Result<usize> {
    loop {
        match file.write(text) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// `None` where somebody compacts for longer than that takes, or the file system has no locks.
fn shared_lock(path: &Path) -> Option<File> {
    let file = lock_file(path).ok()?;
    for _ in 0..LOCK_TRIES {
        match file.try_lock_shared() {
            Ok(()) => return Some(file),
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(_)) => return None,
        }
    }
    None
}

fn lock_file(path: &Path) -> Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path.with_extension("lock"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::Folder;
    use super::*;

    #[test]
    fn lines_of_many_writers_stay_whole() {
        let folder = Folder::new("writers");
        let path = folder.ledger();
        std::thread::scope(|scope| {
            for writer in 0..8 {
                let path = &path;
                scope.spawn(move || {
                    for count in 0..50 {
                        let line = format!("{writer} {count} {}\n", "x".repeat(3000));
                        append(path, &line).expect("writable");
                        if count % 10 == 0 {
                            compact(path, str::to_owned).expect("writable");
                        }
                    }
                });
            }
        });
        let text = read(&path);
        // Who looks at the end of the file while another one writes may take its line for a half one.
        let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
        assert_eq!(lines.len(), 400, "none lost to a compaction");
        for line in lines {
            let words: Vec<&str> = line.split(' ').collect();
            assert!(words.len() == 3 && words[2].len() == 3000, "{}", &line[..20.min(line.len())]);
        }
    }

    #[test]
    fn a_half_line_stays_alone() {
        let folder = Folder::new("half");
        let path = folder.ledger();
        append(&path, "whole\n").expect("writable");
        std::fs::write(&path, "whole\nhal").expect("writable");
        append(&path, "next\n").expect("writable");
        assert_eq!(read(&path), "whole\nhal\nnext\n");
    }

    #[test]
    fn of_a_huge_file_the_end_is_read_in_whole_lines() {
        let folder = Folder::new("huge");
        let path = folder.ledger();
        let line = format!("{}\n", "y".repeat(999));
        std::fs::write(&path, line.repeat(9000)).expect("writable");
        let text = read(&path);
        assert!(text.len() as u64 <= READ_AT_MOST && text.len() as u64 > READ_AT_MOST - 1000);
        assert!(text.starts_with("yyyy") && text.len().is_multiple_of(1000));
        assert!(read(&folder.0).is_empty(), "a folder has no lines");
    }

    #[test]
    fn a_compaction_that_finds_a_writer_is_left_alone() {
        let folder = Folder::new("busy");
        let path = folder.ledger();
        append(&path, "a\n").expect("writable");
        let writer = shared_lock(&path).expect("free");
        compact(&path, |_| String::new()).expect("not begun");
        assert_eq!(read(&path), "a\n");
        drop(writer);
        compact(&path, |_| "b\n".to_owned()).expect("writable");
        assert_eq!(read(&path), "b\n");
    }
}
