//! One simulated build: cargo, the compilers, the kernel and the clock.

use super::{Graph, Machine, Mishap, Schedule, World};
use crate::governor::prediction::STEPS;
use crate::governor::scheduler::{Action, Attempt, End, Event, Sample, Scheduler, Ticket, UnitSample};
use crate::governor::simulation::graph::SimUnit;

type Decide<'a> = &'a mut dyn FnMut(&mut Scheduler, Event, f64) -> Vec<Action>;

pub(super) struct Build<'a> {
    graph: &'a Graph,
    machine: Machine,
    world: &'a World,
    decide: Decide<'a>,
    scheduler: Scheduler,
    dependents: Vec<Vec<usize>>,
    jobs: Vec<Job>,
    /// In the order in which they were started.
    running: Vec<Process>,
    waiting: usize,
    now: f64,
    next_sample: f64,
    next_trouble: usize,
    others_hold: u64,
    schedule: Schedule,
}

/// A unit as cargo sees it.
#[derive(Debug, Clone, Default)]
struct Job {
    /// How many of its needs are not there yet.
    missing: usize,
    metadata_out: bool,
    state: State,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Blocked,
    Waiting,
    Running,
    Over,
}

/// A unit that runs.
#[derive(Debug, Clone)]
struct Process {
    unit: usize,
    attempt: Attempt,
    tokens: usize,
    /// Processor time so far, seconds.
    done_s: f64,
    /// Processor seconds each second, and how many threads share them.
    rate: f64,
    threads: usize,
    dies_at: f64,
}

/// Two moments of a process that are nearer to each other than this are one, seconds.
const INSTANT_S: f64 = 1e-9;
/// From an eviction to the end of all processes of a unit.
const DEATH_S: f64 = 0.05;
/// What more codegen units leave of a unit's memory.
const MORE_UNITS_PERCENT: u64 = 70;

impl<'a> Build<'a> {
    pub(super) fn new(graph: &'a Graph, machine: Machine, world: &'a World, decide: Decide<'a>) -> Self {
        let job = |unit: &SimUnit| Job { missing: unit.needs.len(), ..Job::default() };
        Build {
            graph,
            machine,
            world,
            decide,
            scheduler: Scheduler::new(machine.cores),
            dependents: graph.dependents(),
            jobs: graph.units.iter().map(job).collect(),
            running: Vec::new(),
            waiting: 0,
            now: 0.0,
            next_sample: 0.0,
            next_trouble: 0,
            others_hold: 0,
            schedule: Schedule::default(),
        }
    }

    pub(super) fn run(mut self) -> Schedule {
        // Before the first sample memory counts as unlimited.
        self.sample();
        for unit in 0..self.jobs.len() {
            self.offer_if_ready(unit);
        }
        while self.waiting + self.running.len() > 0 && self.now < self.world.longest_s {
            self.advance();
            self.kernel();
            self.processes();
            self.trouble();
            if self.now >= self.next_sample {
                self.sample();
            }
        }
        self.schedule.ended = self.waiting + self.running.len() == 0;
        self.schedule.makespan_s = self.now;
        self.schedule
    }

    /// Goes to the next moment at which anything happens.
    fn advance(&mut self) {
        let threads: usize = self.running.iter().map(|process| process.threads).sum();
        let share = (self.machine.cores as f64 / threads.max(1) as f64).min(1.0);
        let mut until = self.next_sample;
        for process in &mut self.running {
            process.rate = process.threads as f64 * share;
            let moment = process.next_moment(&self.graph.units[process.unit]);
            until = until.min(self.now + (moment - process.done_s) / process.rate).min(process.dies_at);
        }
        if let Some(trouble) = self.world.troubles.get(self.next_trouble) {
            until = until.min(trouble.at);
        }
        let passed = (until - self.now).max(0.0);
        for process in &mut self.running {
            process.done_s += process.rate * passed;
            process.see_phase(&self.graph.units[process.unit]);
        }
        self.schedule.busy_core_s += threads.min(self.machine.cores) as f64 * passed;
        self.now = self.now.max(until);
    }

    /// Counts the memory, and kills the largest when there is none left.
    fn kernel(&mut self) {
        loop {
            let sum = self.memory();
            self.schedule.peak = self.schedule.peak.max(sum);
            if self.running.len() > 1 {
                self.schedule.peak_shared = self.schedule.peak_shared.max(sum);
            }
            if !self.world.oom_killer || sum + self.others_hold <= self.machine.memory {
                return;
            }
            let largest = self.running.iter().max_by_key(|process| process.memory(&self.graph.units[process.unit]));
            let Some(unit) = largest.map(|process| process.unit) else { return };
            self.schedule.oom_kills += 1;
            self.end(unit, End::Killed { confirmed: true });
        }
    }

    /// Metadata, ends and deaths.
    fn processes(&mut self) {
        let due = self.running.iter().filter(|process| process.is_due(self.now, &self.graph.units[process.unit]));
        let due: Vec<Process> = due.cloned().collect();
        for process in due {
            let unit = &self.graph.units[process.unit];
            // A decision on an earlier one of these can not have ended it: ends come from here only.
            if unit.metadata.is_some() && process.has_done(unit.usable_at()) && !self.jobs[process.unit].metadata_out {
                self.jobs[process.unit].metadata_out = true;
                self.tell(Event::MetadataOut { ticket: process.unit as Ticket });
                self.release(process.unit, false);
            }
            if process.has_done(unit.cpu_s()) {
                self.end(process.unit, End::Finished);
                self.schedule.built += 1;
                self.release(process.unit, true);
            } else if process.dies_at <= self.now {
                self.end(process.unit, End::Evicted);
            }
        }
    }

    /// Whom the metadata of `needed` was missing, or all of it.
    fn release(&mut self, needed: usize, whole: bool) {
        for index in 0..self.dependents[needed].len() {
            let dependent = self.dependents[needed][index];
            let needs_whole = self.graph.units[dependent].links || self.graph.units[needed].metadata.is_none();
            if needs_whole == whole {
                self.jobs[dependent].missing -= 1;
                self.offer_if_ready(dependent);
            }
        }
    }

    fn offer_if_ready(&mut self, unit: usize) {
        if self.jobs[unit].missing > 0 || self.jobs[unit].state != State::Blocked {
            return;
        }
        self.jobs[unit].state = State::Waiting;
        self.waiting += 1;
        let prediction = self.world.predictions[unit].clone();
        self.tell(Event::Offered { ticket: unit as Ticket, prediction });
    }

    fn trouble(&mut self) {
        while let Some(trouble) = self.world.troubles.get(self.next_trouble)
            && trouble.at <= self.now
        {
            self.next_trouble += 1;
            match trouble.what {
                Mishap::OthersHold(bytes) => self.others_hold = bytes,
                Mishap::Kill(number) => {
                    let count = self.running.len().max(1);
                    if let Some(unit) = self.running.get(number % count).map(|process| process.unit) {
                        self.end(unit, End::Killed { confirmed: false });
                    }
                }
                Mishap::WrapperGone(number) => self.lose_wrapper(number),
            }
        }
    }

    fn lose_wrapper(&mut self, number: usize) {
        let has_wrapper = |job: &Job| matches!(job.state, State::Waiting | State::Running);
        let units: Vec<usize> = (0..self.jobs.len()).filter(|unit| has_wrapper(&self.jobs[*unit])).collect();
        if let Some(&unit) = units.get(number % units.len().max(1)) {
            self.schedule.failed += 1;
            self.end(unit, End::Finished);
        }
    }

    fn end(&mut self, unit: usize, end: End) {
        self.running.retain(|process| process.unit != unit);
        self.waiting -= usize::from(self.jobs[unit].state == State::Waiting);
        self.jobs[unit].state = State::Over;
        if end != End::Finished {
            self.jobs[unit].state = State::Waiting;
            self.waiting += 1;
        }
        self.tell(Event::Ended { ticket: unit as Ticket, end });
    }

    fn sample(&mut self) {
        self.next_sample += self.world.sample_every_s;
        let unit_sample = |process: &Process| UnitSample {
            ticket: process.unit as Ticket,
            anon: process.memory(&self.graph.units[process.unit]),
            cpu_s: process.done_s,
            idle_tokens: process.tokens + 1 - process.threads,
        };
        let sample = Sample {
            headroom: self.machine.memory.saturating_sub(self.memory() + self.others_hold + self.world.reserve),
            foreign: self.others_hold,
            most: u64::MAX,
            scripts: 0,
            stalled: false,
            units: self.running.iter().map(unit_sample).collect(),
        };
        self.tell(Event::Sampled(sample));
    }

    fn tell(&mut self, event: Event) {
        self.schedule.decisions += 1;
        let actions = (self.decide)(&mut self.scheduler, event, self.now);
        for action in actions {
            self.carry_out(&action);
        }
    }

    fn carry_out(&mut self, action: &Action) {
        match *action {
            Action::Start { ticket, attempt } => {
                let unit = ticket as usize;
                self.jobs[unit].state = State::Running;
                self.waiting -= 1;
                self.running.push(Process::new(unit, attempt));
            }
            Action::Tokens { ticket, count } => {
                if let Some(process) = self.process(ticket) {
                    process.tokens = count;
                }
                let units = &self.graph.units;
                self.running.iter_mut().for_each(|process| process.see_phase(&units[process.unit]));
            }
            Action::Evict { ticket, .. } => {
                self.schedule.evictions += 1;
                let dies_at = self.now + DEATH_S;
                if let Some(process) = self.process(ticket) {
                    process.dies_at = dies_at;
                }
            }
            Action::GiveUp { ticket, .. } => {
                self.jobs[ticket as usize].state = State::Over;
                self.waiting -= 1;
                self.schedule.failed += 1;
                self.schedule.given_up += 1;
            }
            Action::Wait { .. } => {}
        }
    }

    fn process(&mut self, ticket: Ticket) -> Option<&mut Process> {
        self.running.iter_mut().find(|process| process.unit as Ticket == ticket)
    }

    fn memory(&self) -> u64 {
        self.running.iter().map(|process| process.memory(&self.graph.units[process.unit])).sum()
    }
}

impl Process {
    fn new(unit: usize, attempt: Attempt) -> Self {
        Process { unit, attempt, tokens: 0, done_s: 0.0, rate: 1.0, threads: 1, dies_at: f64::INFINITY }
    }

    fn see_phase(&mut self, unit: &SimUnit) {
        self.threads = (1 + self.tokens).min(unit.threads_at(self.done_s + INSTANT_S));
    }

    fn memory(&self, unit: &SimUnit) -> u64 {
        let alone = unit.memory_at(self.done_s);
        let alone = if self.attempt.more_codegen_units { alone / 100 * MORE_UNITS_PERCENT } else { alone };
        alone + unit.thread_cost * (self.threads as u64 - 1)
    }

    /// Processor time at which something changes next: its course, its phase, what others may know of it, its end.
    fn next_moment(&self, unit: &SimUnit) -> f64 {
        let part = unit.cpu_s() / STEPS as f64;
        let border = (((self.done_s + INSTANT_S) / part).floor() + 1.0) * part;
        let ahead = |moment: &f64| *moment > self.done_s + INSTANT_S;
        [border, unit.front_s, unit.usable_at()].into_iter().filter(ahead).fold(unit.cpu_s(), f64::min)
    }

    fn has_done(&self, moment: f64) -> bool {
        self.done_s + INSTANT_S >= moment
    }

    fn is_due(&self, now: f64, unit: &SimUnit) -> bool {
        self.dies_at <= now || self.has_done(unit.usable_at())
    }
}
