//! Who of a build's process tree can be struck.

use super::heard::Heard;
use super::plan::Aim;
use super::processes;
use crate::governor::server;
use crate::memory::{ProcessSample, TreeSample, UnitKind};
use crate::wrapper;

/// A process, and what it is to people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Victim {
    pub(super) pid: u32,
    pub(super) aim: Aim,
    pub(super) name: String,
}

/// The name of a compiler, as the kernel has it.
const RUSTC: &str = "rustc";

/// All that `aim` could hit now.
///
/// Nothing that a build script runs is among them: cargo itself has no way to run a build script again, and neither has
/// anybody who governs it. Nor is what cargo asks of the compiler before the first unit.
pub(super) fn find(tree: &TreeSample, heard: &Heard, aim: Aim) -> Vec<Victim> {
    find_with(tree, aim, |pid| is_behind_metadata(heard, pid))
}

fn find_with(tree: &TreeSample, aim: Aim, behind_metadata: impl Fn(u32) -> bool) -> Vec<Victim> {
    let matches = |process: &&ProcessSample| match aim {
        Aim::Compiler => is_compiler(tree, process),
        Aim::BehindMetadata => is_library_compiler(tree, process) && behind_metadata(process.pid),
        Aim::Linker => is_linker(process),
        Aim::Governor => *process.command == *server::NAME,
        Aim::Wrapper => *process.command == *wrapper::NAME && has_compiler(tree, process.pid),
        Aim::Socket | Aim::Ledger | Aim::Hog => false,
    };
    let victim = |process: &ProcessSample| Victim { pid: process.pid, aim, name: name(process) };
    tree.processes.iter().filter(matches).map(victim).collect()
}

fn is_compiler(tree: &TreeSample, process: &ProcessSample) -> bool {
    let parent = tree.processes.iter().find(|other| other.pid == process.ppid);
    // A wrapper that has just forked is called what it is called, and a probe has cargo for its parent.
    *process.command == *RUSTC
        && is_of_a_unit(process)
        && parent.is_some_and(|parent| *parent.command == *wrapper::NAME)
}

fn is_library_compiler(tree: &TreeSample, process: &ProcessSample) -> bool {
    is_compiler(tree, process) && process.unit.as_ref().is_some_and(|unit| unit.kind == UnitKind::Compile)
}

fn is_linker(process: &ProcessSample) -> bool {
    process.unit.as_ref().is_some_and(|unit| unit.kind == UnitKind::Link)
}

fn is_of_a_unit(process: &ProcessSample) -> bool {
    let kinds = [UnitKind::Compile, UnitKind::BuildScript];
    process.unit.as_ref().is_some_and(|unit| kinds.contains(&unit.kind))
}

fn has_compiler(tree: &TreeSample, wrapper: u32) -> bool {
    tree.processes.iter().any(|process| process.ppid == wrapper && *process.command == *RUSTC)
}

/// A unit is called after its package, which a compiler's environment has and its command line has not.
fn is_behind_metadata(heard: &Heard, pid: u32) -> bool {
    processes::variable(pid, "CARGO_PKG_NAME").is_some_and(|package| heard.is_behind_metadata(&package))
}

fn name(process: &ProcessSample) -> String {
    match &process.unit {
        Some(unit) => format!("{} of {unit}", process.command),
        None => process.command.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::UnitName;

    fn process(pid: u32, ppid: u32, command: &str, unit: Option<(&str, UnitKind)>) -> ProcessSample {
        let unit = unit.map(|(crate_name, kind)| UnitName { crate_name: crate_name.into(), kind, leader: pid });
        ProcessSample {
            pid,
            ppid,
            start_time: 0,
            command: command.into(),
            unit,
            anon: 0,
            resident: 0,
            cpu_s: 0.0,
            waited_s: 0.0,
        }
    }

    /// A build: two units, one of them linking, a third that waits, a probe, and a build script that runs a compiler.
    fn tree() -> TreeSample {
        use UnitKind::{BuildScriptRun, Compile, Link};
        let processes = vec![
            process(1, 0, "xtask", None),
            process(2, 1, "maou-governor", None),
            process(3, 1, "cargo", None),
            process(4, 3, "maou-rustc", Some(("serde", Compile))),
            process(5, 4, "rustc", Some(("serde", Compile))),
            process(6, 3, "maou-rustc", Some(("app", Compile))),
            process(7, 6, "rustc", Some(("app", Compile))),
            process(8, 7, "cc", Some(("app", Link))),
            process(9, 8, "ld", Some(("app", Link))),
            process(10, 3, "maou-rustc", Some(("waits", Compile))),
            process(11, 3, "rustc", Some(("___", Compile))),
            process(12, 3, "build-script-build", Some(("zstd-sys", BuildScriptRun))),
            process(13, 12, "cc", Some(("zstd-sys", BuildScriptRun))),
            process(14, 12, "rustc", Some(("probe", BuildScriptRun))),
        ];
        TreeSample { processes, ..TreeSample::default() }
    }

    fn pids(aim: Aim) -> Vec<u32> {
        find_with(&tree(), aim, |pid| pid == 5).iter().map(|victim| victim.pid).collect()
    }

    #[test]
    fn only_what_can_be_run_again_is_struck() {
        assert_eq!(pids(Aim::Compiler), [5, 7]);
        assert_eq!(pids(Aim::BehindMetadata), [5]);
        assert_eq!(pids(Aim::Linker), [8, 9]);
        assert_eq!(pids(Aim::Governor), [2]);
        assert_eq!(pids(Aim::Wrapper), [4, 6]);
        assert!(pids(Aim::Socket).is_empty());
    }

    #[test]
    fn a_victim_has_a_name() {
        let names: Vec<String> =
            find_with(&tree(), Aim::Linker, |_| false).into_iter().map(|victim| victim.name).collect();
        assert_eq!(names, ["cc of app (link)", "ld of app (link)"]);
    }
}
