//! Asks Python what it imports: the module's path, its build id, what hello() says.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::python::Venv;

/// What the extension must answer, to the letter.
pub(crate) const GREETING: &str = "Maou I/O Rust backend initialized";

/// Python's answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Imported {
    /// The file that `maou._rust` was loaded from.
    pub(crate) module: PathBuf,
    pub(crate) greeting: String,
    /// SHA-256 of the loaded file.
    pub(crate) loaded_id: String,
    /// SHA-256 of the library that cargo built; `None` when it is gone or was not asked for.
    pub(crate) built_id: Option<String>,
}

/// Runs in the environment's Python, away from the checkout, so that the current folder does not answer the import.
const PROBE: &str = r"
import hashlib, json, sys
def digest(path):
    try:
        with open(path, 'rb') as file:
            return hashlib.file_digest(file, 'sha256').hexdigest() if sys.version_info >= (3, 11) \
                else hashlib.sha256(file.read()).hexdigest()
    except OSError:
        return None
import maou._rust as module
from maou._rust.maou_io import hello
built = sys.argv[1] if len(sys.argv) > 1 else None
print(json.dumps({
    'module': module.__file__, 'greeting': hello(), 'loaded_id': digest(module.__file__),
    'built_id': built and digest(built),
}))
";

impl Imported {
    /// What is wrong with what was imported, each with its fix; empty when all is well.
    pub(crate) fn problems(&self, root: &Path) -> Vec<String> {
        let mut problems = Vec::new();
        if self.greeting != GREETING {
            problems.push(format!("hello() says {:?} instead of {GREETING:?}; fix: cargo xtask build", self.greeting));
        }
        let package = root.join("python").join("maou");
        if !self.module.starts_with(&package) {
            problems.push(format!(
                "Python imports {} and not this checkout's {}; fix: .venv/bin/python -m pip uninstall -y maou, then cargo \
                 xtask build",
                self.module.display(),
                package.display()
            ));
        }
        if self.built_id.as_ref().is_some_and(|built| *built != self.loaded_id) {
            problems.push(format!(
                "Python imports {}, which is not the library that was built last; fix: cargo xtask build",
                self.module.display()
            ));
        }
        problems
    }
}

/// Imports the extension in `venv` and compares it with the library `built`.
pub(crate) fn probe(venv: &Venv, root: &Path, built: Option<&Path>) -> anyhow::Result<Imported> {
    let mut command = venv.python();
    // -I: neither PYTHONPATH nor the current folder may answer for what is installed.
    command.args(["-I", "-c", PROBE]).current_dir(root.join("xtask"));
    if let Some(built) = built {
        command.arg(built);
    }
    let output = command
        .output()
        .with_context(|| format!("cannot run {}; fix: cargo xtask build, which makes .venv", venv.python.display()))?;
    if !output.status.success() {
        bail!("`import maou` fails: {}; fix: cargo xtask build", last_line(&output.stderr));
    }
    parse(&String::from_utf8_lossy(&output.stdout)).context("Python's answer about the extension cannot be read")
}

fn parse(text: &str) -> anyhow::Result<Imported> {
    let value: Value = serde_json::from_str(text.trim())?;
    let word = |name: &str| value[name].as_str().map(str::to_owned);
    Ok(Imported {
        module: PathBuf::from(word("module").context("no module path")?),
        greeting: word("greeting").context("no greeting")?,
        loaded_id: word("loaded_id").context("no build id")?,
        built_id: word("built_id"),
    })
}

fn last_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("no message").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn imported(module: &str, loaded: &str, built: Option<&str>) -> Imported {
        Imported {
            module: PathBuf::from(module),
            greeting: GREETING.to_owned(),
            loaded_id: loaded.to_owned(),
            built_id: built.map(str::to_owned),
        }
    }

    #[test]
    fn the_module_just_built_is_fine() {
        let found = imported("/co/python/maou/_rust.abi3.so", "aa", Some("aa"));
        assert_eq!(found.problems(Path::new("/co")), Vec::<String>::new());
    }

    #[test]
    fn a_stale_or_foreign_module_is_named_with_its_fix() {
        let stale = imported("/co/python/maou/_rust.abi3.so", "aa", Some("bb")).problems(Path::new("/co"));
        assert!(stale.len() == 1 && stale[0].contains("not the library that was built last"), "{stale:?}");
        let foreign = imported("/usr/lib/maou/_rust.abi3.so", "aa", Some("aa")).problems(Path::new("/co"));
        assert!(foreign.len() == 1 && foreign[0].contains("pip uninstall"), "{foreign:?}");
    }

    #[test]
    fn another_greeting_is_a_problem() {
        let mut found = imported("/co/python/maou/_rust.abi3.so", "aa", None);
        found.greeting.push('!');
        assert_eq!(found.problems(Path::new("/co")).len(), 1);
    }
}
