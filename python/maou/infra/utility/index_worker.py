"""A process of the index benchmark: makes the records, or builds or asks one engine, and says what that took.

Takes a `Task` as JSON on standard input and prints its result as JSON. Only what the task needs is imported: the memory
of the process is to be the engine's.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from maou.infra.utility.index_engine import KINDS, Engine, Query, Source
from maou.infra.utility.index_engines import ENGINES

WARM_UP = 500
"""Questions that are asked before the measured ones."""

SAMPLE = 200
"""Answers of each kind that are handed back to be compared."""

Phase = Literal["records", "build", "queries"]


@dataclass(frozen=True)
class Task:
    """What a process has to do."""

    phase: Phase
    engine: str
    number: int
    """Records."""
    ids: Literal["numbers", "texts"]
    directory: str
    """Of the records, their queries and, below it, what each engine writes."""
    memory: int | None
    """Bytes that a build may take."""
    seconds: float
    """Limit for the questions of one kind; what has begun is finished."""
    files: list[str] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)

    def engine_directory(self) -> Path:
        """For what the engine writes."""
        return Path(self.directory) / self.engine

    def queries_file(self) -> Path:
        """What to ask; see `index_records.make_queries`."""
        return Path(self.directory) / "queries.json"

    def to_json(self) -> str:
        """For the standard input of a process."""
        return json.dumps(asdict(self))


def main() -> int:
    """Do the task; an error is a result with `error` in it."""
    task = Task(**json.load(sys.stdin))
    phases: dict[Phase, Callable[[Task], dict[str, Any]]] = {"records": records, "build": build, "queries": queries}
    try:
        result = phases[task.phase](task)
    except Exception as error:
        result = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(result))
    return 1 if "error" in result else 0


def records(task: Task) -> dict[str, Any]:
    """Write the records and the queries; gives the files and their rows."""
    from maou.infra.utility.index_records import Records, make_queries

    generated = Records(Path(task.directory), task.number, task.ids)
    asked = make_queries(generated, generated.write())
    task.queries_file().write_text(json.dumps(asked))
    files = generated.files()
    return {"files": [str(path) for path, _ in files], "rows": [len(rows) for _, rows in files]}


def build(task: Task) -> dict[str, Any]:
    """Build the index; gives seconds, seconds of processors, bytes on disk and the peak of resident memory."""
    engine = _engine(task)
    start, start_cpu = time.perf_counter(), _cpu_seconds()
    engine.build()
    seconds, cpu_seconds = time.perf_counter() - start, _cpu_seconds() - start_cpu
    written = sum(path.stat().st_size for path in task.engine_directory().rglob("*") if path.is_file())
    return {
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "disk_bytes": written if engine.is_persistent else None,
        "peak_bytes": _peak(),
    }


def queries(task: Task) -> dict[str, Any]:
    """Open the index and ask; gives memory in bytes, and for each kind times in nanoseconds and a sample of answers."""
    engine = _engine(task)
    _import(engine)
    asked = json.loads(task.queries_file().read_text())
    before = _memory()
    start = time.perf_counter()
    engine.open()
    open_seconds = time.perf_counter() - start
    after_open = _memory()
    by_kind = engine.queries()
    kinds = {kind: _measure(by_kind[kind], asked[kind]["queries"], task.seconds) for kind in KINDS}
    return {
        "open_seconds": open_seconds,
        "memory": {"before": before, "open": after_open, "end": _memory()},
        "peak_bytes": _peak(),
        "kinds": kinds,
        "overhead_ns": _median(_time(lambda: None, [()] * WARM_UP, task.seconds)[0]),
    }


def _engine(task: Task) -> Engine:
    directory = task.engine_directory()
    directory.mkdir(exist_ok=True)
    source = Source(task.files, task.rows, task.ids == "numbers", directory, task.memory)
    return ENGINES[task.engine](source)


def _import(engine: Engine) -> None:
    # Loading a library is not opening an index.
    __import__(engine.module)


def _measure(query: Query, questions: Sequence[Any], seconds: float) -> dict[str, Any]:
    calls = [query.arguments(question) for question in questions]
    first, _ = _time(query.call, calls[:1], seconds)
    _time(query.call, calls[1:WARM_UP], seconds / 10)
    times, returned = _time(query.call, calls[WARM_UP:], seconds)
    ordered = sorted(times)
    return {
        "count": len(times),
        "first_ns": first[0],
        "median_ns": _median(times),
        "p95_ns": ordered[len(ordered) * 95 // 100],
        "answers": [query.answer(value) for value in returned],
    }


def _time(call: Callable[..., Any], calls: Sequence[tuple[Any, ...]], seconds: float) -> tuple[list[int], list[Any]]:
    """Nanoseconds of each call until time is up, and what the first ones returned."""
    clock = time.perf_counter_ns
    times: list[int] = []
    returned: list[Any] = []
    end = clock() + int(seconds * 1e9)
    for arguments in calls:
        start = clock()
        value = call(*arguments)
        stop = clock()
        times.append(stop - start)
        if len(returned) < SAMPLE:
            returned.append(value)
        if stop > end:
            break
    return times, returned


def _median(times: Sequence[int]) -> int:
    return sorted(times)[len(times) // 2]


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _peak() -> int | None:
    """The most bytes that were resident; None where the system does not tell."""
    return _status("/proc/self/status").get("VmHWM")


def _memory() -> dict[str, int | None]:
    """Resident bytes, and those of them that no file backs; None where the system does not tell."""
    sizes = _status("/proc/self/smaps_rollup")
    return {"resident": sizes.get("Rss"), "anonymous": sizes.get("Anonymous")}


def _status(path: str) -> dict[str, int]:
    """The sizes in a file of /proc, in bytes; empty elsewhere than on Linux."""
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return {}
    fields = (line.split() for line in lines if line.endswith(" kB"))
    return {name.rstrip(":"): int(size) << 10 for name, size, _ in fields}


if __name__ == "__main__":
    sys.exit(main())
