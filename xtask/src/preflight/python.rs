//! The Python to build for, `.venv`, uv.

use std::path::{Path, PathBuf};

use super::Finding;
use crate::python::{Interpreter, OLDEST};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PythonFacts {
    /// The interpreter that a new `.venv` would be made with.
    pub(super) found: Option<Interpreter>,
    /// What to say when there is none.
    pub(super) advice: String,
    pub(super) venv_exists: bool,
    /// The interpreter of `.venv`, when it answers.
    pub(super) venv: Option<Interpreter>,
    pub(super) uv: Option<PathBuf>,
}

pub(super) fn interpreter(facts: &PythonFacts) -> Finding {
    match (&facts.found, &facts.venv) {
        (Some(found), _) => Finding::ok("python", found.describe()),
        (None, Some(venv)) if venv.version >= OLDEST => Finding::ok("python", format!("that of .venv, {venv}")),
        _ => Finding::failure("python", facts.advice.clone(), "apt-get install python3 python3-venv"),
    }
}

pub(super) fn venv(facts: &PythonFacts) -> Finding {
    match &facts.venv {
        Some(python) if python.version >= OLDEST => Finding::ok(".venv", format!("{python}")),
        Some(python) => Finding::warning(
            ".venv",
            format!("{python}, and maou needs 3.10 or newer"),
            "cargo xtask build (keeps it under another name and makes a new one)",
        ),
        None if facts.venv_exists => Finding::warning(
            ".venv",
            "has no working Python",
            "cargo xtask build (keeps it under another name and makes a new one)",
        ),
        None => Finding::ok(".venv", "none yet; `cargo xtask build` makes it"),
    }
}

pub(super) fn uv(uv: Option<&Path>) -> Finding {
    match uv {
        Some(path) => Finding::ok("uv", path.display().to_string()),
        None => Finding::ok("uv", "not installed; pip is used"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::Verdict;

    fn python(minor: u32) -> Interpreter {
        Interpreter { path: "/usr/bin/python3".into(), version: (3, minor) }
    }

    fn facts(found: Option<Interpreter>, venv: Option<Interpreter>, venv_exists: bool) -> PythonFacts {
        PythonFacts { found, advice: "no Python".into(), venv_exists, venv, uv: None }
    }

    #[test]
    fn no_python_fails_unless_there_is_a_working_venv() {
        assert_eq!(interpreter(&facts(None, None, false)).verdict, Verdict::Failure);
        assert_eq!(interpreter(&facts(None, Some(python(12)), true)).verdict, Verdict::Ok);
        assert_eq!(interpreter(&facts(None, Some(python(8)), true)).verdict, Verdict::Failure);
    }

    #[test]
    fn an_old_or_broken_venv_is_a_warning() {
        assert_eq!(venv(&facts(Some(python(11)), Some(python(8)), true)).verdict, Verdict::Warning);
        assert_eq!(venv(&facts(Some(python(11)), None, true)).verdict, Verdict::Warning);
        assert_eq!(venv(&facts(Some(python(11)), None, false)).verdict, Verdict::Ok);
    }
}
