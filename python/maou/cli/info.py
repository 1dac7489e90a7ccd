"""`maou data info`: what is in files."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from maou.cli import files
from maou.cli.errors import FAILED, CommandError, complain, explained
from maou.cli.histogram import Distribution, bins, draw
from maou.cli.kinds import OTHER, guess_kind, near_miss
from maou.cli.progress import Progress, watched
from maou.cli.shown import printable, shown
from maou.cli.table import count, indented, size, table

if TYPE_CHECKING:
    from maou._rust.maou_io import Description

DISTRIBUTED = ("eval", "moves")
"""Columns of HCPE records that are drawn."""

QUARTILES = (0.25, 0.5, 0.75)


@dataclass
class Info:
    """What is known about a file: its columns, what it says of itself, and how some columns are distributed.

    Attributes:
        path: to be shown.
    """

    path: str
    kind: str
    note: str | None
    schema: dict[str, pl.DataType]
    description: Description
    distributions: dict[str, Distribution] = field(default_factory=dict)


def run(options: argparse.Namespace) -> int:
    """Describe each file; those that cannot be read are complained about, and the others described all the same."""
    if options.plot:
        # Before anything is read, which may take minutes.
        from maou.cli.plot import check_plot

        check_plot(options.plot)
    results = [(path, _inspected(path)) for path in options.files]
    infos = [info for _, info in results if isinstance(info, Info)]
    if options.json:
        print(json.dumps([_as_json(path, info) for path, info in results], indent=1))
    for at, info in enumerate([] if options.json else infos):
        print(f"\n{_as_text(info)}" if at else _as_text(info))
    # Before the complaints; without a stdout (`>&-`), `print` prints nothing.
    print(end="", flush=True)
    failures = [error for _, error in results if isinstance(error, CommandError)]
    for error in failures:
        complain(str(error))
    if options.plot:
        from maou.cli.plot import draw_plot

        draw_plot(infos, options.plot)
    return FAILED if failures else 0


def inspect(path: str) -> Info:
    """Look into one file. Of values, only those of `DISTRIBUTED` are read."""
    what = f"reading {shown(path)}"
    with explained("read", path):
        schema, description = watched(what, lambda _: (files.schema(path), files.describe(path)))
        info = Info(shown(path), guess_kind(schema), near_miss(schema), schema, description)
        if info.kind == "hcpe":
            info.distributions = watched(what, lambda progress: _count(path, description.rows, progress))
    return info


def _inspected(path: str) -> Info | CommandError:
    try:
        return inspect(path)
    except CommandError as error:
        return error


def _count(path: str, rows: int, progress: Progress) -> dict[str, Distribution]:
    distributions = {name: Distribution() for name in DISTRIBUTED}
    done = 0
    for frame in files.frames(path, columns=DISTRIBUTED):
        for name, distribution in distributions.items():
            distribution.add(frame[name])
        done += frame.height
        progress(done, rows)
    return distributions


def _as_text(info: Info) -> str:
    parts = [printable(info.path), indented(_facts(info)), "", indented(_columns(info))]
    for name, distribution in info.distributions.items():
        if distribution.total:
            parts += ["", indented(_summary(name, distribution)), indented(indented(_bars(distribution)))]
    return "\n".join(parts)


def _facts(info: Info) -> str:
    file = info.description
    compression = " and ".join(file.codecs) or "not compressed"
    checksums = "yes" if file.has_checksums else "no: maou has not written this file"
    note = f" ({printable(info.note)})" if info.note else ""
    return "\n".join(
        [
            f"kind       {info.kind}{note}",
            f"rows       {file.rows:,} in {count(file.batches, 'batch')}",
            f"size       {size(file.bytes)}, {size(file.uncompressed_bytes)} uncompressed ({compression})",
            f"checksums  {checksums}",
        ]
    )


def _columns(info: Info) -> str:
    rows = [
        [column.name, str(info.schema.get(column.name)), column.arrow_type, f"{column.nulls:,}"]
        for column in info.description.columns
    ]
    return table(["column", "polars", "arrow", "nulls"], rows, right=["nulls"])


def _summary(name: str, distribution: Distribution) -> str:
    low, middle, high = (f"{distribution.quantile(share):,}" for share in QUARTILES)
    return (
        f"{name}: {distribution.quantile(0):,} to {distribution.quantile(1):,}, mean {distribution.mean:,.1f}, "
        f"median {middle}, half of all from {low} to {high}"
    )


def _bars(distribution: Distribution) -> str:
    columns = min(shutil.get_terminal_size((100, 24)).columns, 120) - 4
    return draw(bins(distribution), columns, _mark())


def _mark() -> str:
    try:
        "█".encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except UnicodeEncodeError:
        return "#"
    return "█"


def _as_json(path: str, info: Info | CommandError) -> dict[str, object]:
    # The path as it was given: a program looks for it.
    if isinstance(info, CommandError):
        return {"path": path, "error": str(info)}
    file = info.description
    return {
        "path": path,
        "kind": None if info.kind == OTHER else info.kind,
        "rows": file.rows,
        "batches": file.batches,
        "bytes": file.bytes,
        "uncompressed_bytes": file.uncompressed_bytes,
        "compression": file.codecs,
        "checksums": file.has_checksums,
        "columns": [
            {
                "name": column.name,
                "polars": str(info.schema.get(column.name)),
                "arrow": column.arrow_type,
                "nulls": column.nulls,
            }
            for column in file.columns
        ],
        "distributions": {name: _distribution_json(item) for name, item in info.distributions.items() if item.total},
    }


def _distribution_json(distribution: Distribution) -> dict[str, object]:
    return {
        "values": distribution.total,
        "nulls": distribution.nulls,
        "mean": distribution.mean,
        "quantiles": {str(share): distribution.quantile(share) for share in (0, *QUARTILES, 1)},
        "bins": [{"low": item.low, "high": item.high, "count": item.count} for item in bins(distribution)],
    }
