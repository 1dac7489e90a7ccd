"""What is measured, and the figures."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from pathlib import Path

OURS = "maou"

LIBRARIES = (OURS, "polars", "pyarrow", "duckdb")

KINDS = ("hcpe", "preprocessing", "stage1", "stage2", "intermediate")

DEFAULT_KINDS = KINDS[:4]

OPERATIONS = (
    "read",
    "read own file",
    "read 2 columns",
    "read 2 of own file",
    "write",
    "split",
    "merge",
    "build index",
)
"""`read` is of a file that maou wrote, the same for all; the own file of a library is one that it wrote itself."""

WRITING = frozenset({"write", "split", "merge"})

INDEXED_KINDS = ("hcpe", "preprocessing", "stage1", "stage2")

PIECES = 10
"""Files that a split makes and a merge takes."""

TWO_COLUMNS = {kind: ("id", "eval") if kind == "hcpe" else ("id", "piecesInHand") for kind in KINDS}


@dataclass(frozen=True)
class Task:
    """One operation of one library on one file. Goes to the child as JSON."""

    library: str
    operation: str
    kind: str
    rows: int
    threads: int
    source: str
    """The file of maou's."""
    own: str
    """The file of this library."""
    pieces: list[str]
    """`source`, cut into PIECES."""
    out: str
    """A directory for what is written, of this task alone."""


@dataclass
class Figures:
    """What one library took for one operation."""

    seconds: list[float] = field(default_factory=list)
    """Of each round. Empty where the library did not run."""
    peak_bytes: int | None = None
    """Memory at the peak of the first run, beyond what was there before it."""
    reason: str | None = None
    """Why it did not run."""

    @property
    def median(self) -> float | None:
        """Median seconds."""
        return statistics.median(self.seconds) if self.seconds else None


@dataclass
class Cell:
    """One operation on one kind and number of records."""

    kind: str
    rows: int
    operation: str
    alternating: bool = True
    """Whether the libraries took turns, or came one after the other because memory was short."""
    figures: dict[str, Figures] = field(default_factory=dict)

    def time_ratio(self) -> tuple[float, str] | None:
        """Our median over that of the fastest other library, and that library's name."""
        return _ratio({name: figures.median for name, figures in self.figures.items()})

    def memory_ratio(self) -> tuple[float, str] | None:
        """Our peak over that of the smallest other library, and that library's name."""
        return _ratio({name: figures.peak_bytes for name, figures in self.figures.items()})


@dataclass
class FileSizes:
    """Bytes of the file that each library wrote of the same records."""

    kind: str
    rows: int
    bytes: dict[str, int]


@dataclass(frozen=True)
class Files:
    """Where the files of one kind and number of records are."""

    directory: Path

    @property
    def source(self) -> Path:
        """Written by maou."""
        return self.directory / "source.feather"

    def own(self, library: str) -> Path:
        """Written by `library`."""
        return self.source if library == OURS else self.directory / f"{library}.feather"


def _ratio(values: dict[str, float | None] | dict[str, int | None]) -> tuple[float, str] | None:
    ours = values.get(OURS)
    others = [(value, name) for name, value in values.items() if name != OURS and value]
    if not ours or not others:
        return None
    best, name = min(others)
    return ours / best, name
