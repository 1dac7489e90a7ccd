//! `preflight`: can this machine build maou, and what should be mended first?
//!
//! `facts` gathers, one file per subject judges. A judgement is a pure function from facts to a [`Finding`], so that every
//! machine there is can be put into a test.

mod disk;
mod environment;
mod facts;
mod features;
mod linker;
mod memory;
mod network;
mod python;
mod toolchain;

use serde_json::{Map, Value, json};

use crate::flags::BuildFlags;
use crate::outcome::Outcome;
use crate::terminal::say;
use crate::workspace::Workspace;
use facts::Facts;

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    subject: &'static str,
    verdict: Verdict,
    message: String,
    /// A command that mends it, or what to do where no command can.
    fix: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Ok,
    Warning,
    Failure,
}

impl Finding {
    fn ok(subject: &'static str, message: impl Into<String>) -> Self {
        Finding { subject, verdict: Verdict::Ok, message: message.into(), fix: None }
    }

    fn warning(subject: &'static str, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Finding { subject, verdict: Verdict::Warning, message: message.into(), fix: Some(fix.into()) }
    }

    fn failure(subject: &'static str, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Finding { subject, verdict: Verdict::Failure, message: message.into(), fix: Some(fix.into()) }
    }
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Warning => "warning",
            Verdict::Failure => "failure",
        }
    }
}

/// Prints all findings, then fails once.
pub(crate) fn run(workspace: &Workspace, flags: &BuildFlags) -> anyhow::Result<Outcome> {
    let profile = workspace.profile(flags);
    let facts = Facts::gather(workspace, flags);
    let mut findings = judge(&facts, profile.as_deref().unwrap_or("dev"));
    if let Err(error) = profile {
        findings.push(Finding::failure("profile", format!("{error:#}"), "unset CARGO_PROFILE, or name one of these"));
    }
    for finding in &findings {
        say!("{}", line(finding).trim_end());
    }
    Ok(outcome(&findings))
}

fn judge(facts: &Facts, profile: &str) -> Vec<Finding> {
    let mut findings = vec![
        memory::available(&facts.machine, facts.requested_memory, profile),
        memory::swap(&facts.machine),
        memory::cores(&facts.machine),
        disk::free(&facts.disk, facts.target_on_tmpfs),
        toolchain::judge(&facts.toolchain),
    ];
    findings.extend(linker::judge(&facts.linker));
    findings.push(python::interpreter(&facts.python));
    findings.push(python::venv(&facts.python));
    findings.push(python::uv(facts.python.uv.as_deref()));
    findings.push(network::registry(facts.registry_complete));
    findings.push(features::judge(facts.dtype_full.as_deref()));
    findings.extend(environment::judge(&facts.environment));
    findings
}

fn line(finding: &Finding) -> String {
    let mut text = format!("{:<8} {:<12} {}\n", finding.verdict.word(), finding.subject, finding.message);
    if let Some(fix) = &finding.fix {
        text.push_str(&format!("{:<21} fix: {fix}\n", ""));
    }
    text
}

fn outcome(findings: &[Finding]) -> Outcome {
    let rows: Vec<Value> = findings
        .iter()
        .map(|finding| {
            json!({
                "subject": finding.subject,
                "verdict": finding.verdict.word(),
                "message": finding.message,
                "fix": finding.fix,
            })
        })
        .collect();
    let count = |verdict| findings.iter().filter(|finding| finding.verdict == verdict).count();
    let (failures, warnings) = (count(Verdict::Failure), count(Verdict::Warning));
    let mut figures = Map::new();
    figures.insert("failures".into(), failures.into());
    figures.insert("warnings".into(), warnings.into());
    figures.insert("findings".into(), rows.into());
    if failures == 0 {
        say!("\nready to build: {warnings} warning(s). Next: cargo xtask build");
        return Outcome::ok(figures);
    }
    let why = format!("{failures} failure(s) and {warnings} warning(s)");
    say!("\nerror: {why}; the fixes stand above");
    Outcome::failed(figures, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_one_line_and_its_fix() {
        let finding = Finding::warning("linker", "`lld` is missing", "apt-get install lld");
        assert_eq!(
            line(&finding),
            "warning  linker       `lld` is missing\n                      fix: apt-get install lld\n"
        );
    }

    #[test]
    fn one_failure_fails_all_and_warnings_do_not() {
        let warning = Finding::warning("swap", "none", "none");
        assert!(outcome(std::slice::from_ref(&warning)).failure.is_none());
        assert!(outcome(&[warning, Finding::failure("python", "none", "install it")]).failure.is_some());
    }
}
