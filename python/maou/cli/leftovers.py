"""Files that an earlier run of a command has left beside those of this one."""

from __future__ import annotations

import re
from pathlib import Path

from maou.cli.errors import note
from maou.domain.data.paths import is_url


def note_leftovers(command: str, directory: str, prefix: str, written: int) -> None:
    """Say so where files named as those that were written go on behind the last: together they hold records twice.

    Args:
        command: what has written them.
        directory: where they are; nothing is said of those in a store.
        prefix: what their names begin with, before the number.
        written: how many there are now.
    """
    if is_url(directory):
        return
    numbered = re.compile(rf"{re.escape(prefix)}(\d{{4,}})\.feather")
    found = ((numbered.fullmatch(path.name), path) for path in _entries(directory))
    left = sorted((int(match[1]), path) for match, path in found if match and int(match[1]) >= written)
    if left:
        more = f" and {len(left) - 1:,} more" if len(left) > 1 else ""
        note(f"left from an earlier {command}: {left[0][1]}{more}; remove them before you merge")


def _entries(directory: str) -> list[Path]:
    try:
        return list(Path(directory).iterdir())
    except OSError:
        # It need not be there if nothing was written.
        return []
