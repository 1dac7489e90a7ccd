"""`maou data merge`: files, joined."""

from __future__ import annotations

import argparse

from maou.cli import files
from maou.cli.errors import explained, note
from maou.cli.leftovers import note_leftovers
from maou.cli.progress import watched
from maou.cli.shown import shown
from maou.cli.table import count


def run(options: argparse.Namespace) -> int:
    """Join the files, and print the names of the chunks."""
    names = shown(options.files[0]) if len(options.files) == 1 else count(len(options.files), "file")
    with explained("merge", names):
        chunks = watched(
            f"merging {names}", lambda _: files.merge(options.files, options.output, options.rows, options.prefix)
        )
    if not chunks:
        note(f"{names} {'has' if len(options.files) == 1 else 'have'} no rows: nothing to merge")
    note_leftovers("merge", options.output, f"{options.prefix}_chunk", len(chunks))
    for chunk in chunks:
        print(chunk)
    return 0
