"""Files that are written batch by batch."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from maou.domain.data.rust_io import load_hcpe_df

maou_io = pytest.importorskip("maou._rust.maou_io", reason="the extension is not built: `cargo xtask build`")


def lengths(path: Path) -> list[int]:
    return [len(batch) for batch in maou_io.iter_feather(path)]


@pytest.mark.parametrize("compression", ["lz4", "uncompressed"])
def test_batches_become_a_file_when_the_block_ends(compression: str, hcpe: pl.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "a.feather"
    with maou_io.FeatherWriter(path, compression=compression, durable=False) as writer:
        for start in range(0, len(hcpe), 100):
            writer.write(hcpe[start : start + 100])
            assert not path.exists()
        # In chunks: one batch all the same, of whatever library.
        chunked = pl.concat([hcpe[:10], hcpe[10:30]], rechunk=False)
        writer.write(chunked.to_arrow(compat_level=pl.CompatLevel.newest()))
    assert lengths(path) == [100, 100, 50, 30]
    assert load_hcpe_df(path, verify=True).equals(pl.concat([hcpe, hcpe[:30]]))
    assert pl.read_ipc(path).height == 280
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.feather"]


def test_an_exception_leaves_the_old_file(hcpe: pl.DataFrame, hcpe_file: Path) -> None:
    with pytest.raises(ZeroDivisionError), maou_io.FeatherWriter(hcpe_file) as writer:
        writer.write(hcpe[:5])
        raise ZeroDivisionError
    assert load_hcpe_df(hcpe_file).equals(hcpe)
    assert [entry.name for entry in hcpe_file.parent.iterdir()] == [hcpe_file.name]
    with pytest.raises(ValueError, match="the writer is closed"):
        writer.write(hcpe)


def test_a_writer_that_is_forgotten_leaves_nothing(hcpe: pl.DataFrame, tmp_path: Path) -> None:
    writer = maou_io.FeatherWriter(tmp_path / "a.feather")
    writer.write(hcpe)
    del writer
    assert list(tmp_path.iterdir()) == []


def test_finish_ends_it_without_a_block(hcpe: pl.DataFrame, tmp_path: Path) -> None:
    writer = maou_io.FeatherWriter(tmp_path / "a.feather")
    writer.write(hcpe)
    writer.finish()
    assert load_hcpe_df(tmp_path / "a.feather").equals(hcpe)
    with pytest.raises(ValueError, match="the writer is closed"):
        writer.finish()
    with maou_io.FeatherWriter(tmp_path / "b.feather") as early:
        early.write(hcpe)
        early.finish()
    assert load_hcpe_df(tmp_path / "b.feather").equals(hcpe)


def test_a_batch_that_does_not_fit_is_refused_and_the_others_are_written(tmp_path: Path) -> None:
    path = tmp_path / "a.feather"
    with maou_io.FeatherWriter(path) as writer:
        writer.write(pl.DataFrame({"x": [1, 2]}))
        with pytest.raises(ValueError, match=r"a\.feather: batch 1 has column `x` as Utf8View"):
            writer.write(pl.DataFrame({"x": ["a"]}))
        with pytest.raises(ValueError, match="batch 1 calls column 0 `y`, and the file calls it `x`"):
            writer.write(pl.DataFrame({"y": [1]}))
        with pytest.raises(TypeError):
            writer.write([1, 2])
        writer.write(pl.DataFrame({"x": [None, 3]}))
    assert pl.DataFrame(maou_io.load_feather_file(path))["x"].to_list() == [1, 2, None, 3]


def test_nulls_where_the_first_batch_has_none_are_refused(tmp_path: Path) -> None:
    strict = pa.schema([pa.field("x", pa.int64(), nullable=False)])
    with pytest.raises(ValueError, match="has nulls in column `x`"), maou_io.FeatherWriter(tmp_path / "a") as writer:
        writer.write(pa.table({"x": [1]}, schema=strict))
        writer.write(pa.table({"x": [None]}, schema=pa.schema([("x", pa.int64())])))
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no batches to save"), maou_io.FeatherWriter(tmp_path / "a.feather"):
        pass
    with maou_io.FeatherWriter(tmp_path / "a.feather") as writer:
        writer.write(pl.DataFrame({"x": pl.Series([], dtype=pl.Int16)}))
    assert lengths(tmp_path / "a.feather") == [0]


def test_what_cannot_be_written_is_said(tmp_path: Path, hcpe: pl.DataFrame) -> None:
    with pytest.raises(ValueError, match='compression is "zip"'):
        maou_io.FeatherWriter(tmp_path / "a.feather", compression="zip")
    with pytest.raises(FileNotFoundError), maou_io.FeatherWriter(tmp_path / "none" / "a.feather") as writer:
        writer.write(hcpe)
