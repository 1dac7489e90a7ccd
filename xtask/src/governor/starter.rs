//! Starting a governor, keeping it alive, and what a command needs to be governed.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use super::place::{self, Place};
use super::server::{self, Options};
use super::{Wishes, chain, jobserver};
use crate::events::Event;
use crate::proc::{self, Group};
use crate::{env, wrapper};

/// A governor that runs as long as this lives, and the folder where wrappers find it.
#[derive(Debug)]
pub(crate) struct Governor {
    place: Place,
    wrapper: PathBuf,
    program: PathBuf,
    wishes: Wishes,
    chained: Option<OsString>,
    process: Option<(Group, Option<ChildStdin>)>,
    restarts: u32,
}

/// A governor that dies more often is not started again: the build goes on without.
const RESTARTS: u32 = 5;
/// How long a governor may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(1);
/// A wrapper that waits takes about a megabyte: this share of what there is may go to those that wait.
const WAITING_SHARE: u64 = 40;
const WAITING_LEAST: u64 = 6;
const WAITING_MOST: u64 = 128;
/// For each processor that many units to choose from are enough; a hundred wrappers more cost cargo and the kernel time.
const WAITING_A_SLOT: u64 = 8;
const MIB: u64 = 1 << 20;

impl Governor {
    /// `hear` gets every event, from a thread of its own, and `None` when the governor has gone.
    pub(crate) fn start(wishes: Wishes, hear: impl FnMut(Option<Event>) + Send + 'static) -> anyhow::Result<Self> {
        if env::path(env::GOVERNOR).is_some_and(|folder| place::socket(&folder).exists()) {
            bail!("this is already part of a governed build");
        }
        let place = Place::make()?;
        let (wrapper, program) = stable_copies(&wishes.own_files)?;
        std::os::unix::fs::symlink(&wrapper, place.folder.join(wrapper::COMPILER_NAME))
            .with_context(|| format!("cannot write to {}", place.folder.display()))?;
        let mut governor = Governor {
            place,
            wrapper,
            program,
            wishes,
            chained: chain::existing_wrapper(),
            process: None,
            restarts: 0,
        };
        governor.launch(hear)?;
        Ok(governor)
    }

    /// Starts a governor in place of one that has died. `false`: not any more.
    pub(crate) fn revive(&mut self, hear: impl FnMut(Option<Event>) + Send + 'static) -> bool {
        self.restarts += 1;
        self.process = None;
        let revived = self.restarts <= RESTARTS && self.launch(hear).is_ok();
        if !revived {
            self.process = None;
        }
        revived
    }

    /// Whether there is one now.
    pub(crate) fn is_alive(&self) -> bool {
        self.process.is_some()
    }

    /// What a command, and all that it starts, must have in its environment.
    pub(crate) fn environment(&self) -> Vec<(&'static str, OsString)> {
        vec![
            (env::RUSTC_WRAPPER, self.wrapper.clone().into_os_string()),
            (env::GOVERNOR, self.place.folder.clone().into_os_string()),
            (env::GOVERNOR_KEY, self.place.key.clone().into()),
            // Cargo takes a token from here for each unit that it offers. Its own number of jobs then only tells
            // build scripts how many processors there are.
            (env::CARGO_MAKEFLAGS, jobserver::make_flags(&place::offers(&self.place.folder)).into()),
            (env::CARGO_BUILD_JOBS, self.wishes.slots.to_string().into()),
            // Empty: none, whatever we have inherited.
            (env::INNER_WRAPPER, self.chained.clone().unwrap_or_default()),
        ]
    }

    /// Lets nothing start any more.
    pub(crate) fn stop_admitting(&mut self) {
        self.say("stop");
    }

    /// Asks to be told when everything has been told that has happened so far.
    pub(crate) fn sync(&mut self) {
        self.say("sync");
    }

    fn say(&mut self, word: &str) {
        if let Some((_, Some(stdin))) = &mut self.process {
            // One that has died is noticed by its silence.
            let _ = writeln!(stdin, "{word}").and_then(|()| stdin.flush());
        }
    }

    fn launch(&mut self, hear: impl FnMut(Option<Event>) + Send + 'static) -> anyhow::Result<()> {
        let available = self.wishes.memory.unwrap_or(self.wishes.available);
        let waiting = if available == 0 { WAITING_MOST } else { available / WAITING_SHARE / MIB };
        let enough = (self.wishes.slots as u64).saturating_mul(WAITING_A_SLOT).min(WAITING_MOST);
        let waiting = waiting.min(enough).max(WAITING_LEAST);
        let options = Options {
            folder: self.place.folder.clone(),
            key: self.place.key.clone(),
            root: std::process::id(),
            slots: self.wishes.slots,
            most_waiting: usize::try_from(waiting).unwrap_or(usize::MAX),
            memory: self.wishes.memory,
            ledger: self.wishes.own_files.join("ledger.jsonl"),
            events: self.wishes.events.clone(),
        };
        let mut command = proc::command(&self.program);
        command.arg0(server::NAME).args(options.to_arguments()).env(env::GOVERNOR_KEY, &self.place.key);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut group = Group::spawn(command)?;
        let stdin = group.child_mut().stdin.take();
        let stdout = group.child_mut().stdout.take().context("a governor has no stdout")?;
        self.process = Some((group, stdin));
        std::thread::spawn(move || relay_events(stdout, hear));
        self.wait_until_it_listens()
    }

    fn wait_until_it_listens(&mut self) -> anyhow::Result<()> {
        let start = Instant::now();
        while !place::socket(&self.place.folder).exists() {
            let Some((group, _)) = &mut self.process else { bail!("there is no governor") };
            if let Some(end) = group.poll()? {
                bail!("the governor ended with {end} before it listened");
            }
            if start.elapsed() > Duration::from_secs(10) {
                bail!("the governor does not listen at {}", self.place.folder.display());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }
}

impl Drop for Governor {
    fn drop(&mut self) {
        // Asked once: a signal between two answers would have it told both.
        let interrupted = proc::interrupted();
        if !interrupted {
            self.say("done");
        }
        let Some((mut group, mut stdin)) = self.process.take() else { return };
        if interrupted {
            // As if we had been killed: it ends whatever is left of what we started.
            drop(stdin.take());
        }
        let start = Instant::now();
        while matches!(group.poll(), Ok(None)) && start.elapsed() < GOODBYE {
            std::thread::sleep(Duration::from_millis(5));
        }
        // Only now: before its goodbye, a closed stdin would mean our death.
        drop(stdin);
    }
}

fn relay_events(stdout: impl std::io::Read, mut hear: impl FnMut(Option<Event>)) {
    for line in BufReader::new(stdout).lines() {
        let Ok(line) = line else { break };
        if let Some((_, event)) = Event::parse(&line) {
            hear(Some(event));
        }
    }
    hear(None);
}

/// This binary under the two names that it works under, in a file that stays the same until it changes: cargo asks a
/// wrapper anew for what it knows when the file has changed, and `cargo xtask` may write a new xtask while a build runs.
fn stable_copies(own_files: &Path) -> anyhow::Result<(PathBuf, PathBuf)> {
    let program = env::own_program().context("cannot find this program's own file")?;
    let folder = own_files.join("bin");
    let (wrapper, governor) = (folder.join(wrapper::NAME), folder.join(server::NAME));
    let bytes = fs::read(&program).with_context(|| format!("cannot read {}", program.display()))?;
    let cannot = |path: &Path| {
        format!("cannot write {}; make its folder writable, or point CARGO_TARGET_DIR elsewhere", path.display())
    };
    if !fs::read(&wrapper).is_ok_and(|there| there == bytes) {
        write_program(&wrapper, &bytes).with_context(|| cannot(&wrapper))?;
    }
    if !fs::read_link(&governor).is_ok_and(|to| to == Path::new(wrapper::NAME)) {
        let link = |temporary: &Path| std::os::unix::fs::symlink(wrapper::NAME, temporary);
        replace(&governor, link).with_context(|| cannot(&governor))?;
    }
    Ok((wrapper, governor))
}

fn write_program(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    replace(path, |temporary| {
        fs::write(temporary, bytes)?;
        fs::set_permissions(temporary, fs::Permissions::from_mode(0o755))
    })
}

/// Made beside, then renamed: the file may be running.
fn replace(path: &Path, make: impl FnOnce(&Path) -> std::io::Result<()>) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let temporary = path.with_extension(format!("new{}", std::process::id()));
    make(&temporary).and_then(|()| fs::rename(&temporary, path)).inspect_err(|_| drop(fs::remove_file(&temporary)))
}
