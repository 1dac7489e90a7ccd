//! Runs as figures: one row for each cell.

use serde_json::{Value, json};

use super::figures::{median, rounded};
use super::matrix::{Cell, Profile};
use super::measure::Verdict;
use super::results::Run;
use super::tools::Tool;
use crate::memory::mib;

/// What the runs of one cell come to.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct CellSummary {
    pub(super) cell: Cell,
    pub(super) runs: usize,
    pub(super) finished: usize,
    pub(super) killed: usize,
    pub(super) timeouts: usize,
    pub(super) failed: usize,
    /// Seconds of the finished runs.
    pub(super) walls: Vec<f64>,
    /// Median of the finished runs.
    pub(super) cpu_s: Option<f64>,
    /// The highest of all runs, bytes: a build that is killed once in ten has that peak too.
    pub(super) peak_anon: u64,
    /// Of all runs together.
    pub(super) oom_kills: Option<u64>,
    /// Only of ours: its median time as a multiple of the fastest competitor's that finished at all.
    pub(super) ratio: Option<f64>,
    /// Only of ours: the median of its times as multiples of what no schedule can be shorter than.
    pub(super) bound_ratio: Option<f64>,
}

/// One summary for each cell: profiles as they came, cages from small to none, jobs, tools.
///
/// Of each tool only the version counts that ran last: a median over two programs is nobody's.
pub(super) fn of(runs: &[Run]) -> Vec<CellSummary> {
    let runs = of_the_last_versions(runs);
    let mut profiles: Vec<&Profile> = Vec::new();
    let mut cells: Vec<&Cell> = Vec::new();
    for run in &runs {
        if !profiles.contains(&&run.cell.profile) {
            profiles.push(&run.cell.profile);
        }
        if !cells.contains(&&run.cell) {
            cells.push(&run.cell);
        }
    }
    cells.sort_by_key(|cell| {
        let profile = profiles.iter().position(|profile| **profile == cell.profile);
        (profile, cell.cage.0.unwrap_or(u64::MAX), cell.jobs, cell.tool)
    });
    let mut summaries: Vec<CellSummary> = cells.into_iter().map(|cell| summarise(cell, &runs)).collect();
    add_ratios(&mut summaries);
    summaries
}

fn of_the_last_versions(runs: &[Run]) -> Vec<&Run> {
    let last = |tool: Tool| runs.iter().rev().find(|run| run.cell.tool == tool).map(|run| &run.version);
    runs.iter().filter(|run| last(run.cell.tool) == Some(&run.version)).collect()
}

fn summarise(cell: &Cell, runs: &[&Run]) -> CellSummary {
    let measured: Vec<_> = runs.iter().filter(|run| run.cell == *cell).map(|run| &run.measured).collect();
    let count = |verdict| measured.iter().filter(|run| run.verdict == verdict).count();
    let finished = || measured.iter().filter(|run| run.verdict == Verdict::Finished);
    CellSummary {
        cell: cell.clone(),
        runs: measured.len(),
        finished: count(Verdict::Finished),
        killed: count(Verdict::Killed),
        timeouts: count(Verdict::Timeout),
        failed: count(Verdict::Failed),
        walls: finished().map(|run| run.wall_s).collect(),
        cpu_s: median(&finished().filter_map(|run| run.cpu_s).collect::<Vec<_>>()),
        peak_anon: measured.iter().map(|run| run.peak_anon).max().unwrap_or(0),
        oom_kills: measured.iter().map(|run| run.oom_kills).sum(),
        ratio: None,
        bound_ratio: median(&bound_ratios(cell, runs)).map(|ratio| rounded(ratio, 2)),
    }
}

/// What xtask says of a run that it finished has the bound: processor time, critical path, or memory over time.
fn bound_ratios(cell: &Cell, runs: &[&Run]) -> Vec<f64> {
    let finished = runs.iter().filter(|run| run.cell == *cell && run.measured.verdict == Verdict::Finished);
    let ratio = |run: &&&Run| {
        let bound_s = run.ours.as_ref()?["bound_s"].as_f64()?;
        (bound_s > 0.0).then_some(run.measured.wall_s / bound_s)
    };
    finished.filter_map(|run| ratio(&run)).collect()
}

fn add_ratios(summaries: &mut [CellSummary]) {
    let ratios: Vec<Option<f64>> = summaries.iter().map(|summary| ratio(summary, summaries)).collect();
    for (summary, ratio) in summaries.iter_mut().zip(ratios) {
        summary.ratio = ratio;
    }
}

fn ratio(ours: &CellSummary, all: &[CellSummary]) -> Option<f64> {
    if ours.cell.tool != Tool::Ours {
        return None;
    }
    let others = all.iter().filter(|other| other.cell.tool != Tool::Ours && other.cell.competes_with(&ours.cell));
    let fastest = others.filter_map(|other| median(&other.walls)).min_by(f64::total_cmp)?;
    Some(rounded(median(&ours.walls)? / fastest, 2))
}

impl CellSummary {
    pub(super) fn to_json(&self) -> Value {
        json!({
            "profile": self.cell.profile.name(),
            "cage": self.cell.cage.to_string(),
            "jobs": self.cell.jobs,
            "tool": self.cell.tool.name(),
            "runs": self.runs,
            "finished": self.finished,
            "killed": self.killed,
            "timeout": self.timeouts,
            "failed": self.failed,
            "wall_s": median(&self.walls),
            "wall_min_s": self.walls.iter().copied().min_by(f64::total_cmp),
            "wall_max_s": self.walls.iter().copied().max_by(f64::total_cmp),
            "cpu_s": self.cpu_s,
            "peak_anon_mib": mib(self.peak_anon),
            "oom_kills": self.oom_kills,
            "ratio_to_fastest_other": self.ratio,
            "ratio_to_bound": self.bound_ratio,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::results::example;
    use super::*;

    fn finished(cell: &str, wall_s: f64) -> Run {
        example(cell, Verdict::Finished, wall_s)
    }

    fn ratio_of(runs: &[Run]) -> Option<f64> {
        of(runs).into_iter().find(|summary| summary.cell.tool == Tool::Ours).expect("ours").ratio
    }

    #[test]
    fn ours_is_compared_with_what_no_schedule_can_beat() {
        let mut runs = vec![finished("dev 1G 2 ours", 120.0), finished("dev 1G 2 ours", 90.0)];
        for run in &mut runs {
            run.ours = Some(json!({"bound_s": 80.0}));
        }
        runs.push(example("dev 1G 2 ours", Verdict::Killed, 1.0));
        let [summary] = &of(&runs)[..] else { panic!("one cell") };
        assert_eq!(summary.bound_ratio, Some(1.31));
        assert_eq!(of(&runs[2..])[0].bound_ratio, None);
    }

    #[test]
    fn killed_runs_count_but_have_no_time() {
        let cell = "dev 1G 2 cargo";
        let mut runs = vec![finished(cell, 100.0), finished(cell, 110.0), example(cell, Verdict::Killed, 50.0)];
        runs[2].measured.peak_anon = 1 << 30;
        let [summary] = &of(&runs)[..] else { panic!("one cell") };
        assert_eq!((summary.runs, summary.finished, summary.killed), (3, 2, 1));
        assert_eq!(summary.walls, [100.0, 110.0]);
        assert_eq!((summary.cpu_s, summary.peak_anon, summary.oom_kills), (Some(157.5), 1 << 30, Some(1)));
    }

    #[test]
    fn ours_is_compared_with_the_fastest_that_finished() {
        let mut runs = vec![
            finished("dev 1G 2 ours", 90.0),
            finished("dev 1G 2 cargo", 100.0),
            finished("dev 1G 2 mbx", 120.0),
            example("dev 1G 2 kache", Verdict::Killed, 1.0),
            finished("dev none 2 cargo", 10.0),
            finished("dev 1G 8 cargo", 10.0),
        ];
        assert_eq!(ratio_of(&runs), Some(0.9));
        runs.push(finished("dev 1G 1 cargo-j1", 60.0));
        assert_eq!(ratio_of(&runs), Some(1.5));
        assert_eq!(ratio_of(&runs[..1]), None);
    }

    #[test]
    fn rows_are_in_a_readers_order() {
        let runs = ["release 1G 2 ours", "dev none 2 ours", "dev 1G 8 ours", "dev 1G 8 cargo", "dev 832M 2 ours"]
            .map(|cell| finished(cell, 1.0));
        let order: Vec<String> = of(&runs).iter().map(|summary| summary.cell.file_name()).collect();
        assert_eq!(
            order,
            ["release-1G-j2-ours", "dev-832M-j2-ours", "dev-1G-j8-ours", "dev-1G-j8-cargo", "dev-none-j2-ours"]
        );
    }

    #[test]
    fn two_versions_are_not_put_together() {
        let mut runs = vec![finished("dev 1G 2 ours", 100.0), finished("dev 1G 2 ours", 60.0)];
        runs[1].version = "2".into();
        let [summary] = &of(&runs)[..] else { panic!("one cell") };
        assert_eq!((summary.runs, &summary.walls[..]), (1, &[60.0][..]));
    }
}
