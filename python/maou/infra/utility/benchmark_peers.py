"""The benchmark's operations in Polars and pyarrow, each as a user of that library would write it."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    import pyarrow as pa

HAS_PYARROW = importlib.util.find_spec("pyarrow") is not None
"""pyarrow is no dependency of maou; without it its columns stay empty."""


def pyarrow_version() -> str | None:
    """Version of pyarrow, or None where it is not installed."""
    if not HAS_PYARROW:
        return None
    import pyarrow as pa

    return str(pa.__version__)


def polars_save(df: pl.DataFrame, path: Path) -> None:
    """Write with LZ4."""
    df.write_ipc(path, compression="lz4")


def polars_load(path: Path) -> pl.DataFrame:
    """Read the whole file."""
    return pl.read_ipc(path)


def polars_split(source: Path, directory: Path, rows: int) -> None:
    """Read, slice, write."""
    df = pl.read_ipc(source)
    for number, piece in enumerate(df.iter_slices(rows)):
        polars_save(piece, directory / f"{number:04}.feather")


def polars_merge(sources: Sequence[Path], directory: Path) -> None:
    """Read all, concatenate, write."""
    polars_save(pl.concat([pl.read_ipc(source) for source in sources]), directory / "merged.feather")


def pyarrow_save(table: pa.Table, path: Path) -> None:
    """Write with LZ4."""
    import pyarrow as pa

    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema, options=options) as writer:
        writer.write_table(table)


def pyarrow_load(path: Path) -> pa.Table:
    """Read the whole file."""
    import pyarrow as pa

    with pa.OSFile(str(path), "rb") as source:
        return pa.ipc.open_file(source).read_all()


def pyarrow_split(source: Path, directory: Path, rows: int) -> None:
    """Read, slice, write."""
    table = pyarrow_load(source)
    for number, start in enumerate(range(0, table.num_rows, rows)):
        pyarrow_save(table.slice(start, rows), directory / f"{number:04}.feather")


def pyarrow_merge(sources: Sequence[Path], directory: Path) -> None:
    """Read all, concatenate, write."""
    import pyarrow as pa

    table = pa.concat_tables([pyarrow_load(source) for source in sources])
    pyarrow_save(table, directory / "merged.feather")
