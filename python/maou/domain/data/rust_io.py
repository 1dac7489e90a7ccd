"""Files of records, written and read as Polars frames by the compiled extension.

Files are Arrow IPC ("feather"). `save_*` check the frame, put the columns in schema order and write through a
temporary file, so that a failed save leaves the old file as it was; missing parent directories are made. Buffers
are compressed with LZ4, or, with `compression="uncompressed"`, lie as they are, so that `memory_map` need not copy
them; `durable=False` does not wait until the file is on the disk.

`load_*` read the IPC file and stream formats, whoever wrote them, check names and dtypes, and return the schema of
`maou.domain.data.schema` exactly. `memory_map=True` leaves uncompressed columns in the file, which nobody may change
while a frame of it lives: to cut it off kills the process that looks at it. `verify=True` holds what is read against
the checksums of the file first; a file without any is a ValueError.

Each path may be the URL of an object as well: `s3://`, `gs://`, `az://`, and for reading `https://`. That takes
`pip install 'maou[cloud]'`, and raises what `maou.infra.storage` says besides. An object that is read is copied to
the local disk first, as far as it is wanted; `memory_map` and `durable` mean nothing there.

The extension is imported at the first call and not before: this module imports without it.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import polars as pl

from maou.domain.data.frames import to_frame
from maou.domain.data.paths import StrPath, is_url, make_directory
from maou.domain.data.schema.records import HCPE, INTERMEDIATE, PREPROCESSING, STAGE1, STAGE2, Record
from maou.domain.data.schema.validate import validate, validate_columns

if TYPE_CHECKING:
    from types import ModuleType

Compression = Literal["lz4", "uncompressed"]

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


def save_hcpe_df(
    df: pl.DataFrame, file_path: StrPath, *, compression: Compression = "lz4", durable: bool = True
) -> None:
    """Write an HCPE frame to a file.

    Raises:
        SchemaValidationError: when the frame breaks the HCPE schema.
        OSError: when the file cannot be written; the old one is then unchanged.
        ImportError: when the extension is not built.
    """
    frame = _to_stored(df, HCPE)
    with _target(file_path) as target:
        _maou_io().save_hcpe_feather(frame, target, **_saved(file_path, compression, durable))


def load_hcpe_df(file_path: StrPath, *, memory_map: bool = False, verify: bool = False) -> pl.DataFrame:
    """Read a file of HCPE records.

    Raises:
        FileNotFoundError, OSError: when the file cannot be read.
        SchemaValidationError: when it holds another kind of records.
        ValueError: when it is not Arrow IPC or is damaged.
        ImportError: when the extension is not built.
    """
    return _load(file_path, HCPE, memory_map, verify)


def save_preprocessing_df(
    df: pl.DataFrame, file_path: StrPath, *, compression: Compression = "lz4", durable: bool = True
) -> None:
    """Write a preprocessing frame to a file; lists become fixed size lists.

    Raises:
        SchemaValidationError: when the frame breaks the preprocessing schema.
        OSError: when the file cannot be written; the old one is then unchanged.
        ImportError: when the extension is not built.
    """
    frame = _to_stored(df, PREPROCESSING)
    with _target(file_path) as target:
        _maou_io().save_preprocessing_feather(frame, target, **_saved(file_path, compression, durable))


def load_preprocessing_df(file_path: StrPath, *, memory_map: bool = False, verify: bool = False) -> pl.DataFrame:
    """Read a file of preprocessing records. Raises as `load_hcpe_df`."""
    return _load(file_path, PREPROCESSING, memory_map, verify)


def save_intermediate_df(
    df: pl.DataFrame, file_path: StrPath, *, compression: Compression = "lz4", durable: bool = True
) -> None:
    """Write an intermediate frame to a file, as `save_preprocessing_df` does."""
    _save(df, INTERMEDIATE, file_path, compression, durable)


def load_intermediate_df(file_path: StrPath, *, memory_map: bool = False, verify: bool = False) -> pl.DataFrame:
    """Read a file of intermediate records. Raises as `load_hcpe_df`."""
    return _load(file_path, INTERMEDIATE, memory_map, verify)


def save_stage1_df(
    df: pl.DataFrame, file_path: StrPath, *, compression: Compression = "lz4", durable: bool = True
) -> None:
    """Write a stage 1 frame to a file, as `save_preprocessing_df` does."""
    _save(df, STAGE1, file_path, compression, durable)


def load_stage1_df(file_path: StrPath, *, memory_map: bool = False, verify: bool = False) -> pl.DataFrame:
    """Read a file of stage 1 records. Raises as `load_hcpe_df`."""
    return _load(file_path, STAGE1, memory_map, verify)


def save_stage2_df(
    df: pl.DataFrame, file_path: StrPath, *, compression: Compression = "lz4", durable: bool = True
) -> None:
    """Write a stage 2 frame to a file, as `save_preprocessing_df` does."""
    _save(df, STAGE2, file_path, compression, durable)


def load_stage2_df(file_path: StrPath, *, memory_map: bool = False, verify: bool = False) -> pl.DataFrame:
    """Read a file of stage 2 records. Raises as `load_hcpe_df`."""
    return _load(file_path, STAGE2, memory_map, verify)


def save_generic_df(
    df: pl.DataFrame, file_path: StrPath, *, compression: Compression = "lz4", durable: bool = True
) -> None:
    """Write any frame to a file, its columns as they are.

    Raises:
        ValueError: for a column of Python objects, which no file can hold.
        OSError: when the file cannot be written; the old one is then unchanged.
        ImportError: when the extension is not built.
    """
    objects = [name for name, dtype in df.schema.items() if dtype == pl.Object]
    if objects:
        # Polars would give their addresses.
        raise ValueError(f"cannot write {file_path}: column {objects[0]!r} holds Python objects; cast it first")
    with _target(file_path) as target:
        _maou_io().save_feather_file(df, target, **_saved(file_path, compression, durable))


def load_generic_df(
    file_path: StrPath,
    columns: Sequence[str] | None = None,
    rows: tuple[int, int] | None = None,
    *,
    memory_map: bool = False,
    verify: bool = False,
) -> pl.DataFrame:
    """Read any Arrow IPC file, its columns as they are.

    Args:
        file_path: the file, or its URL.
        columns: names of those that are wanted, in their order; of the others no data is read or transferred.
        rows: the first row that is wanted and the one behind the last; of batches without any no data is read or
            transferred.
        memory_map: leave uncompressed columns in the file, as above.
        verify: hold each batch against its checksum, all of its columns, before it is decoded.

    Raises:
        FileNotFoundError, OSError: when the file cannot be read.
        ValueError: when it is not Arrow IPC or is damaged, or has no such column.
        ImportError: when the extension is not built.
    """
    maou_io = _maou_io()
    with _source(file_path, columns, rows, verify) as source:
        return _frame(maou_io, source, (columns, rows), _loaded(file_path, memory_map, verify))


def iter_generic_df(
    file_path: StrPath,
    columns: Sequence[str] | None = None,
    batch_rows: int | None = None,
    rows: tuple[int, int] | None = None,
    *,
    memory_map: bool = False,
    verify: bool = False,
) -> Iterator[pl.DataFrame]:
    """Iterate over any Arrow IPC file, a batch at a time: one is in memory, and of one of more than 64 MiB a part.

    A file is opened at once, an object when the first batch is asked for; it is on the local disk until the last one
    was taken.

    Args:
        file_path: the file, or its URL.
        columns: as for `load_generic_df`.
        batch_rows: the most rows that a frame may have; those of a batch, unless given.
        rows: as for `load_generic_df`.
        memory_map: as for `load_generic_df`.
        verify: as for `load_generic_df`.

    Raises:
        FileNotFoundError, OSError: when the file cannot be read.
        ValueError: when it is not Arrow IPC, is damaged, or has no such column; when `batch_rows` is not positive.
        ImportError: when the extension is not built.
    """
    options = _loaded(file_path, memory_map, verify)
    if not is_url(file_path):
        found = _maou_io().iter_feather(os.fspath(file_path), columns, batch_rows, rows, **options)
        return (to_frame(batch, os.fspath(file_path)) for batch in found)

    def batches() -> Iterator[pl.DataFrame]:
        with _source(file_path, columns, rows, verify) as source:
            for batch in _maou_io().iter_feather(source, columns, batch_rows, rows, **options):
                yield to_frame(batch, source)

    return batches()


@overload
def split_hcpe_feather(
    file_path: os.PathLike[str], output_dir: os.PathLike[str], rows_per_file: int = ...
) -> list[Path]: ...
@overload
def split_hcpe_feather(file_path: StrPath, output_dir: StrPath, rows_per_file: int = ...) -> list[Any]: ...
def split_hcpe_feather(file_path: StrPath, output_dir: StrPath, rows_per_file: int = DEFAULT_ROWS) -> list[Any]:
    """Cut a file into files of at most `rows_per_file` rows in `output_dir`, which is made where missing.

    Returns:
        The pieces in order; `[file_path]` when it is small enough already, and `[]` when it has no rows. What is local
        is a `Path`, an object its URL.

    Raises:
        ValueError: when `rows_per_file` is not positive, or the file is not Arrow IPC.
        FileNotFoundError, OSError: when a file cannot be read or written.
        ImportError: when the extension is not built.
    """
    _check_positive("rows_per_file", rows_per_file)
    split = _maou_io().split_feather_file
    if is_url(file_path) or is_url(output_dir):
        from maou.infra.cloud import batches

        return batches.split(file_path, output_dir, lambda source, target: split(source, target, rows_per_file))
    return [Path(piece) for piece in split(os.fspath(file_path), os.fspath(output_dir), rows_per_file)]


@overload
def merge_hcpe_feather_files(
    file_paths: Iterable[StrPath],
    output_dir: os.PathLike[str],
    rows_per_chunk: int = ...,
    output_prefix: str = ...,
) -> list[Path]: ...
@overload
def merge_hcpe_feather_files(
    file_paths: Iterable[StrPath],
    output_dir: StrPath,
    rows_per_chunk: int = ...,
    output_prefix: str = ...,
) -> list[Any]: ...
def merge_hcpe_feather_files(
    file_paths: Iterable[StrPath],
    output_dir: StrPath,
    rows_per_chunk: int = DEFAULT_ROWS,
    output_prefix: str = "merged",
) -> list[Any]:
    """Join files, in order, into `{output_prefix}_chunk0000.feather` … in `output_dir`, made where missing.

    Returns:
        The chunks in order, each a `Path`, or its URL where `output_dir` is one; none has more than `rows_per_chunk`
        rows unless one batch of the input has. `[]` for no files.

    Raises:
        ValueError: when `rows_per_chunk` is not positive, or the files do not have the same columns.
        FileNotFoundError, OSError: when a file cannot be read or written.
        ImportError: when the extension is not built.
    """
    _check_positive("rows_per_chunk", rows_per_chunk)
    inputs = list(file_paths)
    if not inputs:
        return []
    merge = _maou_io().merge_feather_files
    if any(is_url(path) for path in (*inputs, output_dir)):
        from maou.infra.cloud import batches

        return batches.merge(inputs, output_dir, lambda paths, into: merge(paths, into, rows_per_chunk, output_prefix))
    paths = [os.fspath(path) for path in inputs]
    return [Path(chunk) for chunk in merge(paths, os.fspath(output_dir), rows_per_chunk, output_prefix)]


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


def _frame(
    maou_io: ModuleType,
    path: str,
    selection: tuple[Sequence[str] | None, tuple[int, int] | None],
    options: dict[str, bool],
) -> pl.DataFrame:
    batches = [to_frame(batch, path) for batch in maou_io.load_feather_batches(path, *selection, **options)]
    if not batches:
        # The schema is all there is.
        return to_frame(maou_io.load_feather_file(path, *selection, **options), path)
    # Side by side as they were written: joining them would copy every byte.
    return batches[0] if len(batches) == 1 else pl.concat(batches, rechunk=False)


def _save(df: pl.DataFrame, record: Record, file_path: StrPath, compression: Compression, durable: bool) -> None:
    frame = _to_stored(df, record)
    with _target(file_path) as target:
        _maou_io().save_feather_file(frame, target, **_saved(file_path, compression, durable))


def _load(file_path: StrPath, record: Record, memory_map: bool, verify: bool) -> pl.DataFrame:
    df = load_generic_df(file_path, memory_map=memory_map, verify=verify)
    validate_columns(df, record)
    return df.select(pl.col(field.name).cast(field.frame) for field in record.fields)


def _to_stored(df: pl.DataFrame, record: Record) -> pl.DataFrame:
    validate(df, record)
    return df.select(pl.col(field.name).cast(field.stored or field.frame) for field in record.fields)


def _saved(file_path: StrPath, compression: Compression, durable: bool) -> dict[str, Any]:
    # What becomes an object need not be on the local disk.
    return {"compression": compression, "durable": durable and not is_url(file_path)}


def _loaded(file_path: StrPath, memory_map: bool, verify: bool) -> dict[str, bool]:
    # The local copy of an object goes when it has been read.
    return {"memory_map": memory_map and not is_url(file_path), "verify": verify}


def _source(
    file_path: StrPath, columns: Sequence[str] | None, rows: tuple[int, int] | None, verify: bool
) -> AbstractContextManager[str]:
    """A local file to read."""
    if not is_url(file_path):
        return nullcontext(os.fspath(file_path))
    from maou.infra.cloud.files import fetched

    # A checksum is of a whole batch.
    return fetched(os.fspath(file_path), None if verify else columns, rows)


def _target(file_path: StrPath) -> AbstractContextManager[str]:
    """A local path to write to; an object is made of it at the end."""
    if is_url(file_path):
        from maou.infra.cloud.files import stored

        return stored(os.fspath(file_path))
    path = Path(file_path)
    make_directory(path.parent)
    return nullcontext(os.fspath(path))


def _check_positive(name: str, rows: int) -> None:
    if rows <= 0:
        raise ValueError(f"{name} must be positive, got {rows}")
