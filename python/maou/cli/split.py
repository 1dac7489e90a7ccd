"""`maou data split`: a file, cut into smaller ones."""

from __future__ import annotations

import argparse
from pathlib import Path

from maou.cli import files
from maou.cli.errors import explained, note
from maou.cli.leftovers import note_leftovers
from maou.cli.progress import watched
from maou.cli.shown import shown


def run(options: argparse.Namespace) -> int:
    """Cut the file, and print the names of the pieces."""
    name = shown(options.file)
    with explained("split", options.file):
        pieces = watched(f"splitting {name}", lambda _: files.split(options.file, options.output, options.rows))
    is_whole = [Path(piece) for piece in pieces] == [Path(options.file)]
    if not pieces:
        note(f"{name} has no rows: nothing to split")
    elif is_whole:
        note(f"{name} has no more than {options.rows:,} rows: it stays as it is")
    note_leftovers("split", options.output, f"{files.stem(options.file)}_split", 0 if is_whole else len(pieces))
    for piece in pieces:
        print(piece)
    return 0
