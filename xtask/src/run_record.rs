//! What a build leaves for `verify` and for people: a record of the last build of each profile, and a log of each run.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use serde_json::{Map, Value, json};

use crate::fnv;
use crate::memory::{UnitKind, UnitPeak, mib};
use crate::outcome::seconds;

/// One finished build.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BuildRecord {
    pub(crate) profile: String,
    pub(crate) jobs: usize,
    pub(crate) budget_mib: f64,
    pub(crate) peak_anon_mib: f64,
    pub(crate) peak_at_s: f64,
    pub(crate) wall_s: f64,
    pub(crate) units: usize,
    pub(crate) fresh_units: usize,
    pub(crate) oom_kills: Option<u64>,
    pub(crate) heaviest: Vec<Heavy>,
    pub(crate) warnings: Vec<String>,
    /// The library in the target directory that was installed, and its SHA-256.
    pub(crate) extension: PathBuf,
    pub(crate) build_id: String,
    /// Changes whenever what was measured would have to be measured again.
    pub(crate) lock_hash: String,
}

/// One of the heaviest units.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Heavy {
    pub(crate) name: String,
    pub(crate) peak_anon_mib: f64,
    pub(crate) wall_s: f64,
}

/// A folder for one run's log: `target/xtask/runs/20261123-001122-4711`.
#[derive(Debug)]
pub(crate) struct RunFolder {
    pub(crate) path: PathBuf,
}

const HEAVIEST: usize = 5;
/// Runs that are kept; older ones are removed when a new one begins.
const RUNS_KEPT: usize = 20;

impl BuildRecord {
    /// The figures that `build --json` prints and the record's file holds.
    pub(crate) fn figures(&self) -> Map<String, Value> {
        let heaviest: Vec<Value> = self
            .heaviest
            .iter()
            .map(|unit| json!({"crate": unit.name, "peak_anon_mib": unit.peak_anon_mib, "wall_s": unit.wall_s}))
            .collect();
        let Value::Object(figures) = json!({
            "profile": self.profile,
            "jobs": self.jobs,
            "budget_mib": self.budget_mib,
            "peak_anon_mib": self.peak_anon_mib,
            "peak_at_s": self.peak_at_s,
            "units": self.units,
            "fresh_units": self.fresh_units,
            "oom_kills": self.oom_kills,
            "heaviest": heaviest,
            "warnings": self.warnings,
            "extension": self.extension.to_string_lossy(),
            "build_id": self.build_id,
        }) else {
            return Map::new();
        };
        figures
    }

    /// Keeps the record for `verify`. Figures of a cold build are not replaced by those of a later one that compiled less
    /// of the same graph: the limits are about cold builds.
    pub(crate) fn save(&self, own_files: &Path) -> anyhow::Result<()> {
        let mut figures = self.figures();
        if let Some(earlier) = load(own_files, &self.profile)
            // A build that found everything fresh was of the same graph, whatever was edited in a manifest.
            && (earlier.lock_hash == self.lock_hash || self.compiled() == 0)
            && earlier.compiled() > self.compiled()
        {
            let measured = earlier.figures();
            for name in ["jobs", "budget_mib", "peak_anon_mib", "peak_at_s", "units", "fresh_units", "heaviest"] {
                figures.insert(name.into(), measured[name].clone());
            }
            figures.insert("wall_s".into(), earlier.wall_s.into());
            figures.insert("oom_kills".into(), earlier.oom_kills.into());
        } else {
            figures.insert("wall_s".into(), self.wall_s.into());
        }
        figures.insert("lock_hash".into(), self.lock_hash.clone().into());
        let text = Value::Object(figures).to_string();
        write_atomically(&path_of(own_files, &self.profile), &text)?;
        write_atomically(&own_files.join("last-profile"), &self.profile)
    }

    /// Units that the build compiled.
    pub(crate) fn compiled(&self) -> usize {
        self.units.saturating_sub(self.fresh_units)
    }
}

impl RunFolder {
    pub(crate) fn create(own_files: &Path) -> anyhow::Result<Self> {
        let runs = own_files.join("runs");
        let path = runs.join(format!("{}-{}", timestamp(SystemTime::now()), std::process::id()));
        std::fs::create_dir_all(&path).with_context(|| {
            format!("cannot write to {}; make it writable, or point CARGO_TARGET_DIR somewhere else", path.display())
        })?;
        remove_old_runs(&runs, &path);
        Ok(RunFolder { path })
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.path.join("build.log")
    }

    /// What the governor says of the run, a JSON object a line.
    pub(crate) fn events(&self) -> PathBuf {
        self.path.join("events.jsonl")
    }

    /// A log that cannot be written is no reason not to build.
    pub(crate) fn open_log(&self) -> Option<File> {
        File::create(self.log()).ok()
    }
}

/// The record of the last build of `profile`; `None` when there is none, or none that can be read.
pub(crate) fn load(own_files: &Path, profile: &str) -> Option<BuildRecord> {
    let text = std::fs::read_to_string(path_of(own_files, profile)).ok()?;
    from_json(&serde_json::from_str(&text).ok()?)
}

/// The profile that was built last, whichever it was.
pub(crate) fn last_profile(own_files: &Path) -> Option<String> {
    let name = std::fs::read_to_string(own_files.join("last-profile")).ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

/// The five heaviest compilations, or links.
pub(crate) fn heaviest(units: &[UnitPeak]) -> Vec<Heavy> {
    let mut sorted: Vec<&UnitPeak> = units.iter().collect();
    sorted.sort_by_key(|unit| std::cmp::Reverse(unit.anon));
    sorted.into_iter().take(HEAVIEST).map(heavy).collect()
}

/// A fingerprint of `Cargo.lock` and the manifests: what decides how heavy a cold build is.
pub(crate) fn lock_hash(root: &Path) -> String {
    let mut files = ["Cargo.lock", "Cargo.toml", "rust-toolchain.toml"].map(|name| root.join(name)).to_vec();
    let members = std::fs::read_dir(root.join("rust")).into_iter().flatten().flatten();
    // Features of dependencies stand there.
    files.extend(members.map(|member| member.path().join("Cargo.toml")));
    files.sort();
    fnv::hex(files.into_iter().flat_map(|path| std::fs::read(path).unwrap_or_default()))
}

/// Writes beside the target and renames: a reader sees the old text or the new, never a part.
pub(crate) fn write_atomically(path: &Path, text: &str) -> anyhow::Result<()> {
    let temporary = path.with_extension(format!("tmp{}", std::process::id()));
    let write = || -> std::io::Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut file = File::create(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    };
    write()
        .inspect_err(|_| drop(std::fs::remove_file(&temporary)))
        .with_context(|| format!("cannot write {}", path.display()))
}

fn heavy(unit: &UnitPeak) -> Heavy {
    let suffix = match unit.name.kind {
        UnitKind::Compile | UnitKind::Link => "",
        UnitKind::BuildScript => " (build script)",
        UnitKind::BuildScriptRun => " (build script run)",
    };
    Heavy {
        name: format!("{}{suffix}", unit.name.crate_name),
        peak_anon_mib: mib(unit.anon).round(),
        wall_s: seconds(unit.last_seen.saturating_sub(unit.first_seen) + Duration::from_millis(100)),
    }
}

fn path_of(own_files: &Path, profile: &str) -> PathBuf {
    own_files.join("builds").join(format!("{profile}.json"))
}

fn from_json(value: &Value) -> Option<BuildRecord> {
    let text = |name: &str| value[name].as_str().map(str::to_owned);
    let count = |name: &str| value[name].as_u64().and_then(|number| usize::try_from(number).ok());
    let number = |name: &str| value[name].as_f64();
    let heaviest = value["heaviest"].as_array()?.iter().filter_map(|unit| {
        Some(Heavy {
            name: unit["crate"].as_str()?.to_owned(),
            peak_anon_mib: unit["peak_anon_mib"].as_f64()?,
            wall_s: unit["wall_s"].as_f64()?,
        })
    });
    Some(BuildRecord {
        profile: text("profile")?,
        jobs: count("jobs")?,
        budget_mib: number("budget_mib")?,
        peak_anon_mib: number("peak_anon_mib")?,
        peak_at_s: number("peak_at_s")?,
        wall_s: number("wall_s")?,
        units: count("units")?,
        fresh_units: count("fresh_units")?,
        oom_kills: value["oom_kills"].as_u64(),
        heaviest: heaviest.collect(),
        warnings: value["warnings"].as_array()?.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        extension: PathBuf::from(text("extension")?),
        build_id: text("build_id")?,
        lock_hash: text("lock_hash")?,
    })
}

/// Keeps `own` whatever the clock says, and those that are written to: one that runs writes ten times a second.
fn remove_old_runs(runs: &Path, own: &Path) {
    let Ok(entries) = std::fs::read_dir(runs) else { return };
    let others = entries.flatten().map(|entry| entry.path()).filter(|path| path != own);
    let mut paths: Vec<(SystemTime, PathBuf)> = others.map(|path| (last_written(&path), path)).collect();
    paths.sort();
    let surplus = (paths.len() + 1).saturating_sub(RUNS_KEPT);
    for (_, path) in &paths[..surplus] {
        let _ = std::fs::remove_dir_all(path);
    }
}

fn last_written(run: &Path) -> SystemTime {
    let files = std::fs::read_dir(run).into_iter().flatten().flatten().map(|entry| entry.path());
    let times = files.chain([run.to_path_buf()]).filter_map(|path| path.metadata().ok()?.modified().ok());
    times.max().unwrap_or(UNIX_EPOCH)
}

/// UTC as `20261123-001122`. The date from days since 1970 by the proleptic Gregorian calendar; source: Howard Hinnant,
/// "chrono-Compatible Low-Level Date Algorithms", civil_from_days.
pub(crate) fn timestamp(now: SystemTime) -> String {
    let total = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (days, seconds) = (total / 86_400, total % 86_400);
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}{month:02}{day:02}-{:02}{:02}{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(units: usize, fresh_units: usize, peak: f64) -> BuildRecord {
        BuildRecord {
            profile: "dev".into(),
            jobs: 2,
            budget_mib: 1024.0,
            peak_anon_mib: peak,
            peak_at_s: 10.0,
            wall_s: 100.0,
            units,
            fresh_units,
            oom_kills: Some(0),
            heaviest: vec![Heavy { name: "polars_core".into(), peak_anon_mib: peak, wall_s: 20.0 }],
            warnings: Vec::new(),
            extension: "target/debug/lib_rust.so".into(),
            build_id: "00".into(),
            lock_hash: "11".into(),
        }
    }

    fn folder(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("xtask-record-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        path
    }

    #[test]
    fn a_warm_build_does_not_hide_what_the_cold_one_took() {
        let own_files = folder("warm");
        record(190, 0, 737.0).save(&own_files).expect("writable");
        let mut warm = record(190, 189, 150.0);
        warm.build_id = "22".into();
        warm.save(&own_files).expect("writable");
        let kept = load(&own_files, "dev").expect("a record");
        assert_eq!((kept.peak_anon_mib, kept.build_id.as_str()), (737.0, "22"));
        std::fs::remove_dir_all(&own_files).expect("ours");
    }

    #[test]
    fn another_graph_is_measured_anew() {
        let own_files = folder("graph");
        record(190, 0, 737.0).save(&own_files).expect("writable");
        let mut other = record(150, 100, 300.0);
        other.lock_hash = "33".into();
        other.save(&own_files).expect("writable");
        assert_eq!(load(&own_files, "dev"), Some(other));
        std::fs::remove_dir_all(&own_files).expect("ours");
    }

    #[test]
    fn a_build_that_compiled_nothing_measured_nothing() {
        let own_files = folder("fresh");
        record(190, 0, 737.0).save(&own_files).expect("writable");
        let mut fresh = record(190, 190, 44.0);
        fresh.lock_hash = "44".into();
        fresh.save(&own_files).expect("writable");
        assert_eq!(load(&own_files, "dev").expect("a record").peak_anon_mib, 737.0);
        std::fs::remove_dir_all(&own_files).expect("ours");
    }

    #[test]
    fn a_broken_record_is_none() {
        let own_files = folder("broken");
        record(1, 0, 1.0).save(&own_files).expect("writable");
        std::fs::write(path_of(&own_files, "dev"), "{\"profile\":").expect("writable");
        assert_eq!(load(&own_files, "dev"), None);
        std::fs::remove_dir_all(&own_files).expect("ours");
    }

    #[test]
    fn dates_are_dates() {
        assert_eq!(timestamp(UNIX_EPOCH), "19700101-000000");
        assert_eq!(timestamp(UNIX_EPOCH + Duration::from_secs(951_827_696)), "20000229-123456");
    }

    #[test]
    fn old_runs_go_but_not_this_one_nor_one_that_is_written_to() {
        let folder = crate::env::temporary_folder().join(format!("xtask-runs-{}", std::process::id()));
        // By their names they are of the future: the clock was set back.
        let runs = folder.join("runs");
        for number in 0..RUNS_KEPT {
            std::fs::create_dir_all(runs.join(format!("2999{number:04}-000000-1"))).expect("writable");
        }
        let busy = runs.join("20000101-000000-1");
        std::fs::create_dir(&busy).expect("writable");
        std::fs::write(busy.join("events.jsonl"), "").expect("writable");
        let later = SystemTime::now() + Duration::from_secs(60);
        File::open(busy.join("events.jsonl")).and_then(|file| file.set_modified(later)).expect("ours");
        let own = RunFolder::create(&folder).expect("writable");
        assert!(own.path.is_dir() && busy.is_dir());
        assert_eq!(std::fs::read_dir(&runs).expect("there").count(), RUNS_KEPT);
        std::fs::remove_dir_all(folder).expect("ours");
    }
}
