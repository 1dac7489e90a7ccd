"""Aligned text, and numbers as people read them."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Sequence

from maou.cli.shown import printable

_SIZES = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def table(header: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[str] = ()) -> str:
    """Text table with a rule below its header; the columns named in `right` are aligned to the right.

    A row stays on a line, whatever a file has for names and values.
    """
    lines = [[printable(cell) for cell in cells] for cells in (header, *rows)]
    widths = [max(map(width, column)) for column in zip(*lines, strict=True)]
    is_right = [name in right for name in header]
    printed = [_line(cells, widths, is_right) for cells in lines]
    printed.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(printed)


def indented(text: str) -> str:
    """Each line two columns further to the right."""
    return "\n".join(f"  {line}" if line else "" for line in text.split("\n"))


def count(number: int, what: str) -> str:
    """Name a number of things: "1 row", "1,000 rows"."""
    ending = "" if number == 1 else "es" if what.endswith("ch") else "s"
    return f"{number:,} {what}{ending}"


def size(number: float) -> str:
    """Bytes in the unit that fits: "62.1 KiB"."""
    for unit in _SIZES:
        if number < 1024 or unit == _SIZES[-1]:
            break
        number /= 1024
    return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"


def width(text: str) -> int:
    """Columns on a terminal: a Japanese letter takes two, an accent on the letter before it none."""
    return sum(_columns(letter) for letter in text)


def cut(text: str, columns: int) -> str:
    """The beginning of `text` that fits into `columns`; "..." stands for the rest."""
    if width(text) <= columns:
        return text
    if columns <= 3:
        return "..."[: max(columns, 0)]
    taken, room = "", columns - 3
    for letter in text:
        room -= _columns(letter)
        if room < 0:
            break
        taken += letter
    return f"{taken}..."


def _columns(letter: str) -> int:
    if unicodedata.combining(letter):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def _line(cells: Sequence[str], widths: Sequence[int], is_right: Sequence[bool]) -> str:
    padded = []
    for cell, wide, right in zip(cells, widths, is_right, strict=True):
        space = " " * (wide - width(cell))
        padded.append(space + cell if right else cell + space)
    return "  ".join(padded).rstrip()
