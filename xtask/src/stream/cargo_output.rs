//! What cargo says: JSON messages on stdout, words and progress on stderr.

use std::path::PathBuf;

use serde_json::Value;

/// What came out of one cargo run.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Artifacts {
    /// Units that cargo looked at, fresh or compiled.
    pub(crate) units: usize,
    /// Those of them that were already there.
    pub(crate) fresh: usize,
    /// Files of the last cdylib: the extension.
    pub(crate) extension: Option<PathBuf>,
    /// `Compiling …` lines: the only count there is where cargo's JSON is read by somebody else (maturin).
    pub(crate) announced: usize,
}

/// One line of stderr.
#[derive(Debug, PartialEq)]
pub(crate) enum CargoLine<'a> {
    /// `    Building [====>  ] 12/190: syn, quote`
    Progress {
        done: usize,
        total: usize,
        active: &'a str,
    },
    /// `   Compiling syn v3.0.10`
    Status {
        compiles: bool,
    },
    Warning,
    /// Diagnostics and whatever else people should see.
    Text,
    /// maturin's cheerful lines: for the log.
    Chatter,
}

/// Cargo's right-aligned words that say what it does, not what is wrong.
const STATUS_WORDS: [&str; 16] = [
    "Adding",
    "Blocking",
    "Checking",
    "Compiling",
    "Dirty",
    "Downloaded",
    "Downloading",
    "Finished",
    "Fresh",
    "Locking",
    "Running",
    "Unpacking",
    "Updating",
    "Waiting",
    "Doctest",
    "Documenting",
];

impl Artifacts {
    /// Takes one line of stdout if it is one of cargo's messages.
    pub(crate) fn take(&mut self, line: &str) -> bool {
        let Some(message) = parse_message(line) else { return false };
        if message["reason"] == "compiler-artifact" {
            self.units += 1;
            self.fresh += usize::from(message["fresh"] == true);
            if is_cdylib(&message) {
                self.extension = library(&message);
            }
        }
        true
    }

    /// Units that were compiled.
    pub(crate) fn compiled(&self) -> usize {
        self.units - self.fresh
    }
}

fn parse_message(line: &str) -> Option<Value> {
    if !line.starts_with('{') {
        return None;
    }
    serde_json::from_str::<Value>(line).ok().filter(|message| message["reason"].is_string())
}

fn is_cdylib(message: &Value) -> bool {
    message["target"]["kind"].as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == "cdylib"))
}

fn library(message: &Value) -> Option<PathBuf> {
    let files = message["filenames"].as_array()?;
    let is_library = |name: &&str| [".so", ".dylib", ".dll"].iter().any(|ending| name.ends_with(ending));
    files.iter().filter_map(Value::as_str).find(is_library).map(PathBuf::from)
}

pub(crate) fn parse_stderr(line: &str) -> CargoLine<'_> {
    let text = line.trim_start();
    if let Some(progress) = parse_progress(text) {
        return progress;
    }
    let word = text.split_whitespace().next().unwrap_or("");
    let is_indented = text.len() < line.len();
    if is_indented && STATUS_WORDS.contains(&word) {
        return CargoLine::Status { compiles: word == "Compiling" };
    }
    if text.starts_with("warning:") || text.starts_with("warning[") {
        return CargoLine::Warning;
    }
    if text.chars().next().is_some_and(|first| !first.is_ascii() && !"│╭╰─━┃═⚠💥".contains(first)) {
        return CargoLine::Chatter;
    }
    CargoLine::Text
}

fn parse_progress(text: &str) -> Option<CargoLine<'_>> {
    let rest = text.strip_prefix("Building [")?;
    let (_, rest) = rest.split_once("] ")?;
    let (counts, active) = rest.split_once(':').unwrap_or((rest, ""));
    let (done, total) = counts.trim().split_once('/')?;
    Some(CargoLine::Progress { done: done.parse().ok()?, total: total.parse().ok()?, active: active.trim() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_and_words_are_told_apart() {
        assert_eq!(
            parse_stderr("    Building [===>      ] 12/190: syn, quote(build)"),
            CargoLine::Progress { done: 12, total: 190, active: "syn, quote(build)" }
        );
        assert_eq!(parse_stderr("   Compiling syn v3.0.10"), CargoLine::Status { compiles: true });
        assert_eq!(parse_stderr("    Finished `dev` profile in 3s"), CargoLine::Status { compiles: false });
        assert_eq!(parse_stderr("warning: unused import"), CargoLine::Warning);
        assert_eq!(parse_stderr("error[E0308]: mismatched types"), CargoLine::Text);
        assert_eq!(parse_stderr("🔗 Found pyo3 bindings"), CargoLine::Chatter);
        assert_eq!(parse_stderr("Compiling is what I said"), CargoLine::Text);
    }

    #[test]
    fn artifacts_are_counted_and_the_extension_is_found() {
        let mut artifacts = Artifacts::default();
        let fresh = r#"{"reason":"compiler-artifact","target":{"kind":["lib"]},"filenames":["a.rlib"],"fresh":true}"#;
        let built = r#"{"reason":"compiler-artifact","target":{"kind":["cdylib"]},"filenames":["t/lib_rust.so"],"fresh":false}"#;
        assert!(artifacts.take(fresh));
        assert!(artifacts.take(built));
        assert!(artifacts.take(r#"{"reason":"build-finished","success":true}"#));
        assert!(!artifacts.take("{ not cargo's }"));
        assert!(!artifacts.take("hello"));
        assert_eq!((artifacts.units, artifacts.fresh, artifacts.compiled()), (2, 1, 1));
        assert_eq!(artifacts.extension, Some(PathBuf::from("t/lib_rust.so")));
    }
}
