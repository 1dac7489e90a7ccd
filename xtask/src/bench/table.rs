//! Figures as Markdown, for docs/: a row for each question, a column for each tool.

use super::figures::{dash, measured_on, or_dash, spread, table_head, table_row};
use super::results::Results;
use super::summary::{self, CellSummary};
use super::tools::Tool;
use crate::memory::mib;

/// Where it was measured, and a row for each profile, cage and number of jobs.
pub(super) fn markdown(results: &Results) -> String {
    let summaries = summary::of(&results.runs);
    let tools = tools_of(&summaries);
    let mut columns = vec!["profile", "cage", "jobs"];
    columns.extend(tools.iter().map(|tool| tool.name()));
    columns.extend(["ours : fastest other", "ours : bound"]);
    let mut text = measured_on(&results.facts) + &table_head(&columns);
    for group in groups(&summaries) {
        text.push_str(&row(&group, &tools));
    }
    text
}

fn tools_of(summaries: &[CellSummary]) -> Vec<Tool> {
    let mut tools: Vec<Tool> = summaries.iter().map(|summary| summary.cell.tool).collect();
    tools.sort();
    tools.dedup();
    tools
}

/// Those that answer the same question. One job for cargo is an answer to each with other jobs, and to none of its own
/// where there are others.
fn groups(summaries: &[CellSummary]) -> Vec<Vec<&CellSummary>> {
    let mut groups: Vec<Vec<&CellSummary>> = Vec::new();
    let (any_jobs, own_jobs): (Vec<_>, Vec<_>) =
        summaries.iter().partition(|summary| summary.cell.tool == Tool::CargoOneJob);
    for summary in own_jobs {
        match groups.iter_mut().find(|group| group[0].cell.competes_with(&summary.cell)) {
            Some(group) => group.push(summary),
            None => groups.push(vec![summary]),
        }
    }
    for summary in any_jobs {
        let mut found = false;
        for group in groups.iter_mut().filter(|group| group[0].cell.competes_with(&summary.cell)) {
            group.push(summary);
            found = true;
        }
        if !found {
            groups.push(vec![summary]);
        }
    }
    groups
}

fn row(group: &[&CellSummary], tools: &[Tool]) -> String {
    let cell = &group[0].cell;
    let of = |tool: Tool| group.iter().find(|summary| summary.cell.tool == tool);
    let mut cells = vec![cell.profile.name().to_owned(), cell.cage.to_string(), cell.jobs.to_string()];
    cells.extend(tools.iter().map(|tool| of(*tool).map_or_else(dash, |summary| outcome(summary))));
    let ours = of(Tool::Ours);
    cells.push(or_dash(ours.and_then(|ours| ours.ratio), 2));
    cells.push(or_dash(ours.and_then(|ours| ours.bound_ratio), 2));
    table_row(&cells)
}

/// `110 (100–120) s, 744 MiB`; `killed`; `1 of 3 finished: …`; with the kernel's kills where there were any.
fn outcome(summary: &CellSummary) -> String {
    let mut text = String::new();
    if summary.finished < summary.runs && (summary.finished > 0 || summary.runs > 1) {
        text = format!("{} of {} finished: ", summary.finished, summary.runs);
    }
    text += &if summary.finished > 0 {
        format!("{} s", spread(&summary.walls, 0))
    } else if summary.killed > 0 {
        "killed".to_owned()
    } else if summary.timeouts > 0 {
        "timeout".to_owned()
    } else {
        "failed".to_owned()
    };
    text += &format!(", {:.0} MiB", mib(summary.peak_anon));
    match summary.oom_kills {
        None | Some(0) => text,
        Some(kills) => text + &format!(", {kills} OOM"),
    }
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
            example("dev 1G 1 cargo-j1", Verdict::Finished, 200.0),
            example("dev 1G 2 mbx", Verdict::Timeout, 2400.0),
            example("dev 1G 8 ours", Verdict::Finished, 100.0),
            example("dev 1G 8 cargo", Verdict::Killed, 50.0),
        ];
        let text = markdown(&Results { facts: facts::example(), runs });
        let rows: Vec<&str> = text.lines().collect();
        assert_eq!(
            rows[0],
            "2 cores of Example 9000, 24000 MiB, Linux 6.1 x86_64, rustc 1.95.0, commit 0123456789ab, 2026-11-23."
        );
        assert_eq!(
            rows[2..],
            [
                "| profile | cage | jobs | ours | cargo | cargo-j1 | mbx | ours : fastest other | ours : bound |",
                "|---|---|---|---|---|---|---|---|---|",
                "| dev | 1G | 2 | 110 (100–120) s, 800 MiB | 1 of 2 finished: 138 s, 800 MiB, 1 OOM | 200 s, 800 MiB \
                 | timeout, 800 MiB | 0.80 | – |",
                "| dev | 1G | 8 | 100 s, 800 MiB | killed, 800 MiB, 1 OOM | 200 s, 800 MiB | – | 0.50 | – |",
            ]
        );
    }
}
