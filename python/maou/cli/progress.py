"""One calm line on stderr while something takes long, and Ctrl-C that is heard meanwhile."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from maou.cli.shown import printable
from maou.cli.table import cut, width

T = TypeVar("T")

PATIENCE_SECONDS = 0.7
"""What is done sooner shows no line."""

REDRAW_SECONDS = 0.2

ERASE_LINE = "\r\x1b[K"


class Progress:
    """How far something is. Called as `progress(done, total)`, from any thread; it draws nothing itself."""

    def __init__(self, unit: str = "rows") -> None:
        """Start at nothing done; `unit` is what `done` and `total` count."""
        self.unit = unit
        self._state: tuple[int, int] | None = None

    def __call__(self, done: int, total: int) -> None:
        """Note that `done` of `total` are done."""
        self._state = (done, total)

    def text(self, seconds: float) -> str:
        """How far it is, `seconds` after the start."""
        if self._state is None:
            return f"{seconds:.0f} s"
        done, total = self._state
        share = f"{100 * done // total:3d} %" if total else ""
        return f"{share}  {done:,} of {total:,} {self.unit}  {seconds:.0f} s"


def watched(what: str, work: Callable[[Progress], T], unit: str = "rows") -> T:
    """Do `work`, and draw a line that begins with `what` if it takes long and stderr is a terminal.

    The work runs in a thread of its own: while the extension is busy, only another thread hears Ctrl-C.

    Returns:
        What `work` returned; what it raised is raised.
    """
    progress = Progress(unit)
    worker = _Worker(lambda: work(progress))
    worker.start()
    start = time.monotonic()
    drawn = ""
    try:
        while not worker.done.wait(REDRAW_SECONDS):
            seconds = time.monotonic() - start
            line = progress_line(what, progress.text(seconds), shutil.get_terminal_size().columns)
            if seconds > PATIENCE_SECONDS and line != drawn and _is_terminal():
                sys.stderr.write(f"{ERASE_LINE}{line}")
                sys.stderr.flush()
                drawn = line
    finally:
        if drawn:
            sys.stderr.write(ERASE_LINE)
            sys.stderr.flush()
    return worker.result()


def progress_line(what: str, text: str, columns: int) -> str:
    """`what` and `text` on one line of a terminal, of which `what` is cut first.

    A line that is as wide as the terminal may go on to the next one, where nothing erases it.
    """
    room = max(columns - 1 - width(text) - 2, 0)
    return cut(f"{cut(printable(what), room)}  {text}", columns - 1)


class _Worker(threading.Thread, Generic[T]):
    def __init__(self, work: Callable[[], T]) -> None:
        super().__init__(daemon=True)
        self.done = threading.Event()
        self._work = work
        self._results: list[T] = []
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._results.append(self._work())
        except BaseException as error:
            self._error = error
        finally:
            self.done.set()

    def result(self) -> T:
        if self._error is not None:
            raise self._error
        return self._results[0]


def _is_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()
