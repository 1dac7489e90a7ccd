//! `verify`: the success criteria, each with what was measured, the limit and the verdict.

pub(crate) mod import;

use serde_json::{Map, Value, json};

use crate::build;
use crate::flags::BuildFlags;
use crate::outcome::Outcome;
use crate::python::Venv;
use crate::run_record::{self, BuildRecord};
use crate::terminal::say;
use crate::workspace::{Limits, Workspace};

/// One criterion.
#[derive(Debug, Clone, PartialEq)]
struct Criterion {
    name: &'static str,
    measured: String,
    limit: String,
    met: bool,
}

/// The recipe's limits, MiB: 1.5 GB and 2.0 GB of ten to the ninth bytes.
const RECIPE_DEV_MIB: f64 = 1_500_000_000.0 / 1_048_576.0;
const RECIPE_RELEASE_MIB: f64 = 2_000_000_000.0 / 1_048_576.0;
/// The recipe's ten minutes, seconds.
const RECIPE_WALL_S: f64 = 600.0;

/// Peak anonymous memory, MiB, that the recipe allows a build of `profile`.
pub(crate) fn recipe_peak_mib(profile: &str) -> f64 {
    if profile == "dev" { RECIPE_DEV_MIB } else { RECIPE_RELEASE_MIB }
}

pub(crate) fn run(workspace: &Workspace, flags: &BuildFlags) -> anyhow::Result<Outcome> {
    let record = match recorded(workspace, flags)? {
        Some(record) => record,
        None => {
            say!("no build is on record yet, so build first");
            let built = build::run(workspace, flags)?;
            let profile = workspace.profile(flags)?;
            match (built.failure, run_record::load(&workspace.own_files(), &profile)) {
                (None, Some(record)) => record,
                (why, _) => return Ok(Outcome::failed(built.figures, why.unwrap_or_else(|| "no record".into()))),
            }
        }
    };
    let imported = import::probe(&Venv::at(&workspace.root), &workspace.root, Some(&record.extension));
    let mut criteria = of_record(&record, workspace.limits(&record.profile));
    criteria.extend(of_import(&imported, workspace));
    say!("{}", table(&record, &criteria).trim_end());
    Ok(outcome(&record, &criteria))
}

/// The record of the profile that was asked for, else of the one that was built last.
fn recorded(workspace: &Workspace, flags: &BuildFlags) -> anyhow::Result<Option<BuildRecord>> {
    let own_files = workspace.own_files();
    let asked = workspace.profile(flags)?;
    let explicit = flags.profile.is_some() || asked != "dev";
    let profile = if explicit { asked } else { run_record::last_profile(&own_files).unwrap_or(asked) };
    Ok(run_record::load(&own_files, &profile))
}

fn of_record(record: &BuildRecord, limits: Option<Limits>) -> Vec<Criterion> {
    let recipe = recipe_peak_mib(&record.profile);
    let mut criteria = vec![
        Criterion {
            name: "no OOM kill",
            measured: record.oom_kills.map_or_else(|| "not counted here".to_owned(), |kills| kills.to_string()),
            limit: "0".to_owned(),
            met: record.oom_kills.unwrap_or(0) == 0,
        },
        at_most("peak anonymous (recipe)", record.peak_anon_mib, recipe, "MiB"),
        at_most("wall time (recipe)", record.wall_s, RECIPE_WALL_S, "s"),
    ];
    if let Some(limits) = limits {
        criteria.push(at_most("peak anonymous (ours)", record.peak_anon_mib, limits.peak_with(record.jobs), "MiB"));
        criteria.push(at_most("wall time (ours)", record.wall_s, limits.wall_s, "s"));
    }
    let about_features = feature_warnings(&record.warnings);
    criteria.push(Criterion {
        name: "warnings on features",
        measured: about_features.first().cloned().unwrap_or_else(|| "0".to_owned()),
        limit: "0".to_owned(),
        met: about_features.is_empty(),
    });
    criteria
}

fn of_import(imported: &anyhow::Result<import::Imported>, workspace: &Workspace) -> Vec<Criterion> {
    let found = match imported {
        Ok(found) => found,
        Err(error) => return vec![plain("extension imports", format!("{error:#}"), "imports", false)],
    };
    let problems = found.problems(&workspace.root);
    let id = found.loaded_id.get(..12).unwrap_or(&found.loaded_id);
    let origin = if problems.is_empty() { format!("build id {id}") } else { problems.join("; ") };
    vec![
        plain("extension imports", found.module.display().to_string(), "imports", true),
        plain("hello()", format!("{:?}", found.greeting), "exact words", found.greeting == import::GREETING),
        plain("is the one just built", origin, "same file", problems.is_empty() && found.built_id.is_some()),
    ]
}

/// Compiler warnings that speak of features or dtypes.
fn feature_warnings(warnings: &[String]) -> Vec<String> {
    let speaks = |line: &&String| {
        // Between backticks are names, which may be any.
        let words: String = line.split('`').step_by(2).collect::<String>().to_ascii_lowercase();
        words.contains("feature") || words.contains("dtype") || line.contains("unexpected `cfg` condition")
    };
    warnings.iter().filter(speaks).cloned().collect()
}

fn at_most(name: &'static str, measured: f64, limit: f64, unit: &str) -> Criterion {
    Criterion {
        name,
        measured: format!("{measured:.0} {unit}"),
        limit: format!("{limit:.0} {unit}"),
        met: measured < limit,
    }
}

fn plain(name: &'static str, measured: String, limit: &str, met: bool) -> Criterion {
    Criterion { name, measured, limit: limit.to_owned(), met }
}

fn table(record: &BuildRecord, criteria: &[Criterion]) -> String {
    let mut text = format!(
        "last build: {}, {} of {} units compiled, {} job(s)\n",
        record.profile,
        record.compiled(),
        record.units,
        record.jobs
    );
    for criterion in criteria {
        let verdict = if criterion.met { "ok  " } else { "FAIL" };
        let line = format!("{verdict}  {:<24} {} (limit: {})\n", criterion.name, criterion.measured, criterion.limit);
        text.push_str(&line);
    }
    text
}

fn outcome(record: &BuildRecord, criteria: &[Criterion]) -> Outcome {
    let rows: Vec<Value> = criteria
        .iter()
        .map(|criterion| {
            json!({
                "name": criterion.name,
                "measured": criterion.measured,
                "limit": criterion.limit,
                "ok": criterion.met,
            })
        })
        .collect();
    let mut figures: Map<String, Value> = Map::new();
    figures.insert("profile".into(), record.profile.clone().into());
    figures.insert("peak_anon_mib".into(), record.peak_anon_mib.into());
    figures.insert("build_wall_s".into(), record.wall_s.into());
    figures.insert("criteria".into(), rows.into());
    let failed: Vec<&str> =
        criteria.iter().filter(|criterion| !criterion.met).map(|criterion| criterion.name).collect();
    if failed.is_empty() {
        return Outcome::ok(figures);
    }
    let why = format!("{} of {} criteria are not met: {}", failed.len(), criteria.len(), failed.join(", "));
    say!("error: {why}");
    Outcome::failed(figures, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(peak_anon_mib: f64, wall_s: f64) -> BuildRecord {
        BuildRecord {
            profile: "dev".into(),
            jobs: 2,
            budget_mib: 4096.0,
            peak_anon_mib,
            peak_at_s: 60.0,
            wall_s,
            units: 190,
            fresh_units: 0,
            oom_kills: Some(0),
            heaviest: Vec::new(),
            warnings: Vec::new(),
            extension: "target/debug/lib_rust.so".into(),
            build_id: "00".into(),
            lock_hash: "11".into(),
        }
    }

    fn failed(record: &BuildRecord) -> Vec<&'static str> {
        let limits = Limits { peak_anon_mib: 900.0, each_more_job_mib: 130.0, wall_s: 600.0 };
        of_record(record, Some(limits))
            .iter()
            .filter(|criterion| !criterion.met)
            .map(|criterion| criterion.name)
            .collect()
    }

    #[test]
    fn a_good_build_meets_all() {
        assert_eq!(failed(&record(737.0, 101.0)), Vec::<&str>::new());
    }

    #[test]
    fn each_limit_counts_for_itself() {
        assert_eq!(failed(&record(1000.0, 101.0)), ["peak anonymous (ours)"]);
        assert_eq!(
            failed(&record(1600.0, 700.0)),
            ["peak anonymous (recipe)", "wall time (recipe)", "peak anonymous (ours)", "wall time (ours)",]
        );
        let mut killed = record(700.0, 100.0);
        killed.oom_kills = Some(1);
        assert_eq!(failed(&killed), ["no OOM kill"]);
    }

    #[test]
    fn only_warnings_on_features_count() {
        let mut noisy = record(700.0, 100.0);
        noisy.warnings = vec!["warning: unused variable: `features`".into()];
        assert_eq!(failed(&noisy), Vec::<&str>::new());
        noisy.warnings.push("warning: unexpected `cfg` condition value: `nope`".into());
        assert_eq!(failed(&noisy), ["warnings on features"]);
    }
}
