"""Files that are damaged, missing or in the way: which exception, what it says, and what it leaves behind."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
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
    split_feather_file,
)
from maou.domain.data.rust_io import iter_generic_df, load_generic_df, load_hcpe_df, save_hcpe_df
from maou.infra.utility.records import generate_hcpe_df

NOBODY = 65534


def split(path: Path) -> object:
    return split_feather_file(path, path.parent / "out", 10)


def merge(path: Path) -> object:
    return merge_feather_files([path], path.parent / "out", 10, "x")


READERS: dict[str, Callable[[Path], object]] = {
    "load_feather_file": load_feather_file,
    "load_hcpe_feather": load_hcpe_feather,
    "load_preprocessing_feather": load_preprocessing_feather,
    "load_feather_batches": load_feather_batches,
    "split_feather_file": split,
    "merge_feather_files": merge,
}
WRITERS: dict[str, Callable[[Any, Path], None]] = {
    "save_feather_file": save_feather_file,
    "save_hcpe_feather": save_hcpe_feather,
    "save_feather_batches": lambda df, path: save_feather_batches([df], path),
}
NOT_ARROW = {
    "empty": b"",
    "one byte": b"A",
    "text": b"id,eval\n1,2\n" * 50,
    "zeros": bytes(4096),
    "magic only": b"ARROW1",
    "magic twice": b"ARROW1\0\0ARROW1",
    "footer longer than the file": b"ARROW1\0\0" + b"\xff\xff\xff\x7f" + b"ARROW1",
    "negative footer": b"ARROW1\0\0" + b"\xff\xff\xff\xff" + b"ARROW1",
    "stream of nonsense": b"\xff\xff\xff\xff\x10\0\0\0" + b"nonsense" * 4,
}


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    return tmp_path / "broken.feather"


@pytest.mark.parametrize("content", NOT_ARROW)
@pytest.mark.parametrize("reader", READERS)
def test_what_is_not_arrow_is_a_value_error(reader: str, content: str, broken: Path) -> None:
    broken.write_bytes(NOT_ARROW[content])
    with pytest.raises(ValueError, match=r"broken\.feather"):
        READERS[reader](broken)
    assert _files(broken.parent) == {"broken.feather"}


@pytest.mark.parametrize("form", ["file", "stream"])
def test_a_truncated_file_never_reads_short(form: str, hcpe: pl.DataFrame, broken: Path) -> None:
    whole = _ipc_bytes(hcpe, form)
    # An IPC stream may end after any message: then what was read is whole, but the end mark is missing.
    for length in range(0, len(whole), max(1, len(whole) // 150)):
        broken.write_bytes(whole[:length])
        try:
            loaded = pl.DataFrame(load_feather_file(broken))
        except ValueError as error:
            assert "broken.feather" in str(error)
        else:
            assert form == "stream"
            assert loaded.height in {0, *range(50, 251, 50)}


def test_damage_anywhere_is_an_error_or_other_data_but_no_crash(hcpe: pl.DataFrame, broken: Path) -> None:
    whole = _ipc_bytes(hcpe.head(20), "file")
    refused = 0
    for at in range(0, len(whole), max(1, len(whole) // 300)):
        damaged = bytearray(whole)
        damaged[at] ^= 0xFF
        broken.write_bytes(damaged)
        try:
            pl.DataFrame(load_feather_file(broken))
        except ValueError as error:
            assert "broken.feather" in str(error)
            refused += 1
    assert refused > 0


@pytest.mark.parametrize("reader", READERS)
def test_a_missing_file(reader: str, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nope\.feather"):
        READERS[reader](tmp_path / "nope.feather")
    assert _files(tmp_path) == set()


@pytest.mark.parametrize("reader", READERS)
def test_a_directory_in_place_of_a_file(reader: str, tmp_path: Path) -> None:
    (tmp_path / "dir.feather").mkdir()
    with pytest.raises(IsADirectoryError, match=r"dir\.feather"):
        READERS[reader](tmp_path / "dir.feather")


@pytest.mark.parametrize("writer", WRITERS)
def test_a_directory_in_the_way_of_a_save(writer: str, hcpe: pl.DataFrame, tmp_path: Path) -> None:
    (tmp_path / "dir.feather").mkdir()
    with pytest.raises(IsADirectoryError, match=r"dir\.feather"):
        WRITERS[writer](hcpe, tmp_path / "dir.feather")
    assert _files(tmp_path) == {"dir.feather"}


@pytest.mark.parametrize("writer", WRITERS)
def test_a_missing_parent_directory(writer: str, hcpe: pl.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="missing"):
        WRITERS[writer](hcpe, tmp_path / "missing" / "a.feather")
    assert _files(tmp_path) == set()


@pytest.mark.parametrize("writer", WRITERS)
def test_a_file_in_place_of_the_parent_directory(writer: str, hcpe: pl.DataFrame, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="file"):
        WRITERS[writer](hcpe, tmp_path / "file" / "a.feather")


@pytest.mark.parametrize("path", ["", "a\0b"])
def test_a_path_that_is_none(path: str, hcpe: pl.DataFrame) -> None:
    with pytest.raises((ValueError, OSError)):
        load_feather_file(path)
    with pytest.raises((ValueError, OSError)):
        save_feather_file(hcpe, path)


@pytest.mark.parametrize("path", [None, 1, 1.5, []])
def test_what_is_no_path_is_a_type_error(path: Any) -> None:
    with pytest.raises(TypeError):
        load_feather_file(path)


def test_a_foreign_schema_names_the_column(tmp_path: Path) -> None:
    save_feather_file(pl.DataFrame({"something": [1]}), tmp_path / "foreign.feather")
    with pytest.raises(ValueError, match=r"foreign\.feather.*hcp"):
        load_hcpe_feather(tmp_path / "foreign.feather")
    with pytest.raises(ValueError, match=r"foreign\.feather.*boardIdPositions"):
        load_preprocessing_feather(tmp_path / "foreign.feather")


def test_a_short_list_is_refused_on_the_way_in(tmp_path: Path) -> None:
    from maou._rust.maou_io import save_preprocessing_feather
    from maou.infra.utility.records import generate_preprocessing_df

    short = generate_preprocessing_df(3).with_columns(pl.col("piecesInHand").list.head(13))
    with pytest.raises(ValueError, match="piecesInHand"):
        save_preprocessing_feather(short, tmp_path / "a.feather")
    assert _files(tmp_path) == set()


def test_the_os_error_has_its_number(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        load_feather_file(tmp_path / "nope.feather")
    assert caught.value.errno == 2


def test_modes_that_forbid_are_permission_errors(hcpe: pl.DataFrame) -> None:
    # Root may do anything, so the script becomes somebody else. pytest's own directories are closed to
    # others.
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o755)
        save_hcpe_df(hcpe, directory / "secret.feather")
        (directory / "secret.feather").chmod(0)
        (directory / "closed").mkdir(mode=0o555)
        done = _python(
            f"""
import os
from maou._rust.maou_io import load_feather_file, save_feather_file
from maou.infra.utility.records import generate_hcpe_df
frame = generate_hcpe_df(1)
if os.getuid() == 0:
    os.setgid({NOBODY})
    os.setuid({NOBODY})
os.chdir({name!r})
load = lambda: load_feather_file("secret.feather")
save = lambda: save_feather_file(frame, "closed/a.feather")
for act in (load, save):
    try:
        act()
    except PermissionError as error:
        print(error.filename)
"""
        )
        assert done.stdout.splitlines() == ["secret.feather", "closed/a.feather"], done.stderr
        assert _files(directory / "closed") == set()


class Exploding:
    """A stream that fails after its schema was read: the save has begun by then, or has not."""

    def __init__(self, schema: pa.Schema) -> None:
        self.schema = schema

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        def batches() -> Any:
            yield pa.record_batch([pa.array([1])], schema=self.schema)
            raise RuntimeError("the producer gave up")

        return pa.RecordBatchReader.from_batches(self.schema, batches()).__arrow_c_stream__(requested_schema)


def test_a_producer_that_fails_leaves_the_old_file(hcpe_file: Path) -> None:
    before = hcpe_file.read_bytes()
    with pytest.raises((ValueError, RuntimeError), match="the producer gave up"):
        save_feather_file(Exploding(pa.schema({"x": pa.int64()})), hcpe_file)
    assert hcpe_file.read_bytes() == before
    assert _files(hcpe_file.parent) == {"hcpe.feather"}


def test_a_full_disk_leaves_the_old_file_and_no_litter(hcpe: pl.DataFrame, hcpe_file: Path) -> None:
    before = hcpe_file.read_bytes()
    script = f"""
import resource, signal
from maou._rust.maou_io import save_feather_file
from maou.infra.utility.records import generate_hcpe_df
frame = generate_hcpe_df(20_000)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    save_feather_file(frame, {str(hcpe_file)!r})
except OSError as error:
    print(error.errno, error)
"""
    done = _python(script)
    assert done.stdout.startswith("27 "), done.stdout + done.stderr
    assert "hcpe.feather" in done.stdout
    assert hcpe_file.read_bytes() == before
    assert _files(hcpe_file.parent) == {"hcpe.feather"}
    assert load_hcpe_df(hcpe_file).equals(hcpe)


def test_a_split_that_fails_midway_leaves_nothing(tmp_path: Path) -> None:
    whole = tmp_path / "a.feather"
    frame = generate_hcpe_df(500)
    with pa.OSFile(str(whole), "wb") as sink:
        table = frame.to_arrow()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table, max_chunksize=100)
    whole.write_bytes(whole.read_bytes()[:-6000])
    with pytest.raises(ValueError, match=r"a\.feather"):
        split_feather_file(whole, tmp_path / "out", 100)
    assert _files(tmp_path / "out") == set()


def test_a_failed_save_of_a_frame_leaves_the_old_file(hcpe: pl.DataFrame, hcpe_file: Path) -> None:
    before = hcpe_file.read_bytes()
    with pytest.raises(ValueError, match="hcp"):
        save_hcpe_df(hcpe.drop("hcp"), hcpe_file)
    assert hcpe_file.read_bytes() == before


def test_reading_leaves_no_open_file(hcpe_file: Path, broken: Path) -> None:
    broken.write_bytes(hcpe_file.read_bytes()[:-20])
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        for _ in range(300):
            with pytest.raises(ValueError, match="broken"):
                load_feather_file(broken)
        assert load_hcpe_df(hcpe_file).height == 250
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _files(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()} if directory.exists() else set()


def _ipc_bytes(df: pl.DataFrame, form: str) -> bytes:
    sink = pa.BufferOutputStream()
    table = df.to_arrow()
    new = pa.ipc.new_file if form == "file" else pa.ipc.new_stream
    with new(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write_table(table, max_chunksize=50)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _python(script: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=120, **options
    )


def test_types_that_polars_does_not_have_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.feather"
    runs = pa.RunEndEncodedArray.from_arrays(pa.array([1, 2], pa.int32()), pa.array(["a", None]))
    save_feather_file(pa.table({"n": [1, 2], "runs": runs}), path)
    for read in (load_generic_df, lambda path: list(iter_generic_df(path))):
        with pytest.raises(ValueError, match=r"a\.feather: Polars has no type for its column 'runs', RunEndEncoded<"):
            read(path)
    assert load_generic_df(path, columns=["n"])["n"].to_list() == [1, 2]
    assert pa.table(load_feather_file(path))["runs"].to_pylist() == ["a", None]


@pytest.mark.parametrize(
    ("column", "problem"),
    [
        (pa.array([1], pa.decimal256(50, 2)), "does not take its columns"),
        (pa.array([100], pa.decimal128(10, -2)), "does not take its columns"),
        (pa.array([b""], pa.binary(0)), "does not take its columns"),
        (pa.array([0], pa.timestamp("ms", tz="Mars/Olympus")), "does not take its columns: unable to parse time zone"),
        (pa.array([[]], pa.list_(pa.int8(), 0)), "has no type for its column 'x', FixedSizeList<Int8, 0>"),
    ],
)
def test_what_polars_panics_at_is_an_error(column: pa.Array, problem: str, tmp_path: Path) -> None:
    table = pa.table({"x": column, "y": [1]})
    with pa.ipc.new_file(tmp_path / "a.feather", table.schema) as file:
        file.write_table(table)
    with pytest.raises(ValueError, match=rf"a\.feather: Polars {problem}.*; choose others with `columns`") as raised:
        load_generic_df(tmp_path / "a.feather")
    assert "\n" not in str(raised.value)
    with pytest.raises(ValueError, match=r"a\.feather: Polars "):
        list(iter_generic_df(tmp_path / "a.feather"))
    assert load_generic_df(tmp_path / "a.feather", ["y"]).height == 1


def test_a_frame_has_each_name_once(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2]), pa.array([3])], names=["x", "x", "y"])
    with pa.ipc.new_file(tmp_path / "a.feather", table.schema) as file:
        file.write_table(table)
    with pytest.raises(ValueError, match=r"a\.feather: column 'x' would be there 2 times"):
        load_generic_df(tmp_path / "a.feather")
    with pytest.raises(ValueError, match=r"a\.feather: column 'y' would be there 3 times"):
        load_generic_df(tmp_path / "a.feather", ["y", "y", "y"])
