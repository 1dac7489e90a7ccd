"""Files that the command writes: they appear under their names when they are whole."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from maou.cli.errors import CommandError


@contextmanager
def replacing(target: str) -> Iterator[Path]:
    """Give a file beside `target` to write; it takes the place of `target` when the block ends well.

    Otherwise it is removed, and what was there before stays. Missing parent directories are made.
    """
    # The file that a link leads to: the link has to stay one.
    destination = Path(target).resolve()
    if destination.exists() and not destination.is_file():
        raise CommandError(f"cannot write {target}: it is there already and is no file; choose another name")
    destination.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target: a rename is atomic within one file system only.
    part = destination.with_name(f".{destination.name[:40]}.{uuid.uuid4().hex}.part")
    try:
        yield part
        part.replace(destination)
    finally:
        # Where it has its name, or somebody still writes to it and the system minds.
        with contextlib.suppress(OSError):
            part.unlink()
