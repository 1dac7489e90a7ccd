"""`maou data search`: records by id or evaluation."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from maou.cli import files
from maou.cli.cells import rows_table
from maou.cli.errors import CommandError, explained
from maou.cli.parser import LARGEST
from maou.cli.progress import watched
from maou.cli.records_index import find_index
from maou.cli.shown import printable
from maou.cli.table import count, table

if TYPE_CHECKING:
    from maou._rust.maou_index import SearchIndex

Place = tuple[str, int]
"""A file and a row in it, from 0."""


@dataclass(frozen=True)
class Found:
    """Places that a search found: some of `total`, or of an unknown number.

    Attributes:
        places: in the order of the search.
        wanted: what was searched for, in words.
        total: how many there are, where it is known.
        ids: of the places, where the search has them.
    """

    places: Sequence[Place]
    wanted: str
    total: int | None = None
    ids: Sequence[str] = ()


def run(options: argparse.Namespace) -> int:
    """Print where the records are, or the records."""
    index = find_index(options.files, options.type)
    found = _search(index, options)
    if not found.places:
        missing = f"from {options.offset:,} on " if options.offset and found.total != 0 else ""
        raise CommandError(f"no record {missing}{found.wanted}; {count(index.total_records(), 'record')} searched")
    print(_records(found.places) if options.show else _places(found))
    total = "" if found.total is None else f" of {found.total:,}"
    print(f"\n{len(found.places):,}{total} {printable(found.wanted)}")
    return 0


def _search(index: SearchIndex, options: argparse.Namespace) -> Found:
    if options.id is not None:
        place = index.search_by_id(options.id)
        return Found([place] if place else [], f"with the id {options.id}")
    if options.prefix is not None:
        end = min(options.offset + options.limit, LARGEST)
        ids = index.search_id_prefix(options.prefix, end)[options.offset :]
        places = [place for id in ids if (place := index.search_by_id(id))]
        return Found(places, f"with ids that begin with {options.prefix}", ids=ids)
    low, high = options.eval
    places = index.search_by_eval_range(low, high, options.offset, options.limit)
    return Found(places, f"with evaluations {_range(low, high)}", index.count_eval_range(low, high))


def _range(low: int | None, high: int | None) -> str:
    bounds = [f"from {low:,}" if low is not None else "", f"up to {high:,}" if high is not None else ""]
    return " ".join(filter(None, bounds)) or "of any value"


def _places(found: Found) -> str:
    rows = [[file, str(row)] for file, row in found.places]
    if not found.ids:
        return table(["file", "row"], rows, right=["row"])
    return table(["file", "row", "id"], [[*row, id] for row, id in zip(rows, found.ids, strict=True)], right=["row"])


def _records(places: Sequence[Place]) -> str:
    records = watched("reading the records", lambda _: _read(places))
    try:
        frame = pl.concat([records[place] for place in places], how="diagonal_relaxed")
    except pl.exceptions.PolarsError as error:
        raise CommandError("cannot show records of different columns together; leave out --show") from error
    names = sorted({file for file, _ in places})
    with explained("show", ", ".join(names)):
        return rows_table(frame, [("file", [file for file, _ in places]), ("row", [str(row) for _, row in places])])


def _read(places: Sequence[Place]) -> dict[Place, pl.DataFrame]:
    records: dict[Place, pl.DataFrame] = {}
    for file in {file for file, _ in places}:
        rows = sorted({row for name, row in places if name == file})
        with explained("read", file):
            # Once through the file: a batch is decompressed from its beginning, whichever row is wanted.
            start = rows[0]
            for frame in files.frames(file, rows=(rows[0], rows[-1] + 1)):
                end = start + frame.height
                records |= {(file, row): frame[row - start : row - start + 1] for row in rows if start <= row < end}
                start = end
    return records
