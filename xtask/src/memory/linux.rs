//! The exact sensor: `/proc` and `/sys`.

use std::collections::HashSet;
use std::path::Path;

use super::machine::Machine;
use super::tree::TreeSampler;
use super::{Sensor, Snapshot, TreeSample};

#[derive(Debug)]
pub(super) struct LinuxSensor {
    machine: Machine,
    sampler: TreeSampler,
}

impl LinuxSensor {
    pub(super) fn new() -> Self {
        Self { machine: Machine::here(), sampler: TreeSampler::here() }
    }
}

impl Sensor for LinuxSensor {
    fn snapshot(&mut self) -> Snapshot {
        self.machine.read()
    }

    fn refresh(&mut self, snapshot: &mut Snapshot) {
        self.machine.refresh(snapshot);
    }

    fn tree(&mut self, roots: &[u32]) -> TreeSample {
        self.sampler.sample(roots)
    }

    fn pass_over(&mut self, processes: HashSet<u32>) {
        self.sampler.pass_over(processes);
    }

    fn everything(&mut self) -> TreeSample {
        self.sampler.everything()
    }

    fn on_tmpfs(&self, path: &Path) -> Option<bool> {
        self.machine.on_tmpfs(path)
    }
}
