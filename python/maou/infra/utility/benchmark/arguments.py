"""Values on the command lines of benchmarks; each raises argparse's error for what it cannot take."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path


def positive(text: str) -> int:
    """A number from 1 on."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number <= 0:
        raise argparse.ArgumentTypeError(f"must be a positive whole number, got {text!r}")
    return number


def one_of(names: Sequence[str]) -> Callable[[str], str]:
    """One of `names`."""

    def parse(text: str) -> str:
        if text not in names:
            raise argparse.ArgumentTypeError(f"must be one of {', '.join(names)}, got {text!r}")
        return text

    return parse


def list_of(parse: Callable[[str], int | str]) -> Callable[[str], list[int | str]]:
    """Values between commas."""
    return lambda text: [parse(part.strip()) for part in text.split(",")]


def directory(text: str) -> Path:
    """A directory that is there."""
    path = Path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"not a directory: {text!r}")
    return path.absolute()


def writable(text: str) -> Path:
    """A file to be written, checked before the runs, which may take minutes."""
    path = Path(text)
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise argparse.ArgumentTypeError(f"cannot write {text!r}: not a file in an existing directory")
    return path
