//! Memory, swap and cores, as this build has them.

use super::Finding;
use crate::build::plan_jobs;
use crate::memory::{Constraint, Snapshot, human};

/// Memory that is enough for every profile, bytes; the recipe asked for 2 GB.
const PLENTY: u64 = 3 << 29;

pub(super) fn available(machine: &Snapshot, requested: Option<u64>, profile: &str) -> Finding {
    if machine.constraint == Constraint::Unknown {
        return Finding::warning("memory", "this system does not tell its memory", "cargo xtask build --jobs 1");
    }
    let budget = requested.unwrap_or(machine.available);
    let plan = plan_jobs(None, Some(budget), machine, profile);
    let message = format!(
        "{} available to this build (limit {}, decided by {}); at most {} unit(s) at a time",
        human(budget),
        human(machine.limit),
        machine.constraint,
        plan.slots
    );
    let least = crate::build::least_memory(profile);
    if requested.is_some_and(|size| size > machine.limit) {
        return Finding::failure(
            "memory",
            format!("--memory {} is more than there is: {message}", human(budget)),
            "leave --memory out",
        );
    }
    if budget < least {
        let fix = format!("free or grant {} more, or try `cargo xtask build-split`", human(least - budget));
        return Finding::warning("memory", format!("{message}; {profile} has needed {}", human(least)), fix);
    }
    if budget < PLENTY && plan.jobs == 1 {
        return Finding::ok("memory", format!("{message}: little, but enough"));
    }
    Finding::ok("memory", message)
}

pub(super) fn swap(machine: &Snapshot) -> Finding {
    let message = match (machine.swap_total, machine.swap_available) {
        (None, _) => "unknown".to_owned(),
        (Some(0), _) => "none; nothing is planned with it".to_owned(),
        (Some(total), left) => {
            format!("{} of {} free; nothing is planned with it", human(left.unwrap_or(total)), human(total))
        }
    };
    Finding::ok("swap", message)
}

pub(super) fn cores(machine: &Snapshot) -> Finding {
    Finding::ok("cores", format!("{:.1} granted to this process", machine.cores))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::Verdict;

    fn machine(available: u64) -> Snapshot {
        Snapshot { available, limit: 2 << 30, cores: 2.0, constraint: Constraint::MemAvailable, ..Snapshot::unknown() }
    }

    #[test]
    fn enough_is_ok_and_too_little_says_how_much() {
        assert_eq!(available(&machine(2 << 30), None, "dev").verdict, Verdict::Ok);
        let tight = available(&machine(500 << 20), None, "dev");
        assert_eq!(tight.verdict, Verdict::Warning);
        assert!(tight.fix.expect("a fix").contains("170 MiB more"));
    }

    #[test]
    fn more_than_there_is_is_a_failure() {
        assert_eq!(available(&machine(2 << 30), Some(4 << 30), "dev").verdict, Verdict::Failure);
    }

    #[test]
    fn a_silent_system_is_a_warning() {
        assert_eq!(available(&Snapshot::unknown(), None, "dev").verdict, Verdict::Warning);
    }
}
