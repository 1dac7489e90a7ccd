//! What a governed build says of itself: one enum, written as JSON lines to `events.jsonl` and to whoever started the
//! governor. The progress line, the record of a build and the benchmarks read these lines and nothing else.
//!
//! Each line has `reason`, which names the variant, and `at_s`, seconds since the governor started. Memory is in MiB of
//! anonymous memory.

use serde_json::{Map, Value, json};

use crate::memory::mib;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Event {
    /// The governor is there.
    Governing {
        slots: usize,
        headroom: u64,
        ledger_rows: usize,
        broken_lines: usize,
    },
    /// Cargo offers a unit.
    Offered {
        ticket: u64,
        unit: String,
        kind: String,
        predicted: u64,
        basis: String,
        tail_s: f64,
    },
    Started {
        ticket: u64,
        unit: String,
        waited_s: f64,
        predicted: u64,
        kills: u32,
        alone: bool,
        codegen_units: Option<u32>,
    },
    MetadataOut {
        ticket: u64,
    },
    /// Codegen threads beyond the first.
    Threads {
        ticket: u64,
        count: usize,
    },
    Ended(Ended),
    Evicted {
        ticket: u64,
        unit: String,
        held: u64,
        headroom: u64,
    },
    /// Killed by somebody else; `again`: it goes back into the queue.
    Killed {
        ticket: u64,
        unit: String,
        held: u64,
        confirmed: bool,
        again: bool,
        kills: u32,
    },
    /// Nothing gentler is left.
    GaveUp(GaveUp),
    /// Nothing runs: the first in line waits for other programs to give memory back.
    Waits {
        unit: String,
        need: u64,
        headroom: u64,
    },
    /// A wrapper disappeared while its unit was not done: cargo takes that for a failure.
    Lost {
        ticket: u64,
        unit: String,
    },
    Sample(Sample),
    /// Everything that has happened so far has been told: sums over all units since the governor started.
    Synced(Totals),
    /// Something that is not as it should be, and that the build survives.
    Note {
        text: String,
    },
}

/// A unit that is done, well or not.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Ended {
    pub(crate) ticket: u64,
    pub(crate) unit: String,
    pub(crate) kind: String,
    pub(crate) code: i64,
    pub(crate) predicted: u64,
    pub(crate) basis: String,
    pub(crate) peak: u64,
    pub(crate) cpu_s: f64,
    pub(crate) wall_s: f64,
    pub(crate) waited_s: f64,
    pub(crate) threads: usize,
}

/// A unit that is given up. Memory in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct GaveUp {
    pub(crate) ticket: u64,
    pub(crate) unit: String,
    pub(crate) opt_level: String,
    pub(crate) kills: u32,
    /// What it held when it was killed.
    pub(crate) need: u64,
    /// What was to be had with nothing else running.
    pub(crate) had: u64,
    /// What other programs held of what there is.
    pub(crate) foreign: u64,
    /// What the same crate has needed without optimisation, where somebody has measured it.
    pub(crate) unoptimised: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Sample {
    /// Of the build's whole process tree.
    pub(crate) anon: u64,
    pub(crate) headroom: u64,
    pub(crate) available: u64,
    pub(crate) foreign: u64,
    pub(crate) running: usize,
    pub(crate) waiting: usize,
    pub(crate) scripts: usize,
    pub(crate) threads: usize,
    /// The running units with what each holds, the heaviest first.
    pub(crate) units: Vec<(String, u64)>,
}

impl Event {
    pub(crate) fn to_line(&self, at_s: f64) -> String {
        let (reason, fields) = self.fields();
        let mut line = Map::new();
        line.insert("reason".into(), reason.into());
        line.insert("at_s".into(), rounded(at_s, 1000.0));
        if let Value::Object(fields) = fields {
            line.extend(fields);
        }
        Value::Object(line).to_string()
    }

    fn fields(&self) -> (&'static str, Value) {
        match self {
            Event::Governing { slots, headroom, ledger_rows, broken_lines } => (
                "governing",
                json!({"slots": slots, "headroom_mib": mebi(*headroom), "ledger_rows": ledger_rows,
                       "broken_lines": broken_lines}),
            ),
            Event::Offered { ticket, unit, kind, predicted, basis, tail_s } => (
                "offered",
                json!({"ticket": ticket, "unit": unit, "kind": kind, "predicted_mib": mebi(*predicted),
                       "basis": basis, "tail_s": rounded(*tail_s, 10.0)}),
            ),
            Event::Started { ticket, unit, waited_s, predicted, kills, alone, codegen_units } => (
                "started",
                json!({"ticket": ticket, "unit": unit, "waited_s": rounded(*waited_s, 1000.0),
                       "predicted_mib": mebi(*predicted), "kills": kills, "alone": alone,
                       "codegen_units": codegen_units}),
            ),
            Event::MetadataOut { ticket } => ("metadata", json!({"ticket": ticket})),
            Event::Threads { ticket, count } => ("threads", json!({"ticket": ticket, "count": count})),
            Event::Ended(ended) => ("ended", ended.fields()),
            Event::Evicted { ticket, unit, held, headroom } => (
                "evicted",
                json!({"ticket": ticket, "unit": unit, "held_mib": mebi(*held), "headroom_mib": mebi(*headroom)}),
            ),
            Event::Killed { ticket, unit, held, confirmed, again, kills } => (
                "killed",
                json!({"ticket": ticket, "unit": unit, "held_mib": mebi(*held), "confirmed": confirmed,
                       "again": again, "kills": kills}),
            ),
            Event::GaveUp(gave_up) => ("gave-up", gave_up.fields()),
            Event::Waits { unit, need, headroom } => {
                ("waits", json!({"unit": unit, "need_mib": mebi(*need), "headroom_mib": mebi(*headroom)}))
            }
            Event::Lost { ticket, unit } => ("lost", json!({"ticket": ticket, "unit": unit})),
            Event::Sample(sample) => ("sample", sample.fields()),
            Event::Synced(totals) => ("synced", totals.fields()),
            Event::Note { text } => ("note", json!({"text": text})),
        }
    }

    /// One line; `None` where it is none of ours, or one that only people and scripts read.
    pub(crate) fn parse(line: &str) -> Option<(f64, Event)> {
        let value: Value = serde_json::from_str(line).ok()?;
        let at_s = value["at_s"].as_f64()?;
        let text = |name: &str| value[name].as_str().map(str::to_owned);
        let bytes = |name: &str| value[name].as_f64().map(from_mebi);
        let ticket = || value["ticket"].as_u64();
        let event = match value["reason"].as_str()? {
            "governing" => Event::Governing {
                slots: count(&value, "slots")?,
                headroom: bytes("headroom_mib")?,
                ledger_rows: count(&value, "ledger_rows")?,
                broken_lines: count(&value, "broken_lines")?,
            },
            "ended" => Event::Ended(Ended::parse(&value)?),
            "evicted" => Event::Evicted {
                ticket: ticket()?,
                unit: text("unit")?,
                held: bytes("held_mib")?,
                headroom: bytes("headroom_mib")?,
            },
            "killed" => Event::Killed {
                ticket: ticket()?,
                unit: text("unit")?,
                held: bytes("held_mib")?,
                confirmed: value["confirmed"].as_bool()?,
                again: value["again"].as_bool()?,
                kills: u32::try_from(value["kills"].as_u64()?).ok()?,
            },
            "gave-up" => Event::GaveUp(GaveUp::parse(&value)?),
            "waits" => Event::Waits { unit: text("unit")?, need: bytes("need_mib")?, headroom: bytes("headroom_mib")? },
            "lost" => Event::Lost { ticket: ticket()?, unit: text("unit")? },
            "sample" => Event::Sample(Sample::parse(&value)?),
            "synced" => Event::Synced(Totals::parse(&value)?),
            "note" => Event::Note { text: text("text")? },
            _ => return None,
        };
        Some((at_s, event))
    }
}

/// What no schedule can be shorter than, together with the processors and the memory there are.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Totals {
    /// Processor time of all compilers, linkers and build scripts, seconds.
    pub(crate) cpu_s: f64,
    /// The longest chain of units that wait for one another, seconds.
    pub(crate) critical_path_s: f64,
    /// Anonymous memory of each unit over its time, summed, MiB seconds.
    pub(crate) memory_time: f64,
    /// Processes that the kernel killed for want of memory in this step, neither units nor decoys.
    pub(crate) unexplained_kills: u64,
}

impl Totals {
    /// The least seconds that a build can take with `slots` processors and `budget` bytes.
    pub(crate) fn bound_s(&self, slots: usize, budget: u64) -> f64 {
        let by_memory = if budget == 0 { 0.0 } else { self.memory_time / mib(budget) };
        (self.cpu_s / slots.max(1) as f64).max(self.critical_path_s).max(by_memory)
    }

    fn fields(&self) -> Value {
        json!({
            "cpu_s": rounded(self.cpu_s, 10.0), "critical_path_s": rounded(self.critical_path_s, 10.0),
            "memory_time_mib_s": rounded(self.memory_time, 1.0), "unexplained_kills": self.unexplained_kills,
        })
    }

    fn parse(value: &Value) -> Option<Self> {
        Some(Totals {
            cpu_s: value["cpu_s"].as_f64()?,
            critical_path_s: value["critical_path_s"].as_f64()?,
            memory_time: value["memory_time_mib_s"].as_f64()?,
            unexplained_kills: value["unexplained_kills"].as_u64()?,
        })
    }
}

impl Ended {
    fn fields(&self) -> Value {
        json!({
            "ticket": self.ticket, "unit": self.unit, "kind": self.kind, "code": self.code,
            "predicted_mib": mebi(self.predicted), "basis": self.basis, "peak_mib": mebi(self.peak),
            "cpu_s": rounded(self.cpu_s, 1000.0), "wall_s": rounded(self.wall_s, 1000.0),
            "waited_s": rounded(self.waited_s, 1000.0), "threads": self.threads,
        })
    }

    fn parse(value: &Value) -> Option<Self> {
        let text = |name: &str| value[name].as_str().map(str::to_owned);
        let number = |name: &str| value[name].as_f64();
        Some(Ended {
            ticket: value["ticket"].as_u64()?,
            unit: text("unit")?,
            kind: text("kind")?,
            code: value["code"].as_i64()?,
            predicted: from_mebi(number("predicted_mib")?),
            basis: text("basis")?,
            peak: from_mebi(number("peak_mib")?),
            cpu_s: number("cpu_s")?,
            wall_s: number("wall_s")?,
            waited_s: number("waited_s")?,
            threads: count(value, "threads")?,
        })
    }
}

impl GaveUp {
    fn fields(&self) -> Value {
        json!({
            "ticket": self.ticket, "unit": self.unit, "opt_level": self.opt_level, "kills": self.kills,
            "need_mib": mebi(self.need), "had_mib": mebi(self.had), "foreign_mib": mebi(self.foreign),
            "unoptimised_mib": self.unoptimised.map(mebi),
        })
    }

    fn parse(value: &Value) -> Option<Self> {
        let text = |name: &str| value[name].as_str().map(str::to_owned);
        let bytes = |name: &str| value[name].as_f64().map(from_mebi);
        Some(GaveUp {
            ticket: value["ticket"].as_u64()?,
            unit: text("unit")?,
            opt_level: text("opt_level")?,
            kills: u32::try_from(value["kills"].as_u64()?).ok()?,
            need: bytes("need_mib")?,
            had: bytes("had_mib")?,
            foreign: bytes("foreign_mib")?,
            unoptimised: bytes("unoptimised_mib"),
        })
    }
}

impl Sample {
    fn fields(&self) -> Value {
        json!({
            "anon_mib": mebi(self.anon), "headroom_mib": mebi(self.headroom), "available_mib": mebi(self.available),
            "foreign_mib": mebi(self.foreign), "running": self.running, "waiting": self.waiting,
            "scripts": self.scripts, "threads": self.threads,
            "units": self.units.iter().map(|(unit, anon)| json!([unit, mebi(*anon)])).collect::<Vec<_>>(),
        })
    }

    fn parse(value: &Value) -> Option<Self> {
        let bytes = |name: &str| value[name].as_f64().map(from_mebi);
        Some(Sample {
            anon: bytes("anon_mib")?,
            headroom: bytes("headroom_mib")?,
            available: bytes("available_mib")?,
            foreign: bytes("foreign_mib")?,
            running: count(value, "running")?,
            waiting: count(value, "waiting")?,
            scripts: count(value, "scripts")?,
            threads: count(value, "threads")?,
            units: value["units"].as_array()?.iter().filter_map(named_bytes).collect(),
        })
    }
}

fn named_bytes(pair: &Value) -> Option<(String, u64)> {
    Some((pair[0].as_str()?.to_owned(), from_mebi(pair[1].as_f64()?)))
}

/// MiB with a tenth.
fn mebi(bytes: u64) -> Value {
    rounded(mib(bytes), 10.0)
}

fn from_mebi(mebi: f64) -> u64 {
    (mebi * f64::from(1 << 20)) as u64
}

fn rounded(number: f64, parts: f64) -> Value {
    ((number * parts).round() / parts).into()
}

fn count(value: &Value, name: &str) -> Option<usize> {
    usize::try_from(value[name].as_u64()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let ended =
            Ended { unit: "polars-core".into(), kind: "lib".into(), peak: 617 << 20, cpu_s: 49.5, ..Ended::default() };
        let units = vec![("polars-core".to_owned(), 3 << 20)];
        let sample = Sample { anon: 5 << 20, running: 2, units, ..Sample::default() };
        for event in [
            Event::Governing { slots: 2, headroom: 1 << 30, ledger_rows: 3, broken_lines: 0 },
            Event::Ended(ended),
            Event::Sample(sample),
            Event::Evicted { ticket: 1, unit: "a".into(), held: 1 << 20, headroom: 0 },
            Event::Killed { ticket: 1, unit: "a".into(), held: 1 << 20, confirmed: true, again: true, kills: 2 },
            Event::GaveUp(GaveUp { unit: "a".into(), opt_level: "0".into(), need: 2 << 20, ..GaveUp::default() }),
            Event::Waits { unit: "a".into(), need: 2 << 20, headroom: 1 << 20 },
            Event::Lost { ticket: 3, unit: "a".into() },
            Event::Synced(Totals { cpu_s: 2.5, critical_path_s: 1.5, memory_time: 3.0, unexplained_kills: 1 }),
            Event::Note { text: "the disk is full".into() },
        ] {
            assert_eq!(Event::parse(&event.to_line(1.25)), Some((1.25, event)));
        }
    }

    #[test]
    fn anything_else_is_nothing() {
        for line in ["", "{}", "{\"reason\":\"sample\",\"at_s\":1}", "{\"reason\":\"new\",\"at_s\":1}", "\u{0}"] {
            assert_eq!(Event::parse(line), None, "{line}");
        }
    }
}
