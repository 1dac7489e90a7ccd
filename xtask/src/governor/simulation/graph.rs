//! What a simulation builds: units, what they really take, and what is predicted of them.

use crate::governor::prediction::{Basis, Course, Prediction, STEPS};
use crate::governor::simulation::Machine;
use crate::governor::simulation::random::Random;

/// The units of a build. Each comes behind all that it needs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Graph {
    pub(crate) units: Vec<SimUnit>,
}

/// One rustc process and what it truly takes. Memory in bytes, times in seconds of one processor.
#[derive(Debug, Clone, Default)]
pub(crate) struct SimUnit {
    /// Indices of the units that it needs.
    pub(crate) needs: Vec<usize>,
    /// It links: what it needs has to be there whole, not as metadata only.
    pub(crate) links: bool,
    /// Memory at the [`STEPS`] + 1 borders of equal parts of its processor time, with one thread; straight in between.
    pub(crate) course: Vec<u64>,
    /// The front end has one thread.
    pub(crate) front_s: f64,
    /// Code generation has as many as there are tokens, up to `threads`.
    pub(crate) codegen_s: f64,
    pub(crate) threads: usize,
    pub(crate) thread_cost: u64,
    /// The share of its processor time after which its metadata is out; `None` where others need it whole.
    pub(crate) metadata: Option<f64>,
}

/// What the scheduler is told about the units.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Belief {
    True,
    /// Memory and time of each unit are wrong by random factors, each from the least to the most.
    Wrong {
        memory: [f64; 2],
        time: [f64; 2],
        seed: u64,
    },
    /// The same for all units: nothing is known.
    Estimate,
}

/// No schedule is shorter than the longest of these, in seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bound {
    /// All processor time on all processors.
    pub(crate) cpu_s: f64,
    /// The longest chain of units that wait for one another, each with all the threads that it can use.
    pub(crate) critical_path_s: f64,
    /// Memory times time, over the memory that there is; each unit with the number of threads that makes it least.
    pub(crate) memory_s: f64,
}

/// What nobody knows anything about.
const UNKNOWN_PEAK: u64 = 300 << 20;
const UNKNOWN_CPU_S: f64 = 3.0;
const UNKNOWN_THREAD_COST: u64 = 24 << 20;

impl Graph {
    pub(crate) fn predictions(&self, belief: Belief) -> Vec<Prediction> {
        let mut random = Random::new(if let Belief::Wrong { seed, .. } = belief { seed } else { 0 });
        let mut predictions: Vec<_> = self.units.iter().map(|unit| unit.predicted(belief, &mut random)).collect();
        let mut tails: Vec<f64> = predictions.iter().map(|prediction| prediction.cpu_s).collect();
        for (index, unit) in self.units.iter().enumerate().rev() {
            for &need in &unit.needs {
                let whole = predictions[need].cpu_s;
                let until = if unit.links { whole } else { self.units[need].metadata.map_or(whole, |at| at * whole) };
                tails[need] = tails[need].max(until + tails[index]);
            }
        }
        for (prediction, tail_s) in predictions.iter_mut().zip(tails) {
            prediction.tail_s = tail_s;
        }
        predictions
    }

    pub(crate) fn bound(&self, machine: Machine) -> Bound {
        let cpu_s: f64 = self.units.iter().map(SimUnit::cpu_s).sum();
        let memory: f64 = self.units.iter().map(|unit| unit.memory_time(machine.cores)).sum();
        Bound {
            cpu_s: cpu_s / machine.cores as f64,
            critical_path_s: self.critical_path_s(machine.cores),
            memory_s: memory / machine.memory as f64,
        }
    }

    /// For each unit, those that need it.
    pub(crate) fn dependents(&self) -> Vec<Vec<usize>> {
        let mut dependents = vec![Vec::new(); self.units.len()];
        for (index, unit) in self.units.iter().enumerate() {
            for &need in &unit.needs {
                dependents[need].push(index);
            }
        }
        dependents
    }

    fn critical_path_s(&self, cores: usize) -> f64 {
        let mut starts = vec![0.0_f64; self.units.len()];
        let mut longest = 0.0_f64;
        for (index, unit) in self.units.iter().enumerate() {
            for &need in &unit.needs {
                let needed = &self.units[need];
                let progress = if unit.links { needed.cpu_s() } else { needed.usable_at() };
                starts[index] = starts[index].max(starts[need] + needed.shortest_s(progress, cores));
            }
            longest = longest.max(starts[index] + unit.shortest_s(unit.cpu_s(), cores));
        }
        longest
    }
}

impl SimUnit {
    pub(crate) fn cpu_s(&self) -> f64 {
        self.front_s + self.codegen_s
    }

    /// The most that it holds with one thread.
    pub(crate) fn peak(&self) -> u64 {
        self.course.iter().copied().max().unwrap_or(0)
    }

    /// Processor time after which those that need no more than metadata can start.
    pub(crate) fn usable_at(&self) -> f64 {
        self.metadata.unwrap_or(1.0) * self.cpu_s()
    }

    /// Memory with one thread after `done_s` seconds of processor time.
    pub(crate) fn memory_at(&self, done_s: f64) -> u64 {
        let at = (done_s / self.cpu_s()).clamp(0.0, 1.0) * STEPS as f64;
        let step = (at as usize).min(STEPS - 1);
        let (from, to) = (self.course[step], self.course[step + 1]);
        let between = from as f64 + (to as f64 - from as f64) * (at - step as f64);
        // Rounding must not lift it above what was predicted.
        (between as u64).min(from.max(to))
    }

    /// Threads that it can use after `done_s` seconds of processor time.
    pub(crate) fn threads_at(&self, done_s: f64) -> usize {
        if done_s < self.front_s { 1 } else { self.threads.max(1) }
    }

    /// Seconds until `progress` seconds of processor time are done, with all the threads that it can use.
    fn shortest_s(&self, progress: f64, cores: usize) -> f64 {
        let codegen = (progress - self.front_s).max(0.0);
        progress - codegen + codegen / self.threads.clamp(1, cores) as f64
    }

    /// Byte-seconds. More threads hold more memory for a shorter time: the number of threads that makes it least.
    fn memory_time(&self, cores: usize) -> f64 {
        let length = self.cpu_s() / STEPS as f64;
        let part = |step: usize| (self.course[step] as f64 + self.course[step + 1] as f64) / 2.0 * length;
        let with_threads = |step: usize, threads: usize| {
            (part(step) + self.thread_cost as f64 * (threads - 1) as f64 * length) / threads as f64
        };
        let least = |step: usize| {
            // The part in which the front end turns into code generation counts as code generation, to its favour.
            let most = self.threads_at(length * (step + 1) as f64).min(cores);
            (1..=most).map(|threads| with_threads(step, threads)).fold(f64::INFINITY, f64::min)
        };
        (0..STEPS).map(least).sum()
    }

    fn predicted(&self, belief: Belief, random: &mut Random) -> Prediction {
        let course = self.course.windows(2).map(|border| border[0].max(border[1])).collect();
        let truth = Prediction {
            peak: self.peak(),
            thread_cost: self.thread_cost,
            course: Course(course),
            cpu_s: self.cpu_s(),
            tail_s: 0.0,
            basis: Basis::Measured,
        };
        match belief {
            Belief::True => truth,
            Belief::Wrong { memory, time, .. } => {
                wrong(&truth, random.skewed(memory[0], memory[1]), random.skewed(time[0], time[1]))
            }
            Belief::Estimate => Prediction {
                peak: UNKNOWN_PEAK,
                thread_cost: UNKNOWN_THREAD_COST,
                course: Course::default(),
                cpu_s: UNKNOWN_CPU_S,
                tail_s: 0.0,
                basis: Basis::Estimate,
            },
        }
    }
}

impl Bound {
    pub(crate) fn longest_s(&self) -> f64 {
        self.cpu_s.max(self.critical_path_s).max(self.memory_s)
    }

    /// Which of them that is.
    pub(crate) fn which(&self) -> &'static str {
        let longest = self.longest_s();
        match () {
            () if longest <= self.cpu_s => "processors",
            () if longest <= self.memory_s => "memory",
            () => "critical path",
        }
    }
}

fn wrong(truth: &Prediction, memory: f64, time: f64) -> Prediction {
    let scaled = |bytes: u64| (bytes as f64 * memory) as u64;
    Prediction {
        peak: scaled(truth.peak),
        thread_cost: scaled(truth.thread_cost),
        course: Course(truth.course.0.iter().copied().map(scaled).collect()),
        cpu_s: truth.cpu_s * time,
        tail_s: truth.tail_s,
        basis: truth.basis,
    }
}
