"""Runs that take turns in one process, and their medians."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Measurement:
    """One operation: seconds of each run by library; a library that has no such operation is absent."""

    operation: str
    rows: int
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def median(self, library: str) -> float | None:
        """Median seconds, or None where the library did not run."""
        return statistics.median(self.seconds[library]) if library in self.seconds else None

    def ratio(self, library: str) -> float | None:
        """How many times as long `library` takes as maou, or None where it did not run."""
        own, other = self.median("maou"), self.median(library)
        return other / own if own and other else None


def alternate(operation: str, rows: int, runs: dict[str, Callable[[], object]], rounds: int) -> Measurement:
    """Each of `runs` once to warm up, then `rounds` times in turn."""
    measurement = Measurement(operation, rows, {name: [] for name in runs})
    for run in runs.values():
        run()
    for _ in range(rounds):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            measurement.seconds[name].append(time.perf_counter() - start)
    return measurement
