//! Frames for tests.

use std::path::PathBuf;
use std::time::Duration;

use super::{Ending, Frame};
use crate::memory::{
    CgroupLevel, CgroupVersion, PeakTracker, ProcessSample, Psi, Snapshot, TreeSample, UnitKind, UnitName,
};
use crate::proc::End;

const MIB: u64 = 1 << 20;

/// 1:12 of a build in a cage of 1 GiB.
pub(super) fn build() -> Frame {
    let tree = tree(vec![
        process(1111, "cargo", None, 31, 2.1),
        process(1234, "rustc", unit("polars_core", UnitKind::Compile, 1234), 412, 48.2),
        process(1240, "rustc", unit("maou_rust", UnitKind::Compile, 1240), 40, 12.0),
        process(1250, "rust-lld", unit("maou_rust", UnitKind::Link, 1240), 102, 1.0),
        process(1260, "build-script-bu", unit("zstd-sys", UnitKind::BuildScriptRun, 1260), 13, 0.0),
    ]);
    Frame {
        title: "cargo build --workspace".to_owned(),
        at: Duration::from_secs(72),
        snapshot: snapshot(Some(1024 * MIB)),
        tree,
        peak: Some((612 * MIB, Duration::from_secs(64))),
        oom_kills: Some(0),
    }
}

/// A machine without control groups, pressure and counters.
pub(super) fn machine() -> Frame {
    let tree = tree(vec![process(1, "systemd", None, 4, 3.0), process(77, "firefox", None, 2100, 4000.0)]);
    let snapshot = Snapshot { psi: None, swap_total: None, ..snapshot(None) };
    Frame { title: String::new(), at: Duration::from_secs(3700), snapshot, tree, peak: None, oom_kills: None }
}

/// The build above, killed at 2:47.
pub(super) fn ending() -> Ending {
    let mut peaks = PeakTracker::default();
    peaks.feed(Duration::from_secs(64), &build().tree);
    let wall = Duration::from_secs(167);
    Ending { title: build().title, end: End::Signal(9), wall, oom_kills: Some(1), peaks }
}

fn snapshot(limit: Option<u64>) -> Snapshot {
    let level = CgroupLevel {
        path: PathBuf::from("/sys/fs/cgroup/memory/cage.1"),
        version: CgroupVersion::V1,
        limit,
        throttles: false,
        used: 712 * MIB,
        anon: Some(640 * MIB),
        cached: Some(210 * MIB),
        active_files: Some(0),
        headroom: limit.map(|limit| limit - 712 * MIB),
    };
    Snapshot {
        mem_total: Some(24_104 * MIB),
        mem_available: Some(20_000 * MIB),
        anon: Some(3000 * MIB),
        cached: Some(1800 * MIB),
        swap_total: Some(2048 * MIB),
        swap_free: Some(1900 * MIB),
        swap_available: Some(0),
        levels: vec![level],
        psi: Some(Psi { some_avg10: 1.25, full_avg10: 0.5 }),
        ..Snapshot::unknown()
    }
    .decide()
}

fn tree(processes: Vec<ProcessSample>) -> TreeSample {
    let anon = processes.iter().map(|process| process.anon).sum();
    TreeSample { anon, resident: 2 * anon, processes }
}

fn process(pid: u32, command: &str, unit: Option<UnitName>, anon_mib: u64, cpu_s: f64) -> ProcessSample {
    let anon = anon_mib * MIB;
    ProcessSample {
        pid,
        ppid: 1,
        start_time: u64::from(pid),
        command: command.into(),
        unit,
        anon,
        resident: 2 * anon,
        cpu_s,
        waited_s: 0.0,
    }
}

fn unit(crate_name: &str, kind: UnitKind, leader: u32) -> Option<UnitName> {
    Some(UnitName { crate_name: crate_name.into(), kind, leader })
}
