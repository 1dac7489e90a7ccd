//! The Python side: an interpreter, `.venv`, the pinned tools in it, maturin.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::workspace::Workspace;
use crate::{env, proc};

mod requirements;

/// The oldest Python that the extension loads into.
pub(crate) const OLDEST: (u32, u32) = (3, 10);

/// One interpreter that was asked who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Interpreter {
    pub(crate) path: PathBuf,
    pub(crate) version: (u32, u32),
}

/// A set of pinned packages: a requirements file of the checkout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// maturin and what the package imports: all that a build takes.
    Build,
    /// The same, and pytest, pyarrow, ruff, mypy and the like.
    Checks,
    /// Local cloud storage servers, for `tests/integration`.
    Integration,
}

/// `.venv` of the checkout.
#[derive(Debug)]
pub(crate) struct Venv {
    pub(crate) root: PathBuf,
    pub(crate) python: PathBuf,
}

/// Written into a `.venv` that we made: `clean --all` removes no other.
pub(crate) const MADE_BY_US: &str = ".made-by-xtask";

const WHO_ARE_YOU: &str = "import sys; print(*sys.version_info[:2])";

/// Prints one line for each requirement, read from stdin as `name==version`, that is not installed as pinned. A line
/// whose marker is for another Python is passed over by whoever makes the list.
const WHAT_IS_MISSING: &str = r"
import sys
from importlib.metadata import PackageNotFoundError, version
for line in sys.argv[1:]:
    name, _, pinned = line.partition('==')
    try:
        found = version(name)
    except PackageNotFoundError:
        found = None
    if found != pinned:
        print(line)
";

impl Needs {
    fn file(self) -> &'static str {
        match self {
            Needs::Build => "requirements/build.txt",
            Needs::Checks => "requirements/dev.txt",
            Needs::Integration => "requirements/integration.txt",
        }
    }
}

impl Venv {
    /// The checkout's `.venv` with everything of `needs` in it, made or completed where it is not. `say` is told each
    /// thing that is done.
    pub(crate) fn set_up(
        workspace: &Workspace,
        needs: Needs,
        offline: bool,
        say: &mut dyn FnMut(&str),
    ) -> anyhow::Result<Self> {
        let venv = Venv::at(&workspace.root);
        match ask(&venv.python) {
            Some(found) if found.version >= OLDEST => {}
            // It was asked while we were told to end, which ends it as well.
            _ if proc::interrupted() => bail!("interrupted; run the same command again"),
            _ => venv.make(say)?,
        }
        let requirements = workspace.root.join(needs.file());
        let missing = venv.missing(&requirements)?;
        if !missing.is_empty() {
            say(&format!("installing {} pinned Python packages into .venv", missing.len()));
            venv.install(&requirements, offline)?;
        }
        Ok(venv)
    }

    pub(crate) fn at(root: &Path) -> Self {
        let root = root.join(".venv");
        let python = if cfg!(windows) { root.join("Scripts/python.exe") } else { root.join("bin/python") };
        Venv { root, python }
    }

    /// A program of the environment, to be run in the checkout as in an activated shell.
    pub(crate) fn command(&self, program: &str) -> Command {
        let folder = self.python.parent().unwrap_or(&self.root);
        let mut command = proc::command(folder.join(format!("{program}{}", std::env::consts::EXE_SUFFIX)));
        self.activate(&mut command);
        command
    }

    /// `python …` of the environment.
    pub(crate) fn python(&self) -> Command {
        let mut command = proc::command(&self.python);
        self.activate(&mut command);
        command
    }

    fn activate(&self, command: &mut Command) {
        let folder = self.python.parent().unwrap_or(&self.root).to_path_buf();
        let path = std::env::join_paths(std::iter::once(folder).chain(env::search_path()));
        command.env("VIRTUAL_ENV", &self.root).env_remove("PYTHONHOME").env_remove("CONDA_PREFIX");
        if let Ok(path) = path {
            command.env(env::PATH, path);
        }
    }

    fn make(&self, say: &mut dyn FnMut(&str)) -> anyhow::Result<()> {
        self.move_aside(say)?;
        let Some(interpreter) = find_interpreter() else { bail!("{}", no_python()) };
        say(&format!("making .venv with {}", interpreter.describe()));
        let mut command = match uv() {
            Some(uv) => {
                let mut command = proc::command(uv);
                command.args(["venv", "--quiet", "--python"]).arg(&interpreter.path);
                command
            }
            None => {
                let mut command = proc::command(&interpreter.path);
                // pip is put in when something has to be installed: this works without Debian's ensurepip.
                command.args(["-m", "venv", "--without-pip"]);
                command
            }
        };
        run_quietly(command.arg(&self.root), "make .venv").with_context(|| {
            format!(
                "{} cannot make a virtual environment; install its venv module (Debian: `apt-get install python3-venv`) \
                 or uv (`pip install uv`)",
                interpreter.describe()
            )
        })?;
        std::fs::write(self.root.join(MADE_BY_US), "").context("cannot write into .venv")
    }

    /// A `.venv` that does not work, or is of a Python that is too old, is somebody's: keep it, under another name.
    fn move_aside(&self, say: &mut dyn FnMut(&str)) -> anyhow::Result<()> {
        if self.root.symlink_metadata().is_err() {
            return Ok(());
        }
        let why = ask(&self.python).map_or_else(|| "has no working Python".to_owned(), |old| format!("is {old}"));
        let aside = (1..)
            .map(|number| self.root.with_file_name(format!(".venv.old{number}")))
            .find(|path| path.symlink_metadata().is_err())
            .context("no free name for the old .venv")?;
        say(&format!(".venv {why}; maou needs 3.10 or newer. Kept it as {}", file_name(&aside)));
        std::fs::rename(&self.root, &aside).context("cannot rename .venv; remove it by hand")
    }

    /// The pins of `requirements` that are not installed, for this interpreter.
    fn missing(&self, requirements: &Path) -> anyhow::Result<Vec<String>> {
        let text = std::fs::read_to_string(requirements)
            .with_context(|| format!("cannot read {}; restore it with git", requirements.display()))?;
        let version = ask(&self.python).context(".venv has no working Python")?.version;
        let pins = requirements::pins(&text, version);
        let output = self
            .python()
            .args(["-c", WHAT_IS_MISSING])
            .args(&pins)
            .output()
            .context("cannot run the Python of .venv")?;
        Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
    }

    fn install(&self, requirements: &Path, offline: bool) -> anyhow::Result<()> {
        let mut command = match uv() {
            Some(uv) => {
                let mut command = proc::command(uv);
                command.args(["pip", "install", "--quiet", "--python"]).arg(&self.python);
                if offline {
                    command.arg("--offline");
                }
                command
            }
            None => {
                self.ensure_pip()?;
                let mut command = self.python();
                command.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
                if offline {
                    command.arg("--no-index");
                }
                command
            }
        };
        command.args(["--require-hashes", "-r"]).arg(requirements);
        run_quietly(&mut command, "install the pinned Python packages")
            .context("the package index must be reachable once; behind a proxy set HTTPS_PROXY")
    }

    /// maturin installs with pip, or with uv where there is no pip: one of the two must be there.
    pub(crate) fn ensure_installer(&self) -> anyhow::Result<()> {
        if uv().is_some() { Ok(()) } else { self.ensure_pip() }
    }

    /// A `.venv` that uv made has no pip; it is missed only when uv is gone.
    fn ensure_pip(&self) -> anyhow::Result<()> {
        let mut probe = self.python();
        probe.args(["-m", "pip", "--version"]);
        if run_quietly(&mut probe, "ask for pip").is_ok() {
            return Ok(());
        }
        let mut command = self.python();
        command.args(["-m", "ensurepip", "--default-pip"]);
        run_quietly(&mut command, "install pip into .venv")
            .or_else(|error| self.borrow_pip().map_err(|_| error))
            .context("neither uv nor pip is here; install one (Debian: `apt-get install python3-venv python3-pip`)")
    }

    /// Debian leaves ensurepip out of Python, but its python3-pip can install into any environment.
    fn borrow_pip(&self) -> anyhow::Result<()> {
        let interpreter = find_interpreter().context("no Python outside .venv")?;
        let mut command = proc::command(&interpreter.path);
        command.args(["-m", "pip", "--python"]).arg(&self.python).args(["install", "--quiet", "pip"]);
        run_quietly(&mut command, "install pip into .venv")
    }
}

impl Interpreter {
    pub(crate) fn describe(&self) -> String {
        format!("{self} ({})", self.path.display())
    }
}

impl std::fmt::Display for Interpreter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Python {}.{}", self.version.0, self.version.1)
    }
}

/// The Python to make `.venv` with: `$MAOU_PYTHON`, else the first on PATH that is new enough.
pub(crate) fn find_interpreter() -> Option<Interpreter> {
    if let Some(chosen) = env::path(env::MAOU_PYTHON) {
        return ask(&chosen).filter(|found| found.version >= OLDEST);
    }
    interpreters().find(|found| found.version >= OLDEST)
}

/// Every Python 3 on PATH, the one that a user would type first.
pub(crate) fn interpreters() -> impl Iterator<Item = Interpreter> {
    let newest_first = (OLDEST.1..=OLDEST.1 + 8).rev().map(|minor| format!("python3.{minor}"));
    ["python3".to_owned(), "python".to_owned()]
        .into_iter()
        .chain(newest_first)
        .filter_map(|name| proc::find_on_path(OsStr::new(&name)))
        .filter_map(|path| ask(&path))
}

/// uv, when it is installed.
pub(crate) fn uv() -> Option<PathBuf> {
    proc::find_on_path(OsStr::new("uv"))
}

/// Asks an interpreter for its version; `None` when it cannot answer, as a shim without a Python behind it.
pub(crate) fn ask(path: &Path) -> Option<Interpreter> {
    let output = proc::command(path).args(["-c", WHO_ARE_YOU]).stdin(std::process::Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut numbers = text.split_whitespace().map(str::parse);
    let version = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    Some(Interpreter { path: path.to_path_buf(), version })
}

/// What to say where there is no Python to build for.
pub(crate) fn no_python() -> String {
    let wanted = "install Python 3.10 or newer (Debian: `apt-get install python3 python3-venv`)";
    if let Some(chosen) = env::path(env::MAOU_PYTHON) {
        return format!("MAOU_PYTHON={} is no Python 3.10 or newer; unset it or {wanted}", chosen.display());
    }
    let newest = interpreters().max_by_key(|found| found.version);
    match newest {
        Some(old) => format!("the newest Python on PATH is {}, and maou needs 3.10 or newer; {wanted}", old.describe()),
        None => format!("there is no Python on PATH; {wanted}"),
    }
}

/// Runs a helper with its output kept back; on failure the end of it is the error.
fn run_quietly(command: &mut Command, what: &str) -> anyhow::Result<()> {
    let output =
        command.output().with_context(|| format!("cannot {what}: cannot start {:?}", command.get_program()))?;
    if output.status.success() {
        return Ok(());
    }
    let mut said = String::from_utf8_lossy(&output.stderr).into_owned();
    if said.trim().is_empty() {
        said = String::from_utf8_lossy(&output.stdout).into_owned();
    }
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    let tail = lines[lines.len().saturating_sub(6)..].join("\n  ");
    bail!("cannot {what}:\n  {tail}\n")
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_python_is_no_interpreter() {
        assert_eq!(ask(Path::new("/nonexistent/python")), None);
        assert_eq!(ask(Path::new("/bin/true")), None);
    }
}
