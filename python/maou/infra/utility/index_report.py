"""What the index benchmark found: a table, JSON, a plot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from maou.infra.utility.benchmark.plot import save
from maou.infra.utility.benchmark.report import aligned

MB = 1e6

QUESTIONS = {
    "id": "id",
    "absent": "absent id",
    "prefix": "page of a prefix",
    "page": "page by evaluation",
    "count": "count of evaluations",
}
"""What the table calls each kind of question."""

PLOTTED = (
    "build, M records/s a core",
    "on disk, B a record",
    "reopened, MB",
    "id, µs",
    *(f"{QUESTIONS[kind]}, µs" for kind in ("prefix", "page")),
)


@dataclass
class Result:
    """One engine; what was not measured is absent."""

    engine: str
    records: int
    build: dict[str, Any] = field(default_factory=dict)
    """As `index_worker.build` gives it."""
    queries: dict[str, Any] = field(default_factory=dict)
    """As `index_worker.queries` gives it, without the answers."""
    problem: str | None = None
    """Why there is no more."""
    wrong: list[str] = field(default_factory=list)
    """Answers that are not what they have to be."""

    def at(self, *path: str) -> float | None:
        """A number of `build` or `queries`."""
        value: Any = {"build": self.build, "queries": self.queries}
        for name in path:
            value = value.get(name) if value else None
        return value if value is None else float(value)


@dataclass(frozen=True)
class Goal:
    """A bound for maou's index."""

    relation: str
    bound: float

    def is_met(self, value: float) -> bool:
        """Whether `value` keeps the bound."""
        return {"<": value < self.bound, "≤": value <= self.bound, "≥": value >= self.bound}[self.relation]

    def __str__(self) -> str:
        """As it stands in the table."""
        return f"{self.relation} {self.bound:g}"


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    label: str
    value: Callable[[Result], float | None]
    goal: Goal | None = None


def rows() -> list[Row]:
    """All that is compared, in the order of the table."""
    return [
        Row("build, s", lambda result: result.at("build", "seconds")),
        Row("build, M records/s", lambda result: _rate(result, "seconds")),
        Row("build, M records/s a core", lambda result: _rate(result, "cpu_seconds"), Goal("≥", 5)),
        Row("build, peak MB", _scaled(MB, "build", "peak_bytes")),
        Row("on disk, B a record", _bytes_per_record, Goal("≤", 24)),
        Row("reopen, ms", _scaled(1e-3, "queries", "open_seconds"), Goal("<", 20)),
        Row("reopened, MB", _scaled(MB, "queries", "memory", "open", "resident"), Goal("<", 50)),
        Row("  of them anonymous", _scaled(MB, "queries", "memory", "open", "anonymous")),
        Row("after all queries, MB", _scaled(MB, "queries", "memory", "end", "resident")),
        Row("  of them anonymous", _scaled(MB, "queries", "memory", "end", "anonymous")),
        *_times("id", Goal("<", 2)),
        *_times("absent", Goal("<", 2)),
        *_times("prefix", Goal("<", 50)),
        *_times("page", Goal("<", 50)),
        *_times("count", None),
    ]


def table(results: Sequence[Result]) -> str:
    """Engines as columns and the goals of the first as the last; reasons and wrong answers below."""
    own = results[0]
    lines = [["", *(result.engine for result in results), "goal"]]
    for row in rows():
        values = [row.value(result) for result in results]
        lines.append([row.label, *map(_number, values), _verdict(row.goal, row.value(own))])
    goal = len(results) + 1
    return "\n".join([aligned(lines, left=(0, goal)), *_remarks(results)])


def as_json(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Everything that was measured, and every row of the table."""
    return [
        {
            "engine": result.engine,
            "problem": result.problem,
            "wrong": result.wrong,
            "build": result.build,
            "queries": result.queries,
            "table": {row.label.strip(): row.value(result) for row in rows() if not row.label.startswith(" ")},
        }
        for result in results
    ]


def goals(own: Result) -> list[dict[str, Any]]:
    """Each goal, what was measured and whether that meets it."""
    return [
        {"what": row.label, "goal": str(row.goal), "measured": value, "met": row.goal.is_met(value)}
        for row in rows()
        if row.goal and (value := row.value(own)) is not None
    ]


def plot(results: Sequence[Result], title: str, path: Path) -> None:
    """Write bars of the most telling rows to an image or, by its extension, an HTML page.

    Raises:
        ImportError: when matplotlib is not installed.
        ValueError: when matplotlib does not know the extension.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter

    figure = Figure(figsize=(10, 6), layout="constrained")
    figure.suptitle(title)
    chosen = [row for row in rows() if row.label in PLOTTED]
    for row, axes in zip(chosen, figure.subplots(2, 3).flat, strict=True):
        bars = {result.engine: value for result in results if (value := row.value(result))}
        axes.barh(list(bars), list(bars.values()), color=["C1" if name == results[0].engine else "C0" for name in bars])
        axes.bar_label(axes.containers[0], [_number(value) for value in bars.values()], padding=2)
        axes.set(title=row.label, xscale="log")
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.margins(x=0.5)
        axes.invert_yaxis()
        if row.goal:
            axes.axvline(row.goal.bound, linestyle="--", color="gray")
    save(figure, path, title)


def _times(kind: str, goal: Goal | None) -> list[Row]:
    return [
        Row(f"{QUESTIONS[kind]}, µs", _scaled(1e3, "queries", "kinds", kind, "median_ns"), goal),
        Row("  95 % within", _scaled(1e3, "queries", "kinds", kind, "p95_ns")),
    ]


def _scaled(unit: float, *path: str) -> Callable[[Result], float | None]:
    def value(result: Result) -> float | None:
        found = result.at(*path)
        return None if found is None else found / unit

    return value


def _rate(result: Result, clock: str) -> float | None:
    seconds = result.at("build", clock)
    return result.records / seconds / 1e6 if seconds else None


def _bytes_per_record(result: Result) -> float | None:
    size = result.at("build", "disk_bytes")
    return None if size is None else size / result.records


def _verdict(goal: Goal | None, value: float | None) -> str:
    if goal is None or value is None:
        return str(goal or "")
    return f"{goal} {'met' if goal.is_met(value) else 'missed'}"


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.{0 if value >= 100 else 1 if value >= 10 else 2}f}"


def _remarks(results: Sequence[Result]) -> list[str]:
    problems = [f"{result.engine}: {result.problem}" for result in results if result.problem]
    wrong = [f"{result.engine}: wrong answer: {text}" for result in results for text in result.wrong]
    return ["", *problems, *wrong] if problems or wrong else []
