"""Files read in part, verified, and on a given number of threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.feather as feather
import pytest

from maou.domain.data import rust_io
from maou.infra.utility.records import generate_hcpe_df

maou_io = pytest.importorskip("maou._rust.maou_io", reason="the extension is not built: `cargo xtask build`")

ROWS = 3000


def by_us(frame: pl.DataFrame, path: Path) -> None:
    maou_io.save_feather_batches([frame[:1000], frame[1000:1001], frame[1001:]], path)


def by_polars(frame: pl.DataFrame, path: Path) -> None:
    frame.write_ipc(path, compression="lz4")


def by_pyarrow(frame: pl.DataFrame, path: Path) -> None:
    feather.write_feather(frame.to_arrow(), str(path), compression="lz4", chunksize=700)


def by_pyarrow_zstd(frame: pl.DataFrame, path: Path) -> None:
    feather.write_feather(frame.to_arrow(), str(path), compression="zstd", chunksize=700)


def by_pyarrow_plain(frame: pl.DataFrame, path: Path) -> None:
    feather.write_feather(frame.to_arrow(), str(path), compression="uncompressed", chunksize=700)


WRITERS = [by_us, by_polars, by_pyarrow, by_pyarrow_zstd, by_pyarrow_plain]


@pytest.fixture(scope="module")
def frame() -> pl.DataFrame:
    return generate_hcpe_df(ROWS)


@pytest.fixture(params=WRITERS, ids=lambda writer: writer.__name__)
def file(request: pytest.FixtureRequest, frame: pl.DataFrame, tmp_path: Path) -> Path:
    path = tmp_path / "a.feather"
    write: Callable[[pl.DataFrame, Path], None] = request.param
    write(frame, path)
    return path


@pytest.fixture(params=[1, 4])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    maou_io.set_num_threads(request.param)
    yield request.param
    maou_io.set_num_threads(0)


@pytest.mark.parametrize("columns", [None, ["eval"], ["id", "hcp"], ["moves", "ratings", "eval"]])
@pytest.mark.parametrize("rows", [None, (0, 10), (995, 1005), (2999, 5000), (17, 17)])
def test_columns_and_rows_are_those_of_the_frame(
    file: Path, frame: pl.DataFrame, columns: list[str] | None, rows: tuple[int, int] | None
) -> None:
    expected = frame.select(columns or frame.columns)
    if rows:
        expected = expected[rows[0] : rows[1]]
    loaded = pl.DataFrame(maou_io.load_feather_file(file, columns=columns, rows=rows))
    assert loaded.equals(expected)
    chunks = [pl.DataFrame(batch) for batch in maou_io.load_feather_batches(file, columns, rows)]
    assert sum(map(len, chunks)) == len(expected)
    pieces = [pl.DataFrame(batch) for batch in maou_io.iter_feather(file, columns, batch_rows=256, rows=rows)]
    assert all(len(piece) <= 256 for piece in pieces)
    if pieces:
        assert pl.concat(pieces).equals(expected)


def test_any_number_of_threads_reads_and_writes_the_same(
    file: Path, frame: pl.DataFrame, threads: int, tmp_path: Path
) -> None:
    assert maou_io.num_threads() == threads
    large = pl.concat([frame] * 60)
    path = tmp_path / "large.feather"
    maou_io.save_feather_file(large, path, durable=False)
    assert pl.DataFrame(maou_io.load_feather_file(path)).equals(large)
    assert pl.read_ipc(path).equals(large)
    assert pl.DataFrame(feather.read_table(str(path), memory_map=False)).equals(large)
    assert pl.DataFrame(maou_io.load_feather_file(file)).equals(frame)


def test_a_file_is_iterated_in_its_own_batches(frame: pl.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "a.feather"
    by_us(frame, path)
    assert [len(batch) for batch in maou_io.iter_feather(path)] == [1000, 1, 1999]


def test_ours_is_a_stream_behind_its_magic(frame: pl.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "a.feather"
    by_us(frame, path)
    with pa.ipc.open_stream(path.read_bytes()[8:]) as reader:
        assert pl.DataFrame(reader.read_all()).equals(frame)


def test_verify_finds_a_changed_byte(frame: pl.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "a.feather"
    by_us(frame, path)
    assert maou_io.verify_feather_file(path) == (ROWS, 3, True)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"damaged.*a\.feather|a\.feather.*damaged"):
        maou_io.verify_feather_file(path)


def test_verify_reads_files_of_others(file: Path) -> None:
    rows, batches, _ = maou_io.verify_feather_file(file)
    assert (rows, batches >= 1) == (ROWS, True)


def test_what_cannot_be_read_is_said(file: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no column `evil`: there are `hcp`, `eval`"):
        maou_io.load_feather_file(file, columns=["evil"])
    with pytest.raises(ValueError, match="batch_rows is 0"):
        maou_io.iter_feather(file, batch_rows=0)
    with pytest.raises(ValueError, match="cannot be negative"):
        maou_io.set_num_threads(-1)
    with pytest.raises(FileNotFoundError):
        maou_io.iter_feather(tmp_path / "none.feather")
    with pytest.raises(FileNotFoundError):
        maou_io.verify_feather_file(tmp_path / "none.feather")


def test_rows_that_no_file_has(file: Path, frame: pl.DataFrame) -> None:
    calls: list[Callable[..., object]] = [
        maou_io.load_feather_file,
        maou_io.load_feather_batches,
        maou_io.iter_feather,
        rust_io.load_generic_df,
        rust_io.iter_generic_df,
        maou_io.data_ranges,
    ]
    for call in calls:
        for rows in [(-1, 2), (0, -1), (-(2**70), 2), (-(2**200), 2)]:
            with pytest.raises(ValueError, match=r"rows is \(.*\): rows count from 0, none is negative"):
                consumed(call(file, rows=rows))
    for end in (2**64 - 1, 2**64, 2**70, 2**200):
        assert len(maou_io.load_feather_file(file, rows=(2990, end))) == 10
        assert len(maou_io.load_feather_file(file, rows=(end, end))) == 0
    assert maou_io.data_ranges(file, rows=(0, 2**70)) == maou_io.data_ranges(file)


def consumed(result: object) -> object:
    """Only when its first frame is wanted does a generator look at its arguments."""
    return next(result) if isinstance(result, Iterator) else result


@pytest.mark.parametrize("number", [-1, -(2**64), -(2**200), 2**64, 2**70, 2**200])
def test_counts_of_any_size_are_value_errors(number: int, frame: pl.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "a.feather"
    by_us(frame, path)
    why = "cannot be negative" if number < 0 else "cannot be more than 18446744073709551615"
    calls: dict[str, Callable[[], object]] = {
        "threads": lambda: maou_io.set_num_threads(number),
        "batch_rows": lambda: maou_io.iter_feather(path, batch_rows=number),
        "rows_per_file": lambda: maou_io.split_feather_file(path, tmp_path, number),
        "rows_per_chunk": lambda: maou_io.merge_feather_files([path], tmp_path, number, "m"),
        "size": lambda: maou_io.expand_sparse_array_rust([], [], number),
    }
    for name, call in calls.items():
        with pytest.raises(ValueError, match=f"{name} is .*: it {why}"):
            call()


def test_a_save_removes_what_a_killed_one_left(frame: pl.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "a.feather"
    (tmp_path / ".a.feather.123.0.tmp").write_bytes(b"half")
    by_us(frame, path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.feather"]
