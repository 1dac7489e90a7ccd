//! The highest of many samples: of the whole tree, and of each unit.

use std::collections::HashMap;
use std::time::Duration;

use super::{ProcessSample, TreeSample, UnitName};

/// Is fed samples in the order of their times; has no clock of its own.
#[derive(Debug, Default)]
pub(crate) struct PeakTracker {
    peak: TreeSample,
    peak_at: Duration,
    units: Vec<Unit>,
    /// Where in `units` the one is that a leader's process id means now. The same id may have meant others before.
    current: HashMap<u32, usize>,
}

/// What one unit took.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct UnitPeak {
    pub(crate) name: UnitName,
    /// The highest sum over its processes, bytes: the compiler's and its linker's.
    pub(crate) anon: u64,
    pub(crate) at: Duration,
    pub(crate) first_seen: Duration,
    pub(crate) last_seen: Duration,
    /// Processor time as last seen: short of the truth by up to the time between two samples.
    pub(crate) cpu_s: f64,
}

#[derive(Debug)]
struct Unit {
    peak: UnitPeak,
    /// Of its leader, once that was seen.
    start_time: Option<u64>,
    /// The sum in the sample that is being fed.
    anon: u64,
    /// Processor time of each of its processes, the ended ones too.
    cpu: Vec<((u32, u64), f64)>,
}

impl PeakTracker {
    /// `at` is the time since whatever the caller counts from.
    pub(crate) fn feed(&mut self, at: Duration, sample: &TreeSample) {
        for process in &sample.processes {
            if let Some(name) = &process.unit {
                let unit = self.unit_of(process, name, at);
                self.units[unit].add(process, at);
            }
        }
        for unit in self.current.values() {
            self.units[*unit].settle(at);
        }
        if sample.anon > self.peak.anon {
            self.peak.clone_from(sample);
            self.peak_at = at;
        }
    }

    /// The sample with the most anonymous memory; an empty one before the first.
    pub(crate) fn peak(&self) -> &TreeSample {
        &self.peak
    }

    pub(crate) fn peak_at(&self) -> Duration {
        self.peak_at
    }

    /// All units that were seen, the heaviest first.
    pub(crate) fn units(&self) -> Vec<UnitPeak> {
        let mut units: Vec<_> = self.units.iter().map(Unit::finished).collect();
        units.sort_by_key(|unit| std::cmp::Reverse(unit.anon));
        units
    }

    fn unit_of(&mut self, process: &ProcessSample, name: &UnitName, at: Duration) -> usize {
        let leads = (process.pid == name.leader).then_some(process.start_time);
        let known = self.current.get(&name.leader).copied().filter(|unit| {
            let before = self.units[*unit].start_time;
            before.is_none() || leads.is_none() || before == leads
        });
        let unit = known.unwrap_or_else(|| {
            self.units.push(Unit::new(name.clone(), at));
            self.units.len() - 1
        });
        self.units[unit].start_time = self.units[unit].start_time.or(leads);
        self.current.insert(name.leader, unit);
        unit
    }
}

impl Unit {
    fn new(name: UnitName, at: Duration) -> Self {
        let peak = UnitPeak { name, anon: 0, at, first_seen: at, last_seen: at, cpu_s: 0.0 };
        Self { peak, start_time: None, anon: 0, cpu: Vec::new() }
    }

    fn add(&mut self, process: &ProcessSample, at: Duration) {
        self.anon += process.anon;
        self.peak.last_seen = at;
        let id = (process.pid, process.start_time);
        match self.cpu.iter_mut().find(|(known, _)| *known == id) {
            Some((_, cpu_s)) => *cpu_s = process.cpu_s,
            None => self.cpu.push((id, process.cpu_s)),
        }
    }

    fn settle(&mut self, at: Duration) {
        let anon = std::mem::take(&mut self.anon);
        if anon > self.peak.anon {
            self.peak.anon = anon;
            self.peak.at = at;
        }
    }

    fn finished(&self) -> UnitPeak {
        UnitPeak { cpu_s: self.cpu.iter().map(|(_, cpu_s)| cpu_s).sum(), ..self.peak.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::UnitKind;
    use super::*;

    fn second(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn process(pid: u32, leader: u32, kind: UnitKind, anon: u64) -> ProcessSample {
        let unit = UnitName { crate_name: format!("crate{leader}").into(), kind, leader };
        ProcessSample {
            pid,
            ppid: 1,
            start_time: u64::from(pid),
            command: "rustc".into(),
            unit: Some(unit),
            anon,
            resident: anon,
            cpu_s: 1.0,
            waited_s: 0.0,
        }
    }

    fn sample(processes: Vec<ProcessSample>) -> TreeSample {
        let anon = processes.iter().map(|process| process.anon).sum();
        TreeSample { anon, resident: anon, processes }
    }

    #[test]
    fn a_linker_counts_with_its_compiler() {
        let mut tracker = PeakTracker::default();
        tracker.feed(second(1), &sample(vec![process(7, 7, UnitKind::Compile, 100)]));
        let both = vec![process(7, 7, UnitKind::Compile, 80), process(8, 7, UnitKind::Link, 60)];
        tracker.feed(second(2), &sample(both));
        tracker.feed(second(3), &sample(vec![process(7, 7, UnitKind::Compile, 10)]));
        let [unit] = &tracker.units()[..] else { panic!("one unit") };
        assert_eq!((unit.anon, unit.at), (140, second(2)));
        assert_eq!((unit.first_seen, unit.last_seen), (second(1), second(3)));
        assert_eq!((unit.cpu_s, unit.name.kind), (2.0, UnitKind::Compile));
        assert_eq!((tracker.peak().anon, tracker.peak_at()), (140, second(2)));
    }

    #[test]
    fn the_heaviest_unit_comes_first() {
        let mut tracker = PeakTracker::default();
        let two = vec![process(1, 1, UnitKind::Compile, 10), process(2, 2, UnitKind::Compile, 20)];
        tracker.feed(second(1), &sample(two));
        let names: Vec<_> = tracker.units().iter().map(|unit| unit.name.to_string()).collect();
        assert_eq!(names, ["crate2", "crate1"]);
    }

    #[test]
    fn a_reused_process_id_is_another_unit() {
        let mut tracker = PeakTracker::default();
        tracker.feed(second(1), &sample(vec![process(7, 7, UnitKind::Compile, 10)]));
        let mut later = process(7, 7, UnitKind::Compile, 20);
        later.start_time = 99;
        tracker.feed(second(2), &sample(vec![later]));
        assert_eq!(tracker.units().iter().map(|unit| unit.anon).collect::<Vec<_>>(), [20, 10]);
    }

    #[test]
    fn nothing_fed_is_no_peak() {
        let mut tracker = PeakTracker::default();
        tracker.feed(second(1), &TreeSample::default());
        assert_eq!((tracker.peak().anon, tracker.units().len()), (0, 0));
    }
}
