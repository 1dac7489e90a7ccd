"""Types of command line arguments; argparse puts what they raise into its message."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable, Sequence
from pathlib import Path

SIZE_UNITS = {"K": 10, "M": 20, "G": 30}


def positive(text: str) -> int:
    """A whole number above 0."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number <= 0:
        raise ArgumentTypeError(f"must be a positive whole number, got {text!r}")
    return number


def size(text: str) -> int:
    """Bytes, as in `268435456`, `256M` or `1G`."""
    unit = SIZE_UNITS.get(text[-1:].upper())
    try:
        number = float(text[:-1] if unit else text)
    except ValueError:
        number = 0
    if not 0 < number < 1 << 60:
        raise ArgumentTypeError(f"must be a size like 256M or 1G, got {text!r}")
    return int(number * (1 << (unit or 0)))


def writable(text: str) -> Path:
    """A file that could be written: checked before what may take minutes."""
    path = Path(text)
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise ArgumentTypeError(f"cannot write {text!r}: not a file in an existing directory")
    return path


def directory(text: str) -> Path:
    """A directory that is there."""
    path = Path(text)
    if not path.is_dir():
        raise ArgumentTypeError(f"{text!r} is no directory: make it first")
    return path.absolute()


def one_of(names: Sequence[str]) -> Callable[[str], str]:
    """One of `names`."""

    def parse(text: str) -> str:
        if text not in names:
            raise ArgumentTypeError(f"must be one of {', '.join(names)}, got {text!r}")
        return text

    return parse


def list_of(parse: Callable[[str], int | str]) -> Callable[[str], list[int | str]]:
    """Values between commas."""
    return lambda text: [parse(part.strip()) for part in text.split(",")]
