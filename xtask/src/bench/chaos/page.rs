//! What a benchmark of accidents comes to, for docs/.

use std::fmt::Write as _;

use super::plan::{Aim, KINDS, Kind};
use super::record::{Build, Report};
use crate::bench::figures::{dash, measured_on, spread, table_head, table_row};

const COLUMNS: [&str; 12] = [
    "accident",
    "builds",
    "ended well",
    "same bytes",
    "struck by us",
    "kernel OOM kills",
    "units killed",
    "behind metadata",
    "run again",
    "made room",
    "governors",
    "time s (least–most)",
];
/// In the order in which a cell has them.
const STRUCK: [(Aim, &str); 8] = [
    (Aim::Compiler, "rustc"),
    (Aim::BehindMetadata, "rustc behind metadata"),
    (Aim::Linker, "linker"),
    (Aim::Governor, "governor"),
    (Aim::Wrapper, "wrapper"),
    (Aim::Socket, "socket"),
    (Aim::Ledger, "ledger"),
    (Aim::Hog, "hog"),
];

/// Where it was measured, a row for each kind of accident, and what was wrong.
pub(super) fn markdown(report: &Report) -> String {
    let mut text = measured_on(&report.facts);
    let setting = &report.setting;
    let _ = write!(
        text,
        "Cold builds of profile {}, seed {}. Undisturbed: {:.0} s.\n\n{}",
        setting.profile,
        setting.seed,
        report.reference_s,
        table_head(&COLUMNS)
    );
    for kind in KINDS {
        let builds: Vec<&Build> = report.builds.iter().filter(|build| build.turn.kind == kind).collect();
        if !builds.is_empty() {
            text.push_str(&row(kind, &builds));
        }
    }
    for build in &report.builds {
        for problem in &build.problems {
            let _ = write!(text, "\n- {}: {problem} ({})", build.turn, build.log);
        }
    }
    text + if report.failed() > 0 { "\n" } else { "" }
}

fn row(kind: Kind, builds: &[&Build]) -> String {
    let sum = |value: fn(&Build) -> usize| builds.iter().map(|build| value(build)).sum::<usize>().to_string();
    let well = builds.iter().filter(|build| build.problems.is_empty()).count();
    let same = builds.iter().filter(|build| build.identical == Some(true)).count();
    let kills: Option<u64> = builds.iter().map(|build| build.oom_kills).sum();
    let walls: Vec<f64> = builds.iter().map(|build| build.wall_s).collect();
    table_row(&[
        kind.name().to_owned(),
        builds.len().to_string(),
        format!("{well}/{}", builds.len()),
        format!("{same}/{}", builds.len()),
        struck(builds),
        kills.map_or_else(dash, |kills| kills.to_string()),
        sum(|build| build.counts.killed),
        sum(|build| build.counts.behind_metadata),
        sum(|build| build.counts.again),
        sum(|build| build.counts.evicted),
        sum(|build| build.counts.governors),
        spread(&walls, 0),
    ])
}

/// `3 rustc, 1 linker`.
fn struck(builds: &[&Build]) -> String {
    let hits = |aim: Aim| builds.iter().map(|build| build.hits(aim)).sum::<usize>();
    let named = STRUCK.iter().map(|(aim, name)| (hits(*aim), name)).filter(|(count, _)| *count > 0);
    let parts: Vec<String> = named.map(|(count, name)| format!("{count} {name}")).collect();
    if parts.is_empty() { dash() } else { parts.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::super::record::{example, example_report};
    use super::*;

    #[test]
    fn a_table_has_a_row_for_each_kind_and_names_what_was_wrong() {
        let mut failed = example(Kind::Hog, 1);
        failed.oom_kills = Some(4);
        failed.identical = None;
        failed.problems.push("it ended with exit status 1".into());
        let report = example_report(vec![example(Kind::Signals, 1), failed, example(Kind::Signals, 2)]);
        let text = markdown(&report);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[6..],
            [
                "| signals | 2 | 2/2 | 2/2 | 2 rustc, 2 linker | – | 4 | 2 | 4 | 0 | 2 | 120 (120–120) |",
                "| hog | 1 | 0/1 | 0/1 | 1 rustc, 1 linker | 4 | 2 | 1 | 2 | 0 | 1 | 120 |",
                "",
                "- hog 1: it ended with exit status 1 (target/xtask/bench/logs/x.log)",
            ]
        );
        assert_eq!(lines[4].matches('|').count(), lines[6].matches('|').count());
    }
}
