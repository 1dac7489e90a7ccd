"""scripts/dev-init.sh: finds its tools without a login shell, and is clean by shellcheck."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / "scripts" / "dev-init.sh"


def run(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the script up to where the tools are there."""
    return subprocess.run(
        ["bash", str(SCRIPT)],
        env={"MAOU_INIT_ONLY": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )


def tool(folder: Path, name: str) -> None:
    """Make an executable `name` in `folder` that does nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)


def links(folder: Path, *names: str) -> str:
    """Make a PATH that holds `names` and no other program of this machine."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        found = shutil.which(name)
        assert found, f"{name} is not on this machine"
        (folder / name).symlink_to(found)
    return str(folder)


def test_cargo_that_is_not_on_path_is_found_in_its_home(tmp_path: Path) -> None:
    tool(tmp_path / ".cargo" / "bin", "cargo")
    tool(tmp_path / ".local" / "bin", "uv")
    path = links(tmp_path / "bin", "bash", "dirname", "git", "cc", "python3")

    done = run({"HOME": str(tmp_path), "PATH": path})

    assert done.returncode == 0, done.stderr
    assert "which is not on PATH" in done.stderr
    assert "the tools are there" in done.stderr


def test_a_missing_compiler_is_named_with_its_package(tmp_path: Path) -> None:
    path = links(tmp_path / "bin", "bash", "dirname", "git", "python3")

    done = run({"HOME": str(tmp_path), "PATH": path})

    assert done.returncode == 1
    assert "no cc on this machine" in done.stderr
    assert "apt-get install -y gcc" in done.stderr


def test_without_uv_and_a_network_pip_has_to_do(tmp_path: Path) -> None:
    tool(tmp_path / ".cargo" / "bin", "cargo")
    path = links(tmp_path / "bin", "bash", "dirname", "git", "cc", "python3", "env", "sh")
    (tmp_path / "bin" / "curl").write_text("#!/bin/sh\nexit 6\n")
    (tmp_path / "bin" / "curl").chmod(0o755)

    done = run({"HOME": str(tmp_path), "PATH": path})

    assert done.returncode == 0, done.stderr
    assert "going on with pip" in done.stderr


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_the_scripts_are_clean() -> None:
    scripts = [str(SCRIPT), str(ROOT / ".ci" / "run")]
    done = subprocess.run(["shellcheck", *scripts], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_it_can_be_run_by_anyone_who_may_read_it() -> None:
    assert os.access(SCRIPT, os.X_OK)
