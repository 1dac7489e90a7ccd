//! What people see: pure functions from a frame to text.

use std::time::Duration;

use super::{Ending, Frame};
use crate::memory::{Constraint, ProcessSample, Snapshot, TreeSample, UnitPeak, human};
use crate::progress::clock;

/// Of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) columns: usize,
    pub(super) rows: usize,
}

impl Default for Size {
    fn default() -> Self {
        Self { columns: 80, rows: 24 }
    }
}

/// Wider than this is harder to read, not easier.
const WIDEST: usize = 100;
const BAR: usize = 40;
/// Lines of a picture that are not processes.
const HEAD: usize = 8;
/// A command's picture leaves the terminal's larger part to what the command prints.
const PROCESSES_OF_COMMAND: usize = 4;
const PROCESSES_OF_MACHINE: usize = 20;
const PROCESSES_IN_LINE: usize = 3;
const UNITS_IN_SUMMARY: usize = 5;

/// The lines of a picture. How many there are depends on the terminal alone, so that nothing jumps.
pub(super) fn screen(frame: &Frame, size: Size) -> Vec<String> {
    let width = size.columns.saturating_sub(1).min(WIDEST);
    let wanted = if frame.peak.is_some() { PROCESSES_OF_COMMAND } else { PROCESSES_OF_MACHINE };
    let count = wanted.min(size.rows.saturating_sub(HEAD + 1));
    let mut lines = vec![
        rule(frame, width),
        limit_row(&frame.snapshot),
        free_row(&frame.snapshot),
        kinds_row(&frame.snapshot),
        pressure_row(frame),
        tree_row(frame),
        String::new(),
        format!("{:>10}  {:>8}  {:>7}  {:<15}  crate", "anonymous", "cpu time", "pid", "process"),
    ];
    let processes = heaviest(&frame.tree, count).into_iter().map(process_row);
    lines.extend(processes.chain(std::iter::repeat(String::new())).take(count));
    lines.truncate(size.rows.saturating_sub(1));
    lines.into_iter().map(|line| cut(line.trim_end(), width)).collect()
}

/// The same in one line, for a log.
pub(super) fn line(frame: &Frame) -> String {
    let snapshot = &frame.snapshot;
    let names = heaviest(&frame.tree, PROCESSES_IN_LINE).into_iter();
    let names: Vec<_> = names.map(|process| format!("{} {}", short_name(process), human(process.anon))).collect();
    let pressure = snapshot.psi.map_or_else(String::new, |psi| format!("  stalled {:>4.1} %", psi.some_avg10));
    format!(
        "{:>7}  {:>8} free of {}  tree {:>8}{}{pressure}  {}",
        clock(frame.at),
        human(snapshot.available),
        human(snapshot.limit),
        human(frame.tree.anon),
        frame.peak.map_or_else(String::new, |(anon, _)| format!(", peak {:>8}", human(anon))),
        names.join(", ")
    )
    .trim_end()
    .to_owned()
}

/// What is said when a command has ended.
pub(super) fn summary(ending: &Ending) -> Vec<String> {
    let peak = ending.peaks.peak();
    let mut lines = vec![
        format!("{}: {} after {}", cut(&ending.title, 40), ending.end, clock(ending.wall)),
        match peak.anon {
            0 => "It ended before it could be measured.".to_owned(),
            anon => format!("peak: {} of anonymous memory at {}", human(anon), clock(ending.peaks.peak_at())),
        },
    ];
    lines.extend(
        heaviest(peak, PROCESSES_IN_LINE)
            .into_iter()
            .map(|process| format!("{:>10}  {}", human(process.anon), long_name(process))),
    );
    let units = ending.peaks.units();
    if !units.is_empty() {
        lines.push("heaviest crates, each at its own peak:".to_owned());
        lines.extend(units.iter().take(UNITS_IN_SUMMARY).map(unit_row));
    }
    if let Some(kills) = ending.oom_kills.filter(|kills| *kills > 0) {
        lines.push(format!("The kernel killed {kills} {} for want of memory.", plural(kills, "process", "processes")));
    }
    lines
}

/// `── cargo build ───────────────── 1:12 ──`
fn rule(frame: &Frame, width: usize) -> String {
    let time = clock(frame.at);
    let title = if frame.title.is_empty() { "all processes" } else { &frame.title };
    let title = cut(title, width.saturating_sub(time.len() + 12));
    let used = title.chars().count() + time.len() + 8;
    format!("── {title} {} {time} ──", "─".repeat(width.saturating_sub(used)))
}

fn limit_row(snapshot: &Snapshot) -> String {
    let group = snapshot.levels.iter().find(|level| level.limit == Some(snapshot.limit));
    let whose = match group {
        Some(level) if level.throttles => format!("memory.high of {}", level.path.display()),
        Some(level) => level.path.display().to_string(),
        None => "installed memory".to_owned(),
    };
    row("limit", &human(snapshot.limit), &whose)
}

fn free_row(snapshot: &Snapshot) -> String {
    let used = snapshot.limit.saturating_sub(snapshot.available) as f64 / snapshot.limit.max(1) as f64;
    let full = (used * BAR as f64).round() as usize;
    let bar = format!("[{}{}]", "#".repeat(full.min(BAR)), "-".repeat(BAR.saturating_sub(full)));
    // Who decides is news only where it is not whoever set the limit.
    let why = match &snapshot.constraint {
        Constraint::Unknown => "  unknown",
        Constraint::MemAvailable if snapshot.mem_total != Some(snapshot.limit) => "  all that the machine has",
        Constraint::Cgroup(_) if snapshot.deciding_level().is_some_and(|level| level.limit != Some(snapshot.limit)) => {
            "  another group decides"
        }
        _ => "",
    };
    row("free", &human(snapshot.available), &format!("{bar}{why}"))
}

/// Of the group that decides, or else of the machine: the numbers belong to the limit above them.
fn kinds_row(snapshot: &Snapshot) -> String {
    let group = snapshot.deciding_level();
    let (anon, cached) = group.map_or((snapshot.anon, snapshot.cached), |level| (level.anon, level.cached));
    let rest = format!("page cache {:<11} swap {}", known(cached), swap(snapshot));
    row("anonymous", &known(anon), &rest)
}

fn pressure_row(frame: &Frame) -> String {
    let kills = frame.oom_kills.map_or_else(|| "unknown".to_owned(), |kills| kills.to_string());
    let stalled = |percent: f64| format!("{percent:.1} %");
    let (some, full) = match frame.snapshot.psi {
        Some(psi) => (stalled(psi.some_avg10), stalled(psi.full_avg10)),
        None => ("unknown".to_owned(), "unknown".to_owned()),
    };
    row("stalled", &some, &format!("all tasks  {full:<11} OOM kills {kills}"))
}

fn tree_row(frame: &Frame) -> String {
    let count = frame.tree.processes.len();
    let mut rest = format!("{count} {}", plural(count as u64, "process", "processes"));
    if let Some((anon, at)) = frame.peak {
        rest = format!("{rest:<22} peak {} at {}", human(anon), clock(at));
    }
    let label = if frame.peak.is_some() { "tree" } else { "together" };
    row(label, &human(frame.tree.anon), &rest)
}

fn process_row(process: &ProcessSample) -> String {
    let crate_name = process.unit.as_ref().map_or_else(String::new, |unit| unit.to_string());
    format!(
        "{:>10}  {:>8}  {:>7}  {:<15}  {crate_name}",
        human(process.anon),
        clock(Duration::from_secs_f64(process.cpu_s)),
        process.pid,
        process.command
    )
}

fn unit_row(unit: &UnitPeak) -> String {
    let cpu = format!("{:.0} s", unit.cpu_s);
    format!("{:>10}  {}, at {}, {cpu} of processor time", human(unit.anon), unit.name, clock(unit.at))
}

fn row(label: &str, value: &str, rest: &str) -> String {
    format!("{label:<9}  {value:>9}   {rest}")
}

fn swap(snapshot: &Snapshot) -> String {
    match (snapshot.swap_total, snapshot.swap_free, snapshot.swap_available) {
        (Some(0), ..) => "none".to_owned(),
        (Some(_), Some(free), Some(0)) if free > 0 => "not allowed here".to_owned(),
        (Some(total), Some(free), _) => format!("{} of {}", human(total.saturating_sub(free)), human(total)),
        _ => "unknown".to_owned(),
    }
}

/// The processes with the most anonymous memory, the heaviest first.
pub(super) fn heaviest(tree: &TreeSample, count: usize) -> Vec<&ProcessSample> {
    let mut processes: Vec<_> = tree.processes.iter().collect();
    processes.sort_by_key(|process| (std::cmp::Reverse(process.anon), process.pid));
    processes.truncate(count);
    processes
}

/// `rustc polars_core`, `cargo`.
fn long_name(process: &ProcessSample) -> String {
    match &process.unit {
        Some(unit) => format!("{} {unit}", process.command),
        None => process.command.to_string(),
    }
}

/// The crate alone, where there is one.
fn short_name(process: &ProcessSample) -> String {
    process.unit.as_ref().map_or_else(|| process.command.to_string(), |unit| unit.to_string())
}

fn known(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "unknown".to_owned(), human)
}

fn plural<'a>(count: u64, one: &'a str, many: &'a str) -> &'a str {
    if count == 1 { one } else { many }
}

fn cut(text: &str, width: usize) -> String {
    // A command line may have line breaks and worse in it; a picture of a known height must not.
    let mut plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let kept: String = plain.by_ref().take(width).collect();
    if plain.next().is_none() {
        return kept;
    }
    let kept: String = kept.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::super::examples;
    use super::*;

    #[test]
    fn a_build_in_a_container() {
        let picture = "
── cargo build --workspace ──────────────────────────────────────────── 1:12 ──
limit        1.0 GiB   /sys/fs/cgroup/memory/cage.1
free         312 MiB   [############################------------]
anonymous    640 MiB   page cache 210 MiB     swap not allowed here
stalled        1.2 %   all tasks  0.5 %       OOM kills 0
tree         598 MiB   5 processes            peak 612 MiB at 1:04

 anonymous  cpu time      pid  process          crate
   412 MiB      0:48     1234  rustc            polars_core
   102 MiB      0:01     1250  rust-lld         maou_rust (link)
    40 MiB      0:12     1240  rustc            maou_rust
    31 MiB      0:02     1111  cargo";
        assert_eq!(screen(&examples::build(), Size::default()).join("\n"), picture[1..]);
    }

    #[test]
    fn a_whole_machine() {
        let picture = "
── all processes ─────────────────────────────────────────────────────── 1:01:40 ──
limit       23.5 GiB   installed memory
free        19.5 GiB   [#######---------------------------------]
anonymous    2.9 GiB   page cache 1.8 GiB     swap unknown
stalled      unknown   all tasks  unknown     OOM kills unknown
together     2.1 GiB   2 processes

 anonymous  cpu time      pid  process          crate
   2.1 GiB   1:06:40       77  firefox
     4 MiB      0:03        1  systemd
";
        let lines = screen(&examples::machine(), Size { columns: 84, rows: 12 });
        assert_eq!(lines.join("\n"), picture[1..]);
    }

    #[test]
    fn a_small_terminal_gets_what_fits() {
        for rows in 1..30 {
            let lines = screen(&examples::build(), Size { columns: 30, rows });
            assert!(lines.len() < rows.max(2), "{rows} rows, {} lines", lines.len());
            assert!(lines.iter().all(|line| line.chars().count() < 30), "{lines:?}");
        }
    }

    #[test]
    fn a_line_for_a_log() {
        let expected = "   1:12   312 MiB free of 1.0 GiB  tree  598 MiB, peak  612 MiB  stalled  1.2 %  \
                        polars_core 412 MiB, maou_rust (link) 102 MiB, maou_rust 40 MiB";
        assert_eq!(line(&examples::build()), expected);
        let expected = "1:01:40  19.5 GiB free of 23.5 GiB  tree  2.1 GiB  firefox 2.1 GiB, systemd 4 MiB";
        assert_eq!(line(&examples::machine()), expected);
    }

    #[test]
    fn what_is_said_at_the_end() {
        let expected = "
cargo build --workspace: signal 9, SIGKILL after 2:47
peak: 598 MiB of anonymous memory at 1:04
   412 MiB  rustc polars_core
   102 MiB  rust-lld maou_rust (link)
    40 MiB  rustc maou_rust
heaviest crates, each at its own peak:
   412 MiB  polars_core, at 1:04, 48 s of processor time
   142 MiB  maou_rust, at 1:04, 13 s of processor time
    13 MiB  zstd-sys (build script run), at 1:04, 0 s of processor time
The kernel killed 1 process for want of memory.";
        assert_eq!(summary(&examples::ending()).join("\n"), expected[1..]);
    }

    #[test]
    fn who_decides_is_said_where_it_is_not_who_limits() {
        let mut frame = examples::build();
        frame.snapshot.mem_available = Some(100 << 20);
        let snapshot = frame.snapshot.decide();
        assert!(free_row(&snapshot).ends_with("]  all that the machine has"));
        assert_eq!(limit_row(&snapshot), "limit        1.0 GiB   /sys/fs/cgroup/memory/cage.1");
    }

    #[test]
    fn a_title_cannot_break_the_picture() {
        assert_eq!(cut("a\nb\x1b[2J", 80), "a b [2J");
        assert_eq!(cut("abcdef", 4), "abc…");
    }
}
