//! `build` and `build-split`: cargo, then maturin, watched; a record and a summary behind them.
//!
//! Both run cargo themselves before maturin does. Cargo's own messages then count the units, and maturin, which runs the
//! same `cargo rustc`, finds everything fresh and only installs. What makes the two agree is `.cargo/config.toml`: it
//! tells PyO3's build script the same, whoever asks.

mod diagnose;
mod environment;
mod install;
mod lock;
mod plan;
mod rerun;
mod session;
mod summary;

use anyhow::bail;
use serde_json::json;

use crate::flags::BuildFlags;
use crate::outcome::{Outcome, seconds};
use crate::workspace::Workspace;

pub(crate) use diagnose::explain_end;
pub(crate) use environment::{Change, harmless_environment};
pub(crate) use lock::keep_builds_away;
pub(crate) use plan::{least_memory, plan_jobs};
pub(crate) use rerun::persist;
use session::{Session, Step};

/// One cargo run for the whole extension, then maturin.
pub(crate) fn run(workspace: &Workspace, flags: &BuildFlags) -> anyhow::Result<Outcome> {
    let mut session = Session::open(workspace, flags)?;
    let outcome = compile(&mut session, &[workspace.extension().to_owned()]);
    finish(session, outcome)
}

/// One cargo run for each crate, dependencies first, then maturin.
pub(crate) fn run_split(workspace: &Workspace, flags: &BuildFlags) -> anyhow::Result<Outcome> {
    let flags = BuildFlags { jobs: Some(1), ..flags.clone() };
    let mut session = Session::open(workspace, &flags)?;
    let outcome = compile(&mut session, &workspace.build_order);
    session.say(&summary::step_table(&session.steps));
    finish(session, outcome)
}

/// Builds for another command: quietly successful, or an error.
pub(crate) fn ensure(workspace: &Workspace, flags: &BuildFlags) -> anyhow::Result<()> {
    match run(workspace, flags)?.failure {
        None => Ok(()),
        Some(why) => bail!("{why}"),
    }
}

fn compile(session: &mut Session<'_>, crates: &[String]) -> anyhow::Result<()> {
    for name in crates {
        session.compile(name)?;
    }
    if session.flags.no_install { Ok(()) } else { session.install() }
}

fn finish(mut session: Session<'_>, outcome: anyhow::Result<()>) -> anyhow::Result<Outcome> {
    let steps: Vec<_> = session.steps.iter().map(Step::figures).collect();
    let outcome = outcome.map(|()| session.record());
    let record = match outcome {
        Ok(record) => record,
        Err(error) => {
            let mut figures = session.figures_so_far();
            figures.extend(session.governor_figures());
            figures.insert("steps".into(), steps.into());
            let message = format!("{error:#}");
            session.say(&format!("error: {message}"));
            return Ok(Outcome::failed(figures, message));
        }
    };
    session.say(&summary::of_build(&record, &session));
    let mut figures = record.figures();
    figures.extend(session.governor_figures());
    figures.insert("steps".into(), steps.into());
    figures.insert("log".into(), session.log_path().into());
    if let Some(wheel) = &session.wheel {
        figures.insert("wheel".into(), wheel.to_string_lossy().into());
    }
    Ok(Outcome::ok(figures))
}

impl Step {
    fn figures(&self) -> serde_json::Value {
        json!({
            "step": self.name,
            "wall_s": seconds(self.watched.wall),
            "peak_anon_mib": crate::memory::mib(self.watched.peak_anon).round(),
            "compiled": self.compiled(),
            "units": self.watched.artifacts.units,
        })
    }
}
