//! A checkout of three crates without dependencies, and a way to run xtask in it.

use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Removed when dropped.
pub(crate) struct Checkout {
    pub(crate) root: PathBuf,
}

/// What a run of xtask printed and how it ended.
pub(crate) struct Ran {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

static NUMBER: AtomicUsize = AtomicUsize::new(0);

const MANIFEST: &str = r#"
[workspace]
resolver = "3"
members = ["low", "high", "xtask"]
[profile.release]
opt-level = 1
"#;

const LOW: &str = "[package]\nname = \"low\"\nversion = \"0.1.0\"\nedition = \"2024\"\n";
const HIGH: &str = "[package]\nname = \"high\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\
    [lib]\nname = \"_rust\"\ncrate-type = [\"cdylib\"]\n[dependencies]\nlow = { path = \"../low\" }\n";
const XTASK: &str = "[package]\nname = \"xtask\"\nversion = \"0.1.0\"\nedition = \"2024\"\n";

impl Checkout {
    pub(crate) fn new() -> Self {
        Checkout::named("checkout")
    }

    pub(crate) fn named(name: &str) -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let root = std::env::temp_dir().join(format!("xtask-e2e-{}-{number}", std::process::id())).join(name);
        let checkout = Checkout { root };
        checkout.write("Cargo.toml", MANIFEST);
        checkout.write("low/Cargo.toml", LOW);
        checkout.write("low/src/lib.rs", "pub fn one() -> i32 { 1 }\n");
        checkout.write("high/Cargo.toml", HIGH);
        checkout.write("high/src/lib.rs", "pub fn two() -> i32 { low::one() * 2 }\n");
        checkout.write("xtask/Cargo.toml", XTASK);
        checkout.write("xtask/src/main.rs", "fn main() {}\n");
        checkout.write("requirements/build.txt", "");
        checkout
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.root.join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
        std::fs::write(path, text).expect("writable");
    }

    /// An executable script below the checkout.
    pub(crate) fn script(&self, path: &str, text: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt as _;
        self.write(path, &format!("#!/bin/sh\n{text}\n"));
        let path = self.root.join(path);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("ours");
        path
    }

    /// A stand-in for rustc, for `RUSTC`: runs `text` when it is asked to compile `crate_name`, and the real compiler
    /// otherwise. `text` can fall through to the real compiler, too.
    pub(crate) fn fake_rustc(&self, crate_name: &str, text: &str) -> PathBuf {
        self.script(
            "fake-rustc",
            &format!("case \" $* \" in *\" --crate-name {crate_name} \"*)\n{text}\n;; esac\nexec rustc \"$@\""),
        )
    }

    /// xtask with an environment that says only what the test says.
    pub(crate) fn xtask(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.args(arguments).current_dir(&self.root).stdin(Stdio::null());
        command.env("CARGO_MANIFEST_DIR", self.root.join("xtask"));
        for name in [
            "CARGO_PROFILE",
            "RUSTFLAGS",
            "RUSTC",
            "RUSTC_WRAPPER",
            "CARGO_TARGET_DIR",
            "CARGO_BUILD_JOBS",
            "CARGO_MAKEFLAGS",
            "MAOU_PYTHON",
            "XTASK_GOVERNOR",
        ] {
            command.env_remove(name);
        }
        default_signals(&mut command);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(&self.xtask(arguments).output().expect("xtask starts"))
    }

    /// PATH with nothing in it but links to `programs`.
    pub(crate) fn path_with(&self, programs: &[&str]) -> PathBuf {
        let folder = self.root.join("bin-for-test");
        std::fs::create_dir_all(&folder).expect("writable");
        for program in programs {
            let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output().expect("sh runs");
            let found = String::from_utf8_lossy(&found.stdout).trim().to_owned();
            if !found.is_empty() {
                let _ = std::os::unix::fs::symlink(found, folder.join(program));
            }
        }
        folder
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        if let Some(folder) = self.root.parent() {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

impl Ran {
    pub(crate) fn of(output: &Output) -> Self {
        Ran {
            status: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The JSON object in the last line of stdout.
    pub(crate) fn json(&self) -> Value {
        let last = self.stdout.lines().last().unwrap_or_default();
        serde_json::from_str(last).unwrap_or_else(|error| panic!("{error} in {last:?}; stderr: {}", self.stderr))
    }

    #[track_caller]
    pub(crate) fn says(&self, part: &str) {
        assert!(self.stderr.contains(part), "{part:?} is missing in stderr:\n{}", self.stderr);
    }

    #[track_caller]
    pub(crate) fn ended_with(&self, status: i32) {
        assert_eq!(self.status, Some(status), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        assert!(!self.stderr.contains("panicked at"), "a panic:\n{}", self.stderr);
    }
}

/// A shell's background job inherits ignored signals, and xtask respects that; CI may well be one.
fn default_signals(command: &mut Command) {
    use std::os::unix::process::CommandExt as _;
    // SAFETY: signal() with SIG_DFL is async-signal-safe.
    unsafe {
        command.pre_exec(|| {
            for number in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
                libc::signal(number, libc::SIG_DFL);
            }
            Ok(())
        });
    }
}

/// A child that does not outlive its test: a build that waits for ever would claim its processors for as long.
pub(crate) struct Started(Option<Child>);

impl From<Child> for Started {
    fn from(child: Child) -> Self {
        Started(Some(child))
    }
}

impl Deref for Started {
    type Target = Child;

    fn deref(&self) -> &Child {
        self.0.as_ref().expect("taken only when it is dropped")
    }
}

impl DerefMut for Started {
    fn deref_mut(&mut self) -> &mut Child {
        self.0.as_mut().expect("taken only when it is dropped")
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A build whose compiler of `low` says that it has begun and then runs `script`; it has begun.
pub(crate) fn build_at_work(checkout: &Checkout, arguments: &[&str], script: &str) -> Started {
    let compiler = checkout.fake_rustc("low", &format!("here=$(dirname \"$0\"); touch \"$here/begun\"; {script}"));
    let mut command = checkout.xtask(arguments);
    command.env("RUSTC", compiler).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = Started::from(command.spawn().expect("xtask starts"));
    wait_until("the compiler runs", || exists(&checkout.root.join("begun")));
    child
}

/// What a child that was told to end has printed; one that goes on for a minute is a failure.
#[track_caller]
pub(crate) fn ended(child: impl Into<Started>) -> Ran {
    let mut child = child.into();
    let start = Instant::now();
    while child.0.as_mut().is_some_and(|child| child.try_wait().expect("a child").is_none()) {
        assert!(start.elapsed() < Duration::from_secs(60), "it was told to end and goes on");
        std::thread::sleep(Duration::from_millis(20));
    }
    let child = child.0.take().expect("it was not taken before");
    Ran::of(&child.wait_with_output().expect("it has ended"))
}

/// Waits until `condition` holds; a minute without it is a failure.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(60), "still not: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub(crate) fn signal(child: &Child, number: libc::c_int) {
    let pid = libc::pid_t::try_from(child.id()).expect("a pid");
    // SAFETY: sends a signal to a child that has not been waited for.
    unsafe {
        libc::kill(pid, number);
    }
}

/// Processes whose command line contains `part`.
pub(crate) fn processes_with(part: &str) -> Vec<String> {
    let listing = Command::new("ps").args(["-eo", "stat=,pid=,args="]).output().expect("ps runs");
    String::from_utf8_lossy(&listing.stdout)
        .lines()
        .filter(|line| line.contains(part) && !line.starts_with('Z') && !line.contains("ps -eo"))
        .map(str::to_owned)
        .collect()
}

pub(crate) fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}
