"""As much of flatbuffers as the headers of Arrow IPC files need: tables, and vectors of tables and of structs."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """A table at a position of a buffer. Its fields are numbered; one that was left out has its default.

    Every method raises ValueError where the buffer is too short for what it says.
    """

    buffer: bytes
    position: int

    @classmethod
    def root(cls, buffer: bytes) -> Table:
        """The table that a buffer is about."""
        return cls(buffer, unpack("<I", buffer, 0)[0])

    def number(self, field: int, form: str, default: int = 0) -> int:
        """A number or Boolean; `form` is its letter in `struct`."""
        at = self._find(field)
        return default if at is None else int(unpack(f"<{form}", self.buffer, at)[0])

    def table(self, field: int) -> Table | None:
        """A table, or the table in a union."""
        at = self._find(field)
        return None if at is None else self._follow(at)

    def text(self, field: int) -> str:
        """A string; bytes that are no UTF-8 are replaced."""
        at = self._find(field)
        if at is None:
            return ""
        start, length = self._vector(at)
        return self.buffer[start : start + length].decode("utf-8", "replace")

    def tables(self, field: int) -> list[Table]:
        """A vector of tables."""
        at = self._find(field)
        if at is None:
            return []
        start, length = self._vector(at)
        return [self._follow(start + 4 * index) for index in range(length)]

    def structs(self, field: int, form: str) -> Iterator[tuple[int, ...]]:
        """A vector of structs; `form` is one of them in `struct`, with its padding."""
        at = self._find(field)
        if at is None:
            return iter(())
        start, length = self._vector(at)
        size = struct.calcsize(f"<{form}")
        return struct.iter_unpack(f"<{form}", _slice(self.buffer, start, length * size))

    def _find(self, field: int) -> int | None:
        vtable = self.position - unpack("<i", self.buffer, self.position)[0]
        entry = 4 + 2 * field
        if entry >= unpack("<H", self.buffer, vtable)[0]:
            return None
        offset = unpack("<H", self.buffer, vtable + entry)[0]
        return self.position + offset if offset else None

    def _follow(self, at: int) -> Table:
        return Table(self.buffer, at + unpack("<I", self.buffer, at)[0])

    def _vector(self, at: int) -> tuple[int, int]:
        start = at + unpack("<I", self.buffer, at)[0]
        length = unpack("<I", self.buffer, start)[0]
        if length > len(self.buffer):
            raise ValueError(f"a vector of {length} in {len(self.buffer)} bytes")
        return start + 4, length


def unpack(form: str, buffer: bytes, at: int) -> tuple[int, ...]:
    """What `struct` finds at a position; ValueError outside of the buffer."""
    return struct.unpack(form, _slice(buffer, at, struct.calcsize(form)))


def _slice(buffer: bytes, start: int, length: int) -> bytes:
    # A negative position would count from the end.
    if start < 0 or start + length > len(buffer):
        raise ValueError(f"bytes {start} to {start + length} of {len(buffer)}")
    return buffer[start : start + length]
