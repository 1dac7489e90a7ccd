//! What is compared with what, and whose turn it is.

use std::fmt;
use std::str::FromStr;

use super::tools::Tool;
use crate::memory;

/// What one run is a run of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) profile: Profile,
    pub(super) cage: CageLimit,
    pub(super) jobs: usize,
    pub(super) tool: Tool,
}

/// A profile of cargo's; or `lazy`, which is dev with Polars' lazy engine: the heaviest build of this workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Profile(String);

/// Bytes; `None` is a cage without a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CageLimit(pub(super) Option<u64>);

const LAZY: &str = "lazy";

impl Profile {
    pub(super) fn name(&self) -> &str {
        &self.0
    }

    /// The profile that cargo is asked for.
    pub(super) fn of_cargo(&self) -> &str {
        if self.0 == LAZY { "dev" } else { &self.0 }
    }

    /// What the build turns on besides.
    pub(super) fn features(&self) -> Option<&'static str> {
        (self.0 == LAZY).then_some("maou_index/lazy")
    }
}

impl Cell {
    /// As a part of a file's name.
    pub(super) fn file_name(&self) -> String {
        format!("{}-{}-j{}-{}", self.profile.name(), self.cage, self.jobs, self.tool.name())
    }

    /// Whether two cells answer the same question: what to build this profile with, in this cage, with these jobs.
    /// Cargo with one job is an answer for any number of them.
    pub(super) fn competes_with(&self, other: &Cell) -> bool {
        let any_jobs = |cell: &Cell| cell.tool == Tool::CargoOneJob;
        let same_jobs = self.jobs == other.jobs || any_jobs(self) || any_jobs(other);
        self.profile == other.profile && self.cage == other.cage && same_jobs
    }
}

/// The cells, those that compete side by side. A tool with a number of jobs of its own is in the first group only.
pub(super) fn groups(profiles: &[Profile], cages: &[CageLimit], jobs: &[usize], tools: &[Tool]) -> Vec<Vec<Cell>> {
    let mut groups = Vec::new();
    for profile in profiles {
        for cage in cages {
            for (index, jobs) in jobs.iter().enumerate() {
                let takes_part = |tool: &&Tool| index == 0 || **tool != Tool::CargoOneJob;
                let cell = |tool: &Tool| {
                    let jobs = if *tool == Tool::CargoOneJob { 1 } else { *jobs };
                    Cell { profile: profile.clone(), cage: *cage, jobs, tool: *tool }
                };
                groups.push(tools.iter().filter(takes_part).map(cell).collect());
            }
        }
    }
    groups
}

/// The runs in their order, so that every cell gets `repeat` of them; `done` says how many it has.
///
/// All cells have their first run before any has its second: whenever it ends, every question has an answer. Who
/// begins changes with every group and repeat.
pub(super) fn turns(groups: &[Vec<Cell>], repeat: usize, done: impl Fn(&Cell) -> usize) -> Vec<Cell> {
    let mut turns = Vec::new();
    for round in 0..repeat {
        for (index, group) in groups.iter().enumerate().filter(|(_, group)| !group.is_empty()) {
            let mut order = group.clone();
            order.rotate_left((index + round) % group.len());
            turns.extend(order.into_iter().filter(|cell| done(cell) <= round));
        }
    }
    turns
}

impl FromStr for Profile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if text.is_empty() || !text.chars().all(plain) { Err("no profile".into()) } else { Ok(Self(text.into())) }
    }
}

impl FromStr for CageLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(None));
        }
        memory::parse_size(text).map(|bytes| Self(Some(bytes))).map_err(|error| format!("{error:#}, or `none`"))
    }
}

impl fmt::Display for CageLimit {
    /// As it can be parsed again, without a loss.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => formatter.write_str("none"),
            // Quarters are exact in both notations.
            Some(bytes) if bytes > 1 << 30 && bytes.is_multiple_of(1 << 28) => {
                write!(formatter, "{}G", (bytes >> 28) as f64 / 4.0)
            }
            Some(bytes) if bytes.is_multiple_of(1 << 30) => write!(formatter, "{}G", bytes >> 30),
            Some(bytes) if bytes.is_multiple_of(1 << 20) => write!(formatter, "{}M", bytes >> 20),
            Some(bytes) => write!(formatter, "{bytes}"),
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (profile, tool) = (self.profile.name(), self.tool.name());
        write!(formatter, "{profile}, cage {}, jobs {}, {tool}", self.cage, self.jobs)
    }
}

#[cfg(test)]
pub(super) fn example(text: &str) -> Cell {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [profile, cage, jobs, tool] = words[..] else { panic!("four words: {text}") };
    Cell {
        profile: profile.parse().expect("a profile"),
        cage: cage.parse().expect("a cage"),
        jobs: jobs.parse().expect("a number"),
        tool: tool.parse().expect("a tool"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(jobs: &[usize], tools: &[Tool], repeat: usize, done: impl Fn(&Cell) -> usize) -> Vec<String> {
        let groups = groups(&[Profile("dev".into())], &[CageLimit(Some(1 << 30))], jobs, tools);
        turns(&groups, repeat, done).iter().map(Cell::file_name).collect()
    }

    #[test]
    fn every_repeat_begins_with_another_tool() {
        let order = plan(&[2], &[Tool::Ours, Tool::Cargo, Tool::Mbx], 3, |_| 0);
        let first: Vec<&str> = order.iter().step_by(3).map(String::as_str).collect();
        assert_eq!(first, ["dev-1G-j2-ours", "dev-1G-j2-cargo", "dev-1G-j2-mbx"]);
        assert_eq!(order.len(), 9);
    }

    #[test]
    fn all_have_one_run_before_any_has_two() {
        let order = plan(&[2, 8], &[Tool::Ours, Tool::Cargo], 2, |_| 0);
        let mut half = order[..4].to_vec();
        half.sort();
        assert_eq!(half, ["dev-1G-j2-cargo", "dev-1G-j2-ours", "dev-1G-j8-cargo", "dev-1G-j8-ours"]);
    }

    #[test]
    fn one_job_is_one_job_whatever_the_others_have() {
        let order = plan(&[2, 8], &[Tool::CargoOneJob], 1, |_| 0);
        assert_eq!(order, ["dev-1G-j1-cargo-j1"]);
        let one = example("dev 1G 1 cargo-j1");
        assert!(one.competes_with(&example("dev 1G 8 ours")) && example("dev 1G 8 ours").competes_with(&one));
        assert!(!one.competes_with(&example("dev none 8 ours")));
        assert!(!example("dev 1G 2 cargo").competes_with(&example("dev 1G 8 ours")));
    }

    #[test]
    fn runs_that_are_there_are_not_repeated() {
        let done = |cell: &Cell| if cell.tool == Tool::Ours { 2 } else { 1 };
        assert_eq!(plan(&[2], &[Tool::Ours, Tool::Cargo], 2, done), ["dev-1G-j2-cargo"]);
        assert!(plan(&[2], &[Tool::Ours], 2, done).is_empty());
    }

    #[test]
    fn cages_read_as_they_are_written() {
        for text in ["832M", "1G", "none", "1000"] {
            assert_eq!(text.parse::<CageLimit>().expect("valid").to_string(), text);
        }
    }

    #[test]
    fn lazy_is_dev_with_more_features() {
        let lazy = example("lazy 1G 2 ours").profile;
        assert_eq!((lazy.name(), lazy.of_cargo(), lazy.features()), ("lazy", "dev", Some("maou_index/lazy")));
        assert_eq!(example("release 1G 2 ours").profile.features(), None);
    }
}
