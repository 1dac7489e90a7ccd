"""Starts a process for each library and lets them take turns."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from maou.infra.utility.benchmark import data, limits
from maou.infra.utility.benchmark.cells import (
    INDEXED_KINDS,
    LIBRARIES,
    OURS,
    PIECES,
    Cell,
    Figures,
    Files,
    FileSizes,
    Task,
)
from maou.infra.utility.benchmark.libraries import missing
from maou.infra.utility.machine import available_memory

THREAD_VARIABLES = ("POLARS_MAX_THREADS", "RAYON_NUM_THREADS", "OMP_NUM_THREADS", "ARROW_IO_THREADS")
"""Read by the libraries when they start."""


@dataclass(frozen=True)
class Plan:
    """What to measure."""

    kinds: Sequence[str]
    sizes: Sequence[int]
    operations: Sequence[str]
    rounds: int
    threads: int
    directory: Path


class ChildError(Exception):
    """A library could not run; the message says why."""


def measure(plan: Plan) -> Iterator[Cell | FileSizes | str]:
    """The figures as they come, and, as text, what is left out and why."""
    for kind in plan.kinds:
        for rows in plan.sizes:
            files = Files(plan.directory / f"{kind}-{rows}")
            files.directory.mkdir()
            yield from _measure_files(plan, files, kind, rows)
            shutil.rmtree(files.directory)


def _measure_files(plan: Plan, files: Files, kind: str, rows: int) -> Iterator[Cell | FileSizes | str]:
    reason = limits.too_little_disk(files.directory, kind, rows)
    if reason:
        yield f"{kind}, {rows} rows: left out: {reason}"
        return
    data.write_source(files, kind, rows)
    reason = limits.too_little_disk_for_copies(files.source)
    if reason:
        yield f"{kind}, {rows} rows: left out: {reason}"
        return
    pieces = data.write_pieces(files, -(-rows // PIECES))
    yield _write_own_files(plan, files, kind, rows)
    for operation in plan.operations:
        if operation != "build index" or kind in INDEXED_KINDS:
            cell = _measure_cell(plan, files, Cell(kind, rows, operation), pieces)
            yield cell
            yield from _left_out(cell)


def _write_own_files(plan: Plan, files: Files, kind: str, rows: int) -> FileSizes:
    available = available_memory()
    for library in LIBRARIES[1:]:
        needed = limits.memory_needed(library, "write", kind, rows)
        if missing(library) or limits.too_little_memory(needed, available):
            continue
        task = _task(plan, files, Cell(kind, rows, "write"), library, [])
        try:
            with Child(task) as child:
                child.run()
        except ChildError:
            # The cell of the write says why.
            continue
        (Path(task.out) / "written.feather").rename(files.own(library))
    written = {library: files.own(library) for library in LIBRARIES if files.own(library).exists()}
    return FileSizes(kind, rows, {library: path.stat().st_size for library, path in written.items()})


def _measure_cell(plan: Plan, files: Files, cell: Cell, pieces: list[str]) -> Cell:
    available = available_memory()
    needed = {library: limits.memory_needed(library, cell.operation, cell.kind, cell.rows) for library in LIBRARIES}
    for library in LIBRARIES if cell.operation != "build index" else (OURS,):
        reason = missing(library) or limits.too_little_memory(needed[library], available)
        if not reason and "own" in cell.operation and not files.own(library).exists():
            reason = "has no file of its own"
        cell.figures[library] = Figures(reason=reason)
    ready = [library for library, figures in cell.figures.items() if figures.reason is None]
    groups = limits.groups(ready, needed, available)
    cell.alternating = len(groups) == 1
    for group in groups:
        tasks = {library: _task(plan, files, cell, library, pieces) for library in group}
        _take_turns(tasks, cell.figures, plan.rounds)
    return cell


def _take_turns(tasks: dict[str, Task], figures: dict[str, Figures], rounds: int) -> None:
    with ExitStack() as stack:
        children = {library: stack.enter_context(Child(task)) for library, task in tasks.items()}
        for number in range(rounds + 1):
            for library, child in children.items():
                if figures[library].reason is not None:
                    continue
                try:
                    answer = child.run()
                except ChildError as error:
                    figures[library] = Figures(reason=str(error))
                    continue
                # The first run warms up, and shows the memory that a fresh process takes.
                if number == 0:
                    figures[library].peak_bytes = answer["peak_bytes"]
                else:
                    figures[library].seconds.append(answer["seconds"])


def _left_out(cell: Cell) -> Iterator[str]:
    for library, figures in cell.figures.items():
        if figures.reason and not missing(library):
            yield f"{cell.kind}, {cell.rows} rows, {cell.operation}: without {library}: {figures.reason}"


def _task(plan: Plan, files: Files, cell: Cell, library: str, pieces: list[str]) -> Task:
    return Task(
        library=library,
        operation=cell.operation,
        kind=cell.kind,
        rows=cell.rows,
        threads=plan.threads,
        source=str(files.source),
        own=str(files.own(library)),
        pieces=pieces,
        out=str(files.directory / f"out-{library}"),
    )


class Child:
    """The process of one task."""

    def __init__(self, task: Task) -> None:
        """Start it. It prepares itself meanwhile."""
        threads = {name: str(task.threads) for name in THREAD_VARIABLES}
        self._is_ready = False
        self._process = subprocess.Popen(
            [sys.executable, "-m", "maou.infra.utility.benchmark.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=os.environ | threads | {"PYTHONIOENCODING": "utf-8"},
        )
        self._say(json.dumps(asdict(task)))

    def __enter__(self) -> Child:
        """Ends with the block."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End the process."""
        if kind is not None:
            self._process.kill()
        self._process.communicate()

    def run(self) -> dict[str, Any]:
        """Run the task once; returns the child's answer. Raises ChildError when it could not."""
        if not self._is_ready:
            self._hear()
            self._is_ready = True
        self._say("run")
        return self._hear()

    def _say(self, line: str) -> None:
        assert self._process.stdin
        try:
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()
        except OSError:
            # It is gone; what it said last, or its status, tells why.
            return

    def _hear(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise ChildError(f"its process ended with status {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise ChildError(answer["error"])
        return answer
