"""What a user is told: one line that says what could not be done, on which file, why, and what helps."""

from __future__ import annotations

import difflib
import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from maou.cli.shown import printable, shown

FAILED = 1
"""Exit status when something could not be done; wrong usage is 2, from argparse."""

_FIXES = {
    errno.EACCES: "check its permissions",
    errno.EPERM: "check its permissions",
    errno.EROFS: "choose another place",
    errno.ENOSPC: "make room on the disk",
    errno.EDQUOT: "make room on the disk",
}


class CommandError(Exception):
    """Ends the command with its message and exit status 1; the message begins with "cannot" or "no"."""


def complain(message: str) -> None:
    """Print one line on stderr, on what has gone wrong."""
    note(f"maou: {message}")


def note(message: str) -> None:
    """Print one line on stderr."""
    # None when the shell has closed it, which `print` takes for stdout.
    if sys.stderr is not None:
        print(printable(" ".join(message.split())), file=sys.stderr)


@contextmanager
def explained(action: str, path: str) -> Iterator[None]:
    """Turn what goes wrong with `path` inside into a `CommandError` that says so.

    Args:
        action: what is tried, to be read after "cannot".
        path: the file or directory it is tried on.
    """
    name = shown(path)
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise of_system(action, name, error) from error
    except (ValueError, ImportError) as error:
        raise _told(action, name, error) from error
    except MemoryError as error:
        raise CommandError(f"cannot {action} {name}: not enough memory; choose fewer --columns or rows") from error
    except BaseException as error:
        if not _is_of_polars(error):
            raise
        # Not above, for the sake of --help: it imports Polars.
        from maou.domain.data.frames import first_line

        raise CommandError(f"cannot {action} {name}: Polars cannot do it: {first_line(error)}") from error


def of_system(action: str, path: str, error: OSError) -> CommandError:
    """What the system has refused, on the file that it names, or on `path`."""
    if error.filename is None:
        return _told(action, path, error)
    place = _text(error.filename)
    return CommandError(f"cannot {action} {place}: {reason(error)}{_fix(error, place)}")


def reason(error: Exception, path: str = "") -> str:
    """Why, in one line, without the path that the caller names anyway."""
    if isinstance(error, OSError) and error.strerror:
        # The extension adds what it was doing.
        return error.strerror.split("; cannot ")[0]
    return (str(error) or type(error).__name__).removeprefix(f"{path}: ")


def _told(action: str, path: str, error: Exception) -> CommandError:
    text = str(error)
    # Errors about objects, for one, say it all.
    return CommandError(text if text.startswith("cannot ") else f"cannot {action} {path}: {reason(error, path)}")


def _is_of_polars(error: BaseException) -> bool:
    # Not imported here, for the sake of --help. A panic is no `Exception`.
    polars = sys.modules.get("polars")
    return polars is not None and isinstance(error, (polars.exceptions.PolarsError, polars.exceptions.PanicException))


def _fix(error: OSError, place: str) -> str:
    if isinstance(error, FileNotFoundError):
        return _similar(place)
    if isinstance(error, IsADirectoryError):
        return f"; name the files in it: {Path(place) / '*.feather'}"
    fix = _FIXES.get(error.errno or 0)
    return f"; {fix}" if fix else ""


def _similar(place: str) -> str:
    path = Path(place)
    try:
        names = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return f"; there is no directory {path.parent}"
    close = difflib.get_close_matches(path.name, names, n=1)
    return f"; there is {path.parent / close[0]}" if close else "; check the name"


def _text(path: object) -> str:
    return os.fsdecode(path) if isinstance(path, (str, bytes, os.PathLike)) else str(path)
