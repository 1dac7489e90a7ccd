"""The command `maou`, run as a user runs it: a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import maou

PACKAGE = str(Path(maou.__path__[0]).parent)

COMMAND = [sys.executable, "-m", "maou"]


def environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """That of the tests, in which the command finds its package, and a terminal is always as wide."""
    return {**os.environ, "PYTHONPATH": PACKAGE, "COLUMNS": "100", **(changes or {})}


def run(
    *arguments: str | Path, cwd: Path, changes: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=cwd,
        env=environment(changes),
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def output(*arguments: str | Path, cwd: Path) -> str:
    """What the command prints, which has to succeed and to complain about nothing."""
    result = run(*arguments, cwd=cwd)
    assert (result.returncode, result.stderr) == (0, ""), result.stderr
    return result.stdout


def complaint(*arguments: str | Path, cwd: Path) -> str:
    """What the command complains about: one line, and exit status 1."""
    result = run(*arguments, cwd=cwd)
    assert result.returncode == 1, (result.stdout, result.stderr)
    assert result.stderr.startswith("maou: "), result.stderr
    assert result.stderr.count("\n") == 1, result.stderr
    return result.stderr
