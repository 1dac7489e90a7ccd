//! Both questions for systems without `/proc`, through sysinfo.
//!
//! What is less than on Linux: no control groups, no pressure, no counter of kills; memory is the resident size, file
//! pages included, so that a linker looks larger than it is; and a sample asks for every process of the machine, which
//! costs several times as much. It runs on Linux too, where it is tested.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::thread;

use sysinfo::{Pid, Process, ProcessRefreshKind, ProcessesToUpdate, System, UpdateKind};

use super::unit::Role;
use super::{ProcessSample, Sensor, Snapshot, TreeSample};

#[derive(Debug)]
pub(super) struct PortableSensor {
    system: System,
}

impl PortableSensor {
    pub(super) fn new() -> Self {
        Self { system: System::new() }
    }

    fn refresh(&mut self) {
        // Threads are no processes, which on Linux they would be.
        let wanted = ProcessRefreshKind::nothing().without_tasks();
        let wanted = wanted.with_memory().with_cpu().with_cmd(UpdateKind::OnlyIfNotSet);
        self.system.refresh_processes_specifics(ProcessesToUpdate::All, true, wanted);
    }

    fn walk(&self, roots: &[Pid]) -> TreeSample {
        let mut family: HashMap<Pid, Vec<Pid>> = HashMap::new();
        for (pid, process) in self.system.processes() {
            if let Some(parent) = process.parent() {
                family.entry(parent).or_default().push(*pid);
            }
        }
        let mut sample = TreeSample::default();
        let mut met = HashSet::new();
        let mut pending: Vec<(Pid, Option<usize>)> = roots.iter().rev().map(|pid| (*pid, None)).collect();
        while let Some((pid, parent)) = pending.pop() {
            let Some(process) = self.system.process(pid).filter(|_| met.insert(pid)) else { continue };
            let measured = measure(process, parent.map(|parent: usize| &sample.processes[parent]));
            sample.anon += measured.anon;
            sample.resident += measured.resident;
            let here = sample.processes.len();
            sample.processes.push(measured);
            pending.extend(family.get(&pid).into_iter().flatten().map(|child| (*child, Some(here))));
        }
        sample
    }
}

impl Sensor for PortableSensor {
    fn snapshot(&mut self) -> Snapshot {
        self.system.refresh_memory();
        let system = &self.system;
        let known = |bytes: u64| (bytes > 0).then_some(bytes);
        Snapshot {
            mem_total: known(system.total_memory()),
            mem_available: known(system.available_memory()),
            swap_total: Some(system.total_swap()),
            swap_free: Some(system.free_swap()),
            swap_available: Some(system.free_swap()),
            cores: thread::available_parallelism().map_or(1.0, |count| count.get() as f64),
            ..Snapshot::unknown()
        }
        .decide()
    }

    fn tree(&mut self, roots: &[u32]) -> TreeSample {
        self.refresh();
        self.walk(&roots.iter().map(|pid| Pid::from_u32(*pid)).collect::<Vec<_>>())
    }

    fn everything(&mut self) -> TreeSample {
        self.refresh();
        let processes = self.system.processes();
        let is_root = |process: &&Process| process.parent().is_none_or(|parent| !processes.contains_key(&parent));
        let mut roots: Vec<_> = processes.values().filter(is_root).map(Process::pid).collect();
        roots.sort();
        let mut sample = self.walk(&roots);
        // The kernel's own, as far as a system shows them.
        sample.processes.retain(|process| process.resident > 0);
        sample
    }

    fn on_tmpfs(&self, _path: &Path) -> Option<bool> {
        None
    }
}

fn measure(process: &Process, parent: Option<&ProcessSample>) -> ProcessSample {
    let arguments: Vec<_> = process.cmd().iter().map(|argument| argument.to_string_lossy().into_owned()).collect();
    let pid = process.pid().as_u32();
    ProcessSample {
        pid,
        ppid: process.parent().map_or(0, Pid::as_u32),
        start_time: process.start_time(),
        command: process.name().to_string_lossy().into(),
        unit: Role::of(&arguments).unit(pid, parent.and_then(|parent| parent.unit.as_ref())),
        anon: process.memory(),
        resident: process.memory(),
        cpu_s: process.accumulated_cpu_time() as f64 / 1000.0,
        waited_s: 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Constraint, Sensing, sensor};

    #[test]
    fn this_machine_has_memory() {
        let snapshot = sensor(Sensing::Portable).snapshot();
        assert_eq!(snapshot.constraint, Constraint::MemAvailable);
        assert!(snapshot.available > 0 && snapshot.available <= snapshot.limit);
        assert!(snapshot.cores >= 1.0);
    }

    #[test]
    fn this_process_is_found_and_its_threads_are_not() {
        let me = std::process::id();
        let sample = sensor(Sensing::Portable).tree(&[me, me]);
        let own: Vec<_> = sample.processes.iter().filter(|process| process.pid == me).collect();
        assert_eq!(own.len(), 1);
        assert!(own[0].resident > 1 << 20);
        assert!(sample.anon >= own[0].anon);
    }

    #[test]
    fn everything_has_this_process_below_its_parent() {
        let sample = sensor(Sensing::Portable).everything();
        let position = |pid| sample.processes.iter().position(|process| process.pid == pid);
        let me = position(std::process::id()).unwrap();
        let parent = position(sample.processes[me].ppid);
        assert!(parent.is_none_or(|parent| parent < me));
    }
}
