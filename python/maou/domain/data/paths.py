"""Local paths and URLs, told apart."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

StrPath = str | os.PathLike[str]

# One letter is a Windows drive.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
# What `pathlib.Path` makes of a URL.
_FLATTENED = re.compile(r"(s3|gs|az|https?):[/\\](?![/\\])")


def is_url(path: StrPath) -> bool:
    """Whether `path` is a URL and no local path.

    Raises:
        ValueError: for a `pathlib.Path` that was made of a URL, which has lost a slash.
    """
    if isinstance(path, str):
        return _URL.match(path) is not None
    text = os.fspath(path)
    if _FLATTENED.match(text):
        raise ValueError(f"{text!r} was a URL before pathlib took a slash from it; pass URLs as str")
    return False


def make_directory(directory: Path) -> None:
    """Make `directory`, and those that it is in, where they are missing. What is new has reached the disk afterwards.

    Raises:
        OSError: when it cannot be made.
    """
    missing = [path for path in (directory, *directory.parents) if not path.exists()]
    directory.mkdir(parents=True, exist_ok=True)
    for path in missing:
        _sync(path.parent)


def _sync(directory: Path) -> None:
    # Best effort: Windows opens no directories, and network mounts answer EINVAL.
    with suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
