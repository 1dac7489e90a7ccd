"""Makes the seeds of the fuzz targets: ``python fuzz/seed.py`` with maou, polars and pyarrow installed.

Small files of every writer, layout, compression and type. They are in the repository, because `cargo test` damages them
too; make them anew when there is something new to read. docs/fuzzing.md has the rest.
"""

from __future__ import annotations

import datetime
import io
import itertools
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa
from pyarrow import ipc

from maou._rust.maou_io import save_feather_batches
from maou.infra.utility.records import generate_hcpe_df, generate_stage1_df, generate_stage2_df

SEEDS = Path(__file__).parent.parent / "rust" / "maou_io" / "tests" / "hostile" / "seeds"
LONG = "a text that is longer than a view holds, 将棋"


def flat() -> pa.Table:
    """Columns of one value per row, with nulls."""
    return pa.table(
        {
            "i": pa.array([1, None, -(2**63)], pa.int64()),
            "f": pa.array([float("nan"), float("-inf"), -0.0], pa.float32()),
            "b": pa.array([True, None, False]),
            "s": pa.array(["", None, LONG]),
            "ls": pa.array([LONG, "x", None], pa.large_string()),
            "bin": pa.array([b"\xff", b"", None], pa.large_binary()),
            "d": pa.array([datetime.date(2024, 2, 29), None, datetime.date.min]),
            "n": pa.nulls(3),
        }
    )


def nested() -> pa.Table:
    """Lists of every kind."""
    return pa.table(
        {
            "l": pa.array([[1, None], [], None], pa.list_(pa.uint16())),
            "ll": pa.array([[[1], []], [], None], pa.large_list(pa.large_list(pa.uint8()))),
            "fixed": pa.array([[1, 2], [3, None], [5, 6]], pa.list_(pa.int8(), 2)),
            "texts": pa.array([[LONG], None, ["", None]], pa.list_(pa.string())),
        }
    )


def views() -> pa.Table:
    """Values that lie elsewhere: views and dictionaries."""
    indices = pa.array([0, 1, None, 0], pa.int8())
    return pa.table(
        {
            "v": pa.array([LONG, "short", None, ""], pa.string_view()),
            "bv": pa.array([b"x" * 40, None, b"", b"abc"], pa.binary_view()),
            "dict": pa.DictionaryArray.from_arrays(indices, pa.array(["a", LONG])),
            "lists": pa.array([["a"], ["b", "a"], None, []], pa.list_(pa.dictionary(pa.int16(), pa.string()))),
        }
    )


def odd() -> pa.Table:
    """Types that only Arrow's own reader knows."""
    return pa.table(
        {
            "struct": pa.array([{"a": 1, "b": LONG}, None], pa.struct({"a": pa.int32(), "b": pa.string()})),
            "map": pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int8())),
            "decimal": pa.array([1, None], pa.decimal128(10, 2)),
            "raw": pa.array([b"abc", None], pa.binary(3)),
            "runs": pa.RunEndEncodedArray.from_arrays(pa.array([1, 2], pa.int32()), pa.array(["a", None])),
            "union": pa.UnionArray.from_sparse(
                pa.array([0, 1], pa.int8()), [pa.array([1, 2], pa.int8()), pa.array(["x", "y"])]
            ),
            "list_view": pa.array([[1, 2], None], pa.list_view(pa.int8())),
        }
    )


def tables() -> dict[str, pa.Table]:
    """Everything that is written, by name."""
    hcpe = generate_hcpe_df(2, seed=1).to_arrow()
    return {
        "flat": flat(),
        "nested": nested(),
        "views": views(),
        "odd": odd(),
        "hcpe": hcpe,
        "stage1": generate_stage1_df(1, seed=1).to_arrow(),
        "nulls": pa.table({name: pa.nulls(2) for name in hcpe.column_names}),
        "empty": flat().slice(0, 0),
        "no_columns": pa.table({}),
    }


def by_pyarrow(table: pa.Table, layout: str, compression: str | None) -> bytes:
    """One batch for each row, and an empty one."""
    sink = io.BytesIO()
    new = ipc.new_file if layout == "file" else ipc.new_stream
    options = ipc.IpcWriteOptions(compression=compression, emit_dictionary_deltas=True)
    with new(sink, table.schema, options=options) as writer:
        writer.write_table(table.slice(0, 1))
        writer.write_table(table.slice(0, 0))
        writer.write_table(table.slice(1))
    return sink.getvalue()


def by_polars(table: pa.Table, layout: str, compression: str | None) -> bytes:
    """As Polars has it: its own names of types in the metadata, views for strings."""
    sink = io.BytesIO()
    frame = pl.DataFrame(pl.from_arrow(table))
    write = frame.write_ipc if layout == "file" else frame.write_ipc_stream
    write(sink, compression=compression or "uncompressed")  # type: ignore[arg-type]
    return sink.getvalue()


def by_maou(table: pa.Table) -> bytes:
    """With checksums in the footer."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "a.feather"
        save_feather_batches([table.slice(0, 1), table.slice(1)], path, durable=False)
        return path.read_bytes()


def seeds(layout: str) -> Iterator[tuple[str, bytes]]:
    """Every file of one layout, with its name."""
    for (name, table), compression in itertools.product(tables().items(), [None, "lz4", "zstd"]):
        # Uncompressed, boards and odd types are most of what there would be.
        if name == "odd" and compression == "zstd":
            continue
        suffix = f"{name}_{compression or 'plain'}"
        yield f"pyarrow_{suffix}", by_pyarrow(table, layout, compression)
        if name in {"flat", "nested", "hcpe", "empty"}:
            yield f"polars_{suffix}", by_polars(table, layout, compression)
        if layout == "file" and compression == "lz4":
            yield f"maou_{suffix}", by_maou(table)


def pairs() -> Iterator[tuple[str, bytes]]:
    """Two files each: `[length of the first: u16][first][second]`."""
    table = generate_hcpe_df(5, seed=2).to_arrow()
    moves = generate_stage2_df(2, seed=3).to_arrow()
    firsts = {
        "hcpe": (by_maou(table), by_polars(table, "stream", "zstd")),
        "stage2": (by_maou(moves), by_pyarrow(moves, "file", "lz4")),
        "views": (by_pyarrow(views(), "file", None), by_pyarrow(views(), "stream", "lz4")),
        "nested": (by_pyarrow(nested(), "stream", "zstd"), by_maou(nested())),
        "flat": (by_polars(flat(), "file", "lz4"), by_maou(flat())),
    }
    for name, (first, second) in firsts.items():
        yield name, struct.pack("<H", len(first)) + first + second


def main() -> None:
    """Writes all of them."""
    for target, found in {"file": seeds("file"), "stream": seeds("stream"), "split_merge": pairs()}.items():
        folder = SEEDS / target
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in found:
            (folder / name).write_bytes(content)


if __name__ == "__main__":
    main()
