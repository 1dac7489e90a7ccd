//! What people read when a build is done.

use std::fmt::Write as _;
use std::time::Duration;

use super::session::{Session, Step};
use crate::memory::human;
use crate::progress::clock;
use crate::run_record::BuildRecord;

/// Time, peak and when, the heaviest units, what came from cache, what is installed.
pub(super) fn of_build(record: &BuildRecord, session: &Session<'_>) -> String {
    let compiled = record.compiled();
    let mut text = format!(
        "\n{} is built ({}) in {} with {} job{}\n",
        session.extension_name(),
        record.profile,
        clock(Duration::from_secs_f64(record.wall_s)),
        record.jobs,
        if record.jobs == 1 { "" } else { "s" },
    );
    let _ = writeln!(
        text,
        "  memory     peak {:.0} MiB anonymous at {}, {:.0} MiB were available, OOM kills: {}",
        record.peak_anon_mib,
        clock(Duration::from_secs_f64(record.peak_at_s)),
        record.budget_mib,
        record.oom_kills.map_or_else(|| "not counted here".to_owned(), |kills| kills.to_string()),
    );
    let _ = writeln!(text, "  units      {}: {compiled} compiled, {} from cache", record.units, record.fresh_units);
    for (number, unit) in record.heaviest.iter().enumerate() {
        let label = if number == 0 { "heaviest" } else { "" };
        let _ =
            writeln!(text, "  {label:<10} {:<28} {:>5.0} MiB {:>7.1} s", unit.name, unit.peak_anon_mib, unit.wall_s);
    }
    if let Some(module) = &session.module {
        let _ = writeln!(text, "  installed  {module}; `import maou` works");
    }
    if let Some(wheel) = &session.wheel {
        let _ = writeln!(text, "  wheel      {}", wheel.display());
    }
    let _ = write!(text, "  log        {}", session.log_path());
    text
}

/// A line per step, with the running total.
pub(super) fn step_table(steps: &[Step]) -> String {
    let mut text = format!("\n{:<14} {:>8} {:>12} {:>9} {:>9}\n", "step", "wall", "peak anon", "compiled", "total");
    let mut total = Duration::ZERO;
    for step in steps {
        total += step.watched.wall;
        let compiled = step.compiled();
        let _ = writeln!(
            text,
            "{:<14} {:>8} {:>12} {:>9} {:>9}",
            step.name,
            clock(step.watched.wall),
            human(step.watched.peak_anon),
            if step.was_done_before() { "fresh".to_owned() } else { compiled.to_string() },
            clock(total),
        );
    }
    text.trim_end().to_owned()
}
