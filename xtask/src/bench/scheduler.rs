//! `bench scheduler`: what a decision of the scheduler costs, and how good its schedules are, on simulated machines.
//!
//! Where nothing else is said predictions are true: what is measured is the rules, not the ledger. A schedule is compared
//! with the longest of three bounds that no schedule can beat (see [`Bound`]); all three can not be met at once, so that
//! 1.00 is not always possible. A decision is timed with everything in it, in the build of xtask that runs, which is not
//! optimised.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::bail;
use serde_json::{Map, Value, json};

use crate::governor::simulation::{Belief, Bound, Graph, Machine, Random, Schedule, World, crates, simulate};
use crate::outcome::Outcome;
use crate::proc;
use crate::run_record;
use crate::terminal::say;

#[derive(Debug, Default)]
pub(crate) struct SchedulerFlags {
    /// Where the figures go, as JSON.
    pub(crate) file: Option<PathBuf>,
}

/// What is built, and what the scheduler believes of it.
struct Workload {
    name: &'static str,
    graph: Graph,
    belief: Belief,
}

/// One simulated build.
struct Row {
    workload: &'static str,
    machine: Machine,
    schedule: Schedule,
    bound: Bound,
    cost: Cost,
}

/// Of one decision, microseconds.
struct Cost {
    mean: f64,
    median: f64,
    p99: f64,
    max: f64,
}

const CORES: [usize; 5] = [4, 8, 16, 32, 64];
const GIB: [u64; 8] = [2, 4, 8, 16, 32, 64, 128, 256];
/// More memory for each processor than this changes nothing.
const MOST_GIB_PER_CORE: u64 = 8;

pub(crate) fn run(flags: &SchedulerFlags) -> anyhow::Result<Outcome> {
    let mut rows = Vec::new();
    for workload in workloads() {
        say!("{} …", workload.name);
        for machine in machines() {
            if proc::interrupted() {
                bail!("interrupted");
            }
            rows.push(measure(&workload, machine));
        }
    }
    // A reader that went away is no reason to panic.
    let _ = std::io::stdout().write_all(markdown(&rows).as_bytes());
    let rows: Vec<Value> = rows.iter().map(Row::json).collect();
    if let Some(path) = &flags.file {
        run_record::write_atomically(path, &format!("{:#}\n", Value::from(rows.clone())))?;
    }
    let mut figures = Map::new();
    figures.insert("schedules".into(), rows.into());
    Ok(Outcome::ok(figures))
}

fn workloads() -> [Workload; 5] {
    let wrong = Belief::Wrong { memory: [0.3, 3.0], time: [0.3, 3.0], seed: 1 };
    let crates = |count: usize| crates::random(count, 1.0, &mut Random::new(count as u64));
    [
        Workload { name: "300 units", graph: crates(300), belief: Belief::True },
        Workload { name: "300 units, predictions wrong by up to 3×", graph: crates(300), belief: wrong },
        Workload { name: "300 units, nothing known", graph: crates(300), belief: Belief::Estimate },
        Workload { name: "10,000 units", graph: crates(10_000), belief: Belief::True },
        Workload { name: "10,000 at once", graph: crates::flat(10_000, &mut Random::new(1)), belief: Belief::True },
    ]
}

fn machines() -> impl Iterator<Item = Machine> {
    let pairs = CORES.into_iter().flat_map(|cores| GIB.into_iter().map(move |gib| (cores, gib)));
    let sensible = pairs.filter(|(cores, gib)| *gib <= MOST_GIB_PER_CORE * *cores as u64);
    sensible.map(|(cores, gib)| Machine { cores, memory: gib << 30 })
}

fn measure(workload: &Workload, machine: Machine) -> Row {
    let mut nanoseconds = Vec::new();
    let world = World::calm(&workload.graph, workload.belief);
    let schedule = simulate(&workload.graph, machine, &world, &mut |scheduler, event, now| {
        let began = Instant::now();
        let actions = scheduler.step(event, now);
        nanoseconds.push(began.elapsed().as_nanos() as u64);
        actions
    });
    Row {
        workload: workload.name,
        machine,
        schedule,
        bound: workload.graph.bound(machine),
        cost: Cost::of(nanoseconds),
    }
}

fn markdown(rows: &[Row]) -> String {
    let mut text = String::from(
        "| build | cores | memory GiB | decision µs: mean | median | p99 | most | built in s | bound s | which | ÷ | cores busy | memory used | evictions | OOM kills |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        // Writing to a String does not fail.
        let _ = writeln!(text, "{row}");
    }
    text
}

impl Row {
    fn ratio(&self) -> f64 {
        self.schedule.makespan_s / self.bound.longest_s()
    }

    fn busy(&self) -> f64 {
        self.schedule.busy_core_s / self.schedule.makespan_s / self.machine.cores as f64
    }

    fn json(&self) -> Value {
        let Row { workload, machine, schedule, bound, cost } = self;
        json!({
            "build": workload,
            "cores": machine.cores,
            "memory": machine.memory,
            "decisions": schedule.decisions,
            "decision_us": { "mean": cost.mean, "median": cost.median, "p99": cost.p99, "max": cost.max },
            "makespan_s": schedule.makespan_s,
            "bound_s": { "cpu": bound.cpu_s, "critical_path": bound.critical_path_s, "memory": bound.memory_s },
            "makespan_by_bound": self.ratio(),
            "busy_core_s": schedule.busy_core_s,
            "peak": schedule.peak,
            "evictions": schedule.evictions,
            "oom_kills": schedule.oom_kills,
        })
    }
}

impl std::fmt::Display for Row {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Row { workload, machine: Machine { cores, memory }, schedule, bound, cost } = self;
        let Cost { mean, median, p99, max } = cost;
        write!(formatter, "| {workload} | {cores} | {} ", memory >> 30)?;
        write!(formatter, "| {mean:.1} | {median:.1} | {p99:.1} | {max:.0} ")?;
        write!(formatter, "| {:.0} | {:.0} | {} ", schedule.makespan_s, bound.longest_s(), bound.which())?;
        write!(formatter, "| {:.2} | {:.0} % ", self.ratio(), self.busy() * 100.0)?;
        write!(formatter, "| {:.0} % ", schedule.peak as f64 / *memory as f64 * 100.0)?;
        write!(formatter, "| {} | {} |", schedule.evictions, schedule.oom_kills)
    }
}

impl Cost {
    fn of(mut nanoseconds: Vec<u64>) -> Self {
        nanoseconds.sort_unstable();
        let count = nanoseconds.len().max(1);
        let us = |nanoseconds: u64| nanoseconds as f64 / 1000.0;
        let at = |share: f64| us(nanoseconds.get((share * count as f64) as usize).copied().unwrap_or(0));
        Cost {
            mean: us(nanoseconds.iter().sum()) / count as f64,
            median: at(0.5),
            p99: at(0.99),
            max: us(nanoseconds.last().copied().unwrap_or(0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_a_cell_for_each_column() {
        let graph = crates::random(20, 0.1, &mut Random::new(1));
        let row =
            measure(&Workload { name: "small", graph, belief: Belief::True }, Machine { cores: 4, memory: 2 << 30 });
        assert!(row.ratio() >= 1.0 && row.busy() <= 1.0 && row.cost.median <= row.cost.max);
        let text = markdown(&[row]);
        let columns: Vec<usize> = text.lines().map(|line| line.matches('|').count()).collect();
        assert_eq!(columns, [16, 16, 16]);
    }

    #[test]
    fn costs_are_in_order() {
        let Cost { mean, median, p99, max } = Cost::of((1..=1000).rev().map(|us| us * 1000).collect());
        assert_eq!((mean, median, p99, max), (500.5, 501.0, 991.0, 1000.0));
    }
}
