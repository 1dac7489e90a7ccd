"""The Python in the documentation runs and prints what it says."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [page for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))) if page.exists()]
# A block of Python, and the block of text right after it that shows what it prints.
BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```$)?", re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> list[tuple[int, str, str]]:
    """Line number, code and expected output of each block."""
    text = page.read_text()
    return [
        (text.count("\n", 0, match.start(1)), match.group(1), match.group(2) or "") for match in BLOCK.finditer(text)
    ]


PAGES_WITH_CODE = [page for page in PAGES if blocks(page)]


def test_the_data_guide_has_examples_with_output() -> None:
    expected = [output for _, _, output in blocks(ROOT / "docs" / "data-api.md") if output]
    assert len(expected) >= 5


@pytest.mark.parametrize("page", PAGES_WITH_CODE, ids=lambda page: page.name)
def test_rust_examples_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": page.stem}
    for line, code, expected in blocks(page):
        printed = io.StringIO()
        # Blank lines before it, so that a traceback shows the line of the page.
        program = compile("\n" * line + code, str(page), "exec")
        with contextlib.redirect_stdout(printed):
            exec(program, names)
        assert printed.getvalue().split("\n") == expected.split("\n"), (
            f"{page}:{line + 1}: show what it prints in a text block right after it"
        )
