"""What the headers of Arrow IPC files say, against what their writers know."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.ipc as ipc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maou.cli.files import file_size, reading_at
from maou.cli.headers import Headers, read_headers
from maou.domain.data.rust_io import save_hcpe_df
from maou.infra.utility.records import generate_hcpe_df

BATCHES = [
    pa.record_batch(
        {
            "words": pa.array(["a", None, "b", None]),
            "lists": pa.array([[1], None, [], [2, None]], pa.list_(pa.int16())),
            "board": pa.array([[[1, 2]], [[3, 4]], None, None], pa.list_(pa.list_(pa.uint8(), 2), 1)),
            "points": pa.array([{"x": 1.0, "y": "a"}, None, None, None]),
            "kinds": pa.array(["a", "b", None, "a"]).dictionary_encode(),
            "day": pa.array([None, None, None, 3], pa.date32()),
        }
    ),
]
NULLS = {"words": 2, "lists": 1, "board": 2, "points": 3, "kinds": 1, "day": 3}
TYPES = [
    "Utf8",
    "List<Int16>",
    "FixedSizeList<FixedSizeList<UInt8, 2>, 1>",
    "Struct<Float64, Utf8>",
    "Dictionary<Utf8>",
    "Date32",
]


def headers_of(path: Path) -> Headers:
    with reading_at(str(path)) as read_at:
        return read_headers(read_at, file_size(str(path)))


def write(path: Path, layout: str, compression: str | None) -> None:
    writer = ipc.new_file if layout == "file" else ipc.new_stream
    options = ipc.IpcWriteOptions(compression=compression)
    with path.open("wb") as sink, writer(sink, BATCHES[0].schema, options=options) as file:
        for batch in BATCHES * 3:
            file.write_batch(batch)


@pytest.mark.parametrize("layout", ["file", "stream"])
@pytest.mark.parametrize(("compression", "codecs"), [(None, set()), ("lz4", {"LZ4"}), ("zstd", {"ZSTD"})])
def test_columns_rows_and_nulls(layout: str, compression: str | None, codecs: set[str], tmp_path: Path) -> None:
    write(tmp_path / "a.arrow", layout, compression)
    headers = headers_of(tmp_path / "a.arrow")
    assert [column.arrow_type for column in headers.columns] == TYPES
    assert (headers.rows, headers.batches, headers.codecs) == (12, 3, codecs)
    assert headers.null_counts == {name: 3 * nulls for name, nulls in NULLS.items()}
    assert not headers.has_checksums


def test_sizes_are_those_of_the_data(tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": range(10_000)}, schema={"a": pl.Int64})
    for compression in ("uncompressed", "lz4"):
        frame.write_ipc(tmp_path / "a.arrow", compression=compression)
        assert headers_of(tmp_path / "a.arrow").uncompressed_bytes == 80_000


def test_a_stream_that_is_cut(tmp_path: Path) -> None:
    (tmp_path / "a.arrow").write_bytes(b"")
    with pytest.raises(ValueError, match="it has no schema"):
        headers_of(tmp_path / "a.arrow")


@given(st.data())
def test_damage_is_a_value_error(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    directory = tmp_path_factory.getbasetemp() / "damaged"
    path = directory / "a.arrow"
    if data.draw(st.booleans()):
        save_hcpe_df(generate_hcpe_df(20), path)
    else:
        directory.mkdir(exist_ok=True)
        write(path, data.draw(st.sampled_from(["file", "stream"])), "lz4")
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content)
    try:
        headers = headers_of(path)
    except ValueError:
        return
    assert headers.batches >= 0
