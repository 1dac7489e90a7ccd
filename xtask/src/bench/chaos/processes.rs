//! Processes that are found by what they were started with, and the folders that builds leave where sockets are.

use std::fs;
use std::path::{Path, PathBuf};

use crate::governor::place;

/// A process that should not be there any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) pid: u32,
    pub(super) command: String,
}

/// Characters of a command line that people are shown.
const SHOWN: usize = 120;

/// All processes but this one that have `marker` in their command line or environment. What a build starts has its
/// target directory there, whoever started it and whoever has adopted it since.
pub(super) fn with_marker(marker: &str) -> Vec<Left> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| *pid != std::process::id() && has(*pid, marker))
        .map(|pid| Left { pid, command: command_line(pid).chars().take(SHOWN).collect() })
        .collect()
}

/// A variable as the process has had it from its start.
pub(super) fn variable(pid: u32, name: &str) -> Option<String> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let mut pairs = environment.split(|byte| *byte == 0).filter_map(|pair| std::str::from_utf8(pair).ok());
    pairs.find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
}

/// Ends one process that a benchmark has started.
pub(super) fn kill(pid: u32) {
    let Ok(pid) = libc::pid_t::try_from(pid) else { return };
    // 0 and below are groups, 1 is everybody's.
    if pid > 1 {
        // SAFETY: kill takes two integers; a process that is gone is an error that we want to ignore.
        unsafe {
            libc::kill(pid, libc::SIGKILL);
        }
    }
}

/// The folders in which the build of process `owner` meets its wrappers.
pub(super) fn places_of(owner: u32) -> Vec<PathBuf> {
    let pool = place::pool().ok();
    pool.as_deref().and_then(Path::parent).map_or_else(Vec::new, |base| places_in(base, owner))
}

fn places_in(base: &Path, owner: u32) -> Vec<PathBuf> {
    let name = format!("b{owner}-");
    let entries = fs::read_dir(base).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&name)).map(|entry| entry.path()).collect()
}

/// A zombie has neither a command line nor an environment any more.
fn has(pid: u32, marker: &str) -> bool {
    ["cmdline", "environ"].iter().any(|file| {
        let text = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        text.windows(marker.len().max(1)).any(|part| part == marker.as_bytes())
    })
}

fn command_line(pid: u32) -> String {
    let text = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&text).replace('\0', " ").trim().to_owned()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::proc;

    #[test]
    fn a_process_is_found_by_its_environment_and_gone_when_it_is_killed() {
        let marker = format!("xtask-chaos-marker-{}", std::process::id());
        let mut command = proc::command("sleep");
        command.arg("1000").env("MARKER", &marker);
        let mut child = command.spawn().expect("sleep runs");
        let found = || with_marker(&marker);
        while found().first().is_none_or(|left| !left.command.starts_with("sleep")) {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert_eq!(found().iter().map(|left| left.pid).collect::<Vec<_>>(), [child.id()]);
        assert_eq!(variable(child.id(), "MARKER"), Some(marker.clone()));
        assert_eq!(variable(child.id(), "MARKE"), None);
        kill(child.id());
        child.wait().expect("a child");
        assert_eq!(with_marker(&marker), []);
    }

    #[test]
    fn a_folder_is_known_by_its_owner() {
        let base = std::env::temp_dir().join(format!("xtask-chaos-places-{}", std::process::id()));
        for name in ["b12-aa", "b123-bb", "pool"] {
            fs::create_dir_all(base.join(name)).expect("writable");
        }
        assert_eq!(places_in(&base, 12), [base.join("b12-aa")]);
        assert_eq!(places_in(&base, 1), Vec::<PathBuf>::new());
        fs::remove_dir_all(&base).expect("ours");
    }
}
