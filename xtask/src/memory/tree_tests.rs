//! A recorded tree, `tests/fixtures/memory/tree`, and living ones.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::*;
use crate::proc;

const PAGE: u64 = 4096;
const MIB: u64 = 1 << 20;

fn recorded() -> TreeSampler {
    TreeSampler::at(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/memory/tree/proc"))
}

/// `pid unit anonymous-pages`, a line for each process.
fn lines(sample: &TreeSample) -> Vec<String> {
    let line = |process: &ProcessSample| {
        let unit = process.unit.as_ref().map_or_else(|| "-".to_owned(), |unit| format!("{unit} #{}", unit.leader));
        format!("{} {} [{unit}] {}", process.pid, process.command, process.anon / PAGE)
    };
    sample.processes.iter().map(line).collect()
}

const BUILD: [&str; 9] = [
    "100 cargo [-] 8000",
    "220 cargo [-] 0",
    "210 rustc [app #210] 20000",
    "211 cc [app (link) #210] 100",
    "212 rust-lld [app (link) #210] 20000",
    "200 xtask [polars_core #200] 300",
    "201 rustc [polars_core #200] 170000",
    "300 build-script-bu [zstd-sys (build script run) #300] 600",
    "301 cc1 [zstd-sys (build script run) #300] 5000",
];

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

#[test]
fn a_build_is_found_below_cargo_and_told_by_crates() {
    let mut sampler = recorded();
    // Twice: the second time with open files and known processes.
    for _ in 0..2 {
        let sample = sampler.sample(&[100]);
        let expected = BUILD.map(str::to_owned).to_vec();
        assert_eq!(sorted(lines(&sample)), sorted(expected));
        assert_eq!(sample.anon, 224_000 * PAGE);
        assert_eq!(sample.resident, (12000 + 11900 + 40000 + 300 + 90000 + 800 + 200_000 + 1500 + 6000) * PAGE);
    }
}

#[test]
fn who_only_waits_is_passed_over_with_what_it_started() {
    let mut sampler = recorded();
    sampler.pass_over(HashSet::from([200]));
    let sample = sampler.sample(&[100]);
    assert!(sample.processes.iter().all(|process| ![200, 201].contains(&process.pid)));
    assert_eq!(sample.processes.len(), BUILD.len() - 2);
    sampler.pass_over(HashSet::new());
    assert_eq!(sampler.sample(&[100]).processes.len(), BUILD.len());
}

#[test]
fn a_process_has_its_times_and_sizes() {
    let sample = recorded().sample(&[201]);
    let [rustc] = &sample.processes[..] else { panic!("one process") };
    assert_eq!((rustc.ppid, rustc.start_time, rustc.cpu_s), (200, 1201, 42.5));
    assert_eq!(rustc.resident, 200_000 * PAGE);
}

#[test]
fn parents_come_before_children_and_roots_only_once() {
    let sample = recorded().sample(&[210, 100, 210, 99999]);
    let position = |pid| sample.processes.iter().position(|process| process.pid == pid).unwrap();
    assert_eq!(sample.processes.len(), BUILD.len());
    assert!(position(100) < position(200) && position(200) < position(201));
    assert!(position(210) < position(211) && position(211) < position(212));
}

#[test]
fn without_lists_of_children_every_process_is_asked_for_its_parent() {
    let mut sampler = recorded();
    let listed = sampler.sample(&[100]);
    assert!(sampler.lists_children);
    sampler.lists_children = false;
    let asked = sampler.sample(&[100]);
    assert_eq!(sorted(lines(&listed)), sorted(lines(&asked)));
}

#[test]
fn a_child_of_a_new_thread_is_found() {
    // One thread after the other, each with a child of its own, as cargo does it.
    let mut sampler = TreeSampler::here();
    let own = std::process::id();
    for _ in 0..3 {
        let child = thread::spawn(|| proc::command("sleep").arg("60").spawn().expect("sleep starts"));
        let child = Running(child.join().expect("a child"));
        let found = |sample: &TreeSample| sample.processes.iter().any(|process| process.pid == child.0.id());
        assert!(found(&sample_until(&mut sampler, own, found)));
    }
}

#[test]
fn another_root_finds_what_was_there_before() {
    let mut sampler = recorded();
    sampler.sample(&[300]);
    assert_eq!(sampler.sample(&[200]).processes.len(), 2);
}

#[test]
fn a_child_whose_parent_ended_is_found_at_its_new_parent() {
    // The shell in the middle ends at once; who adopts `sleep` depends on the machine, so its parent is asked for.
    let mut shell = proc::command("sh");
    shell.args(["-c", "sh -c 'sleep 60 & echo $!; read line' "]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut shell = Running(shell.spawn().expect("sh starts"));
    let mut line = String::new();
    BufReader::new(shell.0.stdout.take().expect("a pipe")).read_line(&mut line).expect("a process id");
    let orphan: u32 = line.trim().parse().expect("a process id");
    let mut census = Census::default();
    census.take(Path::new("/proc"));
    let parent_now = |census: &Census| census.parents.iter().find(|(pid, _)| *pid == orphan).map(|(_, parent)| *parent);
    let before = parent_now(&census);
    drop(shell.0.stdin.take());
    shell.0.wait().expect("sh ends");
    census.take(Path::new("/proc"));
    let after = parent_now(&census);
    proc::command("kill").arg(orphan.to_string()).status().expect("kill runs");
    assert!(before.is_some() && after.is_some() && before != after, "{before:?}, {after:?}");
    assert_eq!(parent_of(Path::new("/proc"), shell.0.id()), None);
}

#[test]
fn everything_is_all_but_the_kernels_own() {
    let sample = recorded().everything();
    assert_eq!(sample.processes.len(), BUILD.len() + 2);
    assert_eq!(lines(&sample)[0], "1 systemd [-] 1000");
    assert!(lines(&sample).contains(&"400 my (shell) x [-] 400".to_owned()));
}

/// Ends its whole tree with it.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Samples until `done`, for ten seconds at most.
fn sample_until(sampler: &mut TreeSampler, root: u32, done: impl Fn(&TreeSample) -> bool) -> TreeSample {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let sample = sampler.sample(&[root]);
        if done(&sample) || Instant::now() > deadline {
            return sample;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn what_a_grandchild_allocates_is_seen_and_its_end_too() {
    // `tail` holds all that has no line break until its input ends.
    let mut shell = proc::command("sh");
    shell.args(["-c", "tail | cat; sleep 60"]).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut shell = Running(shell.spawn().expect("sh starts"));
    let mut input = shell.0.stdin.take().expect("a pipe");
    input.write_all(&vec![0; 64 * MIB as usize]).expect("tail reads");
    let mut sampler = TreeSampler::here();
    let sample = sample_until(&mut sampler, shell.0.id(), |sample| sample.anon > 64 * MIB);
    assert!((64 * MIB..80 * MIB).contains(&sample.anon), "{sample:?}");
    let tail = sample.processes.iter().find(|process| &*process.command == "tail").expect("tail runs");
    assert!(tail.anon > 60 * MIB && tail.ppid == shell.0.id());
    drop(input);
    let sample = sample_until(&mut sampler, shell.0.id(), |sample| sample.anon < 8 * MIB);
    assert!(sample.anon < 8 * MIB, "{sample:?}");
    assert!(sampler.known.len() <= 3);
}

#[test]
fn what_a_process_executes_replaces_what_it_was() {
    let mut shell = proc::command("sh");
    shell.args(["-c", "read line; exec sleep 60"]).stdin(Stdio::piped());
    let mut shell = Running(shell.spawn().expect("sh starts"));
    let mut sampler = TreeSampler::here();
    let before = sample_until(&mut sampler, shell.0.id(), |sample| &*sample.processes[0].command == "sh");
    shell.0.stdin.take().expect("a pipe").write_all(b"\n").expect("sh reads");
    let after = sample_until(&mut sampler, shell.0.id(), |sample| &*sample.processes[0].command == "sleep");
    assert_eq!((&*before.processes[0].command, &*after.processes[0].command), ("sh", "sleep"));
    assert_eq!(before.processes[0].start_time, after.processes[0].start_time);
}

#[test]
fn a_process_that_has_ended_is_left_out() {
    let mut child = proc::command("true").spawn().expect("true starts");
    child.wait().expect("true ends");
    assert_eq!(TreeSampler::here().sample(&[child.id()]), TreeSample::default());
}

#[test]
fn the_kernels_page_size_is_read() {
    let mut auxiliary = Vec::new();
    for word in [33_usize, 1, 6, 16384, 0, 0] {
        auxiliary.extend(word.to_ne_bytes());
    }
    assert_eq!(auxiliary_value(&auxiliary, PAGE_SIZE), Some(16384));
    assert_eq!(auxiliary_value(&auxiliary, CLOCK_TICKS), None);
    assert_eq!(TreeSampler::here().ticks_per_second, 100.0);
}
