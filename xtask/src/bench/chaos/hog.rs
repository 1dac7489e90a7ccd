//! Hogs: processes that take memory in a build's cage until the kernel has to kill somebody, and go again.
//!
//! Each is this binary once more, `bench hog MIB`. It takes so much at once, then as many mebibytes as each line that it
//! reads says, and ends with what it reads: whoever has started it cannot leave it behind.
//!
//! They come as a herd. The kernel kills whoever has most, and a compiler is to have more than any one of them.

use std::io::{BufRead as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::cage::Cage;
use crate::governor::simulation::Random;
use crate::memory::mib;
use crate::proc;

/// Some at work.
#[derive(Debug)]
pub(super) struct Herd {
    hogs: Vec<Hog>,
    came: Instant,
    grew: Instant,
    /// Whose turn it is to take more.
    turn: usize,
    kills_before: u64,
    /// When it will go, once the kernel has killed.
    goes: Option<Instant>,
    stays: Duration,
}

#[derive(Debug)]
struct Hog {
    child: Child,
    orders: Option<ChildStdin>,
}

const HOGS: usize = 5;
/// They leave this at first, MiB: less than a compiler will soon want.
const LEFT: f64 = 60.0;
const STEP_MIB: usize = 8;
const STEP_EVERY: Duration = Duration::from_millis(100);
/// Seconds from a kill until they go.
const STAYS: [f64; 2] = [1.0, 3.0];
/// Those for which nobody is killed go all the same.
const LONGEST: Duration = Duration::from_secs(30);
/// The kernel takes compilers first, which have a higher one. Takes a privilege that root in a container may lack.
const OOM_SCORE_ADJUSTMENT: &str = "-500";
const MIB: usize = 1 << 20;

impl Herd {
    pub(super) fn come(program: &Path, cage: &Cage, limit: u64, random: &mut Random) -> anyhow::Result<Self> {
        let free = mib(limit) - mib(cage.anon().unwrap_or(0));
        let each = (free - LEFT).max(0.0) / HOGS as f64;
        let now = Instant::now();
        Ok(Herd {
            hogs: (0..HOGS).map(|_| Hog::start(program, cage, each)).collect::<anyhow::Result<_>>()?,
            came: now,
            grew: now,
            turn: 0,
            kills_before: cage.oom_kills().unwrap_or(0),
            goes: None,
            stays: Duration::from_secs_f64(random.between(STAYS[0], STAYS[1])),
        })
    }

    /// Takes more, or stays, or is through: `false`.
    pub(super) fn goes_on(&mut self, cage: &Cage) -> bool {
        let now = Instant::now();
        if let Some(goes) = self.goes {
            return now < goes;
        }
        if cage.oom_kills().is_some_and(|kills| kills > self.kills_before) {
            self.goes = Some(now + self.stays);
        } else if now - self.grew >= STEP_EVERY {
            self.grew = now;
            self.turn = (self.turn + 1) % self.hogs.len();
            self.hogs[self.turn].grow();
        }
        now - self.came < LONGEST
    }
}

impl Hog {
    fn start(program: &Path, cage: &Cage, mib: f64) -> anyhow::Result<Self> {
        let mut command = proc::command(program);
        command.args(["bench", "hog", &format!("{mib:.0}")]).stdin(Stdio::piped()).stdout(Stdio::null());
        cage.enter(&mut command);
        let mut child = command.spawn().context("cannot start a process that takes memory")?;
        Ok(Hog { orders: child.stdin.take(), child })
    }

    fn grow(&mut self) {
        if let Some(orders) = &mut self.orders {
            // One that the kernel has killed does not read.
            let _ = writeln!(orders, "{STEP_MIB}").and_then(|()| orders.flush());
        }
    }
}

impl Drop for Hog {
    fn drop(&mut self) {
        self.orders = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the process does.
pub(super) fn be_one(mib: usize) {
    let _ = std::fs::write("/proc/self/oom_score_adj", OOM_SCORE_ADJUSTMENT);
    let mut held = Vec::new();
    take(&mut held, mib);
    for line in std::io::stdin().lock().lines() {
        let Ok(more) = line.unwrap_or_default().trim().parse() else { return };
        take(&mut held, more);
    }
}

/// A page that nothing was written to is nobody's memory.
fn take(held: &mut Vec<Vec<u8>>, mib: usize) {
    held.extend((0..mib).map(|_| std::hint::black_box(vec![1; MIB])));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_held() {
        let mut held = Vec::new();
        take(&mut held, 2);
        take(&mut held, 1);
        assert_eq!(held.iter().map(Vec::len).sum::<usize>(), 3 * MIB);
        assert!(held.iter().flatten().all(|byte| *byte == 1));
    }
}
