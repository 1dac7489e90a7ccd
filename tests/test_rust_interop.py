"""Files and batches to and from other Arrow libraries, through the PyCapsule interface."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from maou._rust.maou_io import (
    load_feather_batches,
    load_feather_file,
    load_hcpe_feather,
    load_preprocessing_feather,
    merge_feather_files,
    save_feather_batches,
    save_feather_file,
    save_hcpe_feather,
    save_preprocessing_feather,
    split_feather_file,
)
from maou.domain.data.rust_io import (
    load_generic_df,
    load_hcpe_df,
    merge_hcpe_feather_files,
    save_generic_df,
    save_hcpe_df,
)
from maou.domain.data.schema import SchemaValidationError
from maou.infra.utility.records import generate_hcpe_df, generate_preprocessing_df

Write = Callable[[pl.DataFrame, Path], None]
TEXTS = {"utf8": pa.utf8(), "large_utf8": pa.large_utf8(), "utf8_view": pa.string_view()}


class ArrayOnly:
    """Nothing but the array half of the protocol."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        self.batch = batch

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        capsules: tuple[object, object] = self.batch.__arrow_c_array__(requested_schema)
        return capsules


class StreamOnly:
    """Nothing but the stream half of the protocol."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)


def polars_file(compression: Any, oldest: bool) -> Write:
    level = pl.CompatLevel.oldest() if oldest else pl.CompatLevel.newest()
    return lambda df, path: df.write_ipc(path, compression=compression, compat_level=level)


def polars_stream(compression: Any) -> Write:
    return lambda df, path: df.write_ipc_stream(path, compression=compression)


def pyarrow_writer(new: Callable[..., Any], compression: str | None) -> Write:
    def write(df: pl.DataFrame, path: Path) -> None:
        table = df.to_arrow()
        options = pa.ipc.IpcWriteOptions(compression=compression)
        with pa.OSFile(str(path), "wb") as sink, new(sink, table.schema, options=options) as writer:
            # Several batches, as everybody's files have.
            writer.write_table(table, max_chunksize=100)

    return write


WRITERS: dict[str, Write] = {
    **{
        f"polars file, {compression}, {'oldest' if oldest else 'newest'}": polars_file(compression, oldest)
        for compression in ("uncompressed", "lz4", "zstd")
        for oldest in (False, True)
    },
    **{f"polars stream, {name}": polars_stream(name) for name in ("uncompressed", "lz4", "zstd")},
    **{f"pyarrow file, {name}": pyarrow_writer(pa.ipc.new_file, name) for name in (None, "lz4", "zstd")},
    **{f"pyarrow stream, {name}": pyarrow_writer(pa.ipc.new_stream, name) for name in (None, "lz4", "zstd")},
}


@pytest.mark.parametrize("extension", [".feather", ".arrow", ""])
@pytest.mark.parametrize("writer", WRITERS)
def test_files_of_others_read_equal(writer: str, extension: str, hcpe: pl.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / f"theirs{extension}"
    WRITERS[writer](hcpe, path)
    assert pl.DataFrame(load_feather_file(path)).equals(hcpe)
    assert pl.DataFrame(load_hcpe_feather(path)).equals(hcpe)
    assert load_hcpe_df(path).equals(hcpe)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("new", [pa.ipc.new_file, pa.ipc.new_stream])
def test_every_text_type_reads_equal(text: str, new: Callable[..., Any], tmp_path: Path) -> None:
    names = pa.array(["a", None, "", "長い文字列は別のバッファに入る"], TEXTS[text])
    table = pa.table({"id": names})
    with pa.OSFile(str(tmp_path / "a"), "wb") as sink, new(sink, table.schema) as writer:
        writer.write_table(table)
    batch = pa.record_batch(load_feather_file(tmp_path / "a"))
    assert batch.schema.field("id").type == TEXTS[text]
    assert batch["id"].to_pylist() == names.to_pylist()


def test_our_files_in_polars_and_pyarrow(hcpe: pl.DataFrame, hcpe_file: Path) -> None:
    assert pl.read_ipc(hcpe_file).equals(hcpe)
    assert pl.scan_ipc(hcpe_file).collect().equals(hcpe)
    with pa.OSFile(str(hcpe_file), "rb") as source:
        table = pa.ipc.open_file(source).read_all()
    assert pl.DataFrame(table).equals(hcpe)


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
def test_preprocessing_files_of_polars_with_variable_lists(compression: Any, tmp_path: Path) -> None:
    from maou.domain.data.rust_io import load_preprocessing_df

    frame = generate_preprocessing_df(30)
    frame.write_ipc(tmp_path / "a.feather", compression=compression or "uncompressed")
    assert load_preprocessing_df(tmp_path / "a.feather").equals(frame)


PRODUCERS: dict[str, Callable[[pa.Table], Any]] = {
    "polars DataFrame": pl.DataFrame,
    "polars DataFrame in chunks": lambda table: pl.concat(
        [pl.DataFrame(table.slice(0, 3)), pl.DataFrame(table.slice(3))], rechunk=False
    ),
    "pyarrow RecordBatch": lambda table: table.combine_chunks().to_batches()[0],
    "pyarrow Table": lambda table: table,
    "pyarrow Table in chunks": lambda table: pa.concat_tables([table.slice(0, 3), table.slice(3)]),
    "pyarrow slice": lambda table: pa.concat_tables([table, table]).combine_chunks().slice(len(table)),
    "array half": lambda table: ArrayOnly(table.combine_chunks().to_batches()[0]),
    "stream half": StreamOnly,
    "nanoarrow": lambda table: pytest.importorskip("nanoarrow").Array(table),
    "arro3 RecordBatch": lambda table: pytest.importorskip("arro3.core").RecordBatch.from_arrow(
        table.combine_chunks().to_batches()[0]
    ),
    "arro3 Table": lambda table: pytest.importorskip("arro3.core").Table.from_arrow(table),
}


@pytest.mark.parametrize("producer", PRODUCERS)
def test_batches_come_in_by_protocol(producer: str, tmp_path: Path) -> None:
    table = pa.table({"id": pa.array(range(7), pa.uint64()), "name": ["a", None, "c", "d", "", "f", "g" * 40]})
    save_feather_file(PRODUCERS[producer](table), tmp_path / "a.feather")
    loaded = pl.DataFrame(load_feather_file(tmp_path / "a.feather"))
    assert loaded.rows() == list(zip(*table.to_pydict().values(), strict=True))


@pytest.mark.parametrize("producer", PRODUCERS)
def test_hcpe_comes_in_by_protocol(producer: str, hcpe: pl.DataFrame, tmp_path: Path) -> None:
    save_hcpe_feather(PRODUCERS[producer](hcpe.to_arrow()), tmp_path / "a.feather")
    assert load_hcpe_df(tmp_path / "a.feather").equals(hcpe)


@pytest.mark.parametrize("foreign", [None, 1, "a.feather", [1, 2], {"id": [1]}, object()])
def test_what_has_no_protocol_is_a_type_error(foreign: Any, tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        save_feather_file(foreign, tmp_path / "a.feather")
    assert list(tmp_path.iterdir()) == []


def test_an_array_that_is_no_struct_is_refused(tmp_path: Path) -> None:
    with pytest.raises((TypeError, ValueError)):
        save_feather_file(pa.array([1, 2]), tmp_path / "a.feather")
    assert list(tmp_path.iterdir()) == []


def test_the_checked_functions_check(hcpe: pl.DataFrame, hcpe_file: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="eval"):
        save_hcpe_feather(hcpe.drop("eval"), tmp_path / "a.feather")
    with pytest.raises(ValueError, match="eval"):
        save_hcpe_feather(hcpe.with_columns(pl.col("eval").cast(pl.Int64)), tmp_path / "a.feather")
    with pytest.raises(ValueError, match=r"boardIdPositions|id"):
        save_preprocessing_feather(hcpe, tmp_path / "a.feather")
    with pytest.raises(ValueError, match=r"boardIdPositions|id"):
        load_preprocessing_feather(hcpe_file)
    assert not (tmp_path / "a.feather").exists()


def test_preprocessing_in_and_out_by_protocol(tmp_path: Path) -> None:
    frame = generate_preprocessing_df(10)
    fixed = frame.with_columns(
        pl.col("boardIdPositions").cast(pl.Array(pl.UInt8, (9, 9))),
        pl.col("piecesInHand").cast(pl.Array(pl.UInt8, 14)),
        pl.col("moveLabel", "moveWinRate").cast(pl.Array(pl.Float32, 1496)),
    )
    save_preprocessing_feather(fixed, tmp_path / "a.feather")
    assert pl.DataFrame(load_preprocessing_feather(tmp_path / "a.feather")).equals(fixed)


def test_nulls_in_preprocessing_are_refused(tmp_path: Path) -> None:
    frame = generate_preprocessing_df(2).with_columns(
        pl.col("boardIdPositions").cast(pl.Array(pl.UInt8, (9, 9))),
        pl.col("piecesInHand").cast(pl.Array(pl.UInt8, 14)),
        pl.col("moveLabel", "moveWinRate").cast(pl.Array(pl.Float32, 1496)),
        resultValue=pl.Series([0.5, None], dtype=pl.Float32),
    )
    with pytest.raises(ValueError, match="resultValue"):
        save_preprocessing_feather(frame, tmp_path / "a.feather")


def test_what_comes_out_goes_everywhere(hcpe: pl.DataFrame, hcpe_file: Path) -> None:
    batch = load_feather_file(hcpe_file)
    assert pl.DataFrame(batch).equals(hcpe)
    assert pl.DataFrame(pa.record_batch(batch)).equals(hcpe)
    assert pl.DataFrame(pa.table(batch)).equals(hcpe)
    assert pa.schema(batch) == pa.record_batch(batch).schema


def test_what_comes_out_goes_in_again(hcpe: pl.DataFrame, hcpe_file: Path, tmp_path: Path) -> None:
    save_feather_file(load_feather_file(hcpe_file), tmp_path / "again.feather")
    assert load_hcpe_df(tmp_path / "again.feather").equals(hcpe)


def test_out_is_zero_copy(hcpe_file: Path) -> None:
    batch = load_feather_file(hcpe_file)
    first, second = pa.record_batch(batch), pa.record_batch(batch)
    addresses = [[b and b.address for b in column.buffers()] for column in first.columns]
    assert addresses == [[b and b.address for b in column.buffers()] for column in second.columns]
    evals = pl.DataFrame(batch)["eval"].to_numpy()
    assert evals.ctypes.data == first["eval"].buffers()[1].address


def test_exported_memory_outlives_the_batch(hcpe: pl.DataFrame, hcpe_file: Path) -> None:
    batch = load_feather_file(hcpe_file)
    frame = pl.DataFrame(batch)
    del batch
    hcpe_file.unlink()
    assert frame.equals(hcpe)


def test_out_needs_no_pyarrow(hcpe_file: Path) -> None:
    script = f"""
import sys
sys.modules["pyarrow"] = None
from maou.domain.data.rust_io import load_hcpe_df, save_hcpe_df
df = load_hcpe_df({str(hcpe_file)!r})
save_hcpe_df(df, {str(hcpe_file)!r})
assert load_hcpe_df({str(hcpe_file)!r}).equals(df)
print(df.height)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("250\n", "")


def test_batches_keep_their_chunks(tmp_path: Path) -> None:
    table = pa.table({"x": range(10)})
    batches = table.to_batches(max_chunksize=4)
    save_feather_batches(batches, tmp_path / "a.feather")
    loaded = [pa.record_batch(batch) for batch in load_feather_batches(tmp_path / "a.feather")]
    assert loaded == batches
    assert pa.record_batch(load_feather_file(tmp_path / "a.feather")).num_rows == 10


def test_batches_of_a_stream_file(hcpe: pl.DataFrame, tmp_path: Path) -> None:
    WRITERS["pyarrow stream, lz4"](hcpe, tmp_path / "a.feather")
    heights = [pl.DataFrame(batch).height for batch in load_feather_batches(tmp_path / "a.feather")]
    assert heights == [100, 100, 50]


NULLS = {
    "null": pl.Series("null", [None, None, None]),
    "lists": pl.Series("lists", [[None, None], [], None], dtype=pl.List(pl.Null)),
    "arrays": pl.Series("arrays", [[None, None]] * 3, dtype=pl.Array(pl.Null, 2)),
    "structs": pl.Series("structs", [{"a": 1, "b": None}] * 3, dtype=pl.Struct({"a": pl.Int8, "b": pl.Null})),
    "deep": pl.Series("deep", [[{"a": [None]}], [], [{"a": None}]], dtype=pl.List(pl.Struct({"a": pl.List(pl.Null)}))),
}


@pytest.mark.parametrize("name", NULLS)
def test_columns_without_a_type_are_as_they_were(name: str, tmp_path: Path) -> None:
    frame = pl.DataFrame([pl.Series("row", [1, 2, 3]), NULLS[name]])
    for part in (frame, frame[1:], frame[:0], pl.concat([frame, frame[2:]], rechunk=False)):
        save_generic_df(part, tmp_path / "a.feather")
        loaded = load_generic_df(tmp_path / "a.feather")
        assert loaded.equals(part)
        assert loaded.schema == part.schema
        save_feather_batches([part, part.to_arrow()], tmp_path / "b.feather")
        assert load_generic_df(tmp_path / "b.feather").equals(pl.concat([part, part]))


def test_no_batches_is_a_value_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="batch"):
        save_feather_batches([], tmp_path / "a.feather")
    assert list(tmp_path.iterdir()) == []


def test_batches_of_two_schemas_are_a_value_error(tmp_path: Path) -> None:
    batches = [pl.DataFrame({"x": [1]}), pl.DataFrame({"y": [1]})]
    with pytest.raises(ValueError, match=r"x|y"):
        save_feather_batches(batches, tmp_path / "a.feather")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("writer", ["polars file, lz4, newest", "polars stream, zstd", "pyarrow stream, None"])
def test_split_takes_files_of_others(writer: str, hcpe: pl.DataFrame, tmp_path: Path) -> None:
    WRITERS[writer](hcpe, tmp_path / "a.feather")
    (tmp_path / "pieces").mkdir()
    pieces = split_feather_file(str(tmp_path / "a.feather"), str(tmp_path / "pieces"), 99)
    assert all(isinstance(piece, str) for piece in pieces)
    frames = [load_hcpe_df(piece) for piece in pieces]
    assert [frame.height for frame in frames] == [99, 99, 52]
    assert pl.concat(frames).equals(hcpe)


def test_merge_of_everybodys_files_has_the_large_types(hcpe: pl.DataFrame, tmp_path: Path) -> None:
    for number, write in enumerate(WRITERS.values()):
        write(hcpe, tmp_path / f"{number:02}.feather")
    save_hcpe_df(hcpe, tmp_path / "99.feather")
    sources = sorted(tmp_path.glob("*.feather"))
    (merged,) = merge_hcpe_feather_files(sources, tmp_path / "out")
    assert load_hcpe_df(merged).equals(pl.concat([hcpe] * len(sources)))
    with pa.OSFile(str(merged), "rb") as source:
        stored = pa.ipc.open_file(source).schema
    assert stored.field("id").type == pa.large_utf8()
    assert stored.field("hcp").type == pa.large_binary()


def test_merge_of_other_types_is_a_clear_error(tmp_path: Path) -> None:
    save_feather_file(pl.DataFrame({"id": [1]}), tmp_path / "a.feather")
    save_feather_file(pl.DataFrame({"id": ["1"]}), tmp_path / "b.feather")
    (tmp_path / "out").mkdir()
    with pytest.raises(ValueError, match=r"b\.feather.*id|id.*b\.feather"):
        merge_feather_files([tmp_path / "a.feather", tmp_path / "b.feather"], tmp_path / "out", 10, "x")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_chunk_is_larger_than_asked_only_for_a_larger_batch(tmp_path: Path) -> None:
    for name, rows in {"a": 3, "b": 12, "c": 2, "d": 5, "e": 6}.items():
        save_feather_file(pl.DataFrame({"x": [name] * rows}), tmp_path / f"{name}.feather")
    sources = sorted(tmp_path.glob("*.feather"))
    (tmp_path / "out").mkdir()
    chunks = merge_feather_files(sources, tmp_path / "out", 10, "x")
    frames = [pl.DataFrame(load_feather_file(chunk)) for chunk in chunks]
    heights = [frame.height for frame in frames]
    assert sum(heights) == 28
    assert all(height <= 10 or height == 12 for height in heights)
    assert "".join(pl.concat(frames)["x"]) == "aaabbbbbbbbbbbbccdddddeeeeee"


def test_a_frame_of_the_wrong_record_is_our_error(tmp_path: Path) -> None:
    with pytest.raises(SchemaValidationError, match="hcp"):
        save_hcpe_df(generate_preprocessing_df(1), tmp_path / "a.feather")


def test_generated_files_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_hcpe_df(generate_hcpe_df(100, seed=4), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
