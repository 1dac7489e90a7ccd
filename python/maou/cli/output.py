"""Files that the command writes: local, and under their names when they are whole."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from maou.cli.errors import CommandError, of_system
from maou.cli.shown import shown
from maou.domain.data.paths import is_url


def check_target(target: str) -> Path:
    """Refuse what cannot be written, before anything is read; returns the file that `target` leads to."""
    if is_url(target):
        raise CommandError(
            f"cannot write {shown(target)}: give a local path, and copy it there with maou.infra.storage.upload"
        )
    # A link has to stay one.
    destination = Path(os.path.realpath(target))
    if destination.is_symlink():
        raise CommandError(f"cannot write {target}: it is a link that leads to itself; choose another name")
    if destination.exists() and not destination.is_file():
        raise CommandError(f"cannot write {target}: it is there already and is no file; choose another name")
    return destination


@contextmanager
def replacing(target: str) -> Iterator[Path]:
    """Give an empty file beside `target` to write; it takes the place of `target` when the block ends well.

    Otherwise it is removed, and what was there before stays. Missing parent directories are made.
    """
    destination = check_target(target)
    make_parent(target)
    # Beside the target: a rename is atomic within one file system only.
    part = destination.with_name(f".{destination.name[:40]}.{uuid.uuid4().hex}.part")
    try:
        with naming(target):
            part.open("xb").close()
            yield part
            part.replace(destination)
    finally:
        # Where it has its name, or somebody still writes to it and the system minds.
        with contextlib.suppress(OSError):
            part.unlink()


def make_parent(target: str) -> None:
    """Make the directory that `target` goes to, where it is missing."""
    parent = Path(os.path.realpath(target)).parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise CommandError(f"cannot write {target}: {parent} is no directory; choose another place") from error


@contextmanager
def naming(target: str) -> Iterator[None]:
    """Have what the system says of `target`, and of hidden files beside it that nobody knows, be said of `target`."""
    destination = Path(os.path.realpath(target))
    hidden = (f".{destination.name[:40]}", ".maouidx")
    try:
        yield
    except OSError as error:
        name = error.filename if isinstance(error.filename, (str, bytes)) else ""
        place = Path(os.path.realpath(os.fsdecode(name)))
        is_hidden = place.parent == destination.parent and place.name.startswith(hidden)
        if place != destination and not is_hidden:
            raise
        raise of_system("write", target, OSError(error.errno, error.strerror, target)) from error
