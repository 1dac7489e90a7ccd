"""What the headers of an Arrow IPC file say of its columns and batches: no value is read.

The format is described at https://arrow.apache.org/docs/format/Columnar.html; field numbers and structs are those of
Message.fbs, Schema.fbs and File.fbs there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from maou.cli.files import ReadAt
from maou.cli.flatbuffer import Table, unpack

MAGIC = b"ARROW1"

CHECKSUMS_KEY = "maou.xxh3"
"""In the footer's metadata: checksums of all messages."""

_SCHEMA, _RECORD_BATCH = 1, 3
_CODECS = {0: "LZ4", 1: "ZSTD"}

_BLOCK = "qi4xq"
"""Of a footer: offset of a message, size of its metadata, size of its body."""
_NODE = "qq"
"""Of a batch: rows and nulls of one array."""
_BUFFER = "qq"
"""Of a batch: offset in the body, and size."""

_DEEPEST = 60
"""Levels of lists within lists; more than that are damage."""

_PLAIN_TYPES = {
    1: "Null", 4: "Binary", 5: "Utf8", 6: "Bool", 7: "Decimal", 9: "Time", 10: "Timestamp", 11: "Interval", 12: "List",
    13: "Struct", 14: "Union", 15: "FixedSizeBinary", 17: "Map", 18: "Duration", 19: "LargeBinary", 20: "LargeUtf8",
    21: "LargeList", 22: "RunEndEncoded", 23: "BinaryView", 24: "Utf8View", 25: "ListView", 26: "LargeListView",
}  # fmt: skip


@dataclass(frozen=True)
class Column:
    """A column as it is stored; `arrays` is how many arrays it takes in a batch, itself and those within lists."""

    name: str
    arrow_type: str
    arrays: int


@dataclass
class Headers:
    """What a file says of itself.

    Attributes:
        columns: in the file's order.
        rows: in all batches.
        batches: how many.
        null_counts: nulls of each column, in all batches.
        uncompressed_bytes: of the data in all batches.
        codecs: compression, as "LZ4"; several only if batches differ.
        has_checksums: whether maou has written it, and `maou data verify` can find a changed byte.
    """

    columns: list[Column]
    rows: int = 0
    batches: int = 0
    null_counts: dict[str, int] = field(default_factory=dict)
    uncompressed_bytes: int = 0
    codecs: set[str] = field(default_factory=set)
    has_checksums: bool = False


@dataclass(frozen=True)
class _Message:
    table: Table
    body: int
    end: int

    @property
    def kind(self) -> int:
        return self.table.number(1, "B")


def read_headers(read_at: ReadAt, size: int) -> Headers:
    """Read the headers of a file of `size` bytes, in the IPC file or stream format.

    Raises:
        ValueError: when they are damaged or cut.
        OSError: when the file cannot be read.
    """
    try:
        return _of_file(read_at, size) if read_at(0, len(MAGIC)) == MAGIC else _of_stream(read_at)
    except ValueError as error:
        raise ValueError(f"its headers are damaged or cut: {error}") from error


def _of_file(read_at: ReadAt, size: int) -> Headers:
    footer = _footer(read_at, size)
    schema = footer.table(1)
    if schema is None:
        raise ValueError("its footer has no schema")
    headers = Headers(_columns(schema))
    headers.has_checksums = any(entry.text(0) == CHECKSUMS_KEY for entry in footer.tables(4))
    for offset, _, _ in footer.structs(3, _BLOCK):
        message = _message(read_at, offset)
        if message is None:
            raise ValueError(f"its footer names a batch at byte {offset}, where there is none")
        _add_batch(headers, message, read_at)
    return headers


def _of_stream(read_at: ReadAt) -> Headers:
    headers: Headers | None = None
    for message in _messages(read_at):
        header = message.table.table(2)
        if message.kind == _SCHEMA and header is not None:
            headers = Headers(_columns(header))
        elif message.kind == _RECORD_BATCH and headers is not None:
            _add_batch(headers, message, read_at)
    if headers is None:
        raise ValueError("it has no schema")
    return headers


def _messages(read_at: ReadAt) -> Iterator[_Message]:
    offset = 0
    while (message := _message(read_at, offset)) is not None:
        yield message
        offset = message.end


def _message(read_at: ReadAt, offset: int) -> _Message | None:
    prefix = read_at(offset, 8)
    if len(prefix) < 8:
        return None
    marker, length = unpack("<Ii", prefix, 0)
    start = offset + 8
    if marker != 0xFFFF_FFFF:
        # Before Arrow 0.15 there was the length alone.
        start, length = offset + 4, marker
    if length <= 0:
        return None
    table = Table.root(read_at(start, length))
    body, body_length = start + length, table.number(3, "q")
    if body_length < 0:
        raise ValueError(f"its message at byte {offset} is damaged")
    return _Message(table, body, body + body_length)


def _footer(read_at: ReadAt, size: int) -> Table:
    tail = read_at(max(0, size - 10), 10)
    length = unpack("<i", tail, 0)[0]
    if tail[4:] != MAGIC or not 0 < length <= size - 10:
        raise ValueError("it has no footer, so it is truncated")
    return Table.root(read_at(size - 10 - length, length))


def _add_batch(headers: Headers, message: _Message, read_at: ReadAt) -> None:
    batch = message.table.table(2)
    if message.kind != _RECORD_BATCH or batch is None:
        raise ValueError("a message is no batch")
    headers.rows += batch.number(0, "q")
    headers.batches += 1
    nodes = batch.structs(1, _NODE)
    for column in headers.columns:
        _, nulls = next(nodes, (0, 0))
        headers.null_counts[column.name] = headers.null_counts.get(column.name, 0) + nulls
        for _ in range(column.arrays - 1):
            next(nodes, None)
    compression = batch.table(3)
    if compression is not None:
        headers.codecs.add(_CODECS.get(compression.number(0, "b"), "unknown"))
    for offset, length in batch.structs(2, _BUFFER):
        at = message.body + offset
        headers.uncompressed_bytes += length if compression is None else _uncompressed(read_at, at, length)


def _uncompressed(read_at: ReadAt, at: int, length: int) -> int:
    if length < 8:
        return 0
    size = unpack("<q", read_at(at, 8), 0)[0]
    # -1: stored as it is, since compression would not have made it smaller.
    return size if size >= 0 else length - 8


def _columns(schema: Table) -> list[Column]:
    return [Column(entry.text(0), _type_name(entry), _arrays(entry)) for entry in schema.tables(1)]


def _arrays(entry: Table, depth: int = 0) -> int:
    if depth > _DEEPEST:
        raise ValueError("its schema is damaged")
    # In a batch there are the keys of a dictionary; its values are in a message of their own.
    children = [] if entry.table(4) else entry.tables(5)
    return 1 + sum(_arrays(child, depth + 1) for child in children)


def _type_name(entry: Table, depth: int = 0) -> str:
    if depth > _DEEPEST:
        raise ValueError("its schema is damaged")
    kind, details = entry.number(2, "B"), entry.table(3)
    children = [_type_name(child, depth + 1) for child in entry.tables(5)]
    name = _PLAIN_TYPES.get(kind) or _sized_type(kind, details)
    if kind == 16 and details is not None:
        return f"FixedSizeList<{', '.join(children)}, {details.number(0, 'i')}>"
    name = f"{name}<{', '.join(children)}>" if children else name
    return f"Dictionary<{name}>" if entry.table(4) else name


def _sized_type(kind: int, details: Table | None) -> str:
    if details is None:
        return "unknown"
    if kind == 2:
        sign = "Int" if details.number(1, "?") else "UInt"
        return f"{sign}{details.number(0, 'i')}"
    if kind == 3:
        return {0: "Float16", 1: "Float32"}.get(details.number(0, "h"), "Float64")
    if kind == 8:
        return "Date64" if details.number(0, "h", default=1) else "Date32"
    return "unknown"
