//! Makes the environment that a build inherits harmless: the old recipe exported flags that cost it its life.

use std::process::Command;

use crate::env;

/// One variable that is changed for the build, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) name: &'static str,
    /// `None`: not passed on.
    pub(crate) value: Option<String>,
    pub(crate) why: String,
}

impl Change {
    pub(crate) fn apply(&self, command: &mut Command) {
        match &self.value {
            Some(value) => command.env(self.name, value),
            None => command.env_remove(self.name),
        };
    }
}

/// What of the environment must not reach cargo as it is.
pub(crate) fn harmless_environment() -> Vec<Change> {
    let mut changes = Vec::new();
    if let Some(flags) = env::text(env::RUSTFLAGS) {
        let words: Vec<&str> = flags.split_whitespace().collect();
        changes.extend(without_harm(env::RUSTFLAGS, &words, " "));
    }
    if let Some(flags) = env::text(env::CARGO_ENCODED_RUSTFLAGS) {
        let words: Vec<&str> = flags.split('\x1f').collect();
        changes.extend(without_harm(env::CARGO_ENCODED_RUSTFLAGS, &words, "\x1f"));
    }
    if let Some(jobs) = env::text(env::CARGO_BUILD_JOBS) {
        let why = format!("CARGO_BUILD_JOBS={jobs}: the number of jobs comes from --jobs, memory and cores");
        changes.push(Change { name: env::CARGO_BUILD_JOBS, value: None, why });
    }
    changes
}

/// Drops `-C codegen-units=…` and `-C incremental=…`, in both spellings.
fn without_harm(name: &'static str, words: &[&str], separator: &str) -> Option<Change> {
    let mut kept: Vec<&str> = Vec::new();
    let mut dropped: Vec<&str> = Vec::new();
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        if matches!(*word, "-C" | "--codegen") {
            match rest.next() {
                Some(option) if is_harmful(option) => dropped.push(option),
                Some(option) => kept.extend([*word, option]),
                None => kept.push(word),
            }
        } else if word.strip_prefix("-C").is_some_and(is_harmful) {
            dropped.push(word);
        } else {
            kept.push(word);
        }
    }
    if dropped.is_empty() {
        return None;
    }
    let why = format!(
        "{name}: dropped {} (one codegen unit triples polars-core's memory; `incremental` takes a folder's name)",
        dropped.join(" ")
    );
    let value = (!kept.is_empty()).then(|| kept.join(separator));
    Some(Change { name, value, why })
}

fn is_harmful(option: &str) -> bool {
    option.starts_with("codegen-units=") || option.starts_with("incremental=")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(flags: &str) -> Option<Change> {
        let words: Vec<&str> = flags.split_whitespace().collect();
        without_harm(env::RUSTFLAGS, &words, " ")
    }

    #[test]
    fn the_old_recipes_flags_are_dropped() {
        let change = changed("-C codegen-units=1 -C incremental=1").expect("harmful");
        assert_eq!(change.value, None);
        assert!(change.why.contains("codegen-units=1"), "{}", change.why);
    }

    #[test]
    fn a_users_own_flags_stay() {
        let change = changed("-Ctarget-cpu=native -Ccodegen-units=1 --cfg x -C debuginfo=0").expect("harmful");
        assert_eq!(change.value.as_deref(), Some("-Ctarget-cpu=native --cfg x -C debuginfo=0"));
        assert_eq!(changed("-C target-cpu=native"), None);
    }
}
