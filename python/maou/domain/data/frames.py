"""Batches of the extension as Polars frames."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from maou._rust.maou_io import RecordBatch

_UNKNOWN = ("RunEndEncoded", "Union", "ListView", "Interval", ", 0>")
"""In the names of types that Polars has nothing like. The last is of lists of the fixed size 0."""

_FIX = "choose others with `columns`, or read it with `pyarrow.feather.read_table`"


def to_frame(batch: RecordBatch, path: str) -> pl.DataFrame:
    """A batch of the file `path` as a frame, uncopied.

    Raises:
        ValueError: when Polars has no such frame.
    """
    # Looked at before, as far as it can be: Polars panics at types that it has nothing like, and prints that.
    _check_names(batch, path)
    for name, arrow_type in zip(batch.column_names, batch.column_types, strict=True):
        if any(unknown in arrow_type for unknown in _UNKNOWN):
            raise ValueError(f"{path}: Polars has no type for its column {name!r}, {arrow_type}; {_FIX}")
    try:
        return pl.DataFrame(batch)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise ValueError(f"{path}: Polars does not take its columns: {first_line(error)}; {_FIX}") from error


def first_line(error: BaseException) -> str:
    """What Polars says, without the lines behind it: hints for those who call it."""
    return str(error).strip().partition("\n")[0]


def _check_names(batch: RecordBatch, path: str) -> None:
    for name, times in Counter(batch.column_names).items():
        if times > 1:
            raise ValueError(
                f"{path}: column {name!r} would be there {times} times, and a frame has each name once; ask for it "
                "once, or read the file with `pyarrow.feather.read_table`"
            )
