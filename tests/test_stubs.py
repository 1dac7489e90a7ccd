"""The type stubs agree with the extension."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def test_rust_stubs_match_the_extension() -> None:
    pytest.importorskip("mypy", reason="mypy is not installed: `pip install mypy`")
    command = [sys.executable, "-m", "mypy.stubtest", "maou._rust", "--mypy-config-file", "pyproject.toml"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
