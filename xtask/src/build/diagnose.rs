//! Why a step died, and what to do: from what it printed, how it ended, and the kernel's own count.

use super::plan::least_memory;
use crate::events::GaveUp;
use crate::memory::human;
use crate::proc::End;
use crate::stream::Watched;

/// How a step failed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Death {
    /// The compiler or the linker was killed.
    Killed { who: String, signal: String, oom: Oom },
    /// The disk is full.
    DiskFull,
    /// What an earlier build left in the target directory cannot be read.
    BrokenArtifacts,
    /// Anything else: what the step printed is the message.
    Failed,
}

/// Whether the kernel says that memory was the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Oom {
    Confirmed,
    /// The kernel does not count, or counted nothing.
    Unconfirmed,
}

/// What rustc says of files that are damaged, and of an incremental cache that is.
const BROKEN_ARTIFACTS: [&str; 4] =
    ["found invalid metadata files", "failed to mmap", "encountered different", "fingerprint mismatch for incremental"];

/// Less than this, bytes, is no room for a library: the error was about space.
const FULL: u64 = 64 << 20;

/// What a build was allowed: decides which remedies are left.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowed<'a> {
    pub(super) profile: &'a str,
    pub(super) jobs: usize,
}

/// The whole error message for a step that did not succeed.
pub(super) fn explain(step: &str, watched: &Watched, allowed: Allowed<'_>, log: &str) -> String {
    if watched.interrupted {
        return format!("{step}: interrupted; run the same command again, it goes on where it was");
    }
    if let Some(gave_up) = &watched.governed.gave_up {
        return hopeless(step, gave_up, allowed);
    }
    match find_death(watched) {
        Death::Killed { who, signal, oom } => killed(step, watched, allowed, &who, &signal, oom),
        Death::DiskFull => {
            format!(
                "{step}: the disk is full; free some space (`cargo xtask clean`) and run it again, it goes on where it was"
            )
        }
        Death::BrokenArtifacts => format!(
            "{step}: what an earlier build left in the target directory is broken; remove it and build again:\n  \
             cargo xtask clean && cargo xtask build"
        ),
        Death::Failed => {
            format!("{step} failed with {}{}; the whole log is {log}", watched.end, last_words(watched))
        }
    }
}

/// What happened to a governed command that did not succeed, in one line.
pub(crate) fn explain_end(watched: &Watched) -> String {
    if watched.interrupted {
        return "interrupted".to_owned();
    }
    match &watched.governed.gave_up {
        Some(unit) => format!(
            "{} needs more than {}, and there were {}: nothing gentler is left",
            unit.unit,
            human(unit.need),
            human(unit.had)
        ),
        None => format!("the command ended with {}", watched.end),
    }
}

pub(crate) fn find_death(watched: &Watched) -> Death {
    let lines = &watched.tail;
    // lld maps its output: on a full disk it dies of SIGBUS and says nothing of space.
    let no_space = |line: &String| line.contains("No space left on device") || line.contains("Bus error");
    if lines.iter().any(no_space) && watched.disk_left.is_none_or(|left| left < FULL) {
        return Death::DiskFull;
    }
    if lines.iter().any(|line| BROKEN_ARTIFACTS.iter().any(|words| line.contains(words))) {
        return Death::BrokenArtifacts;
    }
    let oom = if watched.oom_kills.unwrap_or(0) > 0 { Oom::Confirmed } else { Oom::Unconfirmed };
    if let Some(signal) = lines.iter().find_map(|line| signal_in(line)) {
        return Death::Killed { who: crate_in(lines).unwrap_or_else(|| "a compiler".into()), signal, oom };
    }
    match watched.end {
        End::Signal(_) => Death::Killed { who: "cargo".into(), signal: watched.end.to_string(), oom },
        End::Code(_) if killed_unseen(watched) => {
            let who = crate_in(lines).unwrap_or_else(|| "a process of the build".into());
            Death::Killed { who, signal: "signal 9, SIGKILL".into(), oom }
        }
        End::Code(_) => Death::Failed,
    }
}

/// Whether the kernel has killed a process that nobody ran again, and nothing else explains the failure.
fn killed_unseen(watched: &Watched) -> bool {
    let kills =
        watched.governed.totals.map_or_else(|| watched.oom_kills.unwrap_or(0), |totals| totals.unexplained_kills);
    let refused =
        |line: &String| line.starts_with("error[E") || line.contains("due to ") && line.contains("previous error");
    kills > 0 && !watched.tail.iter().any(refused)
}

/// A unit that the governor has tried in every way: what it needs, what there was, and what would help, best first.
fn hopeless(step: &str, unit: &GaveUp, allowed: Allowed<'_>) -> String {
    let mut remedies: Vec<String> = Vec::new();
    let fits = |need: u64| need < unit.had;
    if unit.foreign > unit.need / 4 {
        remedies.push(format!(
            "close other programs, which hold {} (`cargo xtask monitor` shows which), and run it again",
            human(unit.foreign)
        ));
    }
    match unit.unoptimised {
        Some(need) if unit.opt_level != "0" && allowed.profile == "release" && fits(need) => {
            remedies.insert(0, format!("`--profile mem-opt`: {} needs {} there", unit.unit, human(need)));
        }
        Some(need) if unit.opt_level != "0" => {
            remedies.push(format!("without optimisation {} needs {}: `--profile dev`", unit.unit, human(need)));
        }
        _ => {}
    }
    let wanted = unit.need / 100 * 120;
    remedies
        .push(format!("give this container or machine {} more", human(wanted.saturating_sub(unit.had).max(64 << 20))));
    remedies.push("swap of that size does too: slower, and it ends".to_owned());
    remedies.truncate(3);
    let list: String = remedies.iter().map(|line| format!("\n  - {line}")).collect();
    format!(
        "{step}: {} was killed {} times, at the end alone, with one thread and the most codegen units.\n  \
         It held {} when it died, and {} were to be had.\n  What helps, the best first:{list}",
        unit.unit,
        unit.kills,
        human(unit.need),
        human(unit.had),
    )
}

fn killed(step: &str, watched: &Watched, allowed: Allowed<'_>, who: &str, signal: &str, oom: Oom) -> String {
    let cause = match oom {
        Oom::Confirmed => "the kernel's OOM counter moved: there was not enough memory",
        Oom::Unconfirmed => "the kernel counted no OOM kill here: probably memory all the same, or somebody's kill",
    };
    let heaviest = watched
        .units
        .first()
        .map_or_else(String::new, |unit| format!(" The heaviest unit was {} with {}.", unit.name, human(unit.anon)));
    format!(
        "{step}: {who} was ended by {signal}; {cause}.\n  \
         The build held {} at its peak, and {} had been available.{heaviest}\n  \
         What helps, the best first:\n{}",
        human(watched.peak_anon),
        human(watched.available_before),
        remedies(watched, allowed)
    )
}

fn remedies(watched: &Watched, allowed: Allowed<'_>) -> String {
    let wanted = (watched.peak_anon / 100 * 115).max(least_memory(allowed.profile));
    let more =
        format!("give this container or machine {}, or close what else runs (`cargo xtask monitor`)", human(wanted));
    let again = "run the same command again: what was finished stays finished".to_owned();
    let split = "`cargo xtask build-split`: one job, one crate after the other".to_owned();
    let mut list = match (allowed.jobs, watched.units.first()) {
        // It had the memory to itself: another run would end the same way.
        (1, Some(unit)) if unit.anon > watched.available_before / 10 * 8 => vec![more],
        (1, _) => vec![again, more],
        _ => vec![again, split, more],
    };
    if allowed.profile == "release" {
        list.insert(list.len() - 1, "`--profile mem-opt`: a release that needs less memory to build".to_owned());
    }
    list.iter().map(|line| format!("  - {line}\n")).collect::<String>().trim_end().to_owned()
}

/// `signal: 9, SIGKILL: kill` as cargo prints it, `signal 9` as linkers' drivers do.
fn signal_in(line: &str) -> Option<String> {
    let lower = line.to_ascii_lowercase();
    if !(lower.contains("signal: ") || lower.contains("signal 9") || lower.contains("signal 15")) {
        return None;
    }
    for (number, name) in [(9, "SIGKILL"), (15, "SIGTERM"), (11, "SIGSEGV"), (6, "SIGABRT"), (7, "SIGBUS")] {
        let ends = |text: String| {
            lower
                .find(&text)
                .is_some_and(|at| !lower[at + text.len()..].starts_with(|next: char| next.is_ascii_digit()))
        };
        if ends(format!("signal: {number}")) || ends(format!("signal {number}")) {
            return Some(format!("signal {number}, {name}"));
        }
    }
    None
}

/// The crate in "could not compile `X`".
fn crate_in(lines: &[String]) -> Option<String> {
    lines.iter().find_map(|line| {
        let rest = line.split("could not compile `").nth(1)?;
        let (name, _) = rest.split_once('`')?;
        Some(format!("the compiler of {name}"))
    })
}

/// Errors were shown as they came; here only what was not.
fn last_words(watched: &Watched) -> String {
    let shown = watched.tail.iter().any(|line| line.starts_with("error"));
    if shown {
        return String::new();
    }
    let tail: Vec<&str> = watched.tail.iter().rev().take(5).rev().map(String::as_str).collect();
    if tail.is_empty() { String::new() } else { format!(":\n  {}\n", tail.join("\n  ")) }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::*;
    use crate::events::Totals;
    use crate::memory::{UnitKind, UnitName, UnitPeak};
    use crate::stream::{Artifacts, Governed};

    pub(in crate::build) fn watched(end: End, oom_kills: Option<u64>, tail: &[&str]) -> Watched {
        Watched {
            end,
            wall: Duration::from_secs(60),
            peak_anon: 700 << 20,
            peak_at: Duration::from_secs(50),
            units: Vec::new(),
            artifacts: Artifacts::default(),
            oom_kills,
            disk_left: Some(0),
            available_before: 704 << 20,
            tail: tail.iter().map(|line| (*line).to_owned()).collect(),
            warnings: Vec::new(),
            interrupted: false,
            governed: Governed::default(),
        }
    }

    fn allowed(profile: &str) -> Allowed<'_> {
        Allowed { profile, jobs: 2 }
    }

    pub(in crate::build) const KILLED: &[&str] = &[
        "error: could not compile `polars-core` (lib)",
        "Caused by:",
        "  process didn't exit successfully: `rustc --crate-name polars_core` (signal: 9, SIGKILL: kill)",
    ];

    #[test]
    fn a_killed_compiler_is_named_with_cause_and_cure() {
        let text = explain("maou_index", &watched(End::Code(101), Some(1), KILLED), allowed("release"), "build.log");
        for part in
            ["polars-core", "signal 9, SIGKILL", "OOM counter moved", "700 MiB", "704 MiB", "build-split", "mem-opt"]
        {
            assert!(text.contains(part), "{part} is missing in: {text}");
        }
    }

    #[test]
    fn without_the_kernels_word_it_is_only_probable() {
        let text = explain("maou_index", &watched(End::Code(101), Some(0), KILLED), allowed("dev"), "build.log");
        assert!(text.contains("probably"), "{text}");
        assert!(!text.contains("mem-opt"), "{text}");
    }

    #[test]
    fn what_died_alone_is_not_sent_to_die_again() {
        let mut alone = watched(End::Code(101), Some(1), KILLED);
        let leader = UnitName { crate_name: "polars_core".into(), kind: UnitKind::Compile, leader: 7 };
        let (at, cpu_s) = (Duration::ZERO, 1.0);
        alone.units = vec![UnitPeak { name: leader, anon: 650 << 20, at, first_seen: at, last_seen: at, cpu_s }];
        let text = explain("maou_index", &alone, Allowed { profile: "dev", jobs: 1 }, "build.log");
        assert!(text.contains("give this container or machine 805 MiB"), "{text}");
        assert!(!text.contains("again") && !text.contains("build-split"), "{text}");
    }

    #[test]
    fn a_killed_linker_is_found_in_the_drivers_words() {
        let tail = [
            "collect2: fatal error: ld terminated with signal 9 [Killed]",
            "error: could not compile `maou_rust` (lib)",
        ];
        let death = find_death(&watched(End::Code(101), None, &tail));
        assert_eq!(
            death,
            Death::Killed {
                who: "the compiler of maou_rust".into(),
                signal: "signal 9, SIGKILL".into(),
                oom: Oom::Unconfirmed
            }
        );
    }

    #[test]
    fn what_the_governor_gave_up_is_told_with_its_needs_and_remedies() {
        let mut given_up = watched(End::Code(101), Some(4), KILLED);
        given_up.governed.gave_up = Some(GaveUp {
            unit: "polars-core".into(),
            opt_level: "3".into(),
            kills: 4,
            need: 700 << 20,
            had: 690 << 20,
            unoptimised: Some(620 << 20),
            ..GaveUp::default()
        });
        let text = explain("maou_index", &given_up, allowed("release"), "build.log");
        for part in
            ["polars-core was killed 4 times", "700 MiB", "690 MiB", "- `--profile mem-opt`", "620 MiB", "150 MiB more"]
        {
            assert!(text.contains(part), "{part} is missing in: {text}");
        }
    }

    #[test]
    fn a_compile_error_is_none_whatever_was_killed_and_mended_before_it() {
        let tail =
            ["error[E0308]: mismatched types", "error: could not compile `maou_io` (lib) due to 1 previous error"];
        assert_eq!(find_death(&watched(End::Code(101), Some(2), &tail)), Death::Failed);
        // `govern` does not see what its command prints.
        let mut unseen = watched(End::Code(101), Some(2), &[]);
        assert!(matches!(find_death(&unseen), Death::Killed { .. }));
        unseen.governed.totals = Some(Totals::default());
        assert_eq!(find_death(&unseen), Death::Failed, "the governor has mended both");
        unseen.governed.totals = Some(Totals { unexplained_kills: 1, ..Totals::default() });
        assert!(matches!(find_death(&unseen), Death::Killed { oom: Oom::Confirmed, .. }));
    }

    #[test]
    fn a_compile_error_is_not_a_death() {
        let tail =
            ["error[E0308]: mismatched types", "error: could not compile `maou_io` (lib) due to 1 previous error"];
        assert_eq!(find_death(&watched(End::Code(101), Some(0), &tail)), Death::Failed);
        assert_eq!(
            find_death(&watched(End::Code(101), None, &["No space left on device (os error 28)"])),
            Death::DiskFull
        );
    }
}
