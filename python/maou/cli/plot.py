"""Distributions as a picture: a PNG, or a web page in one file. matplotlib draws it."""

from __future__ import annotations

import html
import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maou.cli.errors import CommandError, explained
from maou.cli.histogram import Bin, Distribution, bins
from maou.cli.output import check_target, replacing

if TYPE_CHECKING:
    from maou.cli.info import Info

INSTALL_COMMAND = "pip install 'maou[plot]'"

BINS = 60

TITLES = {"eval": "evaluation, centipawns, side to move", "moves": "moves of the game"}

_COLOURS = {"eval": "#2a6f97", "moves": "#5c8a3a"}

_JAPANESE_FONTS = (
    "Noto Sans CJK JP", "Noto Sans JP", "IPAexGothic", "IPAGothic", "Hiragino Sans", "Yu Gothic", "MS Gothic",
)  # fmt: skip

# Text stays text, which the browser shows in whatever letters it has.
_SETTINGS: Any = {"svg.fonttype": "none", "svg.hashsalt": "maou", "font.size": 9}

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font-family: system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #222; }}
svg {{ max-width: 100%; height: auto; }}
table {{ border-collapse: collapse; margin: 1rem 0; }}
th, td {{ padding: .3rem .9rem; text-align: right; border-bottom: 1px solid #ddd; }}
th:first-child, td:first-child {{ text-align: left; }}
</style>
</head>
<body>
<h1>{title}</h1>
{table}
{picture}
</body>
</html>
"""

_HEADER = ("file", "rows", "column", "values", "smallest", "median", "mean", "largest")


def check_plot(target: str) -> None:
    """Refuse what `draw_plot` could not draw, before any file is read."""
    check_target(target)
    if Path(target).suffix.lower() not in (".png", ".html"):
        raise CommandError(f"cannot draw into {target}: the name has to end with .png or .html")
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise CommandError(f"cannot draw without matplotlib; install it with: {INSTALL_COMMAND}") from error


def draw_plot(infos: Sequence[Info], target: str) -> None:
    """Draw the distributions of all HCPE files into `target`, a file below the other."""
    drawn = [info for info in infos if any(item.total for item in info.distributions.values())]
    if not drawn:
        raise CommandError(f"cannot draw {target}: there is no HCPE file with rows to draw")
    is_page = Path(target).suffix.lower() == ".html"
    picture = _picture(drawn, "svg" if is_page else "png")
    with explained("write", target), replacing(target) as part:
        part.write_bytes(_page(drawn, picture).encode("utf-8", "replace") if is_page else picture)


def _picture(infos: Sequence[Info], form: str) -> bytes:
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({**_SETTINGS, "font.family": _fonts()}), warnings.catch_warnings():
        # A file name in letters that no font here has is drawn as boxes.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure = Figure(figsize=(11, 0.5 + 3.2 * len(infos)), layout="constrained")
        axes = figure.subplots(len(infos), len(TITLES), squeeze=False)
        for info, row in zip(infos, axes, strict=True):
            for (name, distribution), axis in zip(info.distributions.items(), row, strict=True):
                _draw(axis, distribution, f"{Path(info.path).name}: {TITLES[name]}", _COLOURS[name])
        content = io.BytesIO()
        figure.savefig(
            content,
            format=form,
            dpi=120,
            metadata=dict.fromkeys(("Date", "Creator", "Type", "Format")) if form == "svg" else None,
        )
    return content.getvalue()


def _fonts() -> list[str]:
    from matplotlib.font_manager import fontManager

    installed = {font.name for font in fontManager.ttflist}
    return ["sans-serif", *(font for font in _JAPANESE_FONTS if font in installed)]


def _draw(axis: Any, distribution: Distribution, title: str, colour: str) -> None:
    from matplotlib.ticker import MaxNLocator

    items = bins(distribution, BINS)
    inner = [item for item in items if item.low is not None and item.high is not None]
    # Half a value lower: a bar of one value stands above it.
    edges = [(item.low or 0) - 0.5 for item in inner] + [(inner[-1].high or 0) + 0.5]
    # Dollars in a name are no formula.
    axis.set_title(title.replace("$", r"\$"), loc="left", fontsize=9)
    axis.stairs([item.count for item in inner], edges, fill=True, color=colour)
    axis.axvline(distribution.quantile(0.5), color="#222222", linewidth=0.8, linestyle="--")
    axis.annotate("median", (distribution.quantile(0.5), 1), xycoords=("data", "axes fraction"),
                  xytext=(3, -9), textcoords="offset points", fontsize=7)  # fmt: skip
    axis.set_ylabel("records")
    axis.set_xlabel(_further_out(items))
    for side in (axis.xaxis, axis.yaxis):
        side.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axis.spines[["top", "right"]].set_visible(False)


def _further_out(items: Sequence[Bin]) -> str:
    tails = [f"{item.count:,} {item.label}" for item in items if item.low is None or item.high is None]
    return f"not shown: {', '.join(tails)}" if tails else ""


def _page(infos: Sequence[Info], picture: bytes) -> str:
    svg = picture.decode()
    # Within a page it has no declaration of its own.
    svg = svg[svg.index("<svg") :]
    rows = [_html_row("th", _HEADER)]
    for info in infos:
        rows += [_html_row("td", _cells(info, name, item)) for name, item in info.distributions.items() if item.total]
    title = infos[0].path if len(infos) == 1 else f"{len(infos)} files of HCPE records"
    return _PAGE.format(title=html.escape(title), table=f"<table>\n{''.join(rows)}</table>", picture=svg)


def _cells(info: Info, name: str, item: Distribution) -> list[str]:
    figures = [f"{item.total:,}", f"{item.quantile(0):,}", f"{item.quantile(0.5):,}", f"{item.mean:,.1f}"]
    return [info.path, f"{info.description.rows:,}", name, *figures, f"{item.quantile(1):,}"]


def _html_row(tag: str, cells: Sequence[str]) -> str:
    return f"<tr>{''.join(f'<{tag}>{html.escape(cell)}</{tag}>' for cell in cells)}</tr>\n"
