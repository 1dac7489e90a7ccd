//! The file and the table of `bench foreign`.

use std::path::Path;

use anyhow::{Context as _, bail};
use serde_json::{Map, Value, json};

use crate::bench::facts::Facts;
use crate::bench::figures::{dash, measured_on, table_head, table_row};
use crate::bench::matrix::CageLimit;
use crate::bench::measure::Verdict;
use crate::memory::mib;
use crate::outcome::UsageError;
use crate::run_record;
use crate::terminal::say;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Report {
    pub(super) facts: Facts,
    pub(super) runs: Vec<Run>,
}

/// One installation.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Run {
    /// `NAME@VERSION`.
    pub(super) id: String,
    pub(super) cage: CageLimit,
    pub(super) jobs: usize,
    pub(super) governed: bool,
    pub(super) verdict: Verdict,
    /// How the process that was started ended, for people.
    pub(super) end: String,
    pub(super) wall_s: f64,
    /// Bytes.
    pub(super) peak_anon: u64,
    pub(super) oom_kills: Option<u64>,
    /// What the governor has told of it, where there was one.
    pub(super) told: Option<Told>,
    pub(super) log: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// Compilations that came to a good end.
    pub(super) units: usize,
    /// The unit with the highest peak, and that, bytes.
    pub(super) largest: String,
    pub(super) largest_peak: u64,
    /// Units that were killed and run again, and those that made room.
    pub(super) killed: usize,
    pub(super) evicted: usize,
}

const COLUMNS: [&str; 10] = [
    "crate",
    "units",
    "largest unit MiB",
    "cage",
    "jobs",
    "by",
    "finished",
    "time s",
    "peak anonymous MiB",
    "OOM kills",
];

impl Report {
    /// What `file` has, to go on there.
    ///
    /// # Errors
    ///
    /// When the file was measured elsewhere: it is not for us to throw it away.
    pub(super) fn resume(file: &Path, facts: Facts, fresh: bool) -> anyhow::Result<Self> {
        if fresh || !file.exists() {
            return Ok(Report { facts, runs: Vec::new() });
        }
        let mut there = Self::read(file)?;
        // Whatever the checkout is at: what is built here is not of it.
        let facts_there = Facts { lock_hash: facts.lock_hash.clone(), ..there.facts };
        if let Some(what) = facts_there.differ(&facts) {
            let file = file.display();
            let message =
                format!("{file} was measured with {what}; name another file, or give --fresh to begin it anew");
            return Err(UsageError::new(message).into());
        }
        // What failed for another reason than memory has measured nothing, and may have been mended.
        there.runs.retain(|run| run.verdict != Verdict::Failed);
        say!("{} run(s) in {} already", there.runs.len(), file.display());
        Ok(Report { facts, runs: there.runs })
    }

    /// Replaces the file as a whole, or not at all.
    pub(super) fn save(&self, file: &Path) -> anyhow::Result<()> {
        let mut object = self.figures();
        object.insert("facts".into(), self.facts.to_json());
        let text = serde_json::to_string_pretty(&object).context("cannot write the runs as JSON")?;
        run_record::write_atomically(file, &(text + "\n"))
    }

    pub(super) fn find(&self, id: &str, cage: CageLimit, jobs: usize, governed: bool) -> Option<&Run> {
        let is_it = |run: &&Run| run.id == id && run.cage == cage && run.jobs == jobs && run.governed == governed;
        self.runs.iter().find(is_it)
    }

    pub(super) fn figures(&self) -> Map<String, Value> {
        let mut object = Map::new();
        object.insert("runs".into(), self.runs.iter().map(Run::to_json).collect());
        object
    }

    pub(super) fn markdown(&self) -> String {
        let mut text = measured_on(&self.facts) + &table_head(&COLUMNS);
        self.runs.iter().for_each(|run| text += &self.row(run));
        text
    }

    /// Without a governor nobody counts units; they are those of the same crate with one.
    fn row(&self, run: &Run) -> String {
        let told = self.runs.iter().filter(|other| other.id == run.id).find_map(|other| other.told.as_ref());
        table_row(&[
            run.id.clone(),
            told.map_or_else(dash, |told| told.units.to_string()),
            told.map_or_else(dash, |told| format!("{:.0} ({})", mib(told.largest_peak), told.largest)),
            run.cage.to_string(),
            run.jobs.to_string(),
            if run.governed { "governed" } else { "plain cargo" }.to_owned(),
            run.verdict.to_string(),
            format!("{:.0}", run.wall_s),
            format!("{:.0}", mib(run.peak_anon)),
            run.oom_kills.map_or_else(dash, |kills| kills.to_string()),
        ])
    }

    fn read(file: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let value: Value = serde_json::from_str(&text).with_context(|| format!("{} is no JSON", file.display()))?;
        match Self::from_json(&value) {
            Some(report) => Ok(report),
            None => bail!("{} is not what `bench foreign` writes; name another file", file.display()),
        }
    }

    fn from_json(value: &Value) -> Option<Self> {
        let runs = value["runs"].as_array()?.iter().map(Run::from_json).collect::<Option<_>>()?;
        Some(Report { facts: Facts::from_json(&value["facts"])?, runs })
    }
}

impl Run {
    fn to_json(&self) -> Value {
        let told = self.told.as_ref().map(|told| {
            json!({
                "units": told.units, "largest": told.largest, "largest_bytes": told.largest_peak,
                "killed": told.killed, "evicted": told.evicted,
            })
        });
        json!({
            "crate": self.id, "cage": self.cage.to_string(), "jobs": self.jobs, "governed": self.governed,
            "verdict": self.verdict.name(), "end": self.end, "wall_s": self.wall_s,
            "peak_anon_bytes": self.peak_anon, "oom_kills": self.oom_kills, "events": told, "log": self.log,
        })
    }

    fn from_json(value: &Value) -> Option<Self> {
        let text = |name: &str| value[name].as_str();
        Some(Run {
            id: text("crate")?.to_owned(),
            cage: text("cage")?.parse().ok()?,
            jobs: count(&value["jobs"])?,
            governed: value["governed"].as_bool()?,
            verdict: Verdict::from_name(text("verdict")?)?,
            end: text("end")?.to_owned(),
            wall_s: value["wall_s"].as_f64()?,
            peak_anon: value["peak_anon_bytes"].as_u64()?,
            oom_kills: value["oom_kills"].as_u64(),
            told: Told::from_json(&value["events"]),
            log: text("log")?.to_owned(),
        })
    }
}

impl Told {
    fn from_json(value: &Value) -> Option<Self> {
        Some(Told {
            units: count(&value["units"])?,
            largest: value["largest"].as_str()?.to_owned(),
            largest_peak: value["largest_bytes"].as_u64()?,
            killed: count(&value["killed"])?,
            evicted: count(&value["evicted"])?,
        })
    }
}

fn count(value: &Value) -> Option<usize> {
    usize::try_from(value.as_u64()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::facts;

    fn run(governed: bool, verdict: Verdict) -> Run {
        let told = Told { units: 201, largest: "syntect".into(), largest_peak: 400 << 20, killed: 1, evicted: 2 };
        Run {
            id: "bat@0.25.0".into(),
            cage: CageLimit(Some(540 << 20)),
            jobs: 8,
            governed,
            verdict,
            end: "exit status 0".into(),
            wall_s: 99.5,
            peak_anon: 512 << 20,
            oom_kills: Some(u64::from(!governed)),
            told: governed.then_some(told),
            log: "x.log".into(),
        }
    }

    fn report() -> Report {
        Report { facts: facts::example(), runs: vec![run(false, Verdict::Killed), run(true, Verdict::Finished)] }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let file = std::env::temp_dir().join(format!("xtask-bench-foreign-{}.json", std::process::id()));
        report().save(&file).expect("writable");
        let moved_on = Facts { lock_hash: "another".into(), ..facts::example() };
        let resumed = Report::resume(&file, moved_on, false).expect("the same machine");
        assert_eq!(resumed.runs, report().runs);
        assert!(resumed.find("bat@0.25.0", CageLimit(Some(540 << 20)), 8, true).is_some());
        assert!(resumed.find("bat@0.25.0", CageLimit(None), 8, true).is_none());
        let elsewhere = Facts { cores: 64.0, ..facts::example() };
        assert!(Report::resume(&file, elsewhere, false).is_err());
        std::fs::remove_file(&file).expect("ours");
    }

    #[test]
    fn a_row_has_what_the_governor_told_of_the_crate() {
        let text = report().markdown();
        let rows: Vec<&str> = text.lines().skip(4).collect();
        let expected = [
            "| bat@0.25.0 | 201 | 400 (syntect) | 540M | 8 | plain cargo | killed | 100 | 512 | 1 |",
            "| bat@0.25.0 | 201 | 400 (syntect) | 540M | 8 | governed | finished | 100 | 512 | 0 |",
        ];
        assert_eq!(rows, expected);
    }
}
