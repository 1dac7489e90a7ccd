"""SIGKILL at random moments of saves, merges, splits and index builds: what is there is whole, and litter goes.

`MAOU_KILLS=200 pytest tests/test_rust_killed_writers.py` kills as often as that; without it, a few times.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from maou._rust.maou_index import SearchIndex
from maou._rust.maou_io import load_feather_file, verify_feather_file

KILLS = int(os.environ.get("MAOU_KILLS", "12"))

WRITER = """
import sys
from pathlib import Path
import numpy as np, polars as pl
from maou._rust.maou_index import SearchIndex
from maou._rust.maou_io import merge_feather_files, save_feather_file, split_feather_file

directory, rounds = Path(sys.argv[1]), int(sys.argv[2])
start = int(sys.argv[3])
for generation in range(start, start + rounds):
    rng = np.random.default_rng(generation)
    files = []
    for name in ("a", "b"):
        rows = int(rng.integers(20_000, 120_000))
        frame = pl.DataFrame({
            "id": rng.integers(0, 1 << 63, rows, dtype=np.uint64),
            "eval": rng.integers(-2000, 2000, rows, dtype=np.int16),
            "generation": np.full(rows, generation),
        })
        save_feather_file(frame, directory / f"{name}.feather")
        files.append(str(directory / f"{name}.feather"))
    merge_feather_files(files, str(directory), 50_000, "merged")
    split_feather_file(files[0], str(directory), 15_000)
    SearchIndex(files, "stage1").build_from_files(directory / "all.maouidx", memory=1 << 20)
    print(generation, flush=True)
"""


def writer(directory: Path, rounds: int, start: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(directory), str(rounds), str(start)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def check(directory: Path) -> None:
    """Every file under a name is whole: of one generation, with the rows and checksums that it says it has."""
    for path in directory.glob("*.feather"):
        rows, _, has_checksums = verify_feather_file(path)
        assert has_checksums
        frame = pl.DataFrame(load_feather_file(path))
        assert frame.height == rows
        if not path.name.startswith("merged"):
            assert frame["generation"].n_unique() == 1, path.name
    index = directory / "all.maouidx"
    if index.exists():
        opened = SearchIndex.open(index)
        opened.verify()
        assert opened.total_records() == len(opened.search_by_eval_range(limit=1 << 40))


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_what_killed_writers_leave_is_whole(tmp_path: Path) -> None:
    moments = random.Random(7)
    deaths = 0
    for number in range(KILLS):
        process = writer(tmp_path, 1000, 10 * number)
        assert process.stdout is not None
        if number % 4 == 0:
            # Into the middle of a later round, where old files are replaced.
            assert process.stdout.readline()
        time.sleep(moments.uniform(0.2, 0.9))
        process.kill()
        process.communicate()
        deaths += process.returncode == -signal.SIGKILL
        check(tmp_path)
    assert deaths == KILLS
    last = writer(tmp_path, 1, 10 * KILLS)
    output, _ = last.communicate()
    assert (last.returncode, output) == (0, f"{10 * KILLS}\n")
    check(tmp_path)
    names = {path.name.split("_split")[0].split("_chunk")[0] for path in tmp_path.iterdir()}
    assert names == {"a.feather", "b.feather", "a", "merged", "all.maouidx"}, "no litter"
