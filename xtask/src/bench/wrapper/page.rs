//! The figures of `bench wrapper`, as Markdown and as JSON.

use serde_json::{Map, Value, json};

use super::clock::{Lap, Seen};
use crate::bench::facts::Facts;
use crate::bench::figures::{measured_on, median, or_dash, percentile, rounded, spread, table_head, table_row};

/// All that was measured.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Measurements {
    pub(super) facts: Facts,
    /// Compilations in a build of the many.
    pub(super) units: usize,
    pub(super) jobs: usize,
    /// By tool; plain cargo is the first.
    pub(super) many: Vec<(&'static str, Vec<Lap>)>,
    /// Links in the chain.
    pub(super) links: usize,
    pub(super) chain: Vec<(&'static str, Vec<Lap>)>,
    /// `govern` around a command that does nothing.
    pub(super) nothing: Vec<Lap>,
    /// A governed build of the many with all jobs, and one with a single job.
    pub(super) seen: Option<Seen>,
    pub(super) seen_one_job: Option<Seen>,
}

impl Measurements {
    pub(super) fn markdown(&self) -> String {
        let mut text = measured_on(&self.facts);
        text += &format!("Cold build of {} units with next to nothing in them, {} jobs.\n\n", self.units, self.jobs);
        text += &laps(&self.many, self.units);
        text += &format!("\nCold build of a chain of {} crates that take long to optimise.\n\n", self.links);
        text += &laps(&self.chain, self.links);
        text += &format!("\n`govern` around nothing: {} ms.\n", spread(&milliseconds(&self.nothing), 0));
        text += &self.seen.as_ref().map_or_else(String::new, |seen| share("all jobs", seen));
        text += &self.seen_one_job.as_ref().map_or_else(String::new, |seen| share("one job", seen) + &waiting(seen));
        text
    }

    pub(super) fn figures(&self) -> Map<String, Value> {
        let Value::Object(figures) = json!({
            "units": self.units,
            "jobs": self.jobs,
            "many": tools(&self.many, self.units),
            "links": self.links,
            "chain": tools(&self.chain, self.links),
            "govern_nothing_ms": median(&milliseconds(&self.nothing)).map(|ms| rounded(ms, 1)),
            "watched": self.seen.as_ref().map(seen_figures),
            "watched_one_job": self.seen_one_job.as_ref().map(seen_figures),
        }) else {
            return Map::new();
        };
        figures
    }
}

fn laps(tools: &[(&str, Vec<Lap>)], units: usize) -> String {
    let mut text =
        table_head(&["", "time s (least–most)", "ms per unit more than cargo", "CPU s", "CPU ms per unit more"]);
    for (index, (name, laps)) in tools.iter().enumerate() {
        text += &table_row(&[
            (*name).to_owned(),
            spread(&walls(laps), 2),
            or_dash(more_per_unit(tools, index, units, walls), 2),
            or_dash(median(&cpus(laps)), 2),
            or_dash(more_per_unit(tools, index, units, cpus), 2),
        ]);
    }
    text
}

fn tools(tools: &[(&str, Vec<Lap>)], units: usize) -> Value {
    let round = |value: Option<f64>| value.map(|value| rounded(value, 3));
    let figures = tools.iter().enumerate().map(|(index, (name, laps))| {
        let figures = json!({
            "wall_s": walls(laps).iter().map(|wall| rounded(*wall, 3)).collect::<Vec<_>>(),
            "median_s": round(median(&walls(laps))),
            "more_ms_per_unit": round(more_per_unit(tools, index, units, walls)),
            "cpu_s": round(median(&cpus(laps))),
            "more_cpu_ms_per_unit": round(more_per_unit(tools, index, units, cpus)),
        });
        ((*name).to_owned(), figures)
    });
    Value::Object(figures.collect())
}

/// Milliseconds by which a tool's median is above that of the first, for each unit. `None` for the first itself.
fn more_per_unit(tools: &[(&str, Vec<Lap>)], index: usize, units: usize, of: fn(&[Lap]) -> Vec<f64>) -> Option<f64> {
    let median_of = |(_, laps): &(&str, Vec<Lap>)| median(&of(laps));
    let more = median_of(tools.get(index)?)? - median_of(tools.first()?)?;
    (index > 0).then_some(more * 1000.0 / units as f64)
}

fn walls(laps: &[Lap]) -> Vec<f64> {
    laps.iter().map(|lap| lap.wall_s).collect()
}

fn cpus(laps: &[Lap]) -> Vec<f64> {
    laps.iter().filter_map(|lap| lap.cpu_s).collect()
}

fn milliseconds(laps: &[Lap]) -> Vec<f64> {
    laps.iter().map(|lap| lap.wall_s * 1000.0).collect()
}

fn share(jobs: &str, seen: &Seen) -> String {
    let percent = |cpu_s: f64| 100.0 * cpu_s / seen.wall_s.max(f64::MIN_POSITIVE);
    format!(
        "\nWith {jobs}, in {:.1} s: the governor took {:.2} s of processor time ({:.1} %), `xtask govern` {:.2} s \
         ({:.1} %).\n",
        seen.wall_s,
        seen.governor_cpu_s,
        percent(seen.governor_cpu_s),
        seen.front_cpu_s,
        percent(seen.front_cpu_s),
    )
}

fn waiting(seen: &Seen) -> String {
    let [resident, anon] = kib(seen);
    format!(
        "\nUp to {} wrappers waited; of the {} that did so for a while, KiB, median and most: resident {} and {}, \
         anonymous {} and {}.\n",
        seen.most_waiting,
        seen.waiting.len(),
        or_dash(median(&resident), 0),
        or_dash(percentile(&resident, 100), 0),
        or_dash(median(&anon), 0),
        or_dash(percentile(&anon, 100), 0),
    )
}

fn seen_figures(seen: &Seen) -> Value {
    let [resident, anon] = kib(seen);
    json!({
        "wall_s": rounded(seen.wall_s, 2),
        "governor_cpu_s": rounded(seen.governor_cpu_s, 2),
        "front_cpu_s": rounded(seen.front_cpu_s, 2),
        "most_waiting": seen.most_waiting,
        "waiting_measured": seen.waiting.len(),
        "resident_kib": {"median": median(&resident), "most": percentile(&resident, 100)},
        "anon_kib": {"median": median(&anon), "most": percentile(&anon, 100)},
    })
}

fn kib(seen: &Seen) -> [Vec<f64>; 2] {
    // Far below 2^53.
    let of = |value: fn(&super::clock::Waiter) -> u64| seen.waiting.iter().map(|waiter| value(waiter) as f64).collect();
    [of(|waiter| waiter.resident), of(|waiter| waiter.anon)]
}

#[cfg(test)]
mod tests {
    use super::super::clock::Waiter;
    use super::*;
    use crate::bench::facts;

    fn measurements() -> Measurements {
        let laps =
            |walls: &[f64]| walls.iter().map(|wall_s| Lap { wall_s: *wall_s, cpu_s: Some(wall_s * 2.0) }).collect();
        let seen = Seen {
            wall_s: 10.0,
            front_cpu_s: 0.05,
            governor_cpu_s: 0.5,
            waiting: vec![Waiter { resident: 1200, anon: 100 }, Waiter { resident: 1400, anon: 140 }],
            most_waiting: 40,
        };
        Measurements {
            facts: facts::example(),
            units: 100,
            jobs: 2,
            many: vec![("cargo", laps(&[10.0, 11.0, 10.5])), ("ours", laps(&[10.7]))],
            links: 10,
            chain: vec![("cargo", laps(&[5.0])), ("ours", laps(&[5.1]))],
            nothing: laps(&[0.04]),
            seen: None,
            seen_one_job: Some(seen),
        }
    }

    #[test]
    fn differences_are_per_unit_and_to_plain_cargo() {
        let text = measurements().markdown();
        assert!(text.contains("| cargo | 10.50 (10.00–11.00) | – | 21.00 | – |\n"), "{text}");
        assert!(text.contains("| ours | 10.70 | 2.00 | 21.40 | 4.00 |\n"), "{text}");
        assert!(text.contains("| ours | 5.10 | 10.00 |"), "{text}");
        assert!(text.contains("`govern` around nothing: 40 ms."), "{text}");
    }

    #[test]
    fn who_waited_and_who_governed_is_told() {
        let text = measurements().markdown();
        assert!(
            text.contains("the governor took 0.50 s of processor time (5.0 %), `xtask govern` 0.05 s (0.5 %)"),
            "{text}"
        );
        assert!(text.contains("resident 1300 and 1400, anonymous 120 and 140"), "{text}");
        let figures = measurements().figures();
        assert_eq!(figures["many"]["ours"]["more_ms_per_unit"], 2.0);
        assert_eq!(figures["watched"], Value::Null);
        assert_eq!(figures["watched_one_job"]["anon_kib"]["most"], 140.0);
    }
}
