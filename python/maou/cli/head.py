"""`maou data head`: some rows of a file."""

from __future__ import annotations

import argparse

import polars as pl

from maou.cli import files
from maou.cli.cells import rows_table
from maou.cli.errors import CommandError, explained
from maou.cli.progress import watched
from maou.cli.shown import shown


def run(options: argparse.Namespace) -> int:
    """Print the rows, and how many there are."""
    start, end = options.offset, options.offset + options.rows
    with explained("read", options.file):
        frames, total = watched(
            f"reading {shown(options.file)}",
            lambda _: (
                list(files.frames(options.file, options.columns, (start, end))),
                files.count_rows(options.file),
            ),
        )
    if start >= total > 0:
        raise CommandError(f"cannot show row {start:,} of {shown(options.file)}: the last one is {total - 1:,}")
    if not total:
        print("no rows")
        return 0
    frame = pl.concat(frames)
    numbers = [str(row) for row in range(start, start + frame.height)]
    with explained("show", options.file):
        text = rows_table(frame, [("row", numbers)])
    print(text)
    print(f"\n{frame.height:,} of {total:,} rows")
    return 0
