"""One object: read whole or in ranges, written whole or not at all."""

from __future__ import annotations

import io
import threading
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, TYPE_CHECKING

from maou.domain.data.paths import StrPath
from maou.infra.cloud.errors import explain, explained
from maou.infra.cloud.location import WRITABLE, Location, parse
from maou.infra.cloud.store import open_store, require_obstore

if TYPE_CHECKING:
    from obstore import Bytes, ObjectMeta
    from obstore.store import ObjectStore

PART = 8 << 20
"""Bytes of a request."""

CONCURRENT = 8
"""Requests under way at a time: with `PART` they are what a transfer takes of memory."""

GAP = 64 << 10
"""Bytes between two ranges that are not worth a request of their own."""

# What a multipart upload may have.
_PARTS = 9_000

Range = tuple[int, int]


class RemoteObject:
    """An object to read. All its bytes are of one version of it, or there is an error."""

    def __init__(self, location: Location) -> None:
        """Nothing is sent before the first read.

        Raises:
            ImportError: when obstore is not installed.
            OSError, ValueError: when the settings make no sense.
        """
        self.location = location
        self._store = _connected(location, "read")
        self._version: tuple[object, ...] | None = None

    def head(self, length: int) -> tuple[bytes, int] | None:
        """The first bytes, at most `length`, and the size of the object; None where only a whole one can be had.

        Raises:
            FileNotFoundError, PermissionError, ConnectionError, TimeoutError, OSError: when it cannot be read.
        """
        import obstore
        from obstore.exceptions import BaseError, NotSupportedError

        try:
            result = obstore.get(self._store, self.location.key, options={"range": (0, length)})
            self._version = _version(result.meta)
            return bytes(result.bytes()), result.meta["size"]
        except NotSupportedError:
            # A server that knows no ranges.
            return None
        except (BaseError, FileNotFoundError, ValueError) as error:
            if "status code: 416" in str(error):
                # There is no first byte: it is empty.
                return None
            raise explain(self.location, "read", error) from None

    def read(self, start: int, end: int) -> Bytes:
        """The bytes from `start` to before `end`. Raises as `head`."""
        import obstore

        with explained(self.location, "read"):
            result = obstore.get(self._store, self.location.key, options={"range": (start, end)})
            if self._version != _version(result.meta):
                raise OSError(f"cannot read {self.location}: it was replaced meanwhile; read it again")
            return result.bytes()

    def stream(self) -> Iterator[Bytes]:
        """All of it, in one request. Raises as `head`."""
        import obstore

        with explained(self.location, "read"):
            yield from obstore.get(self._store, self.location.key).stream(min_chunk_size=1 << 20)

    def copy_ranges(self, ranges: Iterable[Range], file: IO[bytes]) -> None:
        """Write ranges to the same places in `file`, several at a time. Raises as `head`, and what writing raises."""
        lock = threading.Lock()

        def copy(part: Range) -> None:
            data = self.read(*part)
            with lock:
                file.seek(part[0])
                file.write(data)

        with ThreadPoolExecutor(CONCURRENT) as executor:
            copies = [executor.submit(copy, part) for part in parts(ranges)]
            try:
                for done in copies:
                    done.result()
            except BaseException:
                executor.shutdown(cancel_futures=True)
                raise


def put(path: StrPath, location: Location) -> None:
    """Make the file `path` the object at `location`, which appears whole or not at all.

    Raises:
        io.UnsupportedOperation: when the URL is one that cannot be written.
        FileNotFoundError: when there is no such file or bucket.
        PermissionError, ConnectionError, TimeoutError, OSError: when it cannot be written.
        ImportError: when obstore is not installed.
    """
    check_writable(location)
    store = _connected(location, "write")
    import obstore

    size = Path(path).stat().st_size
    chunk = max(PART, -(-size // _PARTS))
    with explained(location, "write"):
        obstore.put(store, location.key, Path(path), chunk_size=chunk, max_concurrency=CONCURRENT)


def may_exist(location: Location) -> bool:
    """Whether there is an object, or who asks is not allowed to know.

    Raises:
        ConnectionError, TimeoutError, OSError: when the service does not answer.
    """
    store = _connected(location, "write")
    import obstore

    try:
        with explained(location, "write"):
            obstore.head(store, location.key)
    except FileNotFoundError:
        return False
    except PermissionError:
        return True
    return True


def delete(location: Location) -> None:
    """Remove an object. Raises as `put`."""
    store = _connected(location, "delete")
    import obstore

    with explained(location, "delete"):
        obstore.delete(store, location.key)


def check_writable(location: Location) -> None:
    """Refuse before there is anything to write.

    Raises:
        io.UnsupportedOperation: when the URL is one that cannot be written.
    """
    if location.scheme not in WRITABLE:
        raise io.UnsupportedOperation(f"cannot write {location}: http is read only; use s3://, gs:// or az://")


def parse_writable(url: str) -> Location:
    """`parse`, and `check_writable`."""
    location = parse(url)
    check_writable(location)
    return location


def parts(ranges: Iterable[Range], gap: int = GAP, most: int = PART) -> list[Range]:
    """The requests for `ranges`: those that are close are joined, and none is larger than `most`."""
    requests: list[Range] = []
    for start, end in _joined(sorted(ranges), gap):
        requests.extend((at, min(at + most, end)) for at in range(start, end, most))
    return requests


def missing(ranges: Iterable[Range], there: Sequence[Range]) -> list[Range]:
    """What of `ranges` is not in `there`."""
    # A file may have many thousands of each.
    held = _joined(sorted(there), gap=0)
    ends = [end for _, end in held]
    rest: list[Range] = []
    for start, end in ranges:
        index = bisect_right(ends, start)
        while start < end:
            next_start, next_end = held[index] if index < len(held) else (end, end)
            if start < next_start:
                rest.append((start, min(next_start, end)))
            start, index = next_end, index + 1
    return rest


def _connected(location: Location, action: str) -> ObjectStore:
    require_obstore(location)
    with explained(location, action):
        return open_store(location)


def _joined(ranges: Iterable[Range], gap: int) -> list[Range]:
    joined: list[Range] = []
    for start, end in ranges:
        if joined and start - joined[-1][1] <= gap:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        elif start < end:
            joined.append((start, end))
    return joined


def _version(meta: ObjectMeta) -> tuple[object, ...]:
    return meta["size"], meta["e_tag"], meta["last_modified"]
