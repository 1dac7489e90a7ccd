"""`maou data export`: records as Parquet or CSV."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl
from polars.io.plugins import register_io_source

from maou.cli import files
from maou.cli.errors import CommandError, explained
from maou.cli.output import check_target, replacing
from maou.cli.progress import Progress, watched
from maou.cli.shown import printable, shown
from maou.cli.table import count, size

ROW_GROUP_BYTES = 64 << 20
"""Of a Parquet file, about so much is in memory at a time, several times over."""

MOST_ROWS = 1 << 18
"""Rows of a row group, unless they are so large that `ROW_GROUP_BYTES` come first."""


def run(options: argparse.Namespace) -> int:
    """Write the file, and say how large it is."""
    source, target = options.file, options.to
    write = {".parquet": _write_parquet, ".csv": _write_csv}.get(Path(target).suffix.lower())
    check_target(target)
    if write is None:
        raise CommandError(f"cannot export to {target}: the name has to end with .parquet or .csv")
    with explained("read", source):
        found, rows = watched(f"reading {shown(source)}", lambda _: (files.schema(source), files.count_rows(source)))
    schema = _selected(found, options.columns, source)
    if write is _write_csv:
        _check_flat(schema, source)
    with explained("export", source), replacing(target) as part:
        watched(f"exporting {shown(source)}", lambda progress: write(_Source(source, schema, rows, progress), part))
    print(f"{printable(target)}: {count(rows, 'row')}, {count(len(schema), 'column')}, {size(files.file_size(target))}")
    return 0


class _Source:
    """The frames of a file; says how far they have been taken."""

    def __init__(self, path: str, schema: dict[str, pl.DataType], rows: int, progress: Progress) -> None:
        self.path = path
        self.schema = schema
        self.error: Exception | None = None
        """What ended the frames too early: Polars would make a text with a traceback out of it."""
        self._rows = rows
        self._progress = progress

    def __iter__(self) -> Iterator[pl.DataFrame]:
        # Of a file without batches there have to be columns all the same.
        yield pl.DataFrame(schema=self.schema)
        done = 0
        try:
            for frame in files.frames(self.path, columns=list(self.schema)):
                yield frame
                done += frame.height
                self._progress(done, self._rows)
        except Exception as error:
            self.error = error
            raise

    def row_bytes(self) -> int:
        """About how much memory a row takes, by the first ones."""
        first = next(files.frames(self.path, columns=list(self.schema), rows=(0, 1000)), None)
        return 1 if first is None or not first.height else max(1, int(first.estimated_size() / first.height))


def _write_csv(source: _Source, part: Path) -> None:
    binary = [pl.col(name).bin.encode("hex") for name, dtype in source.schema.items() if dtype == pl.Binary]
    with part.open("wb") as file:
        for at, frame in enumerate(source):
            frame.with_columns(binary).write_csv(file, include_header=at == 0)


def _write_parquet(source: _Source, part: Path) -> None:
    # Not `scan_ipc`: of a compressed file that reads whole batches, of our files mostly everything.
    frames = register_io_source(lambda *_: iter(source), schema=source.schema)
    rows = max(1, min(MOST_ROWS, ROW_GROUP_BYTES // source.row_bytes()))
    try:
        frames.sink_parquet(part, row_group_size=rows)
    except pl.exceptions.PolarsError as error:
        if source.error is None:
            raise
        raise source.error from error


def _selected(schema: dict[str, pl.DataType], columns: Sequence[str] | None, source: str) -> dict[str, pl.DataType]:
    missing = [name for name in columns or () if name not in schema]
    if missing:
        raise CommandError(
            f"cannot export {shown(source)}: it has no column {', '.join(missing)}; there are {', '.join(schema)}"
        )
    return {name: schema[name] for name in columns or schema}


def _check_flat(schema: dict[str, pl.DataType], source: str) -> None:
    nested = [name for name, dtype in schema.items() if dtype.is_nested()]
    if not nested:
        return
    flat = [name for name in schema if name not in nested]
    instead = f"leave them out with --columns {','.join(flat)}, or export" if flat else "export"
    raise CommandError(
        f"cannot export {shown(source)} to CSV, which has no lists: {', '.join(nested)}; {instead} to a .parquet file"
    )
