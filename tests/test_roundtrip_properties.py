"""Any frame of any record type, through every writer and every reader: what comes back has the same bits."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import hypothesis.strategies as st
import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings

from maou._rust.maou_io import save_feather_batches
from maou.domain.data import rust_io
from maou.domain.data.schema.records import HCPE, INTERMEDIATE, PREPROCESSING, STAGE1, STAGE2, Field, Record

Write = Callable[[pl.DataFrame, list[int], Path], None]
Read = Callable[[Path], pl.DataFrame]

RECORDS = {
    "hcpe": HCPE,
    "preprocessing": PREPROCESSING,
    "intermediate": INTERMEDIATE,
    "stage1": STAGE1,
    "stage2": STAGE2,
}
# Quiet and signalling NaNs with payloads, infinities, zeros of both signs, the smallest and the largest.
FLOAT_BITS = [0x7FC00000, 0xFFC12345, 0x7F800001, 0x7F800000, 0xFF800000, 0, 0x80000000, 1, 0x7F7FFFFF, 0x3F800000]


def by_maou(kind: str) -> Write:
    def write(df: pl.DataFrame, cuts: list[int], path: Path) -> None:
        save = getattr(rust_io, f"save_{kind}_df")
        if not cuts:
            return cast(None, save(df, path))
        # As the save stores it, in several batches.
        save(df, path)
        stored = pl.DataFrame(rust_io._maou_io().load_feather_file(str(path)))
        return save_feather_batches(_pieces(stored, cuts), path)

    return write


def by_polars(compression: Any, stream: bool) -> Write:
    def write(df: pl.DataFrame, cuts: list[int], path: Path) -> None:
        if stream:
            df.write_ipc_stream(path, compression=compression)
        else:
            df.write_ipc(path, compression=compression, record_batch_size=cuts[0] if cuts else None)

    return write


def by_pyarrow(compression: str | None, stream: bool) -> Write:
    def write(df: pl.DataFrame, cuts: list[int], path: Path) -> None:
        schema = df.to_arrow().schema
        new = pa.ipc.new_stream if stream else pa.ipc.new_file
        with new(str(path), schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
            for piece in _pieces(df, cuts):
                writer.write_table(piece.to_arrow())

    return write


def writers(kind: str) -> dict[str, Write]:
    return {
        "maou": by_maou(kind),
        **{
            f"polars {layout}, {compression}": by_polars(compression, layout == "stream")
            for compression in ("uncompressed", "lz4", "zstd")
            for layout in ("file", "stream")
        },
        **{
            f"pyarrow {layout}, {compression}": by_pyarrow(compression, layout == "stream")
            for compression in (None, "lz4", "zstd")
            for layout in ("file", "stream")
        },
    }


def readers(kind: str, layout: str) -> dict[str, Read]:
    def with_pyarrow(path: Path) -> pl.DataFrame:
        opened = pa.ipc.open_stream if layout == "stream" else pa.ipc.open_file
        with pa.OSFile(str(path)) as source:
            return pl.DataFrame(pl.from_arrow(opened(source).read_all()))

    def with_polars(path: Path) -> pl.DataFrame:
        return pl.read_ipc_stream(path) if layout == "stream" else pl.read_ipc(path)

    return {"maou": getattr(rust_io, f"load_{kind}_df"), "polars": with_polars, "pyarrow": with_pyarrow}


@pytest.mark.parametrize("writer", writers("hcpe"))
@pytest.mark.parametrize("kind", RECORDS)
@settings(max_examples=6)
@given(data=st.data())
def test_every_reader_has_what_every_writer_had(kind: str, writer: str, data: st.DataObject) -> None:
    df = data.draw(frames(RECORDS[kind]), "frame")
    cuts = data.draw(st.lists(st.integers(1, max(1, df.height)), max_size=2), "cuts")
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "a.feather"
        writers(kind)[writer](df, cuts, path)
        for reader, read in readers(kind, "stream" if "stream" in writer else "file").items():
            assert_same_bits(read(path), df, RECORDS[kind], reader)


@st.composite
def frames(draw: st.DrawFn, record: Record) -> pl.DataFrame:
    rows = draw(st.integers(0, 4))
    return pl.DataFrame({field.name: draw(columns(field, rows, record.nullable)) for field in record.fields})


@st.composite
def columns(draw: st.DrawFn, field: Field, rows: int, nullable: bool) -> pl.Series:
    if field.is_fixed_list or field.frame == pl.Float32:
        return _numbers(field, rows, draw(st.integers(0, 2**32 - 1)))
    values = _values(field.frame)
    if nullable:
        values = st.none() | values
    drawn = draw(st.lists(values, min_size=rows, max_size=rows))
    if field.frame == pl.Date:
        # Days that Python's dates do not reach.
        return cast(pl.Series, pl.Series(field.name, drawn, dtype=pl.Int32).cast(pl.Date))
    return pl.Series(field.name, drawn, dtype=field.frame)


def _values(dtype: pl.DataType) -> st.SearchStrategy[Any]:
    if dtype == pl.String:
        # Empty, short enough for a view, and longer.
        return st.text(max_size=5) | st.text("将棋a\0", min_size=10, max_size=20)
    if dtype == pl.Binary:
        # A packed position.
        return st.binary(min_size=32, max_size=32)
    if isinstance(dtype, pl.List):
        # The ratings of both sides, or of neither.
        return st.lists(st.integers(0, 2**16 - 1), min_size=2, max_size=2) | st.just([])
    bits = 32 if dtype == pl.Date else 8 * np.dtype(str(dtype).lower()).itemsize
    low, high = (0, 2**bits - 1) if dtype == pl.UInt64 else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return st.sampled_from([low, high, 0]) | st.integers(low, high)


def _numbers(field: Field, rows: int, seed: int) -> pl.Series:
    """Numbers of which some are extreme: drawn at once, because Hypothesis takes long for thousands."""
    random = np.random.default_rng(seed)
    leaf = field.frame
    while isinstance(leaf, pl.List):
        leaf = cast(pl.DataType, leaf.inner)
    shape = (rows, *field.shape)
    if leaf == pl.Float32:
        numbers = random.choice(np.array(FLOAT_BITS, "u4"), size=shape).view("f4")
    else:
        info = np.iinfo(str(leaf).lower())
        numbers = random.choice(np.array([info.min, info.max, 0, 1], info.dtype), size=shape)
    # Through Arrow, where no number is looked at.
    values: pa.Array = pa.array(numbers.reshape(-1))
    for length in reversed(field.shape):
        values = pa.FixedSizeListArray.from_arrays(values, length)
    return cast(pl.Series, pl.Series(field.name, pl.from_arrow(values)).cast(field.frame))


def assert_same_bits(found: pl.DataFrame, expected: pl.DataFrame, record: Record, reader: str) -> None:
    assert found.columns == expected.columns, reader
    for field in record.fields:
        # Fixed lists are arrays to those who do not know the schema.
        column = found[field.name].cast(field.frame)
        assert _bits(column) == _bits(expected[field.name]), f"{field.name}, read by {reader}"


def _bits(series: pl.Series) -> tuple[object, ...]:
    """Values in a form that is equal only where every bit is: of floats, the integers that they are stored as."""
    if isinstance(series.dtype, pl.List):
        # Polars explodes an empty list to a null.
        filled = series.filter(series.list.len() > 0)
        return (series.list.len().to_list(), _bits(filled.explode()))
    if series.dtype == pl.Float32:
        return (series.is_null().to_list(), series.to_numpy().astype("f4").view("u4").tobytes())
    if series.dtype == pl.Date:
        series = series.cast(pl.Int32)
    return (series.to_list(),)


def _pieces(df: pl.DataFrame, cuts: list[int]) -> list[pl.DataFrame]:
    ends = sorted({0, df.height, *(cut for cut in cuts if cut < df.height)})
    return [df.slice(start, end - start) for start, end in itertools.pairwise(ends)] or [df]
