//! The maturin step: the extension into `.venv`, and the wheel.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::session::Session;
use crate::python::{Needs, Venv};
use crate::verify::import;

/// Sets up `.venv`, runs maturin (which finds everything compiled) and imports the result.
pub(super) fn run(session: &mut Session<'_>) -> anyhow::Result<()> {
    let (workspace, offline) = (session.workspace, session.flags.offline);
    let venv = Venv::set_up(workspace, Needs::Build, offline, &mut |line| session.say(line))?;
    if !Path::new(venv.command("maturin").get_program()).exists() {
        bail!("there is no maturin in .venv: requirements/build.txt does not pin it; restore the file with git");
    }
    venv.ensure_installer()?;
    session.step("maturin", |session| {
        let mut command = venv.command("maturin");
        command.current_dir(&workspace.root).arg("develop");
        session.add_build_flags(&mut command);
        command
    })?;
    if session.flags.wheel {
        session.wheel = Some(make_wheel(session, &venv)?);
    }
    check_import(session, &venv)
}

fn make_wheel(session: &mut Session<'_>, venv: &Venv) -> anyhow::Result<PathBuf> {
    let wheels = session.workspace.target.join("wheels");
    session.step("wheel", |session| {
        let mut command = venv.command("maturin");
        command.current_dir(&session.workspace.root).arg("build").arg("--out").arg(&wheels);
        command.arg("--interpreter").arg(&venv.python);
        session.add_build_flags(&mut command);
        command
    })?;
    newest_wheel(&wheels).with_context(|| format!("maturin left no wheel in {}", wheels.display()))
}

fn check_import(session: &mut Session<'_>, venv: &Venv) -> anyhow::Result<()> {
    let extension = session.extension_file().context("cargo reported no extension library")?.to_path_buf();
    let found = import::probe(venv, &session.workspace.root, Some(&extension))?;
    let problems = found.problems(&session.workspace.root);
    if !problems.is_empty() {
        bail!("the extension was built but does not work:\n  {}", problems.join("\n  "));
    }
    session.module = Some(short(&found.module, &session.workspace.root));
    session.build_id = found.built_id;
    Ok(())
}

fn newest_wheel(folder: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    let wheels = entries.filter(|path| path.extension().is_some_and(|ending| ending == "whl"));
    wheels.max_by_key(|path| path.metadata().and_then(|data| data.modified()).ok())
}

fn short(path: &Path, root: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}
