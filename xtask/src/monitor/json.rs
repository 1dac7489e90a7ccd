//! What programs read: one object for each sample, and one at the end.

use std::time::Duration;

use serde_json::{Value, json};

use super::render::heaviest;
use super::{Ending, Frame, exit_status};
use crate::memory::{CgroupLevel, OomSource, ProcessSample, Snapshot, TreeSample, UnitKind, UnitPeak, mib};

const PROCESSES: usize = 10;
const UNITS: usize = 20;

/// Sizes in MiB, times in seconds since the start, null for what the system does not tell.
pub(super) fn sample(frame: &Frame) -> Value {
    json!({
        "at_s": seconds(frame.at),
        "machine": machine(&frame.snapshot, frame.oom_kills),
        "tree": tree(&frame.tree, frame.peak),
    })
}

/// The last line for a command.
pub(super) fn ending(ending: &Ending) -> Value {
    let units = ending.peaks.units();
    json!({
        "command": "monitor",
        "status": if ending.end.succeeded() { "ok" } else { "failed" },
        "wall_s": seconds(ending.wall),
        "peak_anon_mib": mib(ending.peaks.peak().anon),
        "peak_at_s": seconds(ending.peaks.peak_at()),
        "oom_kills": ending.oom_kills,
        "watched": ending.title,
        "exit_status": exit_status(ending.end),
        "heaviest_at_peak": heaviest(ending.peaks.peak(), PROCESSES).into_iter().map(process).collect::<Vec<_>>(),
        "units": units.iter().take(UNITS).map(unit).collect::<Vec<_>>(),
    })
}

/// The last line for the machine.
pub(super) fn machine_ending(wall: Duration) -> Value {
    json!({ "command": "monitor", "status": "ok", "wall_s": seconds(wall) })
}

fn machine(snapshot: &Snapshot, oom_kills: Option<u64>) -> Value {
    let counted_in = snapshot.oom_kills.as_ref().map(|kills| match &kills.source {
        OomSource::Cgroup(path) => path.display().to_string(),
        OomSource::Machine => "machine".to_owned(),
    });
    json!({
        "limit_mib": mib(snapshot.limit),
        "available_mib": mib(snapshot.available),
        "constraint": snapshot.constraint.to_string(),
        "mem_total_mib": size(snapshot.mem_total),
        "mem_available_mib": size(snapshot.mem_available),
        "anon_mib": size(snapshot.anon),
        "cached_mib": size(snapshot.cached),
        "swap_total_mib": size(snapshot.swap_total),
        "swap_free_mib": size(snapshot.swap_free),
        "swap_available_mib": size(snapshot.swap_available),
        "cores": snapshot.cores,
        "stalled_some_percent": snapshot.psi.map(|psi| psi.some_avg10),
        "stalled_full_percent": snapshot.psi.map(|psi| psi.full_avg10),
        "oom_kills": oom_kills,
        "oom_kills_counted_in": counted_in,
        "cgroups": snapshot.levels.iter().map(level).collect::<Vec<_>>(),
    })
}

fn level(level: &CgroupLevel) -> Value {
    json!({
        "path": level.path.display().to_string(),
        "limit_mib": size(level.limit),
        "throttles": level.throttles,
        "used_mib": mib(level.used),
        "headroom_mib": size(level.headroom),
        "anon_mib": size(level.anon),
        "cached_mib": size(level.cached),
    })
}

fn tree(tree: &TreeSample, peak: Option<(u64, Duration)>) -> Value {
    json!({
        "anon_mib": mib(tree.anon),
        "resident_mib": mib(tree.resident),
        "processes": tree.processes.len(),
        "peak_anon_mib": peak.map(|(anon, _)| mib(anon)),
        "peak_at_s": peak.map(|(_, at)| seconds(at)),
        "heaviest": heaviest(tree, PROCESSES).into_iter().map(process).collect::<Vec<_>>(),
    })
}

fn process(process: &ProcessSample) -> Value {
    json!({
        "pid": process.pid,
        "ppid": process.ppid,
        "process": &*process.command,
        "crate": process.unit.as_ref().map(|unit| &*unit.crate_name),
        "kind": process.unit.as_ref().map(|unit| kind(unit.kind)),
        "anon_mib": mib(process.anon),
        "resident_mib": mib(process.resident),
        "cpu_s": tenth(process.cpu_s),
    })
}

fn unit(unit: &UnitPeak) -> Value {
    json!({
        "crate": &*unit.name.crate_name,
        "kind": kind(unit.name.kind),
        "peak_anon_mib": mib(unit.anon),
        "peak_at_s": seconds(unit.at),
        "first_seen_s": seconds(unit.first_seen),
        "last_seen_s": seconds(unit.last_seen),
        "cpu_s": tenth(unit.cpu_s),
    })
}

fn kind(kind: UnitKind) -> &'static str {
    match kind {
        UnitKind::Compile => "compile",
        UnitKind::Link => "link",
        UnitKind::BuildScript => "build_script",
        UnitKind::BuildScriptRun => "build_script_run",
    }
}

fn size(bytes: Option<u64>) -> Option<f64> {
    bytes.map(mib)
}

fn seconds(duration: Duration) -> f64 {
    tenth(duration.as_secs_f64())
}

fn tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::super::examples;
    use super::*;

    #[test]
    fn a_sample_has_the_machine_and_the_tree() {
        let value = sample(&examples::build());
        let machine = &value["machine"];
        assert_eq!(machine["available_mib"], 312.0);
        assert_eq!(machine["constraint"], "cgroup /sys/fs/cgroup/memory/cage.1");
        assert_eq!(machine["cgroups"][0]["limit_mib"], 1024.0);
        let tree = &value["tree"];
        assert_eq!((&tree["anon_mib"], &tree["peak_at_s"]), (&json!(598.0), &json!(64.0)));
        assert_eq!(tree["heaviest"][0]["crate"], "polars_core");
        assert_eq!(tree["heaviest"][3]["crate"], Value::Null);
    }

    #[test]
    fn the_last_object_says_how_it_ended() {
        let value = ending(&examples::ending());
        for (key, expected) in [
            ("command", json!("monitor")),
            ("status", json!("failed")),
            ("exit_status", json!(137)),
            ("wall_s", json!(167.0)),
            ("peak_anon_mib", json!(598.0)),
            ("peak_at_s", json!(64.0)),
        ] {
            assert_eq!(value[key], expected, "{key}");
        }
        assert_eq!(value["units"][0]["kind"], "compile");
    }
}
