"""Every file that the command reads is opened here, by its name as the user gave it."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from maou.domain.data.paths import is_url
from maou.domain.data.rust_io import (
    check_rust_backend,
    iter_generic_df,
    load_generic_df,
    merge_hcpe_feather_files,
    split_hcpe_feather,
)

if TYPE_CHECKING:
    from types import ModuleType

ReadAt = Callable[[int, int], bytes]
"""Bytes of a file from an offset, at most so many; fewer at its end."""


def schema(path: str) -> dict[str, pl.DataType]:
    """Columns of a file and their Polars types. Reads no rows."""
    return dict(load_generic_df(path, rows=(0, 0)).schema)


def frames(
    path: str,
    columns: Sequence[str] | None = None,
    rows: tuple[int, int] | None = None,
) -> Iterator[pl.DataFrame]:
    """Frames of a file, one after the other, each of about 64 MiB at most.

    Args:
        path: the file or its URL.
        columns: names, in the order wanted; all if None. Of others no data is read.
        rows: the first, and the one after the last; all if None. Of batches without them no data is read.
    """
    return iter_generic_df(path, columns, rows=rows)


def verify(path: str) -> tuple[int, int, bool]:
    """Read all of a file; returns rows, batches, and whether there were checksums to hold it against."""
    with _local(path) as local:
        verified: tuple[int, int, bool] = _maou_io().verify_feather_file(local)
    return verified


def split(path: str, directory: str, rows: int) -> list[str]:
    """Cut a file; returns the pieces."""
    return [os.fspath(piece) for piece in split_hcpe_feather(path, directory, rows)]


def merge(paths: Sequence[str], directory: str, rows: int, prefix: str) -> list[str]:
    """Join files; returns the chunks."""
    return [os.fspath(chunk) for chunk in merge_hcpe_feather_files(paths, directory, rows, prefix)]


def file_size(path: str) -> int:
    """Size of a file in bytes."""
    with _local(path, columns=()) as local:
        return Path(local).stat().st_size


@contextmanager
def reading_at(path: str) -> Iterator[ReadAt]:
    """Open a file for reading what it says of itself: of an object, nothing else is there."""
    # Unbuffered: what is read is a few bytes here and there.
    with _local(path, columns=()) as local, Path(local).open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size

        def read_at(offset: int, length: int) -> bytes:
            file.seek(offset)
            # A damaged file may say anything, and Python allocates what it asks for.
            return file.read(max(0, min(length, size - offset)))

        yield read_at


def _local(path: str, columns: Sequence[str] | None = None) -> AbstractContextManager[str]:
    """The file, or a copy of the object on the local disk, with these columns, or all."""
    if not is_url(path):
        return nullcontext(path)
    from maou.infra.cloud.files import fetched

    return fetched(path, columns)


def _maou_io() -> ModuleType:
    check_rust_backend()
    return importlib.import_module("maou._rust.maou_io")
