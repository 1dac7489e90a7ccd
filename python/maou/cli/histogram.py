"""How the 16-bit values of a column are distributed: counted exactly, in one pass and 512 KiB, then put into bins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from maou.cli.table import width

_LOWEST = -(1 << 15)

FENCE = 3
"""How far bins of equal width reach at most, from the middle half of the values, in widths of that half: Tukey's outer
fences. The evaluations of mates are further out."""

_STEPS = (1, 2, 5)


class Distribution:
    """Counts of each value of an Int16 column, fed frame by frame."""

    def __init__(self) -> None:
        """Nothing counted yet."""
        self._counts: npt.NDArray[np.int64] = np.zeros(1 << 16, np.int64)
        self.nulls = 0

    def add(self, column: pl.Series) -> None:
        """Count the values of an Int16 column; nulls are counted apart."""
        self.nulls += column.null_count()
        values = column.drop_nulls().to_numpy().astype(np.int32) - _LOWEST
        self._counts += np.bincount(values, minlength=len(self._counts))

    @property
    def total(self) -> int:
        """Values that are not null."""
        return int(self._counts.sum())

    def values(self) -> list[int]:
        """The values that occur, in ascending order."""
        found: list[int] = (np.flatnonzero(self._counts) + _LOWEST).tolist()
        return found

    @property
    def mean(self) -> float:
        """Arithmetic mean; there has to be a value."""
        values = np.arange(len(self._counts)) + _LOWEST
        return float(self._counts @ values) / self.total

    def quantile(self, share: float) -> int:
        """The smallest value that at least `share` of the values do not exceed; 0 is the smallest of all."""
        rank = max(1, int(np.ceil(share * self.total)))
        return int(np.searchsorted(np.cumsum(self._counts), rank)) + _LOWEST

    def between(self, low: int, high: int) -> int:
        """How many values there are from `low` to `high`, both included."""
        start, end = max(low - _LOWEST, 0), max(high - _LOWEST + 1, 0)
        return int(self._counts[start:end].sum())


@dataclass(frozen=True)
class Bin:
    """Values from `low` to `high`, both included; None: no bound on that side."""

    low: int | None
    high: int | None
    count: int

    @property
    def label(self) -> str:
        """The values in words."""
        if self.low is None:
            return f"up to {self.high:,}"
        if self.high is None:
            return f"from {self.low:,} on"
        return f"{self.low:,}" if self.low == self.high else f"{self.low:,} to {self.high:,}"


def bins(distribution: Distribution, at_most: int = 24) -> list[Bin]:
    """Bins of one round width over nearly all values, and one on either side for what lies further out."""
    if not distribution.total:
        return []
    low, high = _usual(distribution)
    step = _round_up((high - low + 1) / (at_most - 2))
    first, last = low // step * step, high // step * step + step - 1
    inner = [
        Bin(start, start + step - 1, distribution.between(start, start + step - 1))
        for start in range(first, last + 1, step)
    ]
    below = Bin(None, first - 1, distribution.between(_LOWEST, first - 1))
    above = Bin(last + 1, None, distribution.between(last + 1, -_LOWEST - 1))
    return [item for item in (below, *inner, above) if item.count or item in inner]


def draw(items: list[Bin], columns: int, mark: str) -> str:
    """Bins as text, a line each: values, count, and a bar; the longest bar takes what is left of `columns`."""
    labels = [item.label for item in items]
    counts = [f"{item.count:,}" for item in items]
    label_width, count_width = max(map(width, labels)), max(map(len, counts))
    room = max(10, columns - label_width - count_width - 4)
    most = max(item.count for item in items)
    return "\n".join(
        f"{label:>{label_width}}  {count:>{count_width}}  {mark * _bar(item.count, most, room)}".rstrip()
        for label, count, item in zip(labels, counts, items, strict=True)
    )


def _usual(distribution: Distribution) -> tuple[int, int]:
    # The outermost values within the fences.
    lower, upper = distribution.quantile(0.25), distribution.quantile(0.75)
    reach = FENCE * (upper - lower)
    within = [value for value in distribution.values() if lower - reach <= value <= upper + reach]
    return within[0], within[-1]


def _bar(count: int, most: int, room: int) -> int:
    # What is there at all is seen.
    return -(-count * room // most) if count else 0


def _round_up(number: float) -> int:
    power = 1
    while True:
        for step in _STEPS:
            if step * power >= number:
                return step * power
        power *= 10
