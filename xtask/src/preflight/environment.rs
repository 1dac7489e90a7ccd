//! Variables that hurt a build, or make it one that nobody else has.

use super::Finding;
use crate::build::{Change, harmless_environment};
use crate::env;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Environment {
    pub(super) rustflags: Option<String>,
    pub(super) rustc_wrapper: Option<String>,
    pub(super) incremental: Option<String>,
    /// What `cargo xtask build` changes by itself.
    pub(super) changes: Vec<Change>,
}

impl Environment {
    pub(super) fn read() -> Self {
        Environment {
            rustflags: env::text(env::RUSTFLAGS),
            rustc_wrapper: env::text(env::RUSTC_WRAPPER),
            incremental: env::text(env::CARGO_INCREMENTAL),
            changes: harmless_environment(),
        }
    }
}

pub(super) fn judge(environment: &Environment) -> Vec<Finding> {
    let mut findings: Vec<Finding> = environment.changes.iter().map(changed).collect();
    let mended = environment.changes.iter().any(|change| change.name == env::RUSTFLAGS && change.value.is_none());
    if let Some(flags) = environment.rustflags.as_ref().filter(|_| !mended) {
        findings.push(Finding::warning(
            "environment",
            format!("RUSTFLAGS={flags}: everything is built again, apart from builds without it"),
            "unset RUSTFLAGS",
        ));
    }
    findings.extend(wrapper(environment));
    if findings.is_empty() {
        findings.push(Finding::ok("environment", "nothing that hurts"));
    }
    findings
}

fn changed(change: &Change) -> Finding {
    Finding::warning(
        "environment",
        format!("{}; `cargo xtask build` does without, a plain cargo does not", change.why),
        format!("unset {}", change.name),
    )
}

fn wrapper(environment: &Environment) -> Vec<Finding> {
    let Some(wrapper) = &environment.rustc_wrapper else { return Vec::new() };
    let mut findings = vec![Finding::warning(
        "environment",
        format!("RUSTC_WRAPPER={wrapper}: compilers may run outside this process tree, and are then not measured"),
        "unset RUSTC_WRAPPER",
    )];
    if wrapper.contains("sccache") && environment.incremental.as_deref().is_some_and(|value| value != "0") {
        findings.push(Finding::warning(
            "environment",
            "CARGO_INCREMENTAL with sccache: sccache never caches an incremental build",
            "unset CARGO_INCREMENTAL",
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::Verdict;

    fn messages(environment: &Environment) -> String {
        judge(environment).iter().map(|finding| format!("{} {}\n", finding.verdict.word(), finding.message)).collect()
    }

    #[test]
    fn a_clean_environment_is_ok() {
        let findings = judge(&Environment::default());
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].verdict, Verdict::Ok);
    }

    #[test]
    fn foreign_flags_and_wrappers_are_warnings() {
        let environment = Environment {
            rustflags: Some("-Ctarget-cpu=native".into()),
            rustc_wrapper: Some("sccache".into()),
            incremental: Some("1".into()),
            changes: Vec::new(),
        };
        let text = messages(&environment);
        for part in ["target-cpu", "not measured", "never caches"] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
    }

    #[test]
    fn flags_that_are_dropped_are_said_once() {
        let change = Change { name: env::RUSTFLAGS, value: None, why: "RUSTFLAGS: dropped codegen-units=1".into() };
        let environment = Environment {
            rustflags: Some("-Ccodegen-units=1".into()),
            changes: vec![change],
            ..Environment::default()
        };
        assert_eq!(messages(&environment).lines().count(), 1);
    }
}
