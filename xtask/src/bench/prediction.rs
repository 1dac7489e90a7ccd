//! `bench prediction`: how far what units took was from what they had been predicted to take, from the events of runs;
//! and how far the estimate is off for crates that nobody has measured, from the ledger.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use pico_args::Arguments;
use serde_json::{Map, Value, json};

use super::figures::{or_dash, percentile, rounded, table_head, table_row};
use super::flags::{free_path, path};
use super::print;
use crate::events::{Ended, Event};
use crate::governor::estimate::{ErrorReport, Model};
use crate::governor::ledger::Ledger;
use crate::memory::mib;
use crate::outcome::{Outcome, UsageError};
use crate::workspace::Workspace;

/// What `bench prediction` reads.
#[derive(Debug)]
pub(crate) struct PredictionBench {
    events: Vec<PathBuf>,
    /// Instead of the checkout's own.
    ledger: Option<PathBuf>,
}

/// Units of one basis, above [`HEAVY`].
#[derive(Debug, Clone, Copy, PartialEq)]
struct Accuracy {
    basis: &'static str,
    units: usize,
    /// Those of them that were given codegen threads: predictions are for one.
    with_threads: usize,
    /// 0 to 1.
    within_15: Option<f64>,
    /// Of predicted to measured: 5, 50 and 95 percent are not above.
    ratios: [Option<f64>; 3],
}

/// As events have them, the best first.
const BASES: [&str; 4] = ["measured", "seed", "relative", "estimate"];
const PERCENTILES: [usize; 3] = [5, 50, 95];
/// Lighter units fit anyway.
const HEAVY: u64 = 100 << 20;
const NEAR: f64 = 0.15;

impl PredictionBench {
    pub(super) fn parse(arguments: &mut Arguments) -> Result<Self, UsageError> {
        let ledger = path(arguments, "--ledger")?;
        let mut events = Vec::new();
        while let Some(file) = free_path(arguments)? {
            events.push(file);
        }
        if events.is_empty() {
            let runs = "target/xtask/runs/*/events.jsonl has those of each build";
            return Err(UsageError::new(format!("bench prediction: give at least one EVENTS.jsonl; {runs}")));
        }
        Ok(PredictionBench { events, ledger })
    }
}

pub(super) fn run(workspace: &Workspace, options: &PredictionBench) -> anyhow::Result<Outcome> {
    let mut ended = Vec::new();
    for file in &options.events {
        ended.extend(read(file)?);
    }
    let ledger = options.ledger.clone().unwrap_or_else(|| workspace.own_files().join("ledger.jsonl"));
    let error = Model::error(&Ledger::open(&ledger).estimate_rows());
    let accuracies: Vec<Accuracy> = BASES.into_iter().map(|basis| accuracy(basis, &ended)).collect();
    print(&markdown(&accuracies, ended.len(), &error));
    Ok(Outcome::ok(figures(&accuracies, ended.len(), &error)))
}

/// Units that came to a good end.
fn read(file: &Path) -> anyhow::Result<Vec<Ended>> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("cannot read {}; name the events.jsonl of a run", file.display()))?;
    let events = text.lines().filter_map(Event::parse);
    Ok(events
        .filter_map(|(_, event)| match event {
            Event::Ended(ended) if ended.code == 0 => Some(ended),
            _ => None,
        })
        .collect())
}

fn accuracy(basis: &'static str, ended: &[Ended]) -> Accuracy {
    let heavy: Vec<&Ended> = ended.iter().filter(|unit| unit.basis == basis && unit.peak > HEAVY).collect();
    let ratios: Vec<f64> = heavy.iter().map(|unit| unit.predicted as f64 / unit.peak as f64).collect();
    let near = ratios.iter().filter(|ratio| (**ratio - 1.0).abs() <= NEAR).count();
    Accuracy {
        basis,
        units: heavy.len(),
        with_threads: heavy.iter().filter(|unit| unit.threads > 0).count(),
        within_15: (!heavy.is_empty()).then(|| near as f64 / heavy.len() as f64),
        ratios: PERCENTILES.map(|percent| percentile(&ratios, percent)),
    }
}

fn markdown(accuracies: &[Accuracy], units: usize, error: &ErrorReport) -> String {
    let mut text = format!("Predicted peak : measured peak, of the units above {:.0} MiB of {units}.\n\n", mib(HEAVY));
    text += &table_head(&["basis", "units", "with threads", "within ±15 %", "5 %", "50 %", "95 %"]);
    for Accuracy { basis, units, with_threads, within_15, ratios } in accuracies {
        let mut row = vec![(*basis).to_owned(), units.to_string(), with_threads.to_string(), percent(*within_15)];
        row.extend(ratios.iter().map(|ratio| or_dash(*ratio, 2)));
        text += &table_row(&row);
    }
    text += "\nThe estimate, for packages that it has not seen: measured peak : predicted peak.\n\n";
    text += &table_head(&["units", "within ±15 %", "within ±50 %", "50 %", "95 %"]);
    text += &table_row(&[
        error.units.to_string(),
        percent(some(error, error.within_15)),
        percent(some(error, error.within_50)),
        or_dash(some(error, error.median), 2),
        or_dash(some(error, error.p95), 2),
    ]);
    text
}

fn figures(accuracies: &[Accuracy], units: usize, error: &ErrorReport) -> Map<String, Value> {
    let round = |value: Option<f64>| value.map(|value| rounded(value, 3));
    let bases = accuracies.iter().map(|accuracy| {
        let [p5, p50, p95] = accuracy.ratios.map(round);
        let figures = json!({
            "units": accuracy.units, "with_threads": accuracy.with_threads, "within_15": round(accuracy.within_15),
            "p5": p5, "p50": p50, "p95": p95,
        });
        (accuracy.basis.to_owned(), figures)
    });
    let mut figures = Map::new();
    figures.insert("units".into(), units.into());
    figures.insert("predicted_to_measured".into(), Value::Object(bases.collect()));
    figures.insert(
        "estimate_measured_to_predicted".into(),
        json!({
            "units": error.units,
            "within_15": round(some(error, error.within_15)),
            "within_50": round(some(error, error.within_50)),
            "p50": round(some(error, error.median)),
            "p95": round(some(error, error.p95)),
        }),
    );
    figures
}

/// Of nothing, nothing can be said.
fn some(error: &ErrorReport, value: f64) -> Option<f64> {
    (error.units > 0).then_some(value)
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(super::figures::dash, |share| format!("{:.0} %", share * 100.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(basis: &str, predicted_mib: u64, peak_mib: u64, threads: usize) -> Ended {
        Ended { basis: basis.into(), predicted: predicted_mib << 20, peak: peak_mib << 20, threads, ..Ended::default() }
    }

    const NOTHING: ErrorReport = ErrorReport { units: 0, within_15: 0.0, within_50: 0.0, median: 1.0, p95: 1.0 };

    #[test]
    fn only_heavy_units_of_the_basis_count() {
        let ended = [
            unit("seed", 220, 200, 0),
            unit("seed", 300, 200, 1),
            unit("seed", 90, 10, 0),
            unit("measured", 200, 200, 0),
        ];
        let seed = accuracy("seed", &ended);
        assert_eq!((seed.units, seed.with_threads, seed.within_15), (2, 1, Some(0.5)));
        assert_eq!(seed.ratios, [Some(1.1), Some(1.1), Some(1.5)]);
        assert_eq!(accuracy("estimate", &ended).within_15, None);
    }

    #[test]
    fn tables_read_like_this() {
        let ended = [unit("seed", 220, 200, 0)];
        let accuracies = BASES.map(|basis| accuracy(basis, &ended));
        let text = markdown(&accuracies, 1, &NOTHING);
        assert!(text.contains("| seed | 1 | 0 | 100 % | 1.10 | 1.10 | 1.10 |\n"), "{text}");
        assert!(text.contains("| measured | 0 | 0 | – | – | – | – |\n"), "{text}");
        assert!(text.ends_with("| 0 | – | – | – | – |\n"), "{text}");
        let figures = figures(&accuracies, 1, &NOTHING);
        assert_eq!(figures["predicted_to_measured"]["seed"]["p50"], 1.1);
        assert_eq!(figures["estimate_measured_to_predicted"]["p50"], Value::Null);
    }

    #[test]
    fn what_ended_badly_was_not_measured() {
        let file = std::env::temp_dir().join(format!("xtask-bench-prediction-{}", std::process::id()));
        let good = Event::Ended(unit("seed", 1, 1, 0)).to_line(1.0);
        let bad = Event::Ended(Ended { code: 1, ..unit("seed", 1, 1, 0) }).to_line(1.0);
        std::fs::write(&file, format!("{good}\n{bad}\nhalf a li")).expect("writable");
        assert_eq!(read(&file).expect("there").len(), 1);
        std::fs::remove_file(&file).expect("ours");
        assert!(read(&file).expect_err("gone").to_string().contains("cannot read"));
    }
}
