//! One line of the ledger: a flat JSON object, field by field as people read it.
//!
//! Every build reads thousands of these before it starts, with an xtask that was compiled without optimisation. So lines
//! as this file writes them are read by one that knows the order of their fields and goes over each byte once; the same
//! fields in another order, or with spaces, or others among them, are brought into that order first.

use std::borrow::Cow;

use serde_json::Value;

use super::{Measurement, Ran, key};
use crate::governor::prediction::{Course, STEPS};
use crate::governor::unit::{Identity, Kind};

/// Goes through a line's fields, in the order of [`NAMES`].
struct Reader<'a> {
    line: &'a str,
    at: usize,
}

const NAMES: [&str; 20] = [
    "package",
    "version",
    "kind",
    "features",
    "opt_level",
    "codegen_units",
    "options",
    "target",
    "rustc",
    "key",
    "needs",
    "source_kib",
    "input_kib",
    "threads",
    "peak_mib",
    "cpu_s",
    "wall_s",
    "to_metadata_s",
    "course_mib",
    "outcome",
];

const MIB: f64 = 1_048_576.0;
/// More than any machine has; a number beyond is none that was measured.
const MOST_MIB: f64 = 1e9;
const MOST_SECONDS: f64 = 1e9;
const MOST_THREADS: usize = 4096;

/// With the line break at its end.
pub(super) fn write(measurement: &Measurement) -> String {
    let identity = &measurement.identity;
    let text = |value: &str| Value::from(value).to_string();
    format!(
        "{{\"package\":{},\"version\":{},\"kind\":\"{}\",\"features\":{},\"opt_level\":{},\"codegen_units\":{},\
         \"options\":{},\"target\":{},\"rustc\":{},\"key\":\"{}\",\"needs\":[{}],\"source_kib\":{},\"input_kib\":{},\
         \"threads\":{},\"peak_mib\":{},\"cpu_s\":{},\"wall_s\":{},\"to_metadata_s\":{},\"course_mib\":[{}],\
         \"outcome\":\"{}\"}}\n",
        text(&identity.package),
        text(&identity.version),
        identity.kind.name(),
        text(&identity.features),
        text(&identity.opt_level),
        identity.codegen_units,
        text(&identity.options),
        text(&identity.target),
        text(&identity.rustc),
        key(identity),
        joined(&measurement.needs, |need| text(need)),
        measurement.source_kib,
        measurement.input_kib,
        measurement.threads,
        mib(measurement.peak),
        seconds(measurement.cpu_s),
        seconds(measurement.wall_s),
        measurement.to_metadata_s.map_or_else(|| "null".to_owned(), seconds),
        joined(&measurement.course.0, |bytes| mib(*bytes)),
        measurement.outcome.name(),
    )
}

/// A measurement and its unit's key. `None` for what is no line of a ledger: cut off, of another shape, with numbers that
/// nobody measured.
pub(super) fn read(line: &str) -> Option<(String, Measurement)> {
    let line = line.trim_ascii();
    Reader { line, at: 0 }.measurement().or_else(|| Reader { line: &in_order(line)?, at: 0 }.measurement())
}

impl<'a> Reader<'a> {
    fn measurement(mut self) -> Option<(String, Measurement)> {
        let identity = self.identity()?;
        let key = key(&identity);
        // A line whose names were edited, or an older way to compute the key: other lines would not find it.
        if self.text("key")? != key {
            return None;
        }
        let measurement = Measurement {
            identity,
            needs: self.list("needs", |need| Some(text(need)?.into_owned()))?,
            source_kib: self.value("source_kib")?.parse().unwrap_or(0),
            input_kib: self.value("input_kib")?.parse().unwrap_or(0),
            threads: self.value("threads")?.parse().map_or(0, |threads: usize| threads.min(MOST_THREADS)),
            peak: bytes(self.value("peak_mib")?)?,
            cpu_s: duration(self.value("cpu_s")?)?,
            wall_s: duration(self.value("wall_s")?).unwrap_or(0.0),
            to_metadata_s: duration(self.value("to_metadata_s")?),
            course: course(self.list("course_mib", bytes)?),
            outcome: Ran::parse(&self.text("outcome")?)?,
        };
        (&self.line[self.at..] == "}").then_some((key, measurement))
    }

    fn identity(&mut self) -> Option<Identity> {
        Some(Identity {
            package: self.text("package")?.into_owned(),
            version: self.text("version")?.into_owned(),
            kind: Kind::parse(&self.text("kind")?)?,
            features: self.text("features")?.into_owned(),
            opt_level: self.text("opt_level")?.into_owned(),
            codegen_units: self.value("codegen_units")?.parse().ok()?,
            options: self.text("options")?.into_owned(),
            target: self.text("target")?.into_owned(),
            rustc: self.text("rustc")?.into_owned(),
        })
    }

    fn text(&mut self, name: &str) -> Option<Cow<'a, str>> {
        self.value(name).and_then(text)
    }

    /// The text, number or `null` of the field that comes next, which must be `name`.
    fn value(&mut self, name: &str) -> Option<&'a str> {
        self.begin(name)?;
        self.scalar()
    }

    /// What `item` makes of each item in the list of the field that comes next; nothing of `null`.
    fn list<T>(&mut self, name: &str, item: impl Fn(&'a str) -> Option<T>) -> Option<Vec<T>> {
        self.begin(name)?;
        let mut items = Vec::new();
        if self.byte() != Some(b'[') {
            return (self.scalar()? == "null").then_some(items);
        }
        self.at += 1;
        while self.byte()? != b']' {
            items.push(item(self.scalar()?)?);
            if self.byte()? == b',' {
                self.at += 1;
            }
        }
        self.at += 1;
        Some(items)
    }

    /// `{"name":` or `,"name":`
    fn begin(&mut self, name: &str) -> Option<()> {
        let start = self.at + 2;
        let end = start + name.len();
        let bytes = self.line.as_bytes();
        let begins = bytes.get(end..end + 2)? == b"\":"
            && bytes[start..end] == *name.as_bytes()
            && bytes[start - 1] == b'"'
            && bytes[start - 2] == if self.at == 0 { b'{' } else { b',' };
        self.at = end + 2;
        begins.then_some(())
    }

    /// Up to the comma or bracket behind it. A loop over indices: an iterator takes several times as long where nothing is
    /// inlined.
    fn scalar(&mut self) -> Option<&'a str> {
        let (bytes, start) = (self.line.as_bytes(), self.at);
        let mut quoted = false;
        while self.at < bytes.len() {
            match bytes[self.at] {
                b'"' => quoted = !quoted,
                b'\\' => self.at += 1,
                b',' | b']' | b'}' if !quoted => break,
                _ => {}
            }
            self.at += 1;
        }
        self.line.get(start..self.at)
    }

    fn byte(&self) -> Option<u8> {
        self.line.as_bytes().get(self.at).copied()
    }
}

/// The line as this file would have written it.
fn in_order(line: &str) -> Option<String> {
    let fields: Value = serde_json::from_str(line).ok()?;
    let fields: Vec<String> = NAMES.iter().map(|name| format!("\"{name}\":{}", fields[*name])).collect();
    Some(format!("{{{}}}", fields.join(",")))
}

/// The text that `value` stands for. Escapes are for the general reader: none of what cargo names a thing has any.
fn text(value: &str) -> Option<Cow<'_, str>> {
    let bytes = value.as_bytes();
    if bytes.len() < 2 || bytes[0] != b'"' || bytes[bytes.len() - 1] != b'"' {
        return None;
    }
    if bytes.contains(&b'\\') {
        return serde_json::from_str(value).ok().map(|text: String| Cow::Owned(text));
    }
    value.get(1..value.len() - 1).map(Cow::Borrowed)
}

fn course(steps: Vec<u64>) -> Course {
    if steps.len() == STEPS { Course(steps) } else { Course::default() }
}

fn bytes(value: &str) -> Option<u64> {
    let mib: f64 = value.parse().ok()?;
    // In range, so the cast loses a fraction of a byte at most.
    (0.0..=MOST_MIB).contains(&mib).then(|| (mib * MIB).round() as u64)
}

fn duration(value: &str) -> Option<f64> {
    value.parse().ok().filter(|seconds| (0.0..=MOST_SECONDS).contains(seconds))
}

fn joined<T>(items: &[T], write: impl Fn(&T) -> String) -> String {
    items.iter().map(write).collect::<Vec<_>>().join(",")
}

fn mib(bytes: u64) -> String {
    format!("{:.1}", (bytes as f64 / MIB).min(MOST_MIB))
}

fn seconds(time: f64) -> String {
    let time = if time.is_finite() { time.clamp(0.0, MOST_SECONDS) } else { 0.0 };
    format!("{time:.2}")
}

#[cfg(test)]
mod tests {
    use super::super::tests::measured;
    use super::*;

    fn full() -> Measurement {
        Measurement {
            needs: vec!["0123456789abcdef".into(), "fedcba9876543210".into()],
            input_kib: 17,
            threads: 3,
            to_metadata_s: Some(20.25),
            course: Course((1..=STEPS as u64).map(|step| step << 20).collect()),
            ..measured("polars-core", 730, 49.25)
        }
    }

    fn read(line: &str) -> Option<Measurement> {
        super::read(line).map(|(_, measurement)| measurement)
    }

    #[test]
    fn what_was_written_is_read() {
        let killed = Measurement { outcome: Ran::Killed, ..measured("serde", 100, 1.0) };
        for measurement in [full(), killed] {
            assert_eq!(read(write(&measurement).trim_end()), Some(measurement));
        }
    }

    #[test]
    fn a_line_is_json_that_others_read() {
        let mut odd = full();
        odd.identity.package = "quo\"te, [\\] and 木\n".into();
        odd.cpu_s = f64::NAN;
        let line = write(&odd);
        let value: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!((value["peak_mib"].as_f64(), value["cpu_s"].as_f64()), (Some(730.0), Some(0.0)));
        assert_eq!(value["course_mib"].as_array().map(Vec::len), Some(STEPS));
        assert_eq!(line.matches('\n').count(), 1);
        assert_eq!(read(&line).map(|read| read.identity), Some(odd.identity));
    }

    #[test]
    fn spaces_and_strange_fields_do_not_matter() {
        let line = write(&full()).replace(':', " : ").replace(',', " , ");
        assert_eq!(read(&line), Some(full()));
        let line = write(&full()).replace("\"needs\"", "\"new\":true,\"newer\":{\"a\":[1]},\"needs\"");
        assert_eq!(read(&line), Some(full()));
        let line = write(&full()).replace("\"input_kib\":17,", "").replace('{', "{\"input_kib\":17,");
        assert_eq!(read(&line), Some(full()));
    }

    #[test]
    fn what_need_not_be_there_is_nothing() {
        let line = write(&full()).replace("\"threads\":3,", "").replace(",\"course_mib\"", ",\"curse_mib\"");
        assert_eq!(read(&line), Some(Measurement { threads: 0, course: Course::default(), ..full() }));
    }

    #[test]
    fn what_is_no_line_is_none() {
        let line = write(&full());
        for end in 0..line.trim_end().len() {
            assert_eq!(read(&line[..end]), None, "cut off after {end} bytes");
        }
        for (part, other) in [
            ("730.0", "-1.0"),
            ("730.0", "1e30"),
            ("730.0", "NaN"),
            ("730.0", "\"much\""),
            ("49.25", "null"),
            ("\"lib\"", "\"liberty\""),
            ("\"done\"", "\"won\""),
            ("[\"0123", "[0123"),
            ("\"0.1.0\"", "\"0.1.1\""),
            ("{", "{,"),
            (",\"version", " \"version"),
            ("\"done\"}", "\"done\",}"),
        ] {
            assert!(line.contains(part), "{part}");
            assert_eq!(read(&line.replacen(part, other, 1)), None, "{part} replaced by {other}");
        }
    }
}
