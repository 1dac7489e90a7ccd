"""Uncompressed files, and what is read of them without a copy, by us and by others."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from maou.domain.data.rust_io import (
    iter_generic_df,
    load_generic_df,
    load_hcpe_df,
    load_preprocessing_df,
    save_generic_df,
    save_hcpe_df,
    save_preprocessing_df,
)
from maou.infra.utility.records import generate_preprocessing_df

maou_io = pytest.importorskip("maou._rust.maou_io", reason="the extension is not built: `cargo xtask build`")

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/maps")


@pytest.fixture
def plain(hcpe: pl.DataFrame, tmp_path: Path) -> Path:
    path = tmp_path / "将棋 plain.feather"
    save_hcpe_df(hcpe, path, compression="uncompressed")
    return path


def mapped(path: Path) -> list[range]:
    """Where in memory the file is mapped."""
    lines = [line.split(maxsplit=5) for line in Path("/proc/self/maps").read_text().splitlines()]
    spans = [line[0].split("-") for line in lines if len(line) == 6 and line[5] == str(path)]
    return [range(int(start, 16), int(end, 16)) for start, end in spans]


def buffers(batch: pa.RecordBatch) -> Iterator[pa.Buffer]:
    """Those that have bytes."""
    for column in batch.columns:
        yield from (buffer for buffer in column.buffers() if buffer is not None and buffer.size)


@linux
def test_nothing_is_copied(plain: Path, hcpe: pl.DataFrame) -> None:
    whole = maou_io.load_feather_file(plain, memory_map=True)
    (chunk,) = maou_io.load_feather_batches(plain, memory_map=True)
    (part,) = maou_io.iter_feather(plain, memory_map=True)
    spans = mapped(plain)
    assert spans
    for batch in (whole, chunk, part):
        for buffer in buffers(pa.record_batch(batch)):
            assert any(buffer.address in span for span in spans)
    assert pl.DataFrame(whole).equals(hcpe)
    # The mapping ends with the last that uses it.
    del whole, chunk, part, batch, buffer
    assert not mapped(plain)


@linux
def test_without_being_asked_nothing_is_mapped(plain: Path) -> None:
    batch = maou_io.load_feather_file(plain)
    assert batch.num_rows and not mapped(plain)


def test_polars_and_pyarrow_read_our_uncompressed_files(plain: Path, hcpe: pl.DataFrame) -> None:
    assert pl.read_ipc(plain).equals(hcpe)
    assert pl.scan_ipc(plain).collect().equals(hcpe)
    with pa.memory_map(str(plain)) as source:
        assert pl.DataFrame(pa.ipc.open_file(source).read_all()).equals(hcpe)
    assert maou_io.verify_feather_file(plain) == (len(hcpe), 1, True)


def test_pyarrow_maps_our_uncompressed_files_without_a_copy(plain: Path) -> None:
    with pa.memory_map(str(plain)) as source:
        content = source.read_buffer()
        span = range(content.address, content.address + content.size)
        batch = pa.ipc.open_file(content).get_batch(0)
        assert all(buffer.address in span and buffer.address % 64 == 0 for buffer in buffers(batch))


@linux
def test_polars_takes_what_is_mapped_without_a_copy(tmp_path: Path) -> None:
    path = tmp_path / "a.feather"
    save_preprocessing_df(generate_preprocessing_df(500), path, compression="uncompressed")
    frame = load_generic_df(path, memory_map=True)
    for name in ("id", "moveLabel", "resultValue"):
        address = frame[name].to_numpy(allow_copy=False).__array_interface__["data"][0]
        assert any(address in span for span in mapped(path)), name


@pytest.mark.parametrize("compression", ["lz4", "uncompressed"])
@pytest.mark.parametrize("memory_map", [False, True])
@pytest.mark.parametrize("verify", [False, True])
def test_frames_come_back(hcpe: pl.DataFrame, tmp_path: Path, compression: str, memory_map: bool, verify: bool) -> None:
    how = {"memory_map": memory_map, "verify": verify}
    path = tmp_path / "a.feather"
    save_hcpe_df(hcpe, path, compression=compression, durable=False)  # type: ignore[arg-type]
    assert load_hcpe_df(path, **how).equals(hcpe)
    assert pl.DataFrame(maou_io.load_hcpe_feather(path, **how)).equals(hcpe)
    pieces = iter_generic_df(path, batch_rows=77, memory_map=memory_map, verify=verify)
    assert pl.concat(pieces).equals(hcpe)
    part = iter_generic_df(path, ["moves", "id"], rows=(5, 100), memory_map=memory_map, verify=verify)
    assert pl.concat(part).equals(hcpe["moves", "id"][5:100])

    features = generate_preprocessing_df(20)
    save_preprocessing_df(features, path, compression=compression)  # type: ignore[arg-type]
    assert load_preprocessing_df(path, **how).equals(features)
    save_generic_df(features.clear(), path, compression=compression)  # type: ignore[arg-type]
    assert load_generic_df(path, memory_map=memory_map, verify=verify).equals(features.clear())


def test_uncompressed_is_what_it_says(plain: Path, hcpe: pl.DataFrame, tmp_path: Path) -> None:
    save_hcpe_df(hcpe, tmp_path / "lz4.feather")
    assert b"\x04\x22\x4d\x18" in (tmp_path / "lz4.feather").read_bytes()
    assert b"\x04\x22\x4d\x18" not in plain.read_bytes()
    with pytest.raises(ValueError, match='compression is "zstd": there are "lz4" and "uncompressed"'):
        save_hcpe_df(hcpe, plain, compression="zstd")  # type: ignore[arg-type]


def test_a_frame_is_iterated_when_the_file_is_there(tmp_path: Path, plain: Path) -> None:
    with pytest.raises(FileNotFoundError):
        iter_generic_df(tmp_path / "none.feather")
    with pytest.raises(ValueError, match="no column `evil`"):
        iter_generic_df(plain, ["evil"])


@pytest.mark.parametrize("memory_map", [False, True])
def test_what_has_changed_is_not_given(plain: Path, memory_map: bool) -> None:
    content = bytearray(plain.read_bytes())
    content[len(content) // 2] ^= 1
    plain.write_bytes(content)
    for load in (maou_io.load_feather_file, maou_io.load_feather_batches, maou_io.load_hcpe_feather, load_hcpe_df):
        with pytest.raises(ValueError, match="it is damaged: bytes"):
            load(plain, memory_map=memory_map, verify=True)
    for read in (maou_io.iter_feather, iter_generic_df):
        with pytest.raises(ValueError, match="it is damaged: bytes"):
            list(read(plain, columns=["eval"], memory_map=memory_map, verify=True))


def test_files_of_others_cannot_be_verified(tmp_path: Path, hcpe: pl.DataFrame) -> None:
    hcpe.write_ipc(tmp_path / "a.feather")
    with pytest.raises(ValueError, match=r"a\.feather: it has no checksums.*Save it again with maou"):
        maou_io.load_feather_file(tmp_path / "a.feather", verify=True)
