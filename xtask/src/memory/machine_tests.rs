//! The recorded trees of `tests/fixtures/memory`, and this machine.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::{CgroupVersion, Constraint};
use super::*;
use crate::proc;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

fn recorded(name: &str) -> Machine {
    Machine::at(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/memory").join(name))
}

fn group(path: &str) -> Constraint {
    Constraint::Cgroup(path.into())
}

fn kills(count: u64, source: OomSource) -> Option<OomKills> {
    Some(OomKills { count, source })
}

/// `(limit, used, headroom)` of each level, in MiB.
fn levels(snapshot: &Snapshot) -> Vec<(Option<u64>, u64, Option<u64>)> {
    let in_mib = |bytes: Option<u64>| bytes.map(|bytes| bytes / MIB);
    snapshot.levels.iter().map(|level| (in_mib(level.limit), level.used / MIB, in_mib(level.headroom))).collect()
}

#[test]
fn a_container_has_what_its_group_allows() {
    let machine = recorded("docker-v2");
    let snapshot = machine.read();
    // 1800 MiB used, of which 900 of inactive files and 40 of slab go away for the asking.
    assert_eq!(levels(&snapshot), [(Some(2048), 860, Some(1188))]);
    assert_eq!(snapshot.constraint, group("/sys/fs/cgroup"));
    assert_eq!((snapshot.available, snapshot.limit), (1188 * MIB, 2 * GIB));
    assert_eq!(snapshot.mem_total, Some(32_594_716 << 10));
    assert_eq!(snapshot.mem_available, Some(21_340_128 << 10));
    let level = snapshot.deciding_level().unwrap();
    assert_eq!((level.anon, level.cached), (Some(700 * MIB), Some(1020 * MIB)));
    // The host has swap; `--memory-swap` equal to `--memory` leaves the container none.
    assert_eq!((snapshot.swap_free, snapshot.swap_available), (Some(2_000_000 << 10), Some(0)));
    assert_eq!(snapshot.cores, 1.5);
    assert_eq!(snapshot.oom_kills, kills(3, OomSource::Cgroup("/sys/fs/cgroup".into())));
    assert_eq!(snapshot.psi, Some(Psi { some_avg10: 1.25, full_avg10: 0.5 }));
}

#[test]
fn the_tightest_ancestor_decides() {
    let snapshot = recorded("v2-slices").read();
    let expected = [
        // memory.high, 5 GiB, is below memory.max, 6 GiB.
        (Some(5120), 700, Some(4420)),
        (None, 2600, None),
        (None, 2700, None),
        (Some(4096), 2780, Some(1316)),
        (None, 2900, None),
    ];
    assert_eq!(levels(&snapshot), expected);
    assert_eq!(
        snapshot.levels.iter().map(|level| level.throttles).collect::<Vec<_>>(),
        [true, false, false, false, false]
    );
    assert_eq!(snapshot.constraint, group("/sys/fs/cgroup/user.slice/user-1000.slice"));
    assert_eq!((snapshot.available, snapshot.limit), (1316 * MIB, 4 * GIB));
    assert_eq!(snapshot.swap_available, Some(412 * MIB));
    assert_eq!(snapshot.cores, 3.5);
    let own = "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.slice/build.scope";
    assert_eq!(snapshot.oom_kills, kills(1, OomSource::Cgroup(own.into())));
    assert_eq!(snapshot.psi, Some(Psi { some_avg10: 0.1, full_avg10: 0.02 }));
}

#[test]
fn without_a_limit_the_machine_decides() {
    let snapshot = recorded("v2-unlimited").read();
    assert_eq!(levels(&snapshot), [(None, 56, None)]);
    assert_eq!(snapshot.constraint, Constraint::MemAvailable);
    assert_eq!((snapshot.available, snapshot.limit), (5_000_000 << 10, 8_048_340 << 10));
    assert_eq!(snapshot.cached, Some((4_700_000 + 8372 - 12776) << 10));
    // Sixteen processors may be plugged in, two are.
    assert_eq!(snapshot.cores, 2.0);
}

#[test]
fn a_kernel_without_pressure_and_counters() {
    let snapshot = recorded("no-psi").read();
    assert_eq!(levels(&snapshot), [(Some(1024), 300, Some(724))]);
    assert_eq!((snapshot.levels[0].anon, snapshot.levels[0].cached), (None, None));
    assert_eq!((snapshot.psi, snapshot.oom_kills), (None, None));
    assert_eq!(snapshot.swap_available, Some(1_000_000 << 10));
    assert_eq!(snapshot.cores, 1.0);
}

#[test]
fn a_kernel_that_tells_next_to_nothing() {
    let machine = recorded("missing");
    let snapshot = machine.read();
    assert_eq!(snapshot.mem_available, Some((300_000 + 900_000 + 40_000 - 140_000) << 10));
    assert_eq!(snapshot.constraint, Constraint::MemAvailable);
    assert_eq!(snapshot.limit, 2_046_564 << 10);
    assert_eq!(machine.on_tmpfs(Path::new("/tmp")), None);
}

#[test]
fn nothing_at_all() {
    let snapshot = recorded("no-such-directory").read();
    assert_eq!(snapshot, Snapshot::unknown());
    assert_eq!((snapshot.available, snapshot.constraint), (0, Constraint::Unknown));
}

#[test]
fn both_versions_at_once() {
    let snapshot = recorded("hybrid").read();
    // The root group, 1 GiB, is not hierarchical.
    assert_eq!(levels(&snapshot), [(Some(2048), 700, Some(1348)), (None, 1000, None)]);
    assert_eq!(snapshot.constraint, group("/sys/fs/cgroup/memory/system.slice/ci.service"));
    // 2560 - 2048 MiB of swap allowed, 1300 - 1100 used.
    assert_eq!(snapshot.swap_available, Some(312 * MIB));
    assert_eq!(snapshot.cores, 2.5);
    let own = "/sys/fs/cgroup/memory/system.slice/ci.service";
    assert_eq!(snapshot.oom_kills, kills(2, OomSource::Cgroup(own.into())));
    assert_eq!(snapshot.psi, Some(Psi { some_avg10: 3.5, full_avg10: 2.75 }));
}

#[test]
fn a_container_of_version_1_sees_its_group_at_the_mount_point() {
    for name in ["docker-v1", "docker-v1-outside"] {
        let snapshot = recorded(name).read();
        assert_eq!(levels(&snapshot), [(Some(768), 350, Some(418))], "{name}");
        assert_eq!(snapshot.constraint, group("/sys/fs/cgroup/memory"), "{name}");
        assert_eq!(snapshot.cores, 0.5, "{name}");
        assert_eq!(snapshot.levels[0].version, CgroupVersion::V1);
    }
}

#[test]
fn a_group_outside_the_namespace_falls_back_to_the_mount_point() {
    let snapshot = recorded("v2-outside").read();
    assert_eq!(levels(&snapshot), [(Some(400), 200, Some(200))]);
    assert!(snapshot.levels[0].throttles);
}

#[test]
fn recorded_in_a_cage_on_a_real_machine() {
    let machine = recorded("v1-cage");
    let snapshot = machine.read();
    let cage = "/sys/fs/cgroup/memory/cage.32135";
    assert_eq!(snapshot.constraint, group(cage));
    assert_eq!(snapshot.limit, 512 * MIB);
    assert_eq!(snapshot.levels[0].anon, Some(75_005_952));
    assert_eq!(snapshot.levels[0].headroom, Some(snapshot.available));
    assert_eq!(snapshot.levels[1].limit, None);
    assert_eq!(snapshot.oom_kills, kills(0, OomSource::Cgroup(cage.into())));
    assert_eq!(snapshot.psi.map(|psi| psi.some_avg10), Some(0.0));
    assert_eq!(snapshot.cores, 2.0);
    assert_eq!(machine.on_tmpfs(Path::new("/dev/shm/target")), Some(true));
    assert_eq!(machine.on_tmpfs(Path::new("/root/target")), Some(false));
}

#[test]
fn a_tmpfs_is_told_from_a_disk() {
    let machine = recorded("v2-slices");
    assert_eq!(machine.on_tmpfs(Path::new("/tmp/target/debug")), Some(true));
    assert_eq!(machine.on_tmpfs(Path::new("/home/me/target")), Some(false));
}

#[test]
fn this_machine_is_read() {
    let machine = Machine::here();
    let snapshot = machine.read();
    assert_ne!(snapshot.constraint, Constraint::Unknown);
    assert!(snapshot.available > 0 && snapshot.available <= snapshot.limit);
    assert!(snapshot.cores > 0.0);
    assert!(machine.on_tmpfs(&std::env::temp_dir()).is_some());
}

#[test]
fn processor_lists() {
    assert_eq!(parse_list("0-2,5\n"), [0, 1, 2, 5]);
    assert_eq!(parse_list("\t7"), [7]);
    assert!(parse_list("").is_empty() && parse_list("x-").is_empty());
}

/// A group with a limit, made on this machine, and removed again.
struct Cage(PathBuf);

impl Cage {
    fn new(limit: u64) -> Result<Self, String> {
        let root = Path::new("/sys/fs/cgroup");
        let (parent, file) = match root.join("cgroup.controllers").exists() {
            true => (root.to_owned(), "memory.max"),
            false => (root.join("memory"), "memory.limit_in_bytes"),
        };
        let cage = Cage(parent.join(format!("xtask-test.{}", std::process::id())));
        fs::create_dir(&cage.0).map_err(|error| format!("cannot make {}: {error}", cage.0.display()))?;
        fs::write(cage.0.join(file), limit.to_string()).map_err(|error| format!("cannot set {file}: {error}"))?;
        Ok(cage)
    }

    fn take(&self, pid: u32) -> Result<(), String> {
        fs::write(self.0.join("cgroup.procs"), pid.to_string()).map_err(|error| format!("cannot move: {error}"))
    }
}

impl Drop for Cage {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn a_real_cage_decides() {
    let cage = match Cage::new(64 * MIB) {
        Ok(cage) => cage,
        Err(reason) => return eprintln!("skipped: {reason}"),
    };
    let mut child = proc::command("sleep").arg("60").spawn().expect("sleep starts");
    let moved = cage.take(child.id());
    let snapshot = Machine::of("/", &child.id().to_string()).read();
    child.kill().and_then(|()| child.wait()).expect("sleep ends");
    if let Err(reason) = moved {
        return eprintln!("skipped: {reason}");
    }
    assert_eq!(snapshot.limit, 64 * MIB);
    assert_eq!(snapshot.constraint, Constraint::Cgroup(cage.0.clone()));
    assert!(snapshot.available <= 64 * MIB);
}
