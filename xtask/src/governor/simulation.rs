//! A build on a machine, simulated: the real scheduler, a cargo that offers units, compilers that take memory and time.
//!
//! Between two moments at which anything happens every process goes on evenly, so that nothing is missed between two
//! steps: memory is highest at one of the moments that are looked at. The scheduler sees what a real one sees: a sample
//! ten times a second, and what the wrappers tell it.
//!
//! Nothing in here knows the time of day or reads anything: the same graph, machine and world give the same schedule.

use super::prediction::Prediction;
use super::scheduler::{Action, Event, Scheduler};

mod build;
pub(crate) mod crates;
mod graph;
mod random;

#[cfg(test)]
pub(crate) use graph::SimUnit;
pub(crate) use graph::{Belief, Bound, Graph};
pub(crate) use random::Random;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Machine {
    pub(crate) cores: usize,
    /// Bytes for this build and for what troubles it.
    pub(crate) memory: u64,
}

/// All that is not in the graph and not in the machine.
#[derive(Debug, Clone)]
pub(crate) struct World {
    /// What the scheduler believes, for each unit.
    pub(crate) predictions: Vec<Prediction>,
    pub(crate) sample_every_s: f64,
    /// Memory that the scheduler is not told of, bytes.
    pub(crate) reserve: u64,
    /// Whether the kernel kills the largest unit when all together exceed the memory.
    pub(crate) oom_killer: bool,
    /// In the order of time.
    pub(crate) troubles: Vec<Trouble>,
    /// A build that takes longer is given up.
    pub(crate) longest_s: f64,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Trouble {
    pub(crate) at: f64,
    pub(crate) what: Mishap,
}

/// What else can happen. Numbers choose among the units there are, modulo how many.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(not(test), expect(dead_code, reason = "tests make trouble, benchmarks do not"))]
pub(crate) enum Mishap {
    /// Other programs hold this much from now on, bytes.
    OthersHold(u64),
    /// Somebody kills a running unit.
    Kill(usize),
    /// The wrapper of a unit that runs or waits disappears; cargo builds nothing on it.
    WrapperGone(usize),
}

/// What came out.
#[derive(Debug, Clone, Default)]
pub(crate) struct Schedule {
    /// Seconds until nothing was left to do.
    pub(crate) makespan_s: f64,
    /// Whether it came to that.
    pub(crate) ended: bool,
    /// Units that were built, and units that were given up or whose wrapper disappeared.
    pub(crate) built: usize,
    pub(crate) failed: usize,
    pub(crate) given_up: usize,
    /// The most that all units held together, bytes; and the most that two or more of them did.
    pub(crate) peak: u64,
    pub(crate) peak_shared: u64,
    pub(crate) oom_kills: usize,
    pub(crate) evictions: usize,
    /// Calls of the scheduler.
    pub(crate) decisions: usize,
    /// Processor time that was used, work that was lost included.
    pub(crate) busy_core_s: f64,
}

impl World {
    /// Memory is this build's alone, and what is predicted is as true as `belief`.
    pub(crate) fn calm(graph: &Graph, belief: Belief) -> Self {
        World {
            predictions: graph.predictions(belief),
            sample_every_s: 0.1,
            reserve: 0,
            oom_killer: true,
            troubles: Vec::new(),
            longest_s: f64::INFINITY,
        }
    }
}

/// Runs the build. Each event goes through `decide`, which hands it to [`Scheduler::step`]: a caller that times the
/// decisions, or looks at each, does it there.
pub(crate) fn simulate(
    graph: &Graph,
    machine: Machine,
    world: &World,
    decide: &mut dyn FnMut(&mut Scheduler, Event, f64) -> Vec<Action>,
) -> Schedule {
    build::Build::new(graph, machine, world, decide).run()
}

#[cfg(test)]
mod tests;
