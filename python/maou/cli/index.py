"""`maou data index`: an index in a file."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from maou.cli import files
from maou.cli.errors import explained
from maou.cli.output import check_target, make_parent, naming
from maou.cli.progress import watched
from maou.cli.records_index import check_local, index_kind, new_index
from maou.cli.shown import printable
from maou.cli.table import count, size


def run(options: argparse.Namespace) -> int:
    """Make the index or bring it up to date, and say how large it is."""
    check_target(options.output)
    check_local(options.files)
    kind = options.type or index_kind(options.files)
    with explained("index", ", ".join(options.files)), naming(options.output):
        index = new_index([_absolute(path) for path in options.files], kind)
        make_parent(options.output)
        watched(
            f"indexing {count(len(options.files), 'file')}",
            lambda progress: index.build_from_files(options.output, memory=options.memory, progress=progress),
            unit="records",
        )
    records = count(index.total_records(), "record")
    length = size(files.file_size(options.output))
    print(f"{printable(options.output)}: {records} of {count(len(options.files), 'file')}, {length}")
    return 0


def _absolute(path: str) -> str:
    # An index is searched from any directory. A file that is a link keeps its name: it says more than where it leads.
    return str(Path(os.path.realpath(Path(path).parent), Path(path).name))
