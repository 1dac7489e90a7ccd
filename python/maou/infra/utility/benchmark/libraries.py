"""The operations in each library, as a user of that library would write them.

All write LZ4 and hold what they read in memory of their own; none maps the file. Only maou has a split and a merge of
files: for the others they are the loop that a user would write. DuckDB has no Arrow file format of its own (the
extension `nanoarrow` writes streams without compression, and has to be fetched from DuckDB's servers): it reads and
writes through pyarrow.
"""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maou.infra.utility.benchmark.cells import OURS, TWO_COLUMNS, Task

if TYPE_CHECKING:
    import polars as pl

Run = Callable[[], Any]

NEEDS = {OURS: ("maou",), "polars": ("polars",), "pyarrow": ("pyarrow",), "duckdb": ("duckdb", "pyarrow")}
"""Modules without which a library's columns stay empty."""


@dataclass(frozen=True)
class Library:
    """What a library can do.

    `read` takes a path, and columns or None for all; `hold` is how the library keeps all of a file, to be written;
    `write` takes that, and a path; `split` a path, a directory and rows; `merge` paths and a directory.
    """

    read: Callable[[str, Sequence[str] | None], Any]
    hold: Callable[[str], Any]
    write: Callable[[Any, str], object]
    split: Callable[[str, str, int], object]
    merge: Callable[[Sequence[str], str], object]


def missing(library: str) -> str | None:
    """Why `library` cannot run, or None."""
    modules = [name for name in NEEDS[library] if importlib.util.find_spec(name) is None]
    return f"not installed: {' '.join(modules)}" if modules else None


def prepare(task: Task, rows_per_piece: int) -> Run:
    """The operation, ready to run; data to be written is read here."""
    library = _LIBRARIES[task.library](task.threads)
    columns = TWO_COLUMNS[task.kind]
    if task.operation == "write":
        data = library.hold(task.source)
        return lambda: library.write(data, str(Path(task.out) / "written.feather"))
    runs: dict[str, Run] = {
        "read": lambda: library.read(task.source, None),
        "read own file": lambda: library.read(task.own, None),
        "read 2 columns": lambda: library.read(task.source, columns),
        "read 2 of own file": lambda: library.read(task.own, columns),
        "split": lambda: library.split(task.source, task.out, rows_per_piece),
        "merge": lambda: library.merge(task.pieces, task.out),
        "build index": lambda: _build_index(task.source, task.kind),
    }
    return runs[task.operation]


def _build_index(path: str, kind: str) -> object:
    from maou._rust.maou_index import SearchIndex

    index = SearchIndex([path], kind)
    index.build_from_files()
    return index


def _maou(threads: int) -> Library:
    from maou._rust import maou_io

    maou_io.set_num_threads(threads)
    return Library(
        read=maou_io.load_feather_batches,
        hold=maou_io.load_feather_batches,
        # The others do not wait for the disk either.
        write=lambda batches, path: maou_io.save_feather_batches(batches, path, durable=False),
        split=maou_io.split_feather_file,
        merge=lambda paths, out: maou_io.merge_feather_files(paths, out, 1 << 62, "merged"),
    )


def _polars(threads: int) -> Library:
    import polars as pl

    # Threads: POLARS_MAX_THREADS, set before the process started.
    accepted = inspect.signature(pl.read_ipc).parameters
    whole: dict[str, Any] = {name: False for name in ("memory_map", "rechunk") if name in accepted}

    def read(path: str, columns: Sequence[str] | None) -> pl.DataFrame:
        return pl.read_ipc(path, columns=None if columns is None else list(columns), **whole)

    def write(frame: pl.DataFrame, path: str) -> None:
        frame.write_ipc(path, compression="lz4")

    def split(source: str, out: str, rows: int) -> None:
        for number, piece in enumerate(read(source, None).iter_slices(rows)):
            write(piece, f"{out}/{number:04}.feather")

    def merge(sources: Sequence[str], out: str) -> None:
        frames = [read(source, None) for source in sources]
        write(pl.concat(frames, rechunk=False), f"{out}/merged.feather")

    return Library(read, lambda path: read(path, None), write, split, merge)


def _pyarrow(threads: int) -> Library:
    import pyarrow as pa
    from pyarrow import feather

    pa.set_cpu_count(threads)
    pa.set_io_thread_count(threads)

    def read(path: str, columns: Sequence[str] | None) -> Any:
        return feather.read_table(path, columns=None if columns is None else list(columns), memory_map=False)

    def write(table: Any, path: str) -> None:
        feather.write_feather(table, path, compression="lz4")

    def split(source: str, out: str, rows: int) -> None:
        table = read(source, None)
        for number, start in enumerate(range(0, table.num_rows, rows)):
            write(table.slice(start, rows), f"{out}/{number:04}.feather")

    def merge(sources: Sequence[str], out: str) -> None:
        write(pa.concat_tables([read(source, None) for source in sources]), f"{out}/merged.feather")

    return Library(read, lambda path: read(path, None), write, split, merge)


def _duckdb(threads: int) -> Library:
    import duckdb
    from pyarrow import dataset

    arrow = _pyarrow(threads)
    connection = duckdb.connect(config={"threads": threads})

    def read(path: str | Sequence[str], columns: Sequence[str] | None) -> Any:
        connection.register("source", dataset.dataset(path, format="ipc"))
        names = "*" if columns is None else ", ".join(f'"{name}"' for name in columns)
        return connection.sql(f"SELECT {names} FROM source").to_arrow_table()

    def hold(path: str) -> Any:
        connection.register("source", dataset.dataset(path, format="ipc"))
        connection.sql("CREATE TABLE held AS FROM source")
        return connection.table("held")

    def split(source: str, out: str, rows: int) -> None:
        table = read(source, None)
        for number, start in enumerate(range(0, table.num_rows, rows)):
            arrow.write(table.slice(start, rows), f"{out}/{number:04}.feather")

    def merge(sources: Sequence[str], out: str) -> None:
        arrow.write(read(list(sources), None), f"{out}/merged.feather")

    return Library(read, hold, lambda table, path: arrow.write(table.to_arrow_table(), path), split, merge)


_LIBRARIES: dict[str, Callable[[int], Library]] = {
    OURS: _maou,
    "polars": _polars,
    "pyarrow": _pyarrow,
    "duckdb": _duckdb,
}
