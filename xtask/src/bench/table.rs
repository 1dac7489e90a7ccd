//! Figures as Markdown, for docs/.

use std::fmt::Write as _;

use super::facts::Facts;
use super::results::Results;
use super::summary::{self, CellSummary};
use crate::memory::mib;

/// Where it was measured, and a row for each cell.
pub(super) fn markdown(results: &Results) -> String {
    let mut text = heading(&results.facts);
    text.push_str("| profile | cage | jobs | tool | finished | time s (least–most) | CPU s | peak anonymous MiB | OOM kills | ours : fastest other |\n");
    text.push_str("|---|---|---|---|---|---|---|---|---|---|\n");
    for summary in summary::of(&results.runs) {
        text.push_str(&row(&summary));
    }
    text
}

fn heading(facts: &Facts) -> String {
    let Facts { cpu, cores, memory_mib, kernel, rustc, commit, date, .. } = facts;
    let day = day(date);
    format!("{cores} cores of {cpu}, {memory_mib:.0} MiB, {kernel}, {rustc}, commit {commit}, {day}.\n\n")
}

/// `20261123-001122` as a date.
fn day(timestamp: &str) -> String {
    match (timestamp.get(..4), timestamp.get(4..6), timestamp.get(6..8)) {
        (Some(year), Some(month), Some(day)) => format!("{year}-{month}-{day}"),
        _ => timestamp.to_owned(),
    }
}

fn row(summary: &CellSummary) -> String {
    let cell = &summary.cell;
    let columns = [
        cell.profile.name().to_owned(),
        cell.cage.to_string(),
        cell.jobs.to_string(),
        cell.tool.name().to_owned(),
        finished(summary),
        time(summary),
        or_dash(summary.cpu_s.map(|seconds| format!("{seconds:.0}"))),
        format!("{:.0}", mib(summary.peak_anon)),
        or_dash(summary.oom_kills.map(|kills| kills.to_string())),
        or_dash(summary.ratio.map(|ratio| format!("{ratio:.2}"))),
    ];
    format!("| {} |\n", columns.join(" | "))
}

/// `3/3`, or what happened to the others: `1/3, 2 killed`.
fn finished(summary: &CellSummary) -> String {
    let mut text = format!("{}/{}", summary.finished, summary.runs);
    let others = [(summary.killed, "killed"), (summary.timeouts, "timeout"), (summary.failed, "failed")];
    for (count, what) in others.into_iter().filter(|(count, _)| *count > 0) {
        // Writing to a String cannot fail.
        let _ = write!(text, ", {count} {what}");
    }
    text
}

fn time(summary: &CellSummary) -> String {
    match summary.wall {
        None => or_dash(None),
        Some(wall) if summary.finished == 1 => format!("{:.0}", wall.median),
        Some(wall) => format!("{:.0} ({:.0}–{:.0})", wall.median, wall.least, wall.most),
    }
}

fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "–".to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::facts;
    use super::super::measure::Verdict;
    use super::super::results::example;
    use super::*;

    #[test]
    fn a_table_reads_like_this() {
        let runs = vec![
            example("dev 1G 2 ours", Verdict::Finished, 100.0),
            example("dev 1G 2 ours", Verdict::Finished, 120.0),
            example("dev 1G 2 cargo", Verdict::Finished, 137.5),
            example("dev 1G 2 cargo", Verdict::Killed, 60.0),
            example("dev 1G 2 mbx", Verdict::Timeout, 2400.0),
        ];
        let text = markdown(&Results { facts: facts::example(), runs });
        let rows: Vec<&str> = text.lines().collect();
        assert_eq!(
            rows[0],
            "2 cores of Example 9000, 24000 MiB, Linux 6.1 x86_64, rustc 1.95.0, commit 0123456789ab, 2026-11-23."
        );
        assert_eq!(
            rows[4..],
            [
                "| dev | 1G | 2 | ours | 2/2 | 110 (100–120) | 165 | 800 | 0 | 0.80 |",
                "| dev | 1G | 2 | cargo | 1/2, 1 killed | 138 | 206 | 800 | 1 | – |",
                "| dev | 1G | 2 | mbx | 0/1, 1 timeout | – | – | 800 | 0 | – |",
            ]
        );
        assert_eq!(rows[2].matches('|').count(), rows[4].matches('|').count());
    }
}
