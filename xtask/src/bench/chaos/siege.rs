//! One build, what happens to it, and what it leaves behind.

use std::collections::VecDeque;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::heard::{Counts, Heard};
use super::hog::Herd;
use super::plan::{Aim, Blow};
use super::processes::{self, Left};
use super::victims;
use crate::cage::Cage;
use crate::governor::place;
use crate::governor::simulation::Random;
use crate::memory::{self, Sensing, Sensor};
use crate::proc::{End, Group};
use crate::workspace;

/// What a build is to be put through.
pub(super) struct Siege {
    /// What can be a hog.
    pub(super) program: PathBuf,
    /// The build's target directory.
    pub(super) target: PathBuf,
    pub(super) blows: VecDeque<Blow>,
    pub(super) random: Random,
    /// With its limit, bytes.
    pub(super) cage: Option<(Cage, u64)>,
    pub(super) timeout: Duration,
    /// xtask's own files are where only the build sees them.
    pub(super) hidden: bool,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Endured {
    pub(super) end: End,
    pub(super) timed_out: bool,
    pub(super) wall_s: f64,
    pub(super) strikes: Vec<Strike>,
    /// Blows for which there was nobody to hit until the build had ended.
    pub(super) missed: usize,
    pub(super) counts: Counts,
    /// In its cage.
    pub(super) oom_kills: Option<u64>,
    /// Processes of the build that went on when it had ended.
    pub(super) left: Vec<Left>,
    /// Folders of its governor that were still there.
    pub(super) places: Vec<PathBuf>,
}

/// A blow that has hit.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Strike {
    pub(super) at_s: f64,
    pub(super) aim: Aim,
    pub(super) hit: String,
}

/// A build under way.
struct Running {
    siege: Siege,
    root: u32,
    began: Instant,
    sensor: Box<dyn Sensor>,
    heard: Heard,
    hogs: Option<Herd>,
    strikes: Vec<Strike>,
}

/// Between two looks: linkers of build scripts live for a few hundredths of a second.
const LOOK: Duration = Duration::from_millis(15);
/// Who waits longer than this for a rare victim takes any compiler.
const PATIENCE_S: f64 = 15.0;
/// What a build has started may take so long to notice that it has ended.
const SETTLES: Duration = Duration::from_secs(3);
const GARBAGE: usize = 4096;

impl Siege {
    /// Runs `command` to its end, with its output in `log`.
    ///
    /// # Errors
    ///
    /// When it cannot be started or its log not be written. A build that fails is no error: it is the result.
    pub(super) fn run(self, mut command: Command, log: &Path) -> anyhow::Result<Endured> {
        let output = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let errors = output.try_clone().context("cannot share the log")?;
        command.stdin(Stdio::null()).stdout(output).stderr(errors);
        if let Some((cage, _)) = &self.cage {
            cage.enter(&mut command);
        }
        let began = Instant::now();
        let group = Group::spawn(command)?;
        let running = Running {
            siege: self,
            root: group.pid(),
            began,
            sensor: memory::sensor(Sensing::best()),
            heard: Heard::default(),
            hogs: None,
            strikes: Vec::new(),
        };
        running.until_it_ends(group)
    }

    /// Where the events of process `root` are.
    fn runs(&self, root: u32) -> PathBuf {
        let runs = workspace::own_files(&self.target).join("runs");
        if !self.hidden {
            return runs;
        }
        let below = runs.strip_prefix("/").map(Path::to_owned).unwrap_or(runs);
        PathBuf::from(format!("/proc/{root}/root")).join(below)
    }
}

impl Running {
    fn until_it_ends(mut self, mut group: Group) -> anyhow::Result<Endured> {
        let runs = self.siege.runs(self.root);
        let mut timed_out = false;
        let end = loop {
            self.heard.listen(&runs);
            if let Some(end) = group.poll()? {
                break end;
            }
            group.pass_on_signals();
            if self.began.elapsed() >= self.siege.timeout {
                timed_out = true;
                group.kill();
                self.siege.cage.iter().for_each(|(cage, _)| cage.kill());
            }
            self.act()?;
            std::thread::sleep(LOOK);
        };
        let wall_s = self.began.elapsed().as_secs_f64();
        self.hogs = None;
        self.heard.listen(&runs);
        let (left, places) = self.behind();
        Ok(Endured {
            end,
            timed_out,
            wall_s,
            strikes: self.strikes,
            missed: self.siege.blows.len(),
            counts: self.heard.counts,
            oom_kills: self.siege.cage.as_ref().and_then(|(cage, _)| cage.oom_kills()),
            left,
            places,
        })
    }

    fn act(&mut self) -> anyhow::Result<()> {
        if let (Some(hogs), Some((cage, _))) = (&mut self.hogs, &self.siege.cage) {
            if !hogs.goes_on(cage) {
                self.hogs = None;
            }
            return Ok(());
        }
        let at_s = self.began.elapsed().as_secs_f64();
        let Some(blow) = self.siege.blows.front().copied().filter(|blow| blow.at_s <= at_s) else { return Ok(()) };
        let hit = match blow.aim {
            Aim::Hog => self.let_hogs_in()?,
            Aim::Socket => self.remove_socket(),
            Aim::Ledger => self.spoil_ledger(),
            _ => self.kill(settled_for(blow, at_s)),
        };
        if let Some((aim, hit)) = hit {
            self.siege.blows.pop_front();
            self.strikes.push(Strike { at_s, aim, hit });
        }
        Ok(())
    }

    /// `None`: there is nobody now.
    fn kill(&mut self, aim: Aim) -> Option<(Aim, String)> {
        let tree = self.sensor.tree(&[self.root]);
        let mut victims = victims::find(&tree, &self.heard, aim);
        if victims.is_empty() {
            return None;
        }
        let victim = victims.swap_remove(self.siege.random.below(victims.len()));
        processes::kill(victim.pid);
        Some((victim.aim, victim.name))
    }

    fn let_hogs_in(&mut self) -> anyhow::Result<Option<(Aim, String)>> {
        let siege = &mut self.siege;
        let Some((cage, limit)) = &siege.cage else { return Ok(None) };
        self.hogs = Some(Herd::come(&siege.program, cage, *limit, &mut siege.random)?);
        Ok(Some((Aim::Hog, "memory".to_owned())))
    }

    fn remove_socket(&self) -> Option<(Aim, String)> {
        let places = processes::places_of(self.root);
        let socket = places.iter().map(|folder| place::socket(folder)).find(|socket| socket.exists())?;
        std::fs::remove_file(&socket).ok()?;
        Some((Aim::Socket, socket.display().to_string()))
    }

    /// Bytes that are no text, and half a line at their end.
    fn spoil_ledger(&mut self) -> Option<(Aim, String)> {
        let ledger = workspace::own_files(&self.siege.target).join("ledger.jsonl");
        // Until the first unit has ended there is none.
        ledger.exists().then_some(())?;
        let random = &mut self.siege.random;
        let mut garbage: Vec<u8> = (0..GARBAGE).map(|_| random.next().to_le_bytes()[0]).collect();
        garbage.extend_from_slice(b"\n{\"package\":\"");
        std::fs::write(&ledger, garbage).ok()?;
        Some((Aim::Ledger, "garbage".to_owned()))
    }

    /// What the build has left behind, and does no longer: the next build is to begin undisturbed.
    fn behind(&self) -> (Vec<Left>, Vec<PathBuf>) {
        let marker = self.siege.target.to_string_lossy();
        let ended = Instant::now();
        loop {
            let left = processes::with_marker(&marker);
            let places = processes::places_of(self.root);
            if (left.is_empty() && places.is_empty()) || ended.elapsed() > SETTLES {
                left.iter().for_each(|process| processes::kill(process.pid));
                places.iter().for_each(|folder| drop(std::fs::remove_dir_all(folder)));
                return (left, places);
            }
            std::thread::sleep(LOOK);
        }
    }
}

/// There may be no unit of that kind for the rest of the build.
fn settled_for(blow: Blow, at_s: f64) -> Aim {
    let rare = matches!(blow.aim, Aim::BehindMetadata | Aim::Linker);
    if rare && at_s - blow.at_s > PATIENCE_S { Aim::Compiler } else { blow.aim }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::proc;

    fn siege(target: &Path, blows: Vec<Blow>) -> Siege {
        Siege {
            program: "/nowhere".into(),
            target: target.to_owned(),
            blows: blows.into(),
            random: Random::new(1),
            cage: None,
            timeout: Duration::from_secs(60),
            hidden: false,
        }
    }

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("xtask-siege-{name}-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("xtask")).expect("writable");
        folder
    }

    fn shell(target: &Path, script: &str) -> Command {
        let mut command = proc::command("sh");
        command.args(["-c", script]).env("CARGO_TARGET_DIR", target);
        command
    }

    #[test]
    fn what_goes_on_behind_the_build_is_found_and_ended() {
        let target = folder("left");
        // A process between fork and exec has no environment to be known by.
        let script = "setsid sleep 1000 & sleep 0.3; exit 3";
        let endured = siege(&target, Vec::new()).run(shell(&target, script), &target.join("log")).expect("sh runs");
        assert_eq!(endured.end, End::Code(3));
        assert_eq!(endured.left.len(), 1, "{:?}", endured.left);
        assert!(endured.left[0].command.contains("sleep 1000"), "{:?}", endured.left);
        std::fs::remove_dir_all(&target).expect("ours");
    }

    #[test]
    fn a_blow_hits_when_its_time_has_come_or_is_missed() {
        let target = folder("blows");
        let ledger = target.join("xtask/ledger.jsonl");
        std::fs::write(&ledger, "{}\n").expect("writable");
        let blows = vec![Blow { at_s: 0.0, aim: Aim::Ledger }, Blow { at_s: 0.0, aim: Aim::Compiler }];
        let endured = siege(&target, blows).run(shell(&target, "sleep 0.3"), &target.join("log")).expect("sh runs");
        assert!(endured.end.succeeded() && endured.left.is_empty());
        assert_eq!(endured.strikes.iter().map(|strike| strike.aim).collect::<Vec<_>>(), [Aim::Ledger]);
        assert_eq!(endured.missed, 1);
        assert!(std::fs::read(&ledger).expect("there").ends_with(b"{\"package\":\""));
        std::fs::remove_dir_all(&target).expect("ours");
    }

    #[test]
    fn what_is_rare_is_not_waited_for_forever() {
        let blow = Blow { at_s: 10.0, aim: Aim::Linker };
        assert_eq!((settled_for(blow, 11.0), settled_for(blow, 26.0)), (Aim::Linker, Aim::Compiler));
        assert_eq!(settled_for(Blow { aim: Aim::Governor, ..blow }, 99.0), Aim::Governor);
    }
}
