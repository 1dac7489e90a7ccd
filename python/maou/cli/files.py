"""Every file that the command reads is opened here, by its name as the user gave it."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from maou.domain.data.rust_io import check_rust_backend

if TYPE_CHECKING:
    from types import ModuleType

ReadAt = Callable[[int, int], bytes]
"""Bytes of a file from an offset, at most so many; fewer at its end."""


def schema(path: str) -> dict[str, pl.DataType]:
    """Columns of a file and their Polars types. Reads no rows."""
    return dict(_frame(_maou_io().load_feather_file(path, rows=(0, 0))).schema)


def frames(
    path: str,
    columns: Sequence[str] | None = None,
    rows: tuple[int, int] | None = None,
) -> Iterator[pl.DataFrame]:
    """Frames of a file, one after the other, each of about 64 MiB at most.

    Args:
        path: the file.
        columns: names, in the order wanted; all if None. Of others no data is read.
        rows: the first, and the one after the last; all if None. Of batches without them no data is read.
    """
    for batch in _maou_io().iter_feather(path, columns=columns, rows=rows):
        yield _frame(batch)


def verify(path: str) -> tuple[int, int, bool]:
    """Read all of a file; returns rows, batches, and whether there were checksums to hold it against."""
    verified: tuple[int, int, bool] = _maou_io().verify_feather_file(path)
    return verified


def split(path: str, directory: str, rows: int) -> list[str]:
    """Cut a file; returns the pieces."""
    pieces: list[str] = _maou_io().split_feather_file(path, directory, rows)
    return pieces


def merge(paths: Sequence[str], directory: str, rows: int, prefix: str) -> list[str]:
    """Join files; returns the chunks."""
    chunks: list[str] = _maou_io().merge_feather_files(paths, directory, rows, prefix)
    return chunks


def file_size(path: str) -> int:
    """Size of a file in bytes."""
    return Path(path).stat().st_size


@contextmanager
def reading_at(path: str) -> Iterator[ReadAt]:
    """Open a file for reading small parts of it."""
    # Unbuffered: what is read is a few bytes here and there.
    with Path(path).open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size

        def read_at(offset: int, length: int) -> bytes:
            file.seek(offset)
            # A damaged file may say anything, and Python allocates what it asks for.
            return file.read(max(0, min(length, size - offset)))

        yield read_at


def _maou_io() -> ModuleType:
    check_rust_backend()
    return importlib.import_module("maou._rust.maou_io")


def _frame(batch: Any) -> pl.DataFrame:
    return pl.DataFrame(batch)
