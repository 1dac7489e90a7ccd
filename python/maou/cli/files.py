"""Every file that the command reads is opened here, by its name as the user gave it."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
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

    from maou._rust.maou_io import Description


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


def stem(path: str) -> str:
    """What the names of the pieces of a file begin with."""
    if not is_url(path):
        return Path(path).stem
    from maou.infra.cloud.location import parse

    return Path(parse(path).name).stem


def file_size(path: str) -> int:
    """Size of a file that was written, in bytes."""
    return Path(path).stat().st_size


def describe(path: str) -> Description:
    """What a file says of itself. Reads no values."""
    with _headers(path) as local:
        description: Description = _maou_io().describe_feather_file(local)
    return description


def count_rows(path: str) -> int:
    """Rows of a file. Reads no values."""
    with _local(path, columns=()) as local:
        rows: int = _maou_io().count_rows(local)
    return rows


def _local(path: str, columns: Sequence[str] | None = None) -> AbstractContextManager[str]:
    """The file, or a copy of the object on the local disk, with these columns, or all."""
    if not is_url(path):
        return nullcontext(path)
    from maou.infra.cloud.files import fetched

    return fetched(path, columns)


def _headers(path: str) -> AbstractContextManager[str]:
    """The file, or of the object what `describe` reads."""
    if not is_url(path):
        return nullcontext(path)
    from maou.infra.cloud.files import fetched_headers

    return fetched_headers(path)


def _maou_io() -> ModuleType:
    check_rust_backend()
    return importlib.import_module("maou._rust.maou_io")
