//! One budget for all governed builds of a user on a machine: each says what it still takes, and reads what the others
//! say.
//!
//! A file for each build, in a folder that all of them find, held locked for as long as its governor lives; the kernel
//! lets go of the lock when it dies, and what it had claimed is free at once. Deciding and saying so happen under one
//! more lock, so that no two builds promise the same memory twice.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

/// What one build says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Claim {
    /// What its running units are predicted to grow by, bytes.
    pub(crate) promised: u64,
    /// What the first in its line needs, bytes, while it waits for memory.
    pub(crate) wanted: u64,
    /// Since when, milliseconds since 1970.
    pub(crate) wanted_since: u64,
    /// Processors that it uses.
    pub(crate) slots: u64,
    pub(crate) running: u64,
    pub(crate) waiting: u64,
}

/// What the others together mean for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Neighbours {
    pub(crate) builds: usize,
    /// Memory that is theirs to take, bytes: promised, and wanted by those who have waited longer than we have.
    pub(crate) reserved: u64,
    /// Processors that are left for us.
    pub(crate) slots: usize,
    /// Something of theirs runs, or is before us in line: with nothing of ours running we may wait for it.
    pub(crate) before_us: bool,
}

#[derive(Debug)]
pub(crate) struct Pool {
    folder: PathBuf,
    /// Builds in other control groups have other memory.
    group: String,
    own: PathBuf,
    file: File,
}

/// Held while a decision is made and said.
#[derive(Debug)]
pub(crate) struct Turn {
    _lock: Option<File>,
}

const FIELDS: usize = 6;

impl Pool {
    /// `group` names the memory that decides: builds with another one are not counted.
    pub(crate) fn join(folder: &Path, group: &str) -> std::io::Result<Self> {
        // Between opening and locking it would look as if its owner had died.
        let _turn = take_turn(folder);
        let own = folder.join(format!("{}.claim", std::process::id()));
        let file = OpenOptions::new().create(true).truncate(true).read(true).write(true).open(&own)?;
        file.try_lock().map_err(std::io::Error::other)?;
        Ok(Pool { folder: folder.to_owned(), group: group.to_owned(), own, file })
    }

    /// Waits for the others' decisions, which take microseconds.
    pub(crate) fn turn(&self) -> Turn {
        take_turn(&self.folder)
    }

    /// What the others have said, for a machine of `slots` processors.
    pub(crate) fn neighbours(&self, own: &Claim, slots: usize) -> Neighbours {
        let mut claims = Vec::new();
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path != self.own && path.extension().is_some_and(|ending| ending == "claim") {
                claims.extend(self.read(&path));
            }
        }
        neighbours(own, &claims, slots)
    }

    pub(crate) fn say(&mut self, claim: &Claim) {
        let mut text = self.group.clone();
        for number in claim.fields() {
            text.push_str(&format!("\n{number}"));
        }
        text.push_str("\n;");
        // A full disk: the others count us as they last heard of us.
        let _ = self.file.rewind().and_then(|()| self.file.write_all(text.as_bytes()));
    }

    fn read(&self, path: &Path) -> Option<Claim> {
        let mut file = File::open(path).ok()?;
        if file.try_lock_shared().is_ok() {
            // Its owner has died.
            let _ = fs::remove_file(path);
            return None;
        }
        let mut text = String::new();
        file.read_to_string(&mut text).ok()?;
        Claim::parse(text.split(';').next()?, &self.group)
    }
}

fn take_turn(folder: &Path) -> Turn {
    let lock = OpenOptions::new().create(true).truncate(false).write(true).open(folder.join("lock")).ok();
    Turn { _lock: lock.filter(|lock| lock.lock().is_ok()) }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.own);
    }
}

impl Claim {
    fn fields(&self) -> [u64; FIELDS] {
        [self.promised, self.wanted, self.wanted_since, self.slots, self.running, self.waiting]
    }

    fn parse(text: &str, group: &str) -> Option<Self> {
        let mut lines = text.lines();
        if lines.next()? != group {
            return None;
        }
        let mut next = || lines.next()?.parse().ok();
        Some(Claim {
            promised: next()?,
            wanted: next()?,
            wanted_since: next()?,
            slots: next()?,
            running: next()?,
            waiting: next()?,
        })
    }

    /// Whether its wait began before `other`'s.
    fn waits_longer_than(&self, other: &Claim) -> bool {
        self.wanted > 0 && (other.wanted == 0 || self.wanted_since < other.wanted_since)
    }
}

/// Each build has an equal share of the processors, and what others do not ask for beyond that.
fn neighbours(own: &Claim, claims: &[Claim], slots: usize) -> Neighbours {
    let share = slots / (claims.len() + 1);
    let taken = |claim: &Claim| {
        let used = usize::try_from(claim.slots).unwrap_or(slots);
        if claim.waiting > 0 { used.max(share) } else { used }
    };
    let ahead = |claim: &&Claim| claim.waits_longer_than(own);
    Neighbours {
        builds: claims.len(),
        reserved: claims.iter().map(|claim| claim.promised).sum::<u64>()
            + claims.iter().filter(ahead).map(|claim| claim.wanted).sum::<u64>(),
        slots: slots.saturating_sub(claims.iter().map(taken).sum()).max(share).max(1),
        before_us: claims.iter().any(|claim| claim.running > 0) || claims.iter().any(|claim| ahead(&claim)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env;

    fn folder(name: &str) -> PathBuf {
        let path = env::temporary_folder().join(format!("xtask-pool-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("writable");
        path
    }

    #[test]
    fn processors_are_shared_and_what_is_left_is_used() {
        let idle = Claim::default();
        let greedy = Claim { slots: 8, running: 8, waiting: 5, ..idle };
        let small = Claim { slots: 1, running: 1, ..idle };
        assert_eq!(neighbours(&idle, &[], 8).slots, 8);
        assert_eq!(neighbours(&idle, &[greedy], 8).slots, 4, "our half, whatever it holds");
        assert_eq!(neighbours(&idle, &[small], 8).slots, 7);
        assert_eq!(neighbours(&idle, &[greedy; 9], 8).slots, 1);
    }

    #[test]
    fn who_waits_longer_goes_first() {
        let early = Claim { wanted: 600, wanted_since: 10, waiting: 1, ..Claim::default() };
        let late = Claim { wanted: 500, wanted_since: 20, promised: 7, waiting: 1, ..Claim::default() };
        assert_eq!((neighbours(&late, &[early], 2).reserved, neighbours(&late, &[early], 2).before_us), (600, true));
        assert_eq!((neighbours(&early, &[late], 2).reserved, neighbours(&early, &[late], 2).before_us), (7, false));
        assert!(neighbours(&early, &[Claim { running: 1, ..late }], 2).before_us);
    }

    #[test]
    fn a_claim_ends_with_its_owner() {
        let folder = folder("owner");
        let mut one = Pool::join(&folder, "cage").expect("writable");
        let claim = Claim { promised: 5, slots: 1, running: 1, ..Claim::default() };
        one.say(&Claim { promised: 123_456_789, ..claim });
        one.say(&claim);
        // A second build has another process id; its file is made here by hand.
        let other = Pool {
            own: folder.join("other.claim"),
            file: File::create(folder.join("other.claim")).expect("writable"),
            folder: folder.clone(),
            group: "cage".into(),
        };
        let seen = other.neighbours(&Claim::default(), 4);
        assert_eq!((seen.builds, seen.reserved, seen.before_us), (1, 5, true));
        let elsewhere = Pool {
            group: "another cage".into(),
            own: "".into(),
            file: File::create(folder.join("x")).expect("writable"),
            folder: folder.clone(),
        };
        assert_eq!(elsewhere.neighbours(&Claim::default(), 4).builds, 0);
        std::mem::forget(elsewhere);
        let own = one.own.clone();
        // As the kernel does it for a process that dies: the lock goes, the file stays.
        one.file.unlock().expect("ours");
        assert_eq!(other.neighbours(&Claim::default(), 4).builds, 0);
        assert!(!own.exists(), "and is swept away");
        fs::remove_dir_all(&folder).expect("ours");
    }
}
