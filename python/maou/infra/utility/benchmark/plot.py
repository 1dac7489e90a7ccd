"""Time against rows, one diagram for each kind and operation."""

from __future__ import annotations

import html
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from maou.infra.utility.benchmark.cells import LIBRARIES, Cell

ENDINGS = (".html", ".pdf", ".png", ".svg")

MARKERS = dict(zip(LIBRARIES, "os^D", strict=True))
"""So that the lines are told apart without colours too."""


def check() -> None:
    """Raise ImportError, with what to install, when diagrams cannot be drawn."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError("diagrams need matplotlib: `pip install 'maou[plot]'`") from error


def write_plot(path: Path, cells: Sequence[Cell], tables: Sequence[str]) -> None:
    """Write the diagrams in the format that the ending of `path` names; a page of HTML has `tables` too."""
    save(_figure(cells), path, "File operations, time against rows", tables)


def save(figure: Any, path: Path, title: str, tables: Sequence[str] = ()) -> None:
    """Write a figure in the format that the ending of `path` names; a page of HTML has its title and `tables` too."""
    if path.suffix == ".html":
        path.write_text(_page(_svg(figure), title, tables), encoding="utf-8")
    else:
        figure.savefig(path)


def _figure(cells: Sequence[Cell]) -> Any:
    # Not pyplot: it would look for a display.
    from matplotlib.figure import Figure

    kinds = list(dict.fromkeys(cell.kind for cell in cells))
    operations = list(dict.fromkeys(cell.operation for cell in cells))
    figure = Figure(figsize=(max(3.2 * len(kinds), 5), 2.6 * len(operations) + 0.5), layout="constrained")
    axes = figure.subplots(len(operations), len(kinds), squeeze=False)
    for row, operation in enumerate(operations):
        for column, kind in enumerate(kinds):
            chosen = [cell for cell in cells if (cell.kind, cell.operation) == (kind, operation)]
            _draw(axes[row][column], f"{kind}: {operation}", chosen)
    legend: dict[str, Any] = {}
    for axis in axes.flat:
        handles, labels = axis.get_legend_handles_labels()
        legend.update(zip(labels, handles, strict=True))
    figure.legend(legend.values(), legend.keys(), loc="outside upper center", ncols=len(LIBRARIES))
    return figure


def _draw(axis: Any, title: str, cells: Sequence[Cell]) -> None:
    from matplotlib.ticker import LogFormatter

    axis.set_title(title, fontsize="medium")
    for number, library in enumerate(LIBRARIES):
        medians = {cell.rows: cell.figures[library].median for cell in cells if library in cell.figures}
        points = sorted((rows, 1000 * median) for rows, median in medians.items() if median is not None)
        if points:
            axis.plot(*zip(*points, strict=True), marker=MARKERS[library], color=f"C{number}", label=library)
    axis.set(xscale="log", yscale="log", xlabel="rows", ylabel="ms")
    axis.yaxis.set_major_formatter("{x:g}")
    # Labels between powers of ten only where there are few of those.
    axis.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(1, 0.5)))
    axis.tick_params(which="minor", labelsize="x-small")
    axis.grid(visible=True, alpha=0.3)


def _svg(figure: Any) -> str:
    out = io.StringIO()
    figure.savefig(out, format="svg")
    text = out.getvalue()
    # A page has no place for the XML declaration.
    return text[text.index("<svg") :]


def _page(svg: str, title: str, tables: Sequence[str]) -> str:
    blocks = "\n".join(f"<pre>{html.escape(table)}</pre>" for table in tables)
    return (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>maou: {html.escape(title)}</title>\n'
        f"<h1>{html.escape(title)}</h1>\n{svg}\n{blocks}\n</html>\n"
    )
