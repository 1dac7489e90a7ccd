"""`maou data verify`: whether files are whole."""

from __future__ import annotations

import argparse

from maou.cli import files
from maou.cli.errors import FAILED, CommandError, complain, explained
from maou.cli.progress import watched
from maou.cli.shown import shown
from maou.cli.table import table

HEADER = ["file", "rows", "result"]


def run(options: argparse.Namespace) -> int:
    """Read every file; the bad ones are complained about behind the table of all."""
    rows: list[list[str]] = []
    problems: list[str] = []
    for number, path in enumerate(options.files, 1):
        try:
            rows.append(_verified(path, f"verifying {shown(path)} ({number} of {len(options.files)})"))
        except CommandError as error:
            rows.append([shown(path), "-", "BAD"])
            problems.append(str(error))
    # Before the complaints; without a stdout (`>&-`), `print` prints nothing.
    print(table(HEADER, rows, right=["rows"]), flush=True)
    for problem in problems:
        complain(problem)
    if problems:
        complain(f"{len(problems)} of {len(options.files)} files cannot be used")
    return FAILED if problems else 0


def _verified(path: str, what: str) -> list[str]:
    with explained("verify", path):
        rows, _, has_checksums = watched(what, lambda _: files.verify(path))
    result = "as it was written" if has_checksums else "readable; has no checksums"
    return [shown(path), f"{rows:,}", result]
