"""`maou data index`: an index in a file."""

from __future__ import annotations

import argparse

from maou.cli import files
from maou.cli.errors import explained
from maou.cli.progress import watched
from maou.cli.records_index import index_kind, new_index
from maou.cli.table import count, size


def run(options: argparse.Namespace) -> int:
    """Make the index or bring it up to date, and say how large it is."""
    kind = options.type or index_kind(options.files)
    with explained("index", ", ".join(options.files)):
        index = new_index(options.files, kind)
        watched(
            f"indexing {count(len(options.files), 'file')}",
            lambda progress: index.build_from_files(options.output, memory=options.memory, progress=progress),
            unit="records",
        )
    records = count(index.total_records(), "record")
    print(
        f"{options.output}: {records} of {count(len(options.files), 'file')}, {size(files.file_size(options.output))}"
    )
    return 0
