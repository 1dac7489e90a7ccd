"""Measure maou's index in a file against other ways to find a record.

    python -m maou.infra.utility.benchmark_index --num-records 1000000 --ids numbers

All engines index the same generated files and answer the same questions. Each builds in a process of its own, and opens
and answers in another, so that what a process takes is the engine's. Their answers are compared with maou's, and all
with what is known of the records: a wrong one is an error. Peers are optional packages: `pip install duckdb lmdb`.

Times are those of single calls from Python and include reading the clock, which is printed beside them. Memory is what
is resident of the whole process, pages of mapped files included.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from maou.domain.data.rust_io import check_rust_backend
from maou.infra.utility.arguments import directory, positive, size, writable
from maou.infra.utility.index_engines import ENGINES
from maou.infra.utility.index_report import Result, as_json, goals, plot, table
from maou.infra.utility.index_worker import WARM_UP, Task
from maou.infra.utility.machine import available_memory, facts

PEERS = tuple(name for name in ENGINES if name != "maou")

SHOWN = 3
"""Wrong answers of one kind that are shown."""


class BenchmarkError(Exception):
    """Why there is nothing to measure."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit status. Bad arguments exit with 2 and a message."""
    options = _parse(arguments)
    try:
        check_rust_backend()
        with _working_directory(options.directory, options.keep) as working:
            results = measure(options, working)
    except (BenchmarkError, ImportError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    title = f"{options.num_records:,} records, ids are {options.ids}"
    overhead = max(result.at("queries", "overhead_ns") or 0 for result in results)
    print(f"{title}; reading the clock is {overhead:.0f} ns of every call\n\n{table(results)}")
    if options.json:
        options.json.write_text(_as_json(options, results), encoding="utf-8")
        print(f"wrote {options.json}")
    if options.plot:
        plot(results, title, options.plot)
        print(f"wrote {options.plot}")
    return 1 if results[0].problem or any(result.wrong for result in results) else 0


def measure(options: argparse.Namespace, working: Path) -> list[Result]:
    """Make the records, then build and ask engine after engine, maou first.

    Raises:
        BenchmarkError: when the records cannot be made.
    """
    task = Task(
        phase="records",
        engine="",
        number=options.num_records,
        ids=options.ids,
        directory=str(working),
        memory=options.memory,
        seconds=options.seconds,
    )
    _say(f"records: {options.num_records:,}, ids are {options.ids}")
    made = _run(task)
    if "error" in made:
        raise BenchmarkError(f"cannot make the records in {working}: {made['error']}")
    task = replace(task, files=made["files"], rows=made["rows"])
    known = json.loads(task.queries_file().read_text(encoding="utf-8"))
    results, own = [], None
    for name in ("maou", *options.peers):
        result, answers = _measure(replace(task, engine=name), options.force)
        own = answers if own is None else own
        result.wrong = wrong_answers(answers, own, known)
        results.append(result)
        if not options.keep:
            shutil.rmtree(working / name, ignore_errors=True)
    return results


def reason_to_skip(task: Task, force: bool) -> str | None:
    """Why the engine is not to be tried, if there is a reason."""
    engine = ENGINES[task.engine]
    if importlib.util.find_spec(engine.module) is None:
        return f"skipped, not installed: pip install {engine.module}"
    needed, available = engine.bytes_per_record * task.number, available_memory()
    if not force and available is not None and needed > available:
        return (
            f"skipped, needs about {needed / 1e9:.1f} GB of memory and {available / 1e9:.1f} GB are left: "
            "--force tries nevertheless"
        )
    return None


def wrong_answers(
    answers: dict[str, list[Any]], own: dict[str, list[Any]], known: dict[str, dict[str, list[Any]]]
) -> list[str]:
    """Where answers are not those of maou, or not those that are known; both may cover fewer questions."""
    wrong = []
    for kind in answers:
        questions = known[kind]["queries"][WARM_UP:]
        for right in (own.get(kind, []), known[kind].get("answers", [])[WARM_UP:]):
            triples = zip(questions, answers[kind], right, strict=False)
            differing = [triple for triple in triples if triple[1] != triple[2]]
            wrong += [f"{kind} {question}: {got}, not {expected}" for question, got, expected in differing[:SHOWN]]
    return wrong


def _measure(task: Task, force: bool) -> tuple[Result, dict[str, list[Any]]]:
    """What an engine took, and the answers to the first measured questions by kind."""
    result = Result(task.engine, task.number, problem=reason_to_skip(task, force))
    if result.problem:
        return result, {}
    _say(f"{task.engine}: build")
    built = _run(replace(task, phase="build"))
    if "error" in built:
        result.problem = f"cannot build: {built['error']}"
        return result, {}
    result.build = built
    _say(f"{task.engine}: queries")
    asked = _run(replace(task, phase="queries"))
    if "error" in asked:
        result.problem = f"cannot answer: {asked['error']}"
        return result, {}
    result.queries = asked
    return result, {kind: measured.pop("answers") for kind, measured in asked["kinds"].items()}


def _run(task: Task) -> dict[str, Any]:
    """What a process of its own says of the task; `error` when it failed."""
    command = [sys.executable, "-m", "maou.infra.utility.index_worker"]
    done = subprocess.run(command, input=task.to_json(), capture_output=True, text=True, check=False)
    try:
        result: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        ended = f"killed by signal {-done.returncode}" if done.returncode < 0 else f"exit status {done.returncode}"
        last = done.stderr.strip().rpartition("\n")[2]
        return {"error": f"{ended}; {last or 'was the memory too little?'}"}
    return result


def _as_json(options: argparse.Namespace, results: Sequence[Result]) -> str:
    import maou._rust

    report = {
        "num_records": options.num_records,
        "ids": options.ids,
        "memory": options.memory,
        "seconds": options.seconds,
        "extension": maou._rust.__file__,
        "machine": facts(("numpy", "polars", "duckdb", "lmdb")),
        "goals": goals(results[0]),
        "results": as_json(results),
    }
    return json.dumps(report, indent=1) + "\n"


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m maou.infra.utility.benchmark_index",
        description="Measure maou's index in a file against other ways to find a record.",
    )
    add = parser.add_argument
    add("--num-records", type=positive, default=1_000_000, metavar="N", help="records (default %(default)s)")
    add("--ids", choices=("numbers", "texts"), default="numbers", help="what ids are (default %(default)s)")
    add(
        "--peers",
        type=_peers,
        default=PEERS,
        metavar="NAMES",
        help=f"of {','.join(PEERS)}, or none (default: all; what is not installed is left out)",
    )
    add("--seconds", type=float, default=5, metavar="S", help="limit for each kind of question (default %(default)s)")
    add("--memory", type=size, metavar="SIZE", help="of a build, for maou, duckdb and sqlite: 256M (default: theirs)")
    add("--force", action="store_true", help="run what seems to need more memory than there is")
    add("--directory", type=directory, metavar="DIR", help="for records and indexes (default: the system's for that)")
    add("--keep", action="store_true", help="leave records and indexes there")
    add("--json", type=writable, metavar="FILE", help="write everything that was measured there as well")
    add("--plot", type=_plot_file, metavar="FILE", help="draw it: .png, .svg, .pdf or .html; needs maou[plot]")
    return parser.parse_args(arguments)


def _peers(text: str) -> tuple[str, ...]:
    names = () if text in ("", "none") else tuple(text.split(","))
    for name in names:
        if name not in PEERS:
            raise argparse.ArgumentTypeError(f"unknown peer {name!r}: use some of {','.join(PEERS)}, or none")
    return names


def _plot_file(text: str) -> Path:
    path = writable(text)
    if path.suffix not in (".png", ".svg", ".pdf", ".html"):
        raise argparse.ArgumentTypeError(f"cannot draw {text!r}: the name has to end in .png, .svg, .pdf or .html")
    if importlib.util.find_spec("matplotlib") is None:
        raise argparse.ArgumentTypeError("needs matplotlib: pip install 'maou[plot]'")
    return path


@contextmanager
def _working_directory(parent: Path | None, keep: bool) -> Iterator[Path]:
    working = Path(tempfile.mkdtemp(prefix="maou-benchmark-", dir=parent))
    try:
        yield working
    finally:
        if keep:
            _say(f"records and indexes are in {working}")
        else:
            shutil.rmtree(working, ignore_errors=True)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
