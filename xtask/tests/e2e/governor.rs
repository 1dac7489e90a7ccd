//! The governor through the real binary: its processes are killed, its files are broken, and the build ends well.

use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::support::{Checkout, Ran, Started, build_at_work, ended, processes_with, signal, wait_until};

/// Runs the real compiler once, then dies as if the kernel had killed it; the second time it is just the compiler.
const KILLED_AT_THE_END: &str = "here=$(dirname \"$0\"); echo x >> \"$here/attempts\"
if test -e \"$here/tried\"; then exec rustc \"$@\"; fi
rustc \"$@\"; touch \"$here/tried\"; kill -9 $$";

fn build(checkout: &Checkout, compiler: &PathBuf) -> Ran {
    let output = checkout.xtask(&["build", "--no-install", "--json"]).env("RUSTC", compiler).output();
    Ran::of(&output.expect("xtask starts"))
}

fn attempts(checkout: &Checkout) -> usize {
    std::fs::read_to_string(checkout.root.join("attempts")).unwrap_or_default().lines().count()
}

/// A build whose compiler of `low` says that it has begun, waits until it may go on, and then compiles.
fn held_build(checkout: &Checkout) -> Started {
    let script = "while test ! -e \"$here/go\"; do sleep 0.05; done";
    build_at_work(checkout, &["build", "--no-install", "--json"], script)
}

/// Lets a held build go on, and gives its end.
fn released(checkout: &Checkout, child: Started) -> Ran {
    checkout.write("go", "");
    ended(child)
}

/// Processes below `child` whose command line contains `part`.
fn descendants(child: &Child, part: &str) -> Vec<libc::pid_t> {
    let listing = Command::new("ps").args(["-eo", "pid=,ppid=,args="]).output().expect("ps runs");
    let listing = String::from_utf8_lossy(&listing.stdout).into_owned();
    let processes: Vec<(u32, u32, &str)> = listing
        .lines()
        .filter_map(|line| {
            let (pid, rest) = line.trim().split_once(' ')?;
            let (ppid, arguments) = rest.trim().split_once(' ')?;
            Some((pid.parse().ok()?, ppid.parse().ok()?, arguments))
        })
        .collect();
    let mut tree = vec![child.id()];
    for _ in 0..8 {
        let more = processes.iter().filter(|(pid, ppid, _)| tree.contains(ppid) && !tree.contains(pid));
        let more: Vec<u32> = more.map(|(pid, ..)| *pid).collect();
        tree.extend(more);
    }
    let found = processes.iter().filter(|(pid, _, arguments)| tree.contains(pid) && arguments.contains(part));
    found.filter_map(|(pid, ..)| libc::pid_t::try_from(*pid).ok()).collect()
}

fn kill(processes: &[libc::pid_t]) {
    assert!(!processes.is_empty(), "nobody to kill");
    for pid in processes {
        // SAFETY: sends a signal to a process that the test has started.
        unsafe {
            libc::kill(*pid, libc::SIGKILL);
        }
    }
}

fn nothing_is_left(checkout: &Checkout) {
    let marker = checkout.root.display().to_string();
    wait_until("no process of the checkout is left", || processes_with(&marker).is_empty());
}

/// A plain cargo, with the profile of the build, finds everything fresh.
fn everything_is_fresh(checkout: &Checkout, compiler: &PathBuf) {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--package", "high", "--message-format", "json"]).current_dir(&checkout.root);
    cargo.env("RUSTC", compiler).env_remove("RUSTC_WRAPPER").env_remove("CARGO_TARGET_DIR");
    let output = cargo.output().expect("cargo starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("\"fresh\":true") && !text.contains("\"fresh\":false"), "{text}");
}

#[test]
fn a_compiler_killed_behind_its_metadata_is_run_again_and_cargo_sees_nothing() {
    let checkout = Checkout::new();
    checkout.write("low/src/lib.rs", "pub fn one() -> i32 { let unused = 1; 1 }\n");
    let compiler = checkout.fake_rustc("low", KILLED_AT_THE_END);
    let ran = build(&checkout, &compiler);
    ran.ended_with(0);
    assert_eq!(attempts(&checkout), 2);
    ran.says("low was killed by a signal, probably out of memory");
    assert_eq!(ran.stderr.matches("unused variable").count(), 1, "a warning twice:\n{}", ran.stderr);
    assert_eq!(ran.json()["steps"][0]["compiled"], 2);
    everything_is_fresh(&checkout, &compiler);
}

#[test]
fn a_killed_linker_is_run_again() {
    let checkout = Checkout::new();
    let linker = checkout.script(
        "fake-cc",
        "here=$(dirname \"$0\"); echo x >> \"$here/attempts\"; test -e \"$here/tried\" || { touch \"$here/tried\"; kill -9 $$; }\nexec cc \"$@\"",
    );
    let flags = format!("-Clinker={}", linker.display());
    let output = checkout.xtask(&["build", "--no-install", "--json"]).env("RUSTFLAGS", flags).output();
    let ran = Ran::of(&output.expect("xtask starts"));
    ran.ended_with(0);
    assert_eq!(attempts(&checkout), 2);
    ran.says("high was killed");
    assert!(!ran.stderr.contains("linking with"), "what the first attempt said is not an error:\n{}", ran.stderr);
}

#[test]
fn a_compile_error_is_not_tried_again() {
    let checkout = Checkout::new();
    checkout.write("low/src/lib.rs", "pub fn one() -> i32 { \"one\" }\n");
    let compiler = checkout.fake_rustc("low", "echo x >> \"$(dirname \"$0\")/attempts\"");
    let ran = build(&checkout, &compiler);
    ran.ended_with(1);
    assert_eq!(attempts(&checkout), 1);
    assert_eq!(ran.stderr.matches("mismatched types").count(), 1, "{}", ran.stderr);
}

#[test]
fn a_build_outlives_its_governor() {
    let checkout = Checkout::new();
    let child = held_build(&checkout);
    kill(&descendants(&child, "maou-governor"));
    let ran = released(&checkout, child);
    ran.ended_with(0);
    ran.says("the governor was killed; another one has taken its place");
}

/// How readily the kernel takes a process when memory is out.
#[cfg(target_os = "linux")]
fn oom_score(pid: impl std::fmt::Display) -> i32 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).unwrap_or_default();
    text.trim().parse().unwrap_or(-1)
}

#[cfg(target_os = "linux")]
#[test]
fn the_kernel_is_offered_compilers_then_decoys_then_what_can_be_started_again() {
    let checkout = Checkout::new();
    let child = held_build(&checkout);
    let ours = oom_score(child.id());
    let beyond_ours = |pid| oom_score(pid) - ours;
    let scores = |part| descendants(&child, part).into_iter().map(beyond_ours).collect::<Vec<_>>();
    wait_until("both decoys have offered themselves", || scores("maou-decoy") == [300, 300]);
    assert_eq!(scores("maou-governor"), [100]);
    assert!(scores("fake-rustc --crate-name").contains(&500), "{:?}", scores("fake-rustc"));

    // One that was taken is replaced, and is nobody's death.
    let killed = descendants(&child, "maou-decoy")[0];
    kill(&[killed]);
    wait_until("there is another", || {
        let decoys = descendants(&child, "maou-decoy");
        decoys.len() == 2 && !decoys.contains(&killed)
    });
    let ran = released(&checkout, child);
    ran.ended_with(0);
    assert_eq!(ran.json()["retried"], 0, "{}", ran.stdout);
}

#[test]
fn a_build_goes_on_without_a_governor_that_keeps_dying() {
    let checkout = Checkout::new();
    let child = held_build(&checkout);
    // No new one can be started.
    std::fs::remove_file(checkout.root.join("target/xtask/bin/maou-governor")).expect("there");
    kill(&descendants(&child, "maou-governor"));
    let ran = released(&checkout, child);
    ran.ended_with(0);
    ran.says("the build goes on without");
}

#[test]
fn a_build_outlives_a_wrapper() {
    let checkout = Checkout::new();
    let child = held_build(&checkout);
    let wrappers = descendants(&child, "maou-rustc");
    kill(&wrappers);
    let ran = released(&checkout, child);
    ran.ended_with(0);
    ran.says("the wrapper around the compiler of low was killed; running high again");
    nothing_is_left(&checkout);
}

#[test]
fn a_build_outlives_cargo() {
    let checkout = Checkout::new();
    let child = held_build(&checkout);
    kill(&descendants(&child, "build --profile dev"));
    let ran = released(&checkout, child);
    ran.ended_with(0);
    ran.says("it was ended by signal 9, SIGKILL; running high again");
    nothing_is_left(&checkout);
}

#[test]
fn a_build_outlives_its_socket() {
    let checkout = Checkout::new();
    let child = held_build(&checkout);
    let place = place_of(&child);
    assert!(place.join("governor").metadata().expect("a socket").file_type().is_socket());
    std::fs::remove_file(place.join("governor")).expect("ours");
    released(&checkout, child).ended_with(0);
    assert!(!place.exists(), "it is cleaned up");
}

#[test]
fn nothing_outlives_a_killed_build() {
    let checkout = Checkout::new();
    let child = held_build(&checkout);
    let place = place_of(&child);
    signal(&child, libc::SIGKILL);
    nothing_is_left(&checkout);
    wait_until("its folder is gone", || !place.exists());
    let mut child = child;
    child.wait().expect("a child");
}

#[test]
fn strangers_are_neither_admitted_nor_answered() {
    use std::io::{Read as _, Write as _};
    let checkout = Checkout::new();
    let child = held_build(&checkout);
    let place = place_of(&child);
    assert_eq!(place.metadata().expect("a folder").permissions().mode() & 0o777, 0o700);
    let mut stream = std::os::unix::net::UnixStream::connect(place.join("governor")).expect("it listens");
    let offer = b"Owrong key\x001\0p\x001.0.0\0/\0/\0\0rustc\0--crate-name\0p\0";
    let length = u32::try_from(offer.len()).expect("short").to_le_bytes();
    stream.write_all(&length).and_then(|()| stream.write_all(offer)).expect("it reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it hangs up");
    assert_eq!(answer, b"");
    released(&checkout, child).ended_with(0);
}

#[test]
fn a_broken_ledger_breaks_no_build() {
    let checkout = Checkout::new();
    checkout.write("target/xtask/ledger.jsonl", "\u{0}\u{1}{\"package\":\n{}\nnull\n[1,2]\n");
    let ran = checkout.run(&["build", "--no-install", "--json"]);
    ran.ended_with(0);
    let ledger = std::fs::read_to_string(checkout.root.join("target/xtask/ledger.jsonl")).expect("there");
    assert!(ledger.contains("\"package\":\"low\""), "{ledger}");
}

#[test]
fn a_ledger_and_events_that_cannot_be_written_break_no_build() {
    let checkout = Checkout::new();
    // What a full disk says to whoever writes.
    std::fs::create_dir_all(checkout.root.join("target/xtask")).expect("writable");
    std::os::unix::fs::symlink("/dev/full", checkout.root.join("target/xtask/ledger.jsonl")).expect("writable");
    let ran = checkout.run(&["build", "--no-install", "--json"]);
    ran.ended_with(0);
    ran.says("what units take cannot be written down");
}

#[test]
fn what_is_governed_is_fresh_for_everybody_else() {
    let checkout = Checkout::new();
    let compiler = checkout.fake_rustc("nothing", "");
    build(&checkout, &compiler).ended_with(0);
    everything_is_fresh(&checkout, &compiler);
    let again = build(&checkout, &compiler);
    assert_eq!(again.json()["steps"][0]["compiled"], 0, "{}", again.stdout);
}

#[test]
fn a_wrapper_of_the_users_goes_before_ours_and_its_compilers_are_governed() {
    let checkout = Checkout::new();
    let wrapper = checkout.script("user-wrapper", "echo \"$*\" >> \"$(dirname \"$0\")/wrapped\"\nexec \"$@\"");
    let output =
        checkout.xtask(&["build", "--no-install", "--json"]).env("RUSTC_WRAPPER", wrapper).output().expect("starts");
    Ran::of(&output).ended_with(0);
    let wrapped = std::fs::read_to_string(checkout.root.join("wrapped")).expect("it was called");
    assert!(wrapped.contains("--crate-name low"), "{wrapped}");
    assert!(wrapped.lines().all(|line| line.contains("/rustc ")), "it must see a compiler's name: {wrapped}");
    let ledger = std::fs::read_to_string(checkout.root.join("target/xtask/ledger.jsonl")).expect("there");
    assert!(ledger.contains("\"package\":\"low\"") && ledger.contains("\"package\":\"high\""), "{ledger}");
}

#[test]
fn a_wrapper_of_the_users_that_stays_hides_no_memory() {
    let checkout = Checkout::new();
    let wrapper = checkout.script("user-wrapper", "\"$@\"");
    // Long enough to be sampled a few times.
    let compiler = checkout.fake_rustc("low", "sleep 1");
    let mut command = checkout.xtask(&["build", "--no-install", "--json"]);
    let output = command.env("RUSTC_WRAPPER", wrapper).env("RUSTC", compiler).output().expect("starts");
    Ran::of(&output).ended_with(0);
    let ledger = std::fs::read_to_string(checkout.root.join("target/xtask/ledger.jsonl")).expect("there");
    let low = ledger.lines().find(|line| line.contains("\"package\":\"low\"")).expect("it was measured");
    let low: serde_json::Value = serde_json::from_str(low).expect("JSON");
    assert!(low["peak_mib"].as_f64().expect("a number") > 0.0, "{low}");
}

#[test]
fn a_wrapper_that_outlives_its_build_is_just_the_compiler() {
    let checkout = Checkout::new();
    checkout.run(&["build", "--no-install"]).ended_with(0);
    let ours = checkout.root.join("target/xtask/bin/maou-rustc");
    let mut cargo = Command::new("cargo");
    cargo.args(["check", "--package", "high"]).current_dir(&checkout.root).env("RUSTC_WRAPPER", &ours);
    let cargo = cargo.env_remove("XTASK_GOVERNOR").env_remove("CARGO_TARGET_DIR");
    Ran::of(&cargo.output().expect("starts")).ended_with(0);

    // In place of the user's it would start itself for ever.
    let mut command = checkout.xtask(&["build", "--no-install", "--profile", "release"]);
    let output = command.env("RUSTC_WRAPPER", &ours).env("XTASK_GOVERNOR", "/gone").output().expect("starts");
    Ran::of(&output).ended_with(0);
}

#[test]
fn a_governed_command_runs_where_nothing_of_ours_can_be_written() {
    let checkout = Checkout::new();
    let mut command = checkout.xtask(&["govern", "--", "sh", "-c", "exit 7"]);
    let ran = Ran::of(&command.env("CARGO_TARGET_DIR", "/proc/nowhere").output().expect("starts"));
    ran.ended_with(7);
    ran.says("this runs without a governor");
}

#[test]
fn nothing_of_a_governed_command_outlives_a_signal() {
    let checkout = Checkout::new();
    let marker = checkout.root.join("marker").display().to_string();
    // The shell's own child is not asked to end by anybody.
    let script = format!("sh -c 'touch begun; sleep 987; : {marker}'; true");
    let mut command = checkout.xtask(&["govern", "--", "sh", "-c", &script]);
    let child = Started::from(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts"));
    wait_until("it runs", || checkout.root.join("begun").exists());
    signal(&child, libc::SIGTERM);
    ended(child).ended_with(130);
    wait_until("no process of it is left", || processes_with(&marker).is_empty());
}

#[test]
fn any_command_can_be_governed() {
    let checkout = Checkout::new();
    let cargo = ["govern", "--json", "--jobs", "1", "--", "cargo", "build", "--package", "high"];
    let ran = checkout.run(&cargo);
    ran.ended_with(0);
    assert_eq!(ran.json()["units"], 2, "{}", ran.stdout);
    ran.says("2 units compiled");
    assert_eq!(checkout.run(&["govern", "--", "sh", "-c", "exit 7"]).status, Some(7));
    assert_eq!(checkout.run(&["govern", "--", "sh", "-c", "kill -9 $$"]).status, Some(137));
    checkout.run(&["govern"]).ended_with(2);
    checkout.run(&["govern", "--", "no-such-program"]).ended_with(2);
}

#[test]
fn build_scripts_are_told_the_real_number_of_processors() {
    let checkout = Checkout::new();
    checkout.write(
        "low/build.rs",
        "fn main() { std::fs::write(\"jobs\", std::env::var(\"NUM_JOBS\").unwrap()).unwrap(); }\n",
    );
    checkout.run(&["build", "--no-install", "--jobs", "1"]).ended_with(0);
    let jobs = std::fs::read_to_string(checkout.root.join("low/jobs")).expect("the build script ran");
    assert_eq!(jobs, "1");
}

/// The folder of a build's governor: the first of its arguments.
fn place_of(child: &Child) -> PathBuf {
    let governor = descendants(child, "maou-governor").pop().expect("a governor");
    let line = std::fs::read(format!("/proc/{governor}/cmdline")).ok().or_else(|| {
        Command::new("ps").args(["-o", "args=", "-p", &governor.to_string()]).output().ok().map(|out| out.stdout)
    });
    let line = String::from_utf8_lossy(&line.expect("it runs")).replace('\0', " ");
    PathBuf::from(line.split_whitespace().nth(1).expect("an argument"))
}
