//! Ten times a second: what the build holds, what each unit of it holds, and what there still is.

use std::collections::{HashMap, HashSet};

use super::Server;
use super::visitor::Run;
use crate::events;
use crate::governor::budget::budget;
use crate::governor::jobserver::Jobserver;
use crate::governor::os;
use crate::governor::scheduler::{self, Ticket, UnitSample};
use crate::memory::{Snapshot, TreeSample, UnitKind};

/// What the last sample said, and what is carried from one to the next.
#[derive(Debug)]
pub(super) struct State {
    pub(super) ticks: u64,
    pub(super) headroom: u64,
    pub(super) foreign: u64,
    /// What other builds may take without taking it from us.
    pub(super) spare: u64,
    /// Of the build's whole tree.
    anon: u64,
    pub(super) scripts: usize,
    /// Processor seconds of each build script that was seen, by its process.
    script_cpu_s: HashMap<u32, f64>,
    /// Kills that the kernel had counted, and those of them that no unit has been found for yet.
    counted: Option<u64>,
    unclaimed: u64,
    /// Kills of ours that were nobody's unit, and are not yet taken from the others.
    no_units: u64,
    processes: Vec<u32>,
    machine: Snapshot,
}

/// Samples between two looks at all that the machine tells: what changes rarely, or matters later.
const FULL_LOOK_TICKS: u64 = 10;

/// Of a wrapper that waits: measured, 250 KiB (docs/governor.md).
const WAITING_ANON: u64 = 256 << 10;

/// Tasks that stand still for so many percent of the time make no progress worth the memory.
const STALLED_PERCENT: f64 = 20.0;

impl State {
    pub(super) fn new(machine: Snapshot) -> Self {
        State {
            ticks: 0,
            headroom: 0,
            foreign: 0,
            spare: 0,
            anon: 0,
            scripts: 0,
            script_cpu_s: HashMap::new(),
            counted: machine.oom_kills.as_ref().map(|kills| kills.count),
            unclaimed: 0,
            no_units: 0,
            processes: Vec::new(),
            machine,
        }
    }

    /// Counts the build scripts that run, each a unit that no wrapper sees, and says what they have taken since the last look,
    /// seconds.
    fn look_at_scripts(&mut self, tree: &TreeSample) -> f64 {
        let mut now: HashMap<u32, f64> = HashMap::new();
        for process in &tree.processes {
            if let Some(unit) = process.unit.as_ref().filter(|unit| unit.kind == UnitKind::BuildScriptRun) {
                *now.entry(unit.leader).or_default() += process.cpu_s + process.waited_s;
            }
        }
        self.scripts = now.len();
        // A process that has just ended may be in nobody's account for a moment.
        let grown = |(leader, cpu_s): (u32, f64)| {
            let before = self.script_cpu_s.entry(leader).or_default();
            let more = (cpu_s - *before).max(0.0);
            *before += more;
            more
        };
        now.into_iter().map(grown).sum()
    }

    /// Counts what the kernel has killed since the last look.
    fn count_kills(&mut self) {
        if let Some(now) = self.machine.oom_kills.as_ref().map(|kills| kills.count) {
            self.unclaimed += now.saturating_sub(self.counted.unwrap_or(now));
            self.counted = Some(now);
            let known = self.no_units.min(self.unclaimed);
            self.unclaimed -= known;
            self.no_units -= known;
        }
    }
}

impl Server {
    /// Ends every process of the build but this one and the one that started it.
    pub(super) fn end_all(&mut self) {
        // Children of a starter that is gone are found in the last sample only, and later ones of one that lives in a new one.
        let now = self.sensor.tree(&[self.options.root]);
        self.sampled.processes.extend(now.processes.iter().map(|process| process.pid));
        let spared = [std::process::id(), self.options.root];
        for pid in self.sampled.processes.iter().filter(|pid| !spared.contains(pid)) {
            os::kill(*pid);
        }
    }

    pub(super) fn sample(&mut self) {
        // Each wrapper leads its unit, whatever is between it and cargo: a user's own wrapper has the same words in its
        // command line. And a compiler that another wrapper's server starts is outside of our tree.
        let running = self.visitors.values().filter(|visitor| visitor.run.is_some());
        let mut roots: Vec<u32> = running.map(|visitor| visitor.pid).collect();
        roots.push(self.options.root);
        let waiting = self.visitors.values().filter(|visitor| visitor.run.is_none()).map(|visitor| visitor.pid);
        let waiting: HashSet<u32> = waiting.collect();
        let waiting_anon = waiting.len() as u64 * WAITING_ANON;
        self.sensor.pass_over(waiting);
        self.sampled.no_units += self.decoys.refresh();
        let mut tree = self.sensor.tree(&roots);
        tree.anon += waiting_anon;
        if self.sampled.ticks.is_multiple_of(FULL_LOOK_TICKS) {
            self.recount_kills();
        } else {
            self.sensor.refresh(&mut self.sampled.machine);
        }
        self.sampled.ticks += 1;
        self.sampled.processes = tree.processes.iter().map(|process| process.pid).collect();
        self.sampled.processes.extend(self.visitors.values().map(|visitor| visitor.pid));
        self.totals.cpu_s += self.sampled.look_at_scripts(&tree);
        let units = self.unit_samples(&tree);
        let found = budget(&self.sampled.machine, tree.anon, self.options.memory);
        self.sampled.headroom = found.headroom;
        self.sampled.foreign = found.foreign;
        self.sampled.spare = found.spare;
        self.sampled.anon = tree.anon;
        let sample = scheduler::Sample {
            headroom: found.headroom,
            foreign: found.foreign,
            most: found.most,
            scripts: self.sampled.scripts,
            stalled: self.sampled.machine.psi.is_some_and(|psi| psi.full_avg10 > STALLED_PERCENT),
            units,
        };
        self.step(scheduler::Event::Sampled(sample));
        self.emit(&events::Event::Sample(events::Sample {
            anon: tree.anon,
            headroom: found.headroom,
            available: self.sampled.machine.available,
            foreign: found.foreign,
            running: self.scheduler.running(),
            waiting: self.scheduler.waiting(),
            scripts: self.sampled.scripts,
            threads: self.scheduler.slots_used(),
            units: self.running_units(),
        }));
    }

    fn running_units(&self) -> Vec<(String, u64)> {
        let running = self.visitors.values().filter_map(|visitor| {
            let anon = visitor.run.as_ref()?.samples.last().map_or(0, |(_, anon)| *anon);
            Some((visitor.label(), anon))
        });
        let mut units: Vec<(String, u64)> = running.collect();
        units.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
        units
    }

    /// What there is at this moment, and not at the last sample.
    pub(super) fn read_headroom(&mut self) -> u64 {
        self.sensor.refresh(&mut self.sampled.machine);
        budget(&self.sampled.machine, self.sampled.anon, self.options.memory).headroom
    }

    /// Whether somebody waits while others have been given threads.
    pub(super) fn watches_tokens(&self) -> bool {
        self.scheduler.waiting() > 0 && self.runs().any(|(_, run)| run.given > 0)
    }

    /// Has the scheduler know of tokens that were put down since the last look.
    pub(super) fn look_at_tokens(&mut self) {
        let idle = |run: &Run| run.tokens.as_ref().map_or(0, Jobserver::idle);
        let found: Vec<(Ticket, usize)> = self
            .runs()
            .filter(|(_, run)| run.given > 0)
            .map(|(ticket, run)| (ticket, idle(run)))
            .filter(|(_, count)| *count > 0)
            .collect();
        for (ticket, count) in found {
            self.step(scheduler::Event::TokensIdle { ticket, count });
        }
    }

    fn runs(&self) -> impl Iterator<Item = (Ticket, &Run)> {
        self.visitors.iter().filter_map(|(ticket, visitor)| Some((*ticket, visitor.run.as_ref()?)))
    }

    /// Whether the kernel has counted a kill that no unit was found for yet.
    pub(super) fn claims_a_kill(&mut self) -> bool {
        self.recount_kills();
        let confirmed = self.sampled.unclaimed > 0;
        self.sampled.unclaimed = self.sampled.unclaimed.saturating_sub(1);
        confirmed
    }

    /// Kills that the kernel has counted since this was asked last, and that were neither of units nor of decoys.
    pub(super) fn unexplained_kills(&mut self) -> u64 {
        self.sampled.no_units += self.decoys.refresh();
        self.recount_kills();
        std::mem::take(&mut self.sampled.unclaimed)
    }

    fn recount_kills(&mut self) {
        self.sampled.machine = self.sensor.snapshot();
        self.sampled.count_kills();
    }

    fn unit_samples(&mut self, tree: &TreeSample) -> Vec<UnitSample> {
        let mut by_leader: HashMap<u32, (u64, f64)> = HashMap::new();
        for process in &tree.processes {
            if let Some(unit) = &process.unit {
                let sums = by_leader.entry(unit.leader).or_default();
                sums.0 += process.anon;
                sums.1 += process.cpu_s;
            }
        }
        let mut samples = Vec::new();
        for (ticket, visitor) in &mut self.visitors {
            let Some(run) = visitor.run.as_mut() else { continue };
            let (anon, cpu_s) = by_leader.get(&visitor.pid).copied().unwrap_or_default();
            let idle = run.tokens.as_ref().map_or(0, Jobserver::idle);
            let held = run.given.saturating_sub(idle);
            visitor.see(cpu_s, anon, held);
            samples.push(sample_of(*ticket, anon, cpu_s, idle));
        }
        samples
    }
}

fn sample_of(ticket: Ticket, anon: u64, cpu_s: f64, idle_tokens: usize) -> UnitSample {
    UnitSample { ticket, anon, cpu_s, idle_tokens }
}
