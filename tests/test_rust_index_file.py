"""The index in a file: made, used again, extended, watched, interrupted, damaged."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from maou._rust.maou_index import SearchIndex
from maou._rust.maou_io import save_feather_file


def saved(path: Path, ids: range) -> str:
    frame = pl.DataFrame({"id": pl.Series(ids, dtype=pl.UInt64), "eval": pl.Series(ids, dtype=pl.Int64) % 100 - 50})
    save_feather_file(frame.with_columns(pl.col("eval").cast(pl.Int16)), path)
    return str(path)


def answers(index: SearchIndex) -> tuple[object, ...]:
    return index.get_all_ids(), index.search_by_eval_range(limit=1 << 30), index.total_records(), index.file_paths()


def test_an_index_is_made_opened_and_extended(tmp_path: Path) -> None:
    files = [saved(tmp_path / "a.feather", range(5000)), saved(tmp_path / "c.feather", range(4000, 9000))]
    path = tmp_path / "位置.maouidx"
    built = SearchIndex(files, "stage1")
    built.build_from_files(path, memory=1)
    opened = SearchIndex.open(path)
    assert answers(opened) == answers(built)
    assert opened.search_by_id("4321") == (files[0], 4321)
    assert repr(opened) == "SearchIndex(array_type='stage1', files=2, records=10000)"
    assert not opened.is_stale()

    files.insert(1, saved(tmp_path / "b.feather", range(20_000, 20_010)))
    calls: list[tuple[int, int]] = []
    more = SearchIndex(files, "stage1")
    more.build_from_files(str(path), progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (10 + 10_010, 10 + 10_010), "ten are read, all are written"
    fresh = SearchIndex(files, "stage1")
    fresh.build_from_files()
    assert answers(more) == answers(fresh)
    assert answers(opened) == answers(built), "the map of the old file stays good"

    saved(tmp_path / "b.feather", range(30_000, 30_010))
    assert more.is_stale()
    more.build_from_files(path)
    assert more.search_by_id("20000") is None
    assert more.search_by_id("30000") == (files[1], 0)
    more.verify()


def test_what_makes_an_index_stale_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "棋譜").mkdir()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    files = [saved(Path("棋譜/a b.feather"), range(100)), saved(tmp_path / "c.feather", range(100, 200))]
    index = SearchIndex(files, "stage1")
    assert (index.is_stale(), index.stale_reason()) == (False, None), "there is nothing to be stale"
    index.build_from_files("all.maouidx")
    assert index.stale_reason() is None

    monkeypatch.chdir("elsewhere")
    opened = SearchIndex.open(tmp_path / "all.maouidx")
    assert opened.file_paths() == files
    relative = f"{files[0]} is not there: its path is relative to the directory that the index was built in"
    assert (opened.is_stale(), opened.stale_reason()) == (True, relative)

    monkeypatch.chdir(tmp_path)
    saved(tmp_path / "c.feather", range(100, 300))
    assert opened.stale_reason() == f"{files[1]} has changed since the index was built"
    (tmp_path / "c.feather").unlink()
    assert opened.stale_reason() == f"{files[1]} is not there"
    (tmp_path / "c.feather").mkdir()
    reason = opened.stale_reason()
    assert reason is not None
    assert f"cannot read {files[1]}" in reason
    assert opened.is_stale()


def test_what_the_callback_raises_ends_the_build(tmp_path: Path) -> None:
    files = [saved(tmp_path / "a.feather", range(50_000))]
    index = SearchIndex(files, "stage1")

    def enough(done: int, total: int) -> None:
        if done > total // 4:
            raise RuntimeError(f"enough after {done}")

    for path in (tmp_path / "a.maouidx", None):
        with pytest.raises(RuntimeError, match="enough after"):
            index.build_from_files(path, progress=enough)
        assert index.total_records() == 0
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.feather"]
    with pytest.raises(TypeError):
        index.build_from_files(progress=1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="memory is -1: it cannot be negative"):
        index.build_from_files(memory=-1)


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is no signal there")
def test_ctrl_c_ends_the_build(tmp_path: Path) -> None:
    saved(tmp_path / "a.feather", range(1000))
    program = """
import signal, sys
from pathlib import Path
from maou._rust.maou_index import SearchIndex

signal.signal(signal.SIGINT, signal.default_int_handler)
files = [sys.argv[1]] * 300
told = []
def progress(done, total):
    if not told:
        told.append(done)
        print("building", flush=True)
while True:
    SearchIndex(files, "stage1").build_from_files(Path(sys.argv[1]).with_name("a.maouidx"), memory=1, progress=progress)
    Path(sys.argv[1]).with_name("a.maouidx").unlink()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "a.feather")], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"building\n"
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert b"KeyboardInterrupt" in errors
    assert {entry.name for entry in tmp_path.iterdir()} <= {"a.feather", "a.maouidx"}, "no temporary file"


@pytest.mark.skipif(sys.platform == "win32", reason="there are no named pipes in directories")
def test_named_pipes_are_refused_and_not_waited_for(tmp_path: Path) -> None:
    pipe, index = str(tmp_path / "a.feather"), str(tmp_path / "a.maouidx")
    os.mkfifo(pipe)
    os.mkfifo(index)
    program = """
import sys
from maou._rust.maou_index import SearchIndex

pipe, index = sys.argv[1:]
for attempt in (
    lambda: SearchIndex([pipe], "stage1").build_from_files(),
    lambda: SearchIndex([pipe], "stage1").build_from_files(index + ".maouidx"),
    lambda: SearchIndex([], "stage1").build_from_files(index),
    lambda: SearchIndex.open(index),
):
    try:
        attempt()
    except ValueError as error:
        print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, pipe, index], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines() == [
        f"cannot index {pipe}: it is no regular file",
        f"cannot index {pipe}: it is no regular file",
        f"cannot write {index}: it exists and is no regular file",
        f"cannot open the index {index}: it is no regular file; build it again",
    ]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.feather", "a.maouidx"]


def test_directories_are_refused_as_such(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match="directory"):
        SearchIndex([tmp_path], "stage1").build_from_files()
    with pytest.raises(IsADirectoryError, match="directory"):
        SearchIndex.open(tmp_path)


def test_bad_index_files_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.maouidx"):
        SearchIndex.open(tmp_path / "none.maouidx")
    feather = saved(tmp_path / "a.feather", range(1000))
    with pytest.raises(ValueError, match=r"a\.feather: it is no maou index; build it again"):
        SearchIndex.open(feather)
    index = SearchIndex([feather], "stage1")
    with pytest.raises(ValueError, match=r"not replaced. Name an index with the extension \.maouidx"):
        index.build_from_files(feather)
    path = tmp_path / "a.maouidx"
    index.build_from_files(path)
    content = bytearray(path.read_bytes())
    path.with_name("short.maouidx").write_bytes(content[:-9])
    with pytest.raises(ValueError, match="it is truncated"):
        SearchIndex.open(path.with_name("short.maouidx"))
    content[200] ^= 1
    path.with_name("flipped.maouidx").write_bytes(content)
    with pytest.raises(ValueError, match="its ids are damaged"):
        SearchIndex.open(path.with_name("flipped.maouidx")).verify()
    with pytest.raises(FileNotFoundError, match="missing"):
        index.build_from_files(tmp_path / "missing" / "a.maouidx")
