"""Whether memory and disk are enough for a measurement."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from maou.infra.utility.benchmark.cells import OURS
from maou.infra.utility.benchmark.data import ROW_BYTES, STORED_BYTES, TWO_COLUMNS_BYTES

USABLE = 0.8
"""Share of the available memory that may be used."""

STREAMED = 512 << 20
"""What maou's split and merge take at most, however large the files."""

FILES = 8
"""Files as large as the source that there may be at a time: own ones, pieces, and what tasks write."""


def memory_needed(library: str, operation: str, kind: str, rows: int) -> int:
    """About the bytes that the process of `library` takes at its peak; generous."""
    data = rows * (TWO_COLUMNS_BYTES if "2" in operation else ROW_BYTES)[kind]
    if operation in {"split", "merge"}:
        return STREAMED if library == OURS else 5 * data // 2
    return 5 * data // 2 if library == "duckdb" else 3 * data // 2


def too_little_memory(needed: int, available: int | None) -> str | None:
    """What is missing, or None."""
    if available is None or needed <= USABLE * available:
        return None
    return f"would take {_gib(needed)} of memory, {_gib(available)} are available"


def too_little_disk(directory: Path, kind: str, rows: int) -> str | None:
    """What is missing to write `rows` records, which takes their place twice, or None."""
    return _disk(directory, 2 * rows * STORED_BYTES[kind])


def too_little_disk_for_copies(source: Path) -> str | None:
    """What is missing for the other files of a size, or None."""
    return _disk(source.parent, FILES * source.stat().st_size)


def groups(libraries: Sequence[str], needed: dict[str, int], available: int | None) -> list[list[str]]:
    """Libraries that run at the same time: all, or, when memory is too short for that, each alone."""
    together = sum(needed[library] for library in libraries)
    if available is None or together <= USABLE * available:
        return [list(libraries)]
    return [[library] for library in libraries]


def _disk(directory: Path, needed: int) -> str | None:
    free = shutil.disk_usage(directory).free
    return f"would take {_gib(needed)} of disk, {_gib(free)} are free" if needed > free else None


def _gib(size: int) -> str:
    return f"{size / (1 << 30):.1f} GiB"
