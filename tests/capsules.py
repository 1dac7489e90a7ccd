"""The C data interface by hand: structs that a producer could make, and the capsules around them.

https://arrow.apache.org/docs/format/CDataInterface.html
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

ANY = ctypes.c_void_p


class Schema(ctypes.Structure):
    """`ArrowSchema`."""

    _fields_ = (
        ("format", ctypes.c_char_p),
        ("name", ctypes.c_char_p),
        ("metadata", ANY),
        ("flags", ctypes.c_int64),
        ("n_children", ctypes.c_int64),
        ("children", ANY),
        ("dictionary", ANY),
        ("release", ANY),
        ("private_data", ANY),
    )


class Array(ctypes.Structure):
    """`ArrowArray`."""

    _fields_ = (
        ("length", ctypes.c_int64),
        ("null_count", ctypes.c_int64),
        ("offset", ctypes.c_int64),
        ("n_buffers", ctypes.c_int64),
        ("n_children", ctypes.c_int64),
        ("buffers", ANY),
        ("children", ANY),
        ("dictionary", ANY),
        ("release", ANY),
        ("private_data", ANY),
    )


class Stream(ctypes.Structure):
    """`ArrowArrayStream`."""

    _fields_ = (
        ("get_schema", ANY),
        ("get_next", ANY),
        ("get_last_error", ANY),
        ("release", ANY),
        ("private_data", ANY),
    )


GetSchema = ctypes.CFUNCTYPE(ctypes.c_int, ANY, ctypes.POINTER(Schema))
GetNext = ctypes.CFUNCTYPE(ctypes.c_int, ANY, ctypes.POINTER(Array))
GetLastError = ctypes.CFUNCTYPE(ANY, ANY)

# Everything that structs point to lives as long as the tests do: nothing is ever freed.
_KEPT: list[Any] = []


def _release(kind: type[ctypes.Structure]) -> int:
    """A release callback that says that it was called, which is all that is asked of one."""

    def release(struct: Any) -> None:
        struct.contents.release = None

    return address_of(ctypes.CFUNCTYPE(None, ctypes.POINTER(kind))(release))


def address_of(callback: Any) -> int:
    """Where a callback is."""
    _KEPT.append(callback)
    address = ctypes.cast(callback, ANY).value
    assert address is not None
    return address


def pointers(structs: Sequence[ctypes.Structure | None]) -> int:
    """An array of pointers to `structs`."""
    array = (ANY * max(1, len(structs)))()
    for index, struct in enumerate(structs):
        array[index] = None if struct is None else ctypes.addressof(struct)
    _KEPT.append((array, structs))
    return ctypes.addressof(array)


def buffers(contents: Sequence[bytes | None]) -> int:
    """An array of pointers to `contents`, each at a multiple of 64."""
    array = (ANY * max(1, len(contents)))()
    for index, content in enumerate(contents):
        array[index] = aligned(content)
    _KEPT.append(array)
    return ctypes.addressof(array)


def aligned(content: bytes | None, shift: int = 0) -> int | None:
    """Where `content` is: `shift` behind a multiple of 64."""
    if content is None:
        return None
    memory = ctypes.create_string_buffer(len(content) + 128)
    _KEPT.append(memory)
    start = -(-ctypes.addressof(memory) // 64) * 64 + shift
    ctypes.memmove(start, content, len(content))
    return start


def schema(format: str, name: str = "", children: Sequence[Schema] = ()) -> Schema:
    """A schema that is as it should be."""
    made = Schema(
        format.encode(), name.encode(), None, 2, len(children), pointers(children), None, RELEASE_SCHEMA, None
    )
    _KEPT.append(made)
    return made


def array(length: int, contents: Sequence[bytes | None], children: Sequence[Array] = (), nulls: int = 0) -> Array:
    """An array that is as it should be, if its buffers are."""
    made = Array(
        length, nulls, 0, len(contents), len(children), buffers(contents), pointers(children), None, RELEASE_ARRAY, None
    )
    _KEPT.append(made)
    return made


def capsule(struct: ctypes.Structure, name: bytes) -> object:
    """`struct` as Python passes it on."""
    new = ctypes.pythonapi.PyCapsule_New
    new.restype = ctypes.py_object
    new.argtypes = (ANY, ctypes.c_char_p, ANY)
    # The name has to outlive the capsule.
    _KEPT.append((struct, name))
    made: object = new(ctypes.addressof(struct), name, None)
    return made


class Exporter:
    """An Arrow object of one schema and one array."""

    def __init__(self, schema: Schema, array: Array) -> None:
        self.capsules: Any = (capsule(schema, b"arrow_schema"), capsule(array, b"arrow_array"))

    def __arrow_c_array__(self, requested_schema: object = None) -> Any:
        return self.capsules


class StreamExporter:
    """An Arrow object of one stream."""

    def __init__(self, stream: Stream) -> None:
        self.capsule = capsule(stream, b"arrow_array_stream")

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.capsule


RELEASE_SCHEMA = _release(Schema)
RELEASE_ARRAY = _release(Array)
RELEASE_STREAM = _release(Stream)
