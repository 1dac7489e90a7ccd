//! How many units at a time. With a governor as many as there are processors; without one a simple rule: the heaviest
//! unit first, then as many others beside it as there is room for.

use crate::memory::{Snapshot, human};
use crate::verify::recipe_peak_mib;

/// What the planned jobs rest on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan {
    pub(crate) jobs: usize,
    /// Memory that the build may take, bytes.
    pub(crate) budget: u64,
    pub(crate) reason: String,
    /// Units at a time under a governor: it sees to the memory, so the processors decide.
    pub(crate) slots: usize,
    /// Memory that a governor keeps the build below although there is more, bytes.
    pub(crate) ceiling: Option<u64>,
}

/// Anonymous memory, bytes, that polars-core alone and the processes around it take, and what each further job may add
/// beside it. docs/profiles.md has the runs that these come from.
struct Needs {
    alone: u64,
    each_more: u64,
}

const MIB: u64 = 1 << 20;

/// `budget` is `--memory`, else what is available now.
pub(crate) fn plan_jobs(requested: Option<usize>, budget: Option<u64>, machine: &Snapshot, profile: &str) -> Plan {
    let known = budget.or((machine.available > 0).then_some(machine.available));
    let cores = machine.whole_cores();
    let by_cores = requested.unwrap_or(cores);
    let slots = by_cores.min(cores);
    let Some(known) = known else {
        let reason = "this system does not tell its memory".into();
        return Plan { jobs: by_cores, budget: 0, reason, slots, ceiling: None };
    };
    let needs = needs_of(profile);
    // Unasked, a build also stays within what the success criteria allow it, however much more there is.
    let ceiling = if requested.is_some() { known } else { known.min(recipe_ceiling(profile)) };
    let kept_below = budget.or((ceiling < known).then_some(ceiling));
    let budget = known;
    let room = ceiling.saturating_sub(needs.alone) / needs.each_more;
    let by_memory = 1 + usize::try_from(room).unwrap_or(usize::MAX - 1);
    let jobs = by_cores.min(by_memory);
    let reason = if by_memory < by_cores {
        format!("memory: {} for {by_cores} jobs would be too little", human(ceiling))
    } else if requested.is_some() {
        "as asked".to_owned()
    } else {
        "cores".to_owned()
    };
    Plan { jobs, budget, reason, slots, ceiling: kept_below }
}

impl Plan {
    /// A governor sees to the memory.
    pub(super) fn governed(&mut self) {
        self.jobs = self.slots;
        self.reason = "governed".to_owned();
    }
}

/// Memory below which even one job is likely to be killed.
pub(crate) fn least_memory(profile: &str) -> u64 {
    needs_of(profile).alone
}

fn recipe_ceiling(profile: &str) -> u64 {
    // A constant of a few thousand MiB: exact in both types.
    recipe_peak_mib(profile) as u64 * MIB
}

fn needs_of(profile: &str) -> Needs {
    match profile {
        "dev" | "test" => Needs { alone: 670 * MIB, each_more: 150 * MIB },
        "mem-opt" => Needs { alone: 690 * MIB, each_more: 250 * MIB },
        _ => Needs { alone: 770 * MIB, each_more: 250 * MIB },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(available: u64, cores: f64) -> Snapshot {
        Snapshot { available, cores, ..Snapshot::unknown() }
    }

    #[test]
    fn plenty_of_memory_means_all_cores() {
        assert_eq!(plan_jobs(None, None, &machine(24 << 30, 4.0), "dev").jobs, 4);
        assert_eq!(plan_jobs(Some(3), None, &machine(24 << 30, 8.0), "dev").jobs, 3);
    }

    #[test]
    fn unasked_no_build_goes_beyond_the_success_criteria() {
        assert_eq!(plan_jobs(None, None, &machine(256 << 30, 64.0), "dev").jobs, 6);
        assert_eq!(plan_jobs(None, None, &machine(256 << 30, 64.0), "release").jobs, 5);
        assert_eq!(plan_jobs(Some(64), None, &machine(256 << 30, 64.0), "dev").jobs, 64);
    }

    #[test]
    fn little_memory_means_fewer_jobs_but_never_none() {
        assert_eq!(plan_jobs(None, None, &machine(1 << 30, 16.0), "dev").jobs, 3);
        assert_eq!(plan_jobs(Some(16), None, &machine(600 << 20, 16.0), "dev").jobs, 1);
        assert!(plan_jobs(Some(16), None, &machine(600 << 20, 16.0), "dev").reason.contains("memory"));
    }

    #[test]
    fn what_is_asked_for_counts_before_what_is_seen() {
        let plan = plan_jobs(None, Some(800 << 20), &machine(24 << 30, 8.0), "dev");
        assert_eq!((plan.jobs, plan.budget), (1, 800 << 20));
    }

    #[test]
    fn governed_the_processors_decide() {
        let mut plan = plan_jobs(Some(16), None, &machine(700 << 20, 2.0), "dev");
        plan.governed();
        assert_eq!((plan.jobs, plan.ceiling), (2, None));
        assert_eq!(plan_jobs(None, None, &machine(24 << 30, 8.0), "dev").ceiling, Some(recipe_ceiling("dev")));
        assert_eq!(plan_jobs(None, Some(1 << 30), &machine(24 << 30, 8.0), "dev").ceiling, Some(1 << 30));
    }

    #[test]
    fn a_system_that_tells_nothing_is_not_held_back() {
        assert_eq!(plan_jobs(None, None, &machine(0, 4.0), "release").jobs, 4);
    }
}
