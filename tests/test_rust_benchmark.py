"""`python -m maou.infra.utility.benchmark_polars_io`, run as users run it, on few records."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from maou.infra.utility.benchmark import data, limits
from maou.infra.utility.benchmark.cells import KINDS, LIBRARIES, OPERATIONS, Cell, Figures, Files
from maou.infra.utility.benchmark.libraries import missing
from maou.infra.utility.benchmark.memory import STATUS


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "maou.infra.utility.benchmark_polars_io", *arguments]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)


def report(path: Path, *arguments: str) -> dict[str, Any]:
    done = run(*arguments, "--rounds", "2", "--directory", str(path.parent), "--json", str(path))
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def test_every_operation_has_figures_of_every_library(tmp_path: Path) -> None:
    found = report(tmp_path / "報告 1.json", "--num-records", "300", "--kinds", "hcpe", "--threads", "1")
    assert [cell["operation"] for cell in found["cells"]] == list(OPERATIONS)
    assert (found["threads"], found["sizes"], found["notes"]) == (1, [300], [])
    assert found["machine"]["cpus"] > 0
    present = {library for library in LIBRARIES if missing(library) is None}
    for cell in found["cells"]:
        expected = {"maou"} if cell["operation"] == "build index" else present
        ran = {name for name, figures in cell["libraries"].items() if figures["seconds"]}
        assert ran == expected, cell
        for name in ran:
            figures = cell["libraries"][name]
            assert len(figures["seconds"]) == 2
            assert figures["median_s"] > 0
            assert figures["peak_bytes"] >= 0
        assert (cell["time_to_best"] is None) == (len(expected) == 1)
    (sizes,) = found["files"]
    assert set(sizes["bytes"]) == present
    # All of them compress.
    assert max(sizes["bytes"].values()) < 2 * min(sizes["bytes"].values())
    assert [path.name for path in tmp_path.iterdir()] == ["報告 1.json"]


def test_time_is_drawn_against_rows(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: `pip install 'maou[plot]'`")
    picture, page = tmp_path / "時間 1.png", tmp_path / "時間 1.html"
    arguments = ["--sizes", "50,100", "--kinds", "stage1", "--operations", "read"]
    found = report(tmp_path / "report.json", *arguments, "--plot", str(picture), "--plot", str(page))
    assert [(cell["rows"], cell["operation"]) for cell in found["cells"]] == [(50, "read"), (100, "read")]
    assert picture.read_bytes().startswith(b"\x89PNG")
    text = page.read_text(encoding="utf-8")
    assert "<svg" in text
    assert re.search(r"stage1 +100  read", text)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--num-records", "0"], "--num-records: must be a positive whole number, got '0'"),
        (["--num-records", "many"], "--num-records: must be a positive whole number, got 'many'"),
        (["--rounds", "-1"], "--rounds: must be a positive whole number, got '-1'"),
        (["--json", "/nowhere/report.json"], "--json: cannot write '/nowhere/report.json'"),
        (["--kinds", "hcpe,chess"], "must be one of hcpe"),
        (["--operations", "sort"], "must be one of read"),
        (["--plot", "plot.txt"], "must end with one of .html"),
        (["--json", "no/such/directory/x.json"], "not a file in an existing directory"),
    ],
)
def test_arguments_are_checked_before_anything_runs(arguments: Sequence[str], message: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert message in done.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_larger_files_repeat_records_with_other_ids(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(data.POOL_ROWS, kind, 40)
    files = Files(tmp_path)
    data.write_source(files, kind, 100)
    written = pl.read_ipc(files.source)
    assert written.height == 100
    assert written["id"].n_unique() == 100
    assert written[40:80].drop("id").equals(written[:40].drop("id"))
    # What memory and disk a measurement needs is reckoned from the size of a record.
    assert written.rechunk().to_arrow().nbytes / 100 < 1.5 * data.ROW_BYTES[kind]
    data.write_source(files, kind, 1000)
    assert files.source.stat().st_size / 1000 < data.STORED_BYTES[kind]


def test_what_does_not_fit_is_left_out_and_said(tmp_path: Path) -> None:
    gib = 1 << 30
    assert limits.too_little_memory(gib, 2 * gib) is None
    assert limits.too_little_memory(2 * gib, 2 * gib) == "would take 2.0 GiB of memory, 2.0 GiB are available"
    assert limits.too_little_disk(tmp_path, "preprocessing", 10) is None
    assert "of disk" in (limits.too_little_disk(tmp_path, "preprocessing", 10**15) or "")
    # maou streams.
    assert limits.memory_needed("maou", "merge", "preprocessing", 10**9) < gib
    assert limits.memory_needed("polars", "merge", "preprocessing", 10**9) > 1000 * gib
    needed = {"maou": gib, "polars": gib, "pyarrow": 2 * gib}
    assert limits.groups(list(needed), needed, 8 * gib) == [list(needed)]
    assert limits.groups(list(needed), needed, 4 * gib) == [["maou"], ["polars"], ["pyarrow"]]


def test_ratios_are_ours_to_the_best_other() -> None:
    cell = Cell("hcpe", 10, "read")
    cell.figures = {
        "maou": Figures([0.1, 0.3, 0.2], 50),
        "polars": Figures([0.4, 0.4, 0.5], 100),
        "pyarrow": Figures([0.8], 25),
        "duckdb": Figures(reason="not installed: duckdb"),
    }
    assert cell.time_ratio() == (0.5, "polars")
    assert cell.memory_ratio() == (2.0, "pyarrow")
    del cell.figures["maou"]
    assert cell.time_ratio() is None


@pytest.mark.skipif(not STATUS.exists(), reason="the peak of a process cannot be set back here")
def test_a_peak_counts_from_where_it_begins() -> None:
    # In a process of its own: allocators of other libraries give memory back whenever they like.
    program = """
from maou.infra.utility.benchmark.memory import Peak
before = b"x" * (128 << 20)
del before
peak = Peak()
during = b"x" * (32 << 20)
del during
print(peak.bytes() >> 20)
"""
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert 30 < int(printed) < 64
