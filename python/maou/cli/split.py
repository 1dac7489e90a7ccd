"""`maou data split`: a file, cut into smaller ones."""

from __future__ import annotations

import argparse
import sys

from maou.cli import files
from maou.cli.errors import explained
from maou.cli.progress import watched


def run(options: argparse.Namespace) -> int:
    """Cut the file, and print the names of the pieces."""
    with explained("split", options.file):
        pieces = watched(f"splitting {options.file}", lambda _: files.split(options.file, options.output, options.rows))
    if not pieces:
        print(f"{options.file} has no rows: nothing to split", file=sys.stderr)
    elif pieces == [options.file]:
        print(f"{options.file} has no more than {options.rows:,} rows: it stays as it is", file=sys.stderr)
    for piece in pieces:
        print(piece)
    return 0
