//! The machine and the checkout that something was measured on.

use std::path::Path;
use std::time::SystemTime;

use serde_json::{Value, json};
use xshell::Shell;

use crate::memory::{self, Sensing, mib};
use crate::{proc, run_record};

/// What a reader needs to know about where figures come from.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Facts {
    pub(super) cpu: String,
    /// Processors that may be kept busy: fewer than there are where a quota says so.
    pub(super) cores: f64,
    pub(super) memory_mib: f64,
    pub(super) kernel: String,
    pub(super) rustc: String,
    /// With a `+` where files differ from it.
    pub(super) commit: String,
    /// Of `Cargo.lock`, the workspace's manifest and the toolchain: what decides how heavy a build is.
    pub(super) lock_hash: String,
    /// When the file was written last, UTC.
    pub(super) date: String,
}

const UNKNOWN: &str = "unknown";

/// Asks the machine; what it does not tell is "unknown".
pub(super) fn gather(root: &Path) -> Facts {
    let machine = memory::sensor(Sensing::best()).snapshot();
    let shell = Shell::new().inspect(|shell| shell.change_dir(root)).ok();
    let ask = |program: &str, arguments: &[&str]| proc::read(shell.as_ref()?, program, arguments);
    let known = |answer: Option<String>| answer.unwrap_or_else(|| UNKNOWN.to_owned());
    let dirty = ask("git", &["status", "--porcelain"]).is_some_and(|changes| !changes.is_empty());
    let commit = ask("git", &["rev-parse", "--short=12", "HEAD"]);
    Facts {
        cpu: known(cpu_model()),
        cores: machine.cores,
        memory_mib: mib(machine.mem_total.unwrap_or(0)),
        kernel: known(ask("uname", &["-srm"])),
        rustc: known(ask("rustc", &["--version"])),
        commit: known(commit.map(|commit| commit + if dirty { "+" } else { "" })),
        lock_hash: run_record::lock_hash(root),
        date: run_record::timestamp(SystemTime::now()),
    }
}

impl Facts {
    /// Why figures of `self` and `other` cannot stand in one table; `None` when they can.
    pub(super) fn differ(&self, other: &Facts) -> Option<&'static str> {
        let machine = |facts: &Facts| (facts.cpu.clone(), facts.cores, facts.memory_mib, facts.kernel.clone());
        if machine(self) != machine(other) {
            Some("another machine")
        } else if self.rustc != other.rustc {
            Some("another rustc")
        } else if self.lock_hash != other.lock_hash {
            Some("another Cargo.lock, Cargo.toml or rust-toolchain.toml")
        } else {
            None
        }
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "cpu": self.cpu,
            "cores": self.cores,
            "memory_mib": self.memory_mib,
            "kernel": self.kernel,
            "rustc": self.rustc,
            "commit": self.commit,
            "lock_hash": self.lock_hash,
            "date": self.date,
        })
    }

    pub(super) fn from_json(value: &Value) -> Option<Self> {
        let text = |name: &str| value[name].as_str().map(str::to_owned);
        Some(Facts {
            cpu: text("cpu")?,
            cores: value["cores"].as_f64()?,
            memory_mib: value["memory_mib"].as_f64()?,
            kernel: text("kernel")?,
            rustc: text("rustc")?,
            commit: text("commit")?,
            lock_hash: text("lock_hash")?,
            date: text("date")?,
        })
    }
}

/// Linux only; not every architecture names one.
fn cpu_model() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

#[cfg(test)]
pub(super) fn example() -> Facts {
    Facts {
        cpu: "Example 9000".into(),
        cores: 2.0,
        memory_mib: 24_000.0,
        kernel: "Linux 6.1 x86_64".into(),
        rustc: "rustc 1.95.0".into(),
        commit: "0123456789ab".into(),
        lock_hash: "00".into(),
        date: "20261123-001122".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_survive_the_file() {
        assert_eq!(Facts::from_json(&example().to_json()), Some(example()));
        assert_eq!(Facts::from_json(&json!({})), None);
    }

    #[test]
    fn another_day_is_no_difference_and_another_machine_is() {
        let later = Facts { date: "20270101-000000".into(), commit: "other".into(), ..example() };
        assert_eq!(example().differ(&later), None);
        assert_eq!(example().differ(&Facts { cores: 4.0, ..example() }), Some("another machine"));
        assert!(example().differ(&Facts { lock_hash: "11".into(), ..example() }).is_some());
    }

    #[test]
    fn this_machine_has_facts() {
        let facts = gather(Path::new(env!("CARGO_MANIFEST_DIR")));
        assert!(facts.cores > 0.0 && facts.memory_mib > 0.0, "{facts:?}");
    }
}
