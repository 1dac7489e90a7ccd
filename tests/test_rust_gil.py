"""I/O lets other Python threads run."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from maou._rust.maou_index import SearchIndex
from maou._rust.maou_io import (
    FeatherWriter,
    load_feather_batches,
    load_feather_file,
    load_hcpe_feather,
    merge_feather_files,
    save_feather_batches,
    save_feather_file,
    save_hcpe_feather,
    split_feather_file,
)
from maou.domain.data.rust_io import save_hcpe_df
from maou.infra.utility.records import generate_hcpe_df


class Counter(threading.Thread):
    """Counts as often as it gets the interpreter, and gives it back each time."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.count = 0
        self.stop = False

    def run(self) -> None:
        while not self.stop:
            self.count += 1
            time.sleep(0)


@pytest.fixture
def counter() -> Iterator[Counter]:
    thread = Counter()
    thread.start()
    interval = sys.getswitchinterval()
    # From here on the interpreter is never taken from the main thread: the counter moves only while the main
    # thread has given it up by itself.
    sys.setswitchinterval(3600)
    yield thread
    sys.setswitchinterval(interval)
    thread.stop = True
    thread.join()


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gil") / "large.feather"
    save_hcpe_df(generate_hcpe_df(100_000), path)
    return path


def moved_within_a_call(counter: Counter, call: Callable[[], object]) -> bool:
    for _ in range(100):
        before = counter.count
        call()
        if counter.count != before:
            return True
    return False


def test_the_counter_stands_still_while_python_computes(counter: Counter) -> None:
    assert not moved_within_a_call(counter, lambda: sum(range(10_000)))


def test_load_lets_others_run(counter: Counter, large: Path) -> None:
    path = str(large)
    assert moved_within_a_call(counter, lambda: load_feather_file(path))
    assert moved_within_a_call(counter, lambda: load_hcpe_feather(path))
    assert moved_within_a_call(counter, lambda: load_feather_batches(path))


def test_save_lets_others_run(counter: Counter, large: Path, tmp_path: Path) -> None:
    path = str(tmp_path / "a.feather")
    batch = load_feather_file(large)
    assert moved_within_a_call(counter, lambda: save_feather_file(batch, path))
    assert moved_within_a_call(counter, lambda: save_feather_batches([batch], path))


def test_split_and_merge_let_others_run(counter: Counter, large: Path, tmp_path: Path) -> None:
    source, out = str(large), str(tmp_path)
    assert moved_within_a_call(counter, lambda: split_feather_file(source, out, 50_000))
    assert moved_within_a_call(counter, lambda: merge_feather_files([source, source], out, 500_000, "m"))


def test_the_index_lets_others_run(counter: Counter, large: Path) -> None:
    index = SearchIndex([str(large)], "hcpe")
    assert moved_within_a_call(counter, index.build_from_files)


def test_a_search_for_all_lets_others_run(counter: Counter) -> None:
    index = SearchIndex([], "hcpe")
    index.build_mock(50_000)
    found = index.search_by_eval_range(limit=1 << 60)
    assert len(found) == 50_000
    assert len({id(file) for file, _ in found}) == 1, "a name for each file, and not for each row"
    assert moved_within_a_call(counter, lambda: index.search_by_eval_range(limit=1 << 60))


class Once:
    """A batch in capsules that are made already: nothing but the extension runs when it is taken."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        self.capsules = batch.__arrow_c_array__()

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        capsules: tuple[object, object] = self.capsules
        return capsules


def test_checks_of_what_is_saved_let_others_run(counter: Counter, tmp_path: Path) -> None:
    rows = 1 << 20
    # No text, which is found at its end, and is not written then.
    letters = pa.py_buffer(b"a" * (rows - 1) + b"\xff")
    offsets = pa.py_buffer(b"".join(row.to_bytes(4, "little") for row in range(rows + 1)))
    batch = pa.record_batch({"id": pa.Array.from_buffers(pa.utf8(), rows, [None, offsets, letters])})

    def refused(save: Callable[[Once], object]) -> Callable[[], object]:
        batches = [Once(batch) for _ in range(100)]

        def call() -> None:
            try:
                save(batches.pop())
            except ValueError as error:
                assert "Arrow data" in str(error)
            else:
                raise AssertionError("it was taken")

        return call

    path = str(tmp_path / "a.feather")
    assert moved_within_a_call(counter, refused(lambda once: save_feather_file(once, path)))
    assert moved_within_a_call(counter, refused(lambda once: save_hcpe_feather(once, path)))
    assert moved_within_a_call(counter, refused(lambda once: save_feather_batches(once, path)))
    assert moved_within_a_call(counter, refused(FeatherWriter(path).write))


def test_many_threads_read_one_file(large: Path) -> None:
    heights: list[int] = []

    def read() -> None:
        import polars as pl

        heights.append(pl.DataFrame(load_feather_file(large)).height)

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert heights == [100_000] * 8
