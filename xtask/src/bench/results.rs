//! The file of a benchmark: where it was measured, every run, and what they come to.

use std::fmt;
use std::path::Path;

use anyhow::{Context as _, bail};
use serde_json::{Map, Value, json};

use super::facts::Facts;
use super::matrix::Cell;
use super::measure::{Instrument, Measured, Verdict};
use super::summary;
use crate::memory::{human, mib};
use crate::outcome::UsageError;
use crate::run_record;
use crate::terminal::say;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Results {
    pub(super) facts: Facts,
    pub(super) runs: Vec<Run>,
}

/// One run of one cell.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Run {
    pub(super) cell: Cell,
    /// Of the tool.
    pub(super) version: String,
    /// UTC.
    pub(super) began: String,
    pub(super) measured: Measured,
    pub(super) log: String,
    /// What xtask said in the end, where it was the tool and could still speak.
    pub(super) ours: Option<Value>,
}

impl Results {
    /// What `file` has, to go on there; nothing where there is no such file, or `fresh` says to begin anew.
    ///
    /// # Errors
    ///
    /// When the file was measured elsewhere, or of another dependency graph: it is not for us to throw it away.
    pub(super) fn resume(file: &Path, facts: Facts, fresh: bool) -> anyhow::Result<Self> {
        if fresh || !file.exists() {
            return Ok(Results { facts, runs: Vec::new() });
        }
        let mut there = Self::read(file)?;
        if let Some(what) = there.facts.differ(&facts) {
            let file = file.display();
            return Err(UsageError::new(format!(
                "{file} was measured with {what}; name another file, or give --fresh to begin it anew"
            ))
            .into());
        }
        // What failed for another reason than memory has measured nothing, and may have been mended.
        there.runs.retain(|run| run.measured.verdict != Verdict::Failed);
        say!("{} run(s) in {} already", there.runs.len(), file.display());
        Ok(Results { facts, runs: there.runs })
    }

    pub(super) fn read(file: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let value = serde_json::from_str(&text).with_context(|| format!("{} is no JSON", file.display()))?;
        match Self::from_json(&value) {
            Some(results) => Ok(results),
            None => bail!("{} is not what `bench build` writes; name another file", file.display()),
        }
    }

    /// Replaces the file as a whole, or not at all.
    pub(super) fn save(&self, file: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(&self.to_json()).context("cannot write the results as JSON")?;
        run_record::write_atomically(file, &(text + "\n"))
    }

    pub(super) fn to_json(&self) -> Map<String, Value> {
        let summary = summary::of(&self.runs);
        let mut object = Map::new();
        object.insert("facts".into(), self.facts.to_json());
        object.insert("summary".into(), summary.iter().map(summary::CellSummary::to_json).collect());
        object.insert("runs".into(), self.runs.iter().map(Run::to_json).collect());
        object
    }

    fn from_json(value: &Value) -> Option<Self> {
        let runs = value["runs"].as_array()?.iter().map(Run::from_json).collect::<Option<_>>()?;
        Some(Results { facts: Facts::from_json(&value["facts"])?, runs })
    }
}

impl Run {
    fn to_json(&self) -> Value {
        let measured = &self.measured;
        json!({
            "profile": self.cell.profile.name(),
            "cage": self.cell.cage.to_string(),
            "jobs": self.cell.jobs,
            "tool": self.cell.tool.name(),
            "version": self.version,
            "began": self.began,
            "verdict": measured.verdict.name(),
            "end": measured.end,
            "wall_s": measured.wall_s,
            "cpu_s": measured.cpu_s,
            "peak_anon_mib": mib(measured.peak_anon),
            "peak_usage_mib": measured.peak_usage.map(mib),
            "oom_kills": measured.oom_kills,
            "instrument": measured.instrument.name(),
            "log": self.log,
            "ours": self.ours,
        })
    }

    fn from_json(value: &Value) -> Option<Self> {
        let text = |name: &str| value[name].as_str();
        let cell = Cell {
            profile: text("profile")?.parse().ok()?,
            cage: text("cage")?.parse().ok()?,
            jobs: usize::try_from(value["jobs"].as_u64()?).ok()?,
            tool: text("tool")?.parse().ok()?,
        };
        let measured = Measured {
            verdict: Verdict::from_name(text("verdict")?)?,
            end: text("end")?.to_owned(),
            wall_s: value["wall_s"].as_f64()?,
            cpu_s: value["cpu_s"].as_f64(),
            peak_anon: bytes(&value["peak_anon_mib"])?,
            peak_usage: bytes(&value["peak_usage_mib"]),
            oom_kills: value["oom_kills"].as_u64(),
            instrument: Instrument::from_name(text("instrument")?)?,
        };
        Some(Run {
            cell,
            version: text("version")?.to_owned(),
            began: text("began")?.to_owned(),
            measured,
            log: text("log")?.to_owned(),
            ours: Some(value["ours"].clone()).filter(|ours| !ours.is_null()),
        })
    }
}

impl fmt::Display for Run {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Measured { verdict, wall_s, peak_anon, oom_kills, .. } = &self.measured;
        write!(formatter, "{verdict} after {wall_s:.1} s, peak {}", human(*peak_anon))?;
        if let Some(kills) = oom_kills.filter(|kills| *kills > 0) {
            write!(formatter, ", {kills} OOM kill{}", if kills == 1 { "" } else { "s" })?;
        }
        if *verdict == Verdict::Failed {
            write!(formatter, " ({}): {} says why", self.measured.end, self.log)?;
        }
        Ok(())
    }
}

/// Mebibytes with one decimal place, as the file has them.
fn bytes(mebibytes: &Value) -> Option<u64> {
    // Positive and far below 2^53: the cast loses nothing but the fraction.
    mebibytes.as_f64().filter(|mebibytes| *mebibytes >= 0.0).map(|mebibytes| (mebibytes * f64::from(1 << 20)) as u64)
}

#[cfg(test)]
pub(super) fn example(cell: &str, verdict: Verdict, wall_s: f64) -> Run {
    Run {
        cell: super::matrix::example(cell),
        version: "1".into(),
        began: "20261123-001122".into(),
        measured: Measured {
            verdict,
            end: "exit status 0".into(),
            wall_s,
            cpu_s: Some(wall_s * 1.5),
            peak_anon: 800 << 20,
            peak_usage: Some(1 << 30),
            oom_kills: Some(u64::from(verdict == Verdict::Killed)),
            instrument: Instrument::Cgroup,
        },
        log: "target/xtask/bench/logs/x.log".into(),
        ours: None,
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::facts;
    use super::*;

    fn file(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("xtask-bench-{name}-{}.json", std::process::id()))
    }

    fn results() -> Results {
        let mut ours = example("dev 1G 2 ours", Verdict::Finished, 100.0);
        ours.ours = Some(json!({"command": "build", "units": 190}));
        Results { facts: facts::example(), runs: vec![ours, example("lazy none 1 cargo-j1", Verdict::Killed, 7.5)] }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let file = file("round");
        results().save(&file).expect("writable");
        assert_eq!(Results::read(&file).expect("ours"), results());
        assert_eq!(Results::resume(&file, facts::example(), false).expect("the same machine").runs.len(), 2);
        assert!(Results::resume(&file, facts::example(), true).expect("anew").runs.is_empty());
        std::fs::remove_file(&file).expect("ours");
    }

    #[test]
    fn what_failed_is_tried_again() {
        let file = file("failed");
        let mut results = results();
        results.runs.push(example("dev 1G 2 mbx", Verdict::Failed, 0.1));
        results.save(&file).expect("writable");
        assert_eq!(Results::read(&file).expect("ours").runs.len(), 3);
        assert_eq!(Results::resume(&file, facts::example(), false).expect("the same machine").runs.len(), 2);
        std::fs::remove_file(&file).expect("ours");
    }

    #[test]
    fn what_was_measured_elsewhere_is_not_thrown_away() {
        let file = file("other");
        results().save(&file).expect("writable");
        let other = facts::Facts { lock_hash: "11".into(), ..facts::example() };
        let error = Results::resume(&file, other, false).expect_err("another graph").to_string();
        assert!(error.contains("Cargo.lock") && error.contains("--fresh"), "{error}");
        std::fs::remove_file(&file).expect("ours");
    }

    #[test]
    fn a_file_of_something_else_is_refused() {
        let file = file("else");
        std::fs::write(&file, "{\"runs\": 3}").expect("writable");
        assert!(Results::read(&file).expect_err("not ours").to_string().contains("name another file"));
        std::fs::write(&file, "no json").expect("writable");
        assert!(Results::read(&file).is_err());
        std::fs::remove_file(&file).expect("ours");
        assert!(Results::resume(&file, facts::example(), false).expect("a new one").runs.is_empty());
    }

    #[test]
    fn a_run_says_what_matters() {
        let mut run = example("dev 1G 2 cargo", Verdict::Killed, 113.0);
        assert_eq!(run.to_string(), "killed after 113.0 s, peak 800 MiB, 1 OOM kill");
        run = example("dev 1G 2 cargo", Verdict::Failed, 2.0);
        assert!(run.to_string().contains("x.log says why"), "{run}");
    }
}
