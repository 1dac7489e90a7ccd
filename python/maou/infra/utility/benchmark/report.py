"""Tables and JSON of the figures."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from maou.infra.utility.benchmark.cells import LIBRARIES, Cell, Figures, FileSizes

MIB = 1 << 20


def times_and_memory(cells: Sequence[Cell]) -> str:
    """Table of medians and peaks by library, each with the ratio of ours to the best other: below 1 is better."""
    header = [
        "records",
        "rows",
        "operation",
        *(f"{name} ms" for name in LIBRARIES),
        "/ best",
        *(f"{name} MiB" for name in LIBRARIES),
        "/ best",
    ]
    return aligned([header, *map(_row, cells)], left=(0, 2))


def file_sizes(sizes: Sequence[FileSizes]) -> str:
    """Table of the sizes of the files that the libraries wrote of the same records."""
    header = ["file of", "rows", *(f"{name} MiB" for name in LIBRARIES)]
    rows = [
        [item.kind, str(item.rows), *(_number(item.bytes.get(name), MIB, 2) for name in LIBRARIES)] for item in sizes
    ]
    return aligned([header, *rows], left=(0,))


def as_json(settings: dict[str, Any], cells: Sequence[Cell], sizes: Sequence[FileSizes], notes: Sequence[str]) -> str:
    """Everything, each run's time included."""
    report = {
        **settings,
        "cells": [_cell_as_json(cell) for cell in cells],
        "files": [asdict(item) for item in sizes],
        "notes": list(notes),
    }
    return json.dumps(report, indent=1) + "\n"


def _row(cell: Cell) -> list[str]:
    return [
        cell.kind,
        str(cell.rows),
        cell.operation,
        *_by_library(cell, lambda figures: _number(figures.median, 1e-3, 2)),
        _ratio(cell.time_ratio()),
        *_by_library(cell, lambda figures: _number(figures.peak_bytes, MIB, 1)),
        _ratio(cell.memory_ratio()),
    ]


def _by_library(cell: Cell, text: Callable[[Figures], str]) -> list[str]:
    return [text(cell.figures.get(name, Figures())) for name in LIBRARIES]


def _cell_as_json(cell: Cell) -> dict[str, Any]:
    time, memory = cell.time_ratio(), cell.memory_ratio()
    return {
        "kind": cell.kind,
        "rows": cell.rows,
        "operation": cell.operation,
        "alternating": cell.alternating,
        "libraries": {name: {"median_s": figures.median, **asdict(figures)} for name, figures in cell.figures.items()},
        "time_to_best": time and {"ratio": time[0], "library": time[1]},
        "memory_to_best": memory and {"ratio": memory[0], "library": memory[1]},
    }


def _ratio(ratio: tuple[float, str] | None) -> str:
    return "-" if ratio is None else f"{ratio[0]:.2f}"


def _number(value: float | None, unit: float, digits: int) -> str:
    return "-" if value is None else f"{value / unit:.{digits}f}"


def aligned(rows: list[list[str]], left: Sequence[int]) -> str:
    """Rows as text, the first one underlined; columns but those of `left` are set to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "  ".join(
            cell.ljust(width) if at in left else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
