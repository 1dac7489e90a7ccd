//! The file: every build, what it was put through, and what was wrong with it in the end.

use std::fmt;
use std::path::Path;

use anyhow::{Context as _, bail};
use serde_json::{Map, Value, json};

use super::heard::Counts;
use super::plan::{Aim, Kind, Turn};
use super::siege::Strike;
use crate::bench::facts::Facts;
use crate::bench::figures::rounded;
use crate::outcome::UsageError;
use crate::run_record;
use crate::terminal::say;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Report {
    pub(super) facts: Facts,
    pub(super) setting: Setting,
    /// Seconds of the undisturbed build.
    pub(super) reference_s: f64,
    pub(super) builds: Vec<Build>,
}

/// What all builds have in common: with another one they are not the same benchmark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) seed: u64,
    pub(super) profile: String,
    pub(super) jobs: Option<usize>,
    /// Of the cage in which hogs are let, bytes.
    pub(super) cage: u64,
    /// Of xtask.
    pub(super) version: String,
}

/// One build.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Build {
    pub(super) turn: Turn,
    /// UTC.
    pub(super) began: String,
    pub(super) wall_s: f64,
    pub(super) strikes: Vec<Strike>,
    pub(super) missed: usize,
    pub(super) counts: Counts,
    pub(super) oom_kills: Option<u64>,
    /// Whether the extension has the bytes of the undisturbed build's; `None` where there is none.
    pub(super) identical: Option<bool>,
    /// How the tests ended that another extension was given to.
    pub(super) tests: Option<bool>,
    /// Empty: all is well.
    pub(super) problems: Vec<String>,
    pub(super) log: String,
}

impl Report {
    /// What `file` has of the same benchmark, to go on there.
    ///
    /// # Errors
    ///
    /// When the file is of another machine, dependency graph or setting: it is not for us to throw it away.
    pub(super) fn resume(file: &Path, facts: Facts, setting: Setting, fresh: bool) -> anyhow::Result<Self> {
        let empty = Report { facts, setting, reference_s: 0.0, builds: Vec::new() };
        if fresh || !file.exists() {
            return Ok(empty);
        }
        let there = Self::read(file)?;
        let other = there.facts.differ(&empty.facts);
        if let Some(what) = other.or((there.setting != empty.setting).then_some("another xtask, seed, profile or cage"))
        {
            let file = file.display();
            let message = format!("{file} is of {what}; name another file, or give --fresh to begin it anew");
            return Err(UsageError::new(message).into());
        }
        say!("{} build(s) in {} already", there.builds.len(), file.display());
        Ok(Report { builds: there.builds, reference_s: there.reference_s, ..empty })
    }

    pub(super) fn read(file: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let value: Value = serde_json::from_str(&text).with_context(|| format!("{} is no JSON", file.display()))?;
        match Self::from_json(&value) {
            Some(report) => Ok(report),
            None => bail!("{} is not what `bench chaos` writes; name another file", file.display()),
        }
    }

    /// Replaces the file as a whole, or not at all.
    pub(super) fn save(&self, file: &Path) -> anyhow::Result<()> {
        let mut object = self.figures();
        object.insert("facts".into(), self.facts.to_json());
        object.insert("builds".into(), self.builds.iter().map(Build::to_json).collect());
        let text = serde_json::to_string_pretty(&object).context("cannot write the builds as JSON")?;
        run_record::write_atomically(file, &(text + "\n"))
    }

    pub(super) fn has(&self, turn: Turn) -> bool {
        self.builds.iter().any(|build| build.turn == turn)
    }

    pub(super) fn failed(&self) -> usize {
        self.builds.iter().filter(|build| !build.problems.is_empty()).count()
    }

    pub(super) fn figures(&self) -> Map<String, Value> {
        let Setting { seed, profile, jobs, cage, version } = &self.setting;
        let count = |condition: fn(&&Build) -> bool| self.builds.iter().filter(condition).count();
        let Value::Object(object) = json!({
            "setting": {"seed": seed, "profile": profile, "jobs": jobs, "cage": cage, "version": version},
            "reference_s": self.reference_s,
            "count": self.builds.len(),
            "failed": self.failed(),
            "identical": count(|build| build.identical == Some(true)),
            "not_identical": count(|build| build.identical == Some(false)),
        }) else {
            return Map::new();
        };
        object
    }

    fn from_json(value: &Value) -> Option<Self> {
        let setting = &value["setting"];
        Some(Report {
            facts: Facts::from_json(&value["facts"])?,
            setting: Setting {
                seed: setting["seed"].as_u64()?,
                profile: setting["profile"].as_str()?.to_owned(),
                jobs: setting["jobs"].as_u64().and_then(|jobs| usize::try_from(jobs).ok()),
                cage: setting["cage"].as_u64()?,
                version: setting["version"].as_str()?.to_owned(),
            },
            reference_s: value["reference_s"].as_f64()?,
            builds: value["builds"].as_array()?.iter().map(Build::from_json).collect::<Option<_>>()?,
        })
    }
}

impl Build {
    /// Strikes that hit what `aim` is.
    pub(super) fn hits(&self, aim: Aim) -> usize {
        self.strikes.iter().filter(|strike| strike.aim == aim).count()
    }

    fn to_json(&self) -> Value {
        let strikes: Vec<Value> = self
            .strikes
            .iter()
            .map(|strike| json!({"at_s": rounded(strike.at_s, 2), "aim": strike.aim.name(), "hit": strike.hit}))
            .collect();
        json!({
            "kind": self.turn.kind.name(),
            "number": self.turn.number,
            "began": self.began,
            "wall_s": self.wall_s,
            "strikes": strikes,
            "missed": self.missed,
            "events": self.counts.to_json(),
            "oom_kills": self.oom_kills,
            "identical": self.identical,
            "tests": self.tests,
            "problems": self.problems,
            "log": self.log,
        })
    }

    fn from_json(value: &Value) -> Option<Self> {
        let text = |name: &str| value[name].as_str().map(str::to_owned);
        let kind: Kind = value["kind"].as_str()?.parse().ok()?;
        Some(Build {
            turn: Turn { kind, number: count(value, "number")? },
            began: text("began")?,
            wall_s: value["wall_s"].as_f64()?,
            strikes: value["strikes"].as_array()?.iter().map(Strike::from_json).collect::<Option<_>>()?,
            missed: count(value, "missed")?,
            counts: Counts::from_json(&value["events"])?,
            oom_kills: value["oom_kills"].as_u64(),
            identical: value["identical"].as_bool(),
            tests: value["tests"].as_bool(),
            problems: value["problems"].as_array()?.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            log: text("log")?,
        })
    }
}

impl Strike {
    fn from_json(value: &Value) -> Option<Self> {
        Some(Strike {
            at_s: value["at_s"].as_f64()?,
            aim: Aim::from_name(value["aim"].as_str()?)?,
            hit: value["hit"].as_str()?.to_owned(),
        })
    }
}

impl Counts {
    fn to_json(&self) -> Value {
        json!({
            "units": self.units, "governors": self.governors, "killed": self.killed, "confirmed": self.confirmed,
            "behind_metadata": self.behind_metadata, "again": self.again, "evicted": self.evicted, "lost": self.lost,
            "gave_up": self.gave_up,
        })
    }

    fn from_json(value: &Value) -> Option<Self> {
        Some(Counts {
            units: count(value, "units")?,
            governors: count(value, "governors")?,
            killed: count(value, "killed")?,
            confirmed: count(value, "confirmed")?,
            behind_metadata: count(value, "behind_metadata")?,
            again: count(value, "again")?,
            evicted: count(value, "evicted")?,
            lost: count(value, "lost")?,
            gave_up: count(value, "gave_up")?,
        })
    }
}

impl fmt::Display for Build {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.problems.is_empty() { "ok" } else { "FAILED" };
        write!(formatter, "{verdict} after {:.1} s", self.wall_s)?;
        for aim in self.strikes.iter().map(|strike| strike.aim).collect::<std::collections::BTreeSet<_>>() {
            write!(formatter, ", {} {}", self.hits(aim), aim.name())?;
        }
        if self.missed > 0 {
            write!(formatter, ", {} missed", self.missed)?;
        }
        let Counts { killed, confirmed, behind_metadata, again, evicted, .. } = &self.counts;
        let oom_kills = self.oom_kills.map_or_else(|| "not counted".to_owned(), |kills| kills.to_string());
        write!(formatter, "; OOM kills: {oom_kills}; {killed} units killed ({confirmed} confirmed, ")?;
        write!(formatter, "{behind_metadata} behind their metadata), {again} run again, {evicted} made room; ")?;
        formatter.write_str(match self.identical {
            Some(true) => "identical",
            Some(false) => "NOT identical",
            None => "no extension",
        })?;
        for problem in &self.problems {
            write!(formatter, "\n        {problem}")?;
        }
        Ok(())
    }
}

fn count(value: &Value, name: &str) -> Option<usize> {
    usize::try_from(value[name].as_u64()?).ok()
}

#[cfg(test)]
pub(super) fn example(kind: Kind, number: usize) -> Build {
    Build {
        turn: Turn { kind, number },
        began: "20261123-001122".into(),
        wall_s: 120.5,
        strikes: vec![
            Strike { at_s: 3.25, aim: Aim::Linker, hit: "ld of app (link)".into() },
            Strike { at_s: 9.0, aim: Aim::Compiler, hit: "rustc of serde".into() },
        ],
        missed: 1,
        counts: Counts { units: 190, governors: 1, killed: 2, behind_metadata: 1, again: 2, ..Counts::default() },
        oom_kills: None,
        identical: Some(true),
        tests: None,
        problems: Vec::new(),
        log: "target/xtask/bench/logs/x.log".into(),
    }
}

#[cfg(test)]
pub(super) fn example_report(builds: Vec<Build>) -> Report {
    let setting = Setting { seed: 1, profile: "dev".into(), jobs: None, cage: 1100 << 20, version: "xtask 00".into() };
    Report { facts: crate::bench::facts::example(), setting, reference_s: 100.0, builds }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again_and_gone_on_with() {
        let file = std::env::temp_dir().join(format!("xtask-chaos-record-{}.json", std::process::id()));
        let mut failed = example(Kind::Hog, 1);
        failed.problems.push("it ended with exit status 1".into());
        failed.oom_kills = Some(4);
        let report = example_report(vec![example(Kind::Signals, 1), failed]);
        report.save(&file).expect("writable");
        assert_eq!(Report::read(&file).expect("ours"), report);
        let resume = |setting: Setting, fresh| Report::resume(&file, report.facts.clone(), setting, fresh);
        let resumed = resume(report.setting.clone(), false).expect("the same benchmark");
        assert!(resumed.has(Turn { kind: Kind::Hog, number: 1 }) && !resumed.has(Turn { kind: Kind::Hog, number: 2 }));
        assert_eq!(resumed.failed(), 1);
        let other = Setting { seed: 2, ..report.setting.clone() };
        let error = resume(other.clone(), false).expect_err("another seed").to_string();
        assert!(error.contains("--fresh"), "{error}");
        assert!(resume(other, true).expect("anew").builds.is_empty());
        std::fs::remove_file(&file).expect("ours");
    }

    #[test]
    fn a_build_is_a_line_and_its_problems_are_lines_of_their_own() {
        let mut build = example(Kind::Signals, 1);
        assert_eq!(
            build.to_string(),
            "ok after 120.5 s, 1 compiler, 1 linker, 1 missed; OOM kills: not counted; 2 units killed (0 confirmed, 1 behind \
             their metadata), 2 run again, 0 made room; identical"
        );
        build.problems = vec!["it ended with exit status 1".into()];
        assert!(
            build.to_string().starts_with("FAILED")
                && build.to_string().ends_with("\n        it ended with exit status 1")
        );
    }
}
