"""The index benchmark: what it measures is right, and it says what it did not measure."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maou.infra.utility.benchmark_index import reason_to_skip, wrong_answers
from maou.infra.utility.index_engine import KINDS, MAX_NUMBER, number_ranges
from maou.infra.utility.index_engines import ENGINES
from maou.infra.utility.index_records import Records
from maou.infra.utility.index_report import Result, goals, plot, table
from maou.infra.utility.index_worker import WARM_UP, Task
from maou.infra.utility.machine import available_memory

RECORDS = 20_000


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "maou.infra.utility.benchmark_index", *arguments]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)


def task(engine: str, number: int, directory: Path) -> Task:
    return Task("build", engine, number, "numbers", str(directory), None, 1)


@pytest.mark.parametrize("ids", ["numbers", "texts"])
def test_every_engine_that_is_installed_answers_as_maou_does(ids: str, tmp_path: Path) -> None:
    working = tmp_path / "索引 benchmark"
    working.mkdir()
    report = tmp_path / "report.json"
    common = ("--num-records", str(RECORDS), "--ids", ids, "--seconds", "0.05")
    done = run(*common, "--directory", str(working), "--json", str(report))
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(working.iterdir()) == []

    found = json.loads(report.read_text(encoding="utf-8"))
    results = {result["engine"]: result for result in found["results"]}
    assert list(results) == list(ENGINES)
    for name, result in results.items():
        assert result["wrong"] == []
        assert name in done.stdout
        if importlib.util.find_spec(ENGINES[name].module) is None:
            assert "pip install" in result["problem"]
            continue
        assert result["problem"] is None
        assert result["build"]["cpu_seconds"] > 0
        assert [result["queries"]["kinds"][kind]["count"] > 0 for kind in KINDS] == [True] * len(KINDS)
    # 13 bytes for a number or some for a text, 5 for an evaluation, and what is there once.
    assert 5 < results["maou"]["build"]["disk_bytes"] / RECORDS < 40
    assert len(found["goals"]) == sum(line.endswith((" met", " missed")) for line in done.stdout.splitlines())


def test_a_wrong_answer_is_found() -> None:
    known: dict[str, dict[str, list[Any]]] = {
        "id": {"queries": ["warm"] * WARM_UP + ["a", "b"], "answers": [None] * WARM_UP + [1, 2]},
        "page": {"queries": [0] * WARM_UP + [7, 8]},
    }
    own: dict[str, list[Any]] = {"id": [1, 2], "page": [[5, 6], [6, 7]]}
    assert wrong_answers(own, own, known) == []
    assert wrong_answers({"id": [1], "page": [[5, 6]]}, own, known) == []
    assert wrong_answers({"id": [1], "page": [[6, 5]]}, own, known) == ["page 7: [6, 5], not [5, 6]"]
    assert wrong_answers({"id": [1, 3]}, {"id": [1, 3]}, known) == ["id b: 3, not 2"]


def test_what_would_not_fit_is_skipped(tmp_path: Path) -> None:
    if available_memory() is None:
        pytest.skip("this system does not tell how much memory is left")
    too_many = 10**13
    assert reason_to_skip(task("maou", too_many, tmp_path), force=False) is None
    assert reason_to_skip(task("dict", 1000, tmp_path), force=False) is None
    assert "--force" in str(reason_to_skip(task("dict", too_many, tmp_path), force=False))
    assert reason_to_skip(task("dict", too_many, tmp_path), force=True) is None


@given(st.integers(0, MAX_NUMBER), st.integers(1, 20), st.integers(0, MAX_NUMBER))
def test_ranges_are_the_numbers_with_a_prefix(number: int, digits: int, other: int) -> None:
    prefix = str(number)[:digits]
    for candidate in (number, other):
        within = sum(low <= candidate <= high for low, high in number_ranges(prefix))
        assert within == str(candidate).startswith(prefix)


@pytest.mark.parametrize("ids", ["numbers", "texts"])
def test_records_are_the_same_each_time(ids: Any, tmp_path: Path) -> None:
    records = Records(tmp_path, 3000, ids)
    ((_, frame),) = records.frames()
    assert frame.equals(next(records.frames())[1])
    assert frame["id"].n_unique() == 3000 - 3
    assert frame["id"][1999] == frame["id"][998]
    assert abs(frame["eval"].mean()) < 100  # type: ignore[arg-type, operator]


def test_the_table_shows_what_is_there() -> None:
    own = Result("maou", 1000, build={"seconds": 2, "cpu_seconds": 4, "disk_bytes": 18_000, "peak_bytes": 5_000_000})
    peer = Result("duckdb", 1000, problem="skipped, not installed: pip install duckdb", wrong=["id 7: 1, not 2"])
    text = table([own, peer])
    (line,) = (line for line in text.splitlines() if line.startswith("on disk"))
    assert line.split()[-5:] == ["18.0", "-", "≤", "24", "met"]
    assert "duckdb: skipped, not installed: pip install duckdb" in text
    assert "duckdb: wrong answer: id 7: 1, not 2" in text
    assert [goal["met"] for goal in goals(own)] == [False, True]


@pytest.mark.parametrize("name", ["plot.png", "plot.html"])
def test_a_plot_is_drawn(name: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    own = Result("maou", 1000, build={"seconds": 2, "cpu_seconds": 4, "disk_bytes": 18_000})
    plot([own, Result("duckdb", 1000)], "1,000 records", tmp_path / name)
    content = (tmp_path / name).read_bytes()
    assert content.startswith(b"\x89PNG" if name.endswith("png") else b"<!doctype html>")
    assert name.endswith("png") or b"<svg" in content


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--num-records", "0"], "positive"),
        (["--peers", "sqlite,oracle"], "oracle"),
        (["--memory", "much"], "256M"),
        (["--directory", "nowhere"], "nowhere"),
        (["--plot", "plot.doc"], ".png"),
    ],
)
def test_bad_arguments_are_explained(arguments: list[str], message: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
