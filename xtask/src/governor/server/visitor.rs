//! A wrapper at the desk: what it wants to run, and what has been seen of that so far.

use std::os::unix::net::UnixStream;

use crate::governor::frame::{Ended, FromGovernor};
use crate::governor::jobserver::Jobserver;
use crate::governor::ledger::{Measurement, Ran};
use crate::governor::os;
use crate::governor::prediction::{Course, Prediction};
use crate::governor::scheduler::Attempt;
use crate::governor::unit::Unit;
use crate::memory::mib;

#[derive(Debug)]
pub(super) struct Visitor {
    stream: UnixStream,
    /// The wrapper's process.
    pub(super) pid: u32,
    /// The wrapper counts processes as we do. In a container of its own it does not, and names others by its numbers.
    pub(super) same_numbers: bool,
    pub(super) unit: Unit,
    pub(super) prediction: Prediction,
    pub(super) codegen_units: u32,
    pub(super) source_kib: u64,
    pub(super) input_kib: u64,
    pub(super) offered: f64,
    pub(super) attempt: Attempt,
    pub(super) run: Option<Run>,
    /// A unit that is done needs no more of us.
    pub(super) done: bool,
}

/// One attempt.
#[derive(Debug, Default)]
pub(super) struct Run {
    pub(super) started: f64,
    pub(super) compiler: Option<u32>,
    pub(super) tokens: Option<Jobserver>,
    /// In place of what cargo asked for, where it is.
    pub(super) codegen_units: Option<u32>,
    /// Tokens that it was given.
    pub(super) given: usize,
    pub(super) metadata: Option<f64>,
    /// Processor time and anonymous memory, ten times a second.
    pub(super) samples: Vec<(f64, u64)>,
    pub(super) peak: u64,
    pub(super) threads: usize,
}

/// A unit that was over before three samples: what the smallest hold.
const BRIEF: u64 = 32 << 20;
const FEW_SAMPLES: usize = 3;
/// From what a frugal compiler takes to what another takes.
const FRUGAL_PERCENT: u64 = 105;

impl Run {
    /// Memory over time, MiB seconds: the mean of the samples for as long as it ran.
    pub(super) fn memory_time(&self, now: f64) -> f64 {
        if self.samples.is_empty() {
            return 0.0;
        }
        let mean = self.samples.iter().map(|(_, anon)| mib(*anon)).sum::<f64>() / self.samples.len() as f64;
        mean * (now - self.started)
    }
}

impl Visitor {
    pub(super) fn new(stream: UnixStream, pid: u32, unit: Unit, prediction: Prediction, offered: f64) -> Self {
        Visitor {
            codegen_units: unit.identity.codegen_units,
            stream,
            pid,
            same_numbers: true,
            unit,
            prediction,
            source_kib: 0,
            input_kib: 0,
            offered,
            attempt: Attempt::default(),
            run: None,
            done: false,
        }
    }

    /// Says something to a wrapper; one that has gone is noticed elsewhere.
    pub(super) fn tell(&mut self, said: &FromGovernor) {
        let _ = said.write(&mut self.stream);
    }

    pub(super) fn see(&mut self, cpu_s: f64, anon: u64, threads: usize) {
        if let Some(run) = &mut self.run {
            run.samples.push((cpu_s, anon));
            run.peak = run.peak.max(anon);
            run.threads = run.threads.max(threads);
        }
    }

    /// Ends the compiler and what it started, when nobody else will.
    pub(super) fn end_compiler(&self) {
        if let Some(compiler) = self.run.as_ref().and_then(|run| run.compiler) {
            os::kill_group(compiler);
        }
    }

    pub(super) fn label(&self) -> String {
        self.unit.identity.label()
    }

    /// What the attempt that has just ended took.
    pub(super) fn measurement(&self, ended: &Ended, now: f64, outcome: Ran) -> Option<Measurement> {
        let run = self.run.as_ref()?;
        let cpu_s = ended.cpu_us as f64 / 1e6;
        let brief = run.samples.len() < FEW_SAMPLES;
        if run.peak == 0 && !brief {
            // It was not seen: no compiler takes nothing.
            return None;
        }
        // What it would have taken, had it not been told to be frugal.
        let peak = if self.attempt.frugal { run.peak / 100 * FRUGAL_PERCENT } else { run.peak };
        // What was compiled in another way says nothing of this one.
        let mut identity = self.unit.identity.clone();
        identity.codegen_units = run.codegen_units.unwrap_or(identity.codegen_units);
        Some(Measurement {
            identity,
            needs: Vec::new(),
            source_kib: self.source_kib,
            input_kib: self.input_kib,
            threads: run.threads,
            peak: if brief { peak.max(BRIEF) } else { peak },
            cpu_s,
            wall_s: now - run.started,
            to_metadata_s: run.metadata.map(|at| at - run.started),
            course: Course::of(&run.samples, cpu_s),
            outcome,
        })
    }
}
