"""`maou data merge`: files, joined."""

from __future__ import annotations

import argparse

from maou.cli import files
from maou.cli.errors import explained
from maou.cli.progress import watched
from maou.cli.table import count


def run(options: argparse.Namespace) -> int:
    """Join the files, and print the names of the chunks."""
    names = options.files[0] if len(options.files) == 1 else count(len(options.files), "file")
    with explained("merge", names):
        chunks = watched(
            f"merging {names}", lambda _: files.merge(options.files, options.output, options.rows, options.prefix)
        )
    for chunk in chunks:
        print(chunk)
    return 0
