"""Rows of a frame as text, a line each."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from maou.cli.shown import printable
from maou.cli.table import cut, table

NARROW, WIDE = 24, 64
"""Of a cell so much is shown: of many columns, and of a few."""

FEW = 3
"""Columns that have room for wide cells."""

_SHOWN_ITEMS = 24
"""Of a list, more than fit into a cell."""


def rows_table(frame: pl.DataFrame, lead: Sequence[tuple[str, Sequence[str]]]) -> str:
    """Table of a frame.

    Args:
        frame: the rows.
        lead: columns to put in front, as name and cells, one a row of the frame.
    """
    room = WIDE if frame.width <= FEW else NARROW
    names = {name: cut(printable(name), room) for name in frame.columns}
    header = [name for name, _ in lead] + list(names.values())
    columns = [list(cells) for _, cells in lead]
    columns += [[cut(_text(value), room) for value in column] for column in frame.get_columns()]
    right = {"row"} | {names[name] for name, dtype in frame.schema.items() if dtype.is_numeric()}
    return table(header, [list(cells) for cells in zip(*columns, strict=True)], right)


def _text(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, pl.Series):
        return f"[{', '.join(_text(item) for item in value.head(_SHOWN_ITEMS))}{_more(value.len())}]"
    if isinstance(value, float):
        return f"{value:.6g}"
    return printable(str(value))


def _more(length: int) -> str:
    return ", ..." if length > _SHOWN_ITEMS else ""
