"""Objects as local files: what a read takes of one, and what is to become one."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO

from maou.infra.cloud.location import Location, parse
from maou.infra.cloud.objects import PART, Range, RemoteObject, missing, parse_writable, put

TAIL = 64 << 10
"""Bytes at the end of a file that are fetched at once: the footer is there, and in small files all there is."""

COPY = "copy.feather"
"""The local file. A key may have more and other characters than a file name."""

_ARROW_FILE = b"ARROW1"

_in_use: set[str] = set()

_Ranges = Callable[[Path], Sequence[Range]]
"""What else is needed of a file, by a copy of it with its metadata."""


def fetched(
    url: str, columns: Sequence[str] | None = None, rows: tuple[int, int] | None = None, name: str = COPY
) -> AbstractContextManager[str]:
    """A local file that reads as the object at `url` does, as long as no other columns and rows are asked for.

    Of the others no data is transferred: in their place the file has holes. Buffers are fetched whole, so `rows` leaves
    out the batches without any of them. A *stream* has no footer that says where its columns are, and is fetched whole,
    as from a server that knows no ranges. The file is in the directory for temporary files under `name`, and goes at
    the end.

    Raises:
        FileNotFoundError, PermissionError, ConnectionError, TimeoutError, OSError: when it cannot be read.
        ValueError: when the URL is none, the object is no Arrow IPC or damaged, or it has no such column. Errors that
            are raised within and name the local file name the URL instead.
        ImportError: when obstore is not installed.
    """
    if columns is None and rows is None:
        return _fetched(url, name, None)

    def data(path: Path) -> list[Range]:
        from maou._rust.maou_io import data_ranges

        return data_ranges(path, columns, rows)

    return _fetched(url, name, data)


def fetched_headers(url: str) -> AbstractContextManager[str]:
    """A local file that says of itself what the object at `url` does, whose values are holes; else as `fetched`."""

    def sizes(path: Path) -> list[Range]:
        from maou._rust.maou_io import size_ranges

        return size_ranges(path)

    return _fetched(url, COPY, sizes)


@contextmanager
def stored(url: str) -> Iterator[str]:
    """A local path; the file that is written there becomes the object at `url`, unless there was an error.

    Raises:
        io.UnsupportedOperation: when the URL is one that cannot be written.
        FileNotFoundError, PermissionError, ConnectionError, TimeoutError, OSError: when it cannot be written.
        ValueError: when the URL is none.
        ImportError: when obstore is not installed.
    """
    location = parse_writable(url)
    with scratch() as directory:
        path = Path(directory, COPY)
        with _naming(location, path):
            yield str(path)
            put(path, location)


@contextmanager
def scratch() -> Iterator[str]:
    """A directory for local copies: `TMPDIR` says where."""
    directory = tempfile.TemporaryDirectory(prefix="maou-", ignore_cleanup_errors=True)
    _in_use.add(directory.name)
    try:
        with directory as name:
            yield name
    finally:
        _in_use.discard(directory.name)


def remove_scratch() -> None:
    """Remove all local copies, for who ends the process while other threads are at work on them."""
    for directory in tuple(_in_use):
        shutil.rmtree(directory, ignore_errors=True)


def write_whole(remote: RemoteObject, file: IO[bytes]) -> None:
    """Copy all of an object into `file`, in several requests at a time where the server can.

    Raises:
        FileNotFoundError, PermissionError, ConnectionError, TimeoutError, OSError: when it cannot be read or written.
    """
    head = remote.head(PART)
    if head is None:
        for chunk in remote.stream():
            file.write(chunk)
        return
    data, size = head
    file.write(data)
    remote.copy_ranges([(len(data), size)], file)


@contextmanager
def _fetched(url: str, name: str, ranges: _Ranges | None) -> Iterator[str]:
    """A local file with the metadata of an object and its `ranges`, or with all of it."""
    location = parse(url)
    remote = RemoteObject(location)
    with scratch() as directory:
        path = Path(directory, name)
        with _naming(location, path):
            with path.open("w+b") as file:
                _Copy(remote, path, file).fetch(ranges)
            yield str(path)


class _Copy:
    """A file of an object's length, with what has been fetched of it."""

    def __init__(self, remote: RemoteObject, path: Path, file: IO[bytes]) -> None:
        self.remote = remote
        self.path = path
        self.file = file
        self.there: list[Range] = []

    def fetch(self, ranges: _Ranges | None) -> None:
        """Have the file have the metadata and `ranges`, or all there is."""
        if ranges is None:
            write_whole(self.remote, self.file)
            return
        head = self.remote.head(TAIL)
        if head is None or not head[0].startswith(_ARROW_FILE):
            self.file.truncate(0)
            write_whole(self.remote, self.file)
            return
        self._begin(*head)
        self._fetch_parts(ranges)

    def _begin(self, data: bytes, size: int) -> None:
        self.file.write(data)
        self.file.truncate(size)
        self.there.append((0, len(data)))
        self._add([(max(0, size - TAIL), size)])

    def _fetch_parts(self, ranges: _Ranges) -> None:
        from maou._rust.maou_io import footer_range, metadata_ranges

        self._add([footer_range(self.path)])
        self._add(metadata_ranges(self.path))
        self._add(ranges(self.path))

    def _add(self, ranges: Sequence[Range]) -> None:
        self.remote.copy_ranges(missing(ranges, self.there), self.file)
        # Rust opens it by its name.
        self.file.flush()
        self.there.extend(ranges)


@contextmanager
def _naming(location: Location, path: Path) -> Iterator[None]:
    """Errors about what a file holds: users know the object, not its copy."""
    try:
        yield
    except ValueError as error:
        text = str(error)
        if type(error) is not ValueError or str(path) not in text:
            raise
        raise ValueError(text.replace(str(path), str(location))) from None
