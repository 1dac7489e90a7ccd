"""What the index benchmark asks of an engine.

A *record* is counted through all files, from 0. Questions are put in the form that an engine likes best before the
clock starts. No engine is imported before it is used: what a process takes is to be that of one engine.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

if TYPE_CHECKING:
    import polars as pl

KINDS = ("id", "absent", "prefix", "page", "count")
"""Kinds of questions: the record of an id, of an id that is not there, the first ids with a prefix, the records at an
offset by evaluation, and the number of records between two evaluations."""

PAGE_IDS = 50
PAGE_EVALS = 20

BATCH_ROWS = 100_000
"""Rows that are Python objects at a time."""

MAX_DIGITS = 20
MAX_NUMBER = (1 << 64) - 1

Key = Any
"""An id as an engine stores it."""


@dataclass(frozen=True)
class Source:
    """The records, and what an engine may take."""

    files: Sequence[str]
    rows: Sequence[int]
    """Of each file."""
    has_numbers: bool
    """Whether ids are 64-bit numbers; else they are texts."""
    directory: Path
    """For what the engine writes."""
    memory: int | None = None
    """Bytes that a build may take, for engines that can be told."""

    def frames(self, batch_rows: int | None = None) -> Iterator[pl.DataFrame]:
        """`record`, `id` and `eval` of all files, a file or `batch_rows` at a time."""
        import polars as pl

        from maou._rust.maou_io import iter_feather, load_feather_file

        start = 0
        for file in self.files:
            batches = iter_feather(file, batch_rows=batch_rows) if batch_rows else [load_feather_file(file)]
            for batch in batches:
                yield pl.DataFrame(batch).with_row_index("record", offset=start)
                start += len(batch)


class Query(NamedTuple):
    """How an engine answers one kind of question."""

    arguments: Callable[[Any], tuple[Any, ...]]
    """From the question to the arguments of `call`."""
    call: Callable[..., Any]
    """What is measured."""
    answer: Callable[[Any], Any]
    """From what `call` returns to a record or None, a list of ids as strings, a list of records, or a number."""


class Engine(ABC):
    """Builds, opens and asks one kind of index."""

    module: ClassVar[str]
    """What must be installed."""
    is_persistent: ClassVar[bool] = True
    """Whether a build leaves something to open; else opening is building."""
    bytes_per_record: ClassVar[int] = 0
    """Memory for a record that a process must have, about."""

    def __init__(self, source: Source) -> None:
        """Nothing is read yet."""
        self.source = source

    @abstractmethod
    def build(self) -> None:
        """Make the index of the files."""

    @abstractmethod
    def open(self) -> None:
        """Make ready for queries, in a process that has not built."""

    @abstractmethod
    def queries(self) -> dict[str, Query]:
        """How each of `KINDS` is answered."""

    def to_key(self, id: int | str) -> Key:
        """The id as it is stored."""
        return id

    def to_text(self, key: Key) -> str:
        """The decimal form of a stored number, or the stored text."""
        return str(key)

    def key(self, id: str) -> Key:
        """As it is stored."""
        return self.to_key(int(id) if self.source.has_numbers else id)

    def ranges(self, prefix: str) -> list[tuple[Key, Key]]:
        """Between which keys, inclusive, the ids are that begin with `prefix`."""
        ends: list[tuple[int, int]] | list[tuple[str, str]]
        ends = number_ranges(prefix) if self.source.has_numbers else [(prefix, prefix + chr(sys.maxunicode))]
        return [(self.to_key(low), self.to_key(high)) for low, high in ends]

    def page(self, keys: Iterable[Key]) -> list[str]:
        """The first ids of some ranges, given the first of each range in order."""
        texts = map(self.to_text, keys)
        return sorted(texts)[:PAGE_IDS] if self.source.has_numbers else list(texts)


def number_ranges(prefix: str) -> list[tuple[int, int]]:
    """The first and last 64-bit number of each length whose decimal form begins with `prefix`, which has no sign."""
    value, ranges = int(prefix), []
    for more in range(MAX_DIGITS - len(prefix) + 1):
        low = value * 10**more
        if low > MAX_NUMBER or (value == 0 and more > 0):
            break
        ranges.append((low, min(low + 10**more - 1, MAX_NUMBER)))
    return ranges


def first(values: Sequence[Any] | None) -> Any:
    """The first value, if there is one."""
    return None if values is None or len(values) == 0 else values[0]
