"""Files of records, written and read as Polars frames by the compiled extension.

Files are Arrow IPC ("feather") with LZ4. `save_*` check the frame, put the columns in schema order and write
through a temporary file, so that a failed save leaves the old file as it was; missing parent directories are
made. `load_*` read the IPC file and stream formats, whoever wrote them, check names and dtypes, and return
the schema of `maou.domain.data.schema` exactly.

The extension is imported at the first call and not before: this module imports without it.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from maou.domain.data.schema.records import HCPE, INTERMEDIATE, PREPROCESSING, STAGE1, STAGE2, Record
from maou.domain.data.schema.validate import validate, validate_columns

if TYPE_CHECKING:
    from types import ModuleType

StrPath = str | os.PathLike[str]

BUILD_COMMAND = "cargo xtask build"
"""What builds the extension, run in a checkout."""

DEFAULT_ROWS = 500_000
"""Rows in a file that `split_hcpe_feather` and `merge_hcpe_feather_files` write, unless told otherwise."""

_spec = importlib.util.find_spec("maou._rust")
# Without the extension Python takes the directory of its stubs for a namespace package, which has no
# location.
RUST_BACKEND_AVAILABLE = _spec is not None and _spec.has_location
"""Whether the extension was there when this module was imported; `check_rust_backend` also loads it."""


def check_rust_backend() -> bool:
    """Load the extension.

    Returns:
        True; there is no other outcome than this and the error.

    Raises:
        ImportError: when it is not built or does not load; the message names the command that builds it.
    """
    _maou_io()
    return True


def save_hcpe_df(df: pl.DataFrame, file_path: StrPath) -> None:
    """Write an HCPE frame to a file.

    Raises:
        SchemaValidationError: when the frame breaks the HCPE schema.
        OSError: when the file cannot be written; the old one is then unchanged.
        ImportError: when the extension is not built.
    """
    frame = _to_stored(df, HCPE)
    _maou_io().save_hcpe_feather(frame, _prepare(file_path))


def load_hcpe_df(file_path: StrPath) -> pl.DataFrame:
    """Read a file of HCPE records.

    Raises:
        FileNotFoundError, OSError: when the file cannot be read.
        SchemaValidationError: when it holds another kind of records.
        ValueError: when it is not Arrow IPC or is damaged.
        ImportError: when the extension is not built.
    """
    return _load(file_path, HCPE)


def save_preprocessing_df(df: pl.DataFrame, file_path: StrPath) -> None:
    """Write a preprocessing frame to a file; lists become fixed size lists.

    Raises:
        SchemaValidationError: when the frame breaks the preprocessing schema.
        OSError: when the file cannot be written; the old one is then unchanged.
        ImportError: when the extension is not built.
    """
    frame = _to_stored(df, PREPROCESSING)
    _maou_io().save_preprocessing_feather(frame, _prepare(file_path))


def load_preprocessing_df(file_path: StrPath) -> pl.DataFrame:
    """Read a file of preprocessing records. Raises as `load_hcpe_df`."""
    return _load(file_path, PREPROCESSING)


def save_intermediate_df(df: pl.DataFrame, file_path: StrPath) -> None:
    """Write an intermediate frame to a file, as `save_preprocessing_df` does."""
    _save(df, INTERMEDIATE, file_path)


def load_intermediate_df(file_path: StrPath) -> pl.DataFrame:
    """Read a file of intermediate records. Raises as `load_hcpe_df`."""
    return _load(file_path, INTERMEDIATE)


def save_stage1_df(df: pl.DataFrame, file_path: StrPath) -> None:
    """Write a stage 1 frame to a file, as `save_preprocessing_df` does."""
    _save(df, STAGE1, file_path)


def load_stage1_df(file_path: StrPath) -> pl.DataFrame:
    """Read a file of stage 1 records. Raises as `load_hcpe_df`."""
    return _load(file_path, STAGE1)


def save_stage2_df(df: pl.DataFrame, file_path: StrPath) -> None:
    """Write a stage 2 frame to a file, as `save_preprocessing_df` does."""
    _save(df, STAGE2, file_path)


def load_stage2_df(file_path: StrPath) -> pl.DataFrame:
    """Read a file of stage 2 records. Raises as `load_hcpe_df`."""
    return _load(file_path, STAGE2)


def save_generic_df(df: pl.DataFrame, file_path: StrPath) -> None:
    """Write any frame to a file, its columns as they are.

    Raises:
        OSError: when the file cannot be written; the old one is then unchanged.
        ImportError: when the extension is not built.
    """
    _maou_io().save_feather_file(df, _prepare(file_path))


def load_generic_df(file_path: StrPath) -> pl.DataFrame:
    """Read any Arrow IPC file, its columns as they are.

    Raises:
        FileNotFoundError, OSError: when the file cannot be read.
        ValueError: when it is not Arrow IPC or is damaged.
        ImportError: when the extension is not built.
    """
    return _frame(_maou_io(), os.fspath(file_path))


def split_hcpe_feather(file_path: StrPath, output_dir: StrPath, rows_per_file: int = DEFAULT_ROWS) -> list[Path]:
    """Cut a file into files of at most `rows_per_file` rows in `output_dir`, which is made where missing.

    Returns:
        The pieces in order; `[file_path]` when it is small enough already, and `[]` when it has no rows.

    Raises:
        ValueError: when `rows_per_file` is not positive, or the file is not Arrow IPC.
        FileNotFoundError, OSError: when a file cannot be read or written.
        ImportError: when the extension is not built.
    """
    _check_positive("rows_per_file", rows_per_file)
    pieces = _maou_io().split_feather_file(os.fspath(file_path), os.fspath(output_dir), rows_per_file)
    return [Path(piece) for piece in pieces]


def merge_hcpe_feather_files(
    file_paths: Sequence[StrPath],
    output_dir: StrPath,
    rows_per_chunk: int = DEFAULT_ROWS,
    output_prefix: str = "merged",
) -> list[Path]:
    """Join files, in order, into `{output_prefix}_chunk0000.feather` … in `output_dir`, made where missing.

    Returns:
        The chunks in order; none has more than `rows_per_chunk` rows unless one batch of the input has. `[]`
        for no files.

    Raises:
        ValueError: when `rows_per_chunk` is not positive, or the files do not have the same columns.
        FileNotFoundError, OSError: when a file cannot be read or written.
        ImportError: when the extension is not built.
    """
    _check_positive("rows_per_chunk", rows_per_chunk)
    if not file_paths:
        return []
    paths = [os.fspath(path) for path in file_paths]
    chunks = _maou_io().merge_feather_files(paths, os.fspath(output_dir), rows_per_chunk, output_prefix)
    return [Path(chunk) for chunk in chunks]


def _maou_io() -> ModuleType:
    try:
        import maou._rust.maou_io
    except ModuleNotFoundError as error:
        raise ImportError(f"the extension maou._rust is not built; build it with `{BUILD_COMMAND}`") from error
    except ImportError as error:
        raise ImportError(
            f"the extension maou._rust does not load: {error}; build it again with `{BUILD_COMMAND}`"
        ) from error
    return maou._rust.maou_io


def _frame(maou_io: ModuleType, path: str) -> pl.DataFrame:
    batches = [pl.DataFrame(batch) for batch in maou_io.load_feather_batches(path)]
    if not batches:
        # The schema is all there is.
        return pl.DataFrame(maou_io.load_feather_file(path))
    # Side by side as they were written: joining them would copy every byte.
    return batches[0] if len(batches) == 1 else pl.concat(batches, rechunk=False)


def _save(df: pl.DataFrame, record: Record, file_path: StrPath) -> None:
    frame = _to_stored(df, record)
    _maou_io().save_feather_file(frame, _prepare(file_path))


def _load(file_path: StrPath, record: Record) -> pl.DataFrame:
    df = load_generic_df(file_path)
    validate_columns(df, record)
    return df.select(pl.col(field.name).cast(field.frame) for field in record.fields)


def _to_stored(df: pl.DataFrame, record: Record) -> pl.DataFrame:
    validate(df, record)
    return df.select(pl.col(field.name).cast(field.stored or field.frame) for field in record.fields)


def _prepare(file_path: StrPath) -> str:
    path = Path(file_path)
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.fspath(path)


def _check_positive(name: str, rows: int) -> None:
    if rows <= 0:
        raise ValueError(f"{name} must be positive, got {rows}")
