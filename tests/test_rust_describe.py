"""What Arrow IPC files say of themselves, against what their writers know."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.ipc as ipc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maou._rust.maou_io import count_rows, describe_feather_file, save_feather_batches
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


def write(path: Path, layout: str, compression: str | None) -> None:
    writer = ipc.new_file if layout == "file" else ipc.new_stream
    options = ipc.IpcWriteOptions(compression=compression)
    with path.open("wb") as sink, writer(sink, BATCHES[0].schema, options=options) as file:
        for batch in BATCHES * 3:
            file.write_batch(batch)


@pytest.mark.parametrize("layout", ["file", "stream"])
@pytest.mark.parametrize(("compression", "codecs"), [(None, []), ("lz4", ["LZ4"]), ("zstd", ["ZSTD"])])
def test_columns_rows_and_nulls(layout: str, compression: str | None, codecs: list[str], tmp_path: Path) -> None:
    path = tmp_path / "将棋 a.arrow"
    write(path, layout, compression)
    file = describe_feather_file(path)
    assert [column.arrow_type for column in file.columns] == TYPES
    assert (file.rows, file.batches, file.codecs) == (12, 3, codecs)
    assert {column.name: column.nulls for column in file.columns} == {name: 3 * nulls for name, nulls in NULLS.items()}
    assert not file.has_checksums
    assert file.bytes == path.stat().st_size
    assert count_rows(path) == 12


def test_sizes_are_those_of_the_data(tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": range(10_000)}, schema={"a": pl.Int64})
    for compression in ("uncompressed", "lz4"):
        frame.write_ipc(tmp_path / "a.arrow", compression=compression)
        assert describe_feather_file(tmp_path / "a.arrow").uncompressed_bytes == 80_000


def test_files_of_maou_have_checksums(tmp_path: Path) -> None:
    save_feather_batches(BATCHES * 2, tmp_path / "a.arrow")
    file = describe_feather_file(tmp_path / "a.arrow")
    assert (file.rows, file.batches, file.codecs, file.has_checksums) == (8, 2, ["LZ4"], True)


@pytest.mark.parametrize("layout", ["file", "stream"])
def test_errors_name_the_file(layout: str, tmp_path: Path) -> None:
    write(tmp_path / "a.arrow", layout, None)
    # Within the last batch, or the footer.
    (tmp_path / "a.arrow").write_bytes((tmp_path / "a.arrow").read_bytes()[:-100])
    (tmp_path / "empty").write_bytes(b"")
    for name, problem in (("a.arrow", "truncated"), ("empty", r"it is empty \(0 bytes\)")):
        for read in (describe_feather_file, count_rows):
            with pytest.raises(ValueError, match=rf"^\S*{name}: .*{problem}"):
                read(tmp_path / name)
    for read in (describe_feather_file, count_rows):
        with pytest.raises(FileNotFoundError, match="none"):
            read(tmp_path / "none")


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
        file = describe_feather_file(path)
    except ValueError:
        return
    # What can be described has rows to be counted.
    assert file.rows == count_rows(path)
