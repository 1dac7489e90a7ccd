"""What a careless or hostile producer may put into capsules: a ValueError, and never the end of the process.

Two things nobody can check: a pointer that leads nowhere, and a buffer that is shorter than its values say.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import capsules as c
import polars as pl
import pyarrow as pa
import pytest

from maou._rust.maou_io import load_feather_file, save_feather_batches, save_feather_file

HUGE = 2**62
INTS = struct.pack("<3i", 1, 2, 3)
OFFSETS = struct.pack("<4i", 0, 1, 3, 6)
TEXT = "a将bc".encode()
LONG = b"a text that is longer than a view"


class Table:
    """Three rows of `i: int32`, `s: utf8`, `l: list<int32>`, to be spoilt."""

    def __init__(self) -> None:
        self.item_type = c.schema("i", "item")
        self.types = [c.schema("i", "i"), c.schema("u", "s"), c.schema("+l", "l", [self.item_type])]
        self.schema = c.schema("+s", "", self.types)
        self.items = c.array(6, [None, INTS * 2])
        self.ints = c.array(3, [None, INTS])
        self.texts = c.array(3, [None, struct.pack("<4i", 0, 1, 4, 6), TEXT])
        self.lists = c.array(3, [None, OFFSETS], [self.items])
        self.rows = c.array(3, [None], [self.ints, self.texts, self.lists])

    def replace(self, column: int, schema: c.Schema, array: c.Array) -> None:
        self.types[column] = schema
        children: list[c.Array] = [self.ints, self.texts, self.lists]
        children[column] = array
        self.schema.children = c.pointers(self.types)
        self.rows.children = c.pointers(children)


def views(lengths: bytes | None, view: bytes = struct.pack("<i4sii", 33, LONG[:4], 0, 0)) -> Callable[[Table], None]:
    array = c.array(3, [None, view * 3, LONG, lengths])
    return lambda table: table.replace(1, c.schema("vu", "s"), array)


def column(format: str, array: c.Array) -> Callable[[Table], None]:
    return lambda table: table.replace(0, c.schema(format, "i"), array)


def fields(target: str, **values: Any) -> Callable[[Table], None]:
    def spoil(table: Table) -> None:
        for name, value in values.items():
            setattr(getattr(table, target), name, value)

    return spoil


def contents(target: str, *buffers: bytes | None) -> Callable[[Table], None]:
    return fields(target, buffers=c.buffers(buffers))


def of_column(name: str, value: Any) -> Callable[[Table], None]:
    return lambda table: setattr(table.types[0], name, value)


def own_child(table: Table) -> None:
    table.schema.children = c.pointers([table.schema] * 3)


def own_array(table: Table) -> None:
    # Each of its columns is the table: of the wrong shape, however deep.
    table.rows.children = c.pointers([table.rows] * 3)


def crooked_offsets(table: Table) -> None:
    starts = (c.ANY * 3)(None, c.aligned(OFFSETS, shift=1), c.aligned(TEXT))
    table.texts.buffers = ctypes.addressof(starts)
    table.keeps = starts  # type: ignore[attr-defined]


def nulls_of_nothing(table: Table) -> None:
    nulls = c.array(3, [None])
    nulls.buffers = None
    table.replace(0, c.schema("n", "i"), nulls)


def dictionary(table: Table, keys: bytes, values: c.Array | None) -> None:
    types, array = c.schema("c", "i"), c.array(3, [None, keys])
    types.dictionary = ctypes.addressof(c.schema("u"))
    array.dictionary = ctypes.addressof(values) if values else None
    table.replace(0, types, array)


WORDS = c.array(2, [None, struct.pack("<3i", 0, 1, 2), b"ab"])

SPOILS: dict[str, Callable[[Table], object]] = {
    "schema released": fields("schema", release=None),
    "schema without a format": fields("schema", format=None),
    "column without a format": of_column("format", None),
    "column of an unknown format": of_column("format", b"zz"),
    "column whose format is no text": of_column("format", b"\xff\xfe"),
    "column whose name is no text": of_column("name", b"\xff\xfe"),
    "column of negative width": of_column("format", b"w:-5"),
    "lists of negative length": of_column("format", b"+w:-2"),
    "struct in place of a number": of_column("format", b"+s"),
    "another width than the buffer's type": of_column("format", b"vu"),
    "schema with fewer than no columns": fields("schema", n_children=-1),
    "schema without columns for three": fields("schema", children=None),
    "schema with a null column": lambda table: setattr(table.schema, "children", c.pointers([None] * 3)),
    "schema that is its own column": own_child,
    "array released": fields("rows", release=None),
    "array of negative length": fields("rows", length=-1),
    "array of negative offset": fields("rows", offset=-1),
    "array of impossible length": fields("rows", length=HUGE),
    "array of impossible offset": fields("rows", offset=HUGE),
    "length and offset that overflow": fields("rows", length=2**63 - 1, offset=2**63 - 1),
    "array longer than its columns": fields("rows", length=4),
    "offset beyond the columns": fields("rows", offset=1),
    "rows that are null": lambda table: (fields("rows", null_count=1)(table), contents("rows", b"\5")(table)),
    "fewer than no columns": fields("rows", n_children=-1),
    "too few columns": fields("rows", n_children=2),
    "no columns for three": fields("rows", children=None),
    "null columns": lambda table: setattr(table.rows, "children", c.pointers([None] * 3)),
    "its own column": own_array,
    "column of impossible length": fields("ints", length=HUGE),
    "column of a length that overflows in bytes": fields("ints", length=2**61 + 3),
    "column of negative length": fields("ints", length=-3),
    "column shorter than the table": fields("ints", length=2),
    "column with fewer than no buffers": fields("ints", n_buffers=-1),
    "column without buffers": fields("ints", n_buffers=0),
    "column with too many buffers": fields("ints", n_buffers=3),
    "null in place of buffers": fields("ints", buffers=None),
    "null in place of values": contents("ints", None, None),
    "nulls that are not there": lambda table: (
        fields("ints", null_count=2)(table),
        contents("ints", b"\7", INTS)(table),
    ),
    "more nulls than rows": lambda table: (fields("ints", null_count=9)(table), contents("ints", b"\0", INTS)(table)),
    "null in place of offsets": contents("texts", None, None, TEXT),
    "null in place of text": contents("texts", None, struct.pack("<4i", 0, 1, 4, 6), None),
    "offsets that are not aligned": crooked_offsets,
    "negative last offset": contents("texts", None, struct.pack("<4i", 0, 1, 4, -6), TEXT),
    "offsets that go back": contents("texts", None, struct.pack("<4i", 0, 4, 1, 6), TEXT),
    "offsets beyond the last": contents("texts", None, struct.pack("<4i", 0, 9, 9, 6), TEXT),
    "negative first offset": contents("texts", None, struct.pack("<4i", -1, 1, 4, 6), TEXT),
    "text cut within a character": contents("texts", None, struct.pack("<4i", 0, 2, 4, 6), TEXT),
    "text that is no text": contents("texts", None, struct.pack("<4i", 0, 1, 4, 6), b"\xff" * 6),
    "lists beyond their values": contents("lists", None, struct.pack("<4i", 0, 1, 3, 7)),
    "lists that go back": contents("lists", None, struct.pack("<4i", 0, 3, 1, 6)),
    "lists without values": fields("lists", n_children=0),
    "lists with null values": lambda table: setattr(table.lists, "children", c.pointers([None])),
    "values of lists that are too few": fields("items", length=5),
    "views of negative length": views(struct.pack("<q", -1)),
    "views without lengths": views(None),
    "views beyond their buffer": views(struct.pack("<q", 20)),
    "views of another buffer": views(struct.pack("<q", 33), struct.pack("<i4sii", 33, LONG[:4], 1, 0)),
    "views with other beginnings": views(struct.pack("<q", 33), struct.pack("<i4sii", 33, b"xxxx", 0, 0)),
    "fixed lists of too few values": column("+w:4", c.array(3, [None], [c.array(6, [None, INTS * 2])])),
    "nulls with values": column("n", c.array(3, [INTS])),
    "nulls with two buffers": column("n", c.array(3, [None, None])),
    "nulls whose buffers are not there": nulls_of_nothing,
    "dictionary without values": lambda table: dictionary(table, b"\0\1\0", None),
    "dictionary keys beyond the values": lambda table: dictionary(table, b"\0\1\2", WORDS),
    "negative dictionary keys": lambda table: dictionary(table, b"\0\1\xff", WORDS),
    "values for what is no dictionary": fields("ints", dictionary=ctypes.addressof(WORDS)),
}


def save(table: Table, path: Path) -> None:
    save_feather_file(c.Exporter(table.schema, table.rows), path)


def test_what_is_not_spoilt_is_taken(tmp_path: Path) -> None:
    save(Table(), tmp_path / "a.feather")
    found = pl.DataFrame(load_feather_file(tmp_path / "a.feather"))
    assert found.to_dict(as_series=False) == {"i": [1, 2, 3], "s": ["a", "将", "bc"], "l": [[1], [2, 3], [1, 2, 3]]}
    for spoil in (views(struct.pack("<q", 33)), lambda table: dictionary(table, b"\0\1\0", WORDS)):
        table = Table()
        spoil(table)
        save(table, tmp_path / "b.feather")
        assert pl.DataFrame(load_feather_file(tmp_path / "b.feather")).height == 3


@pytest.mark.parametrize("spoil", SPOILS)
def test_a_spoilt_array_is_a_value_error(spoil: str, tmp_path: Path) -> None:
    table = Table()
    SPOILS[spoil](table)
    with pytest.raises(ValueError, match="Arrow"):
        save(table, tmp_path / "a.feather")
    assert list(tmp_path.iterdir()) == []


def test_a_panic_is_an_exception_and_does_not_abort(tmp_path: Path) -> None:
    table = Table()
    SPOILS["column without a format"](table)
    # Arrow asserts it, within the extension.
    with pytest.raises(ValueError, match="assertion failed"):
        save(table, tmp_path / "a.feather")


def test_a_name_that_no_c_string_can_be_is_an_error_on_the_way_out(tmp_path: Path) -> None:
    names = pa.table({"a\0b": [1]})
    with pa.ipc.new_file(str(tmp_path / "a.feather"), names.schema) as writer:
        writer.write_table(names)
    batch = load_feather_file(tmp_path / "a.feather")
    for take in (pl.DataFrame, pa.table, pa.record_batch):
        with pytest.raises(ValueError, match="Null byte"):
            take(batch)


@pytest.mark.parametrize("spoil", SPOILS)
def test_a_spoilt_array_in_a_stream_is_a_value_error(spoil: str, tmp_path: Path) -> None:
    table = Table()
    SPOILS[spoil](table)
    if spoil == "array released":
        # The end of a stream.
        return
    with pytest.raises(ValueError, match="Arrow"):
        save_feather_batches(stream_of(table), tmp_path / "a.feather")
    assert list(tmp_path.iterdir()) == []


def stream_of(table: Table) -> c.StreamExporter:
    return c.StreamExporter(
        c.Stream(give(c.GetSchema, table.schema), give(c.GetNext, table.rows), None, c.RELEASE_STREAM, None)
    )


def give(kind: Any, struct: Any) -> int:
    """A callback that gives a struct away, and at its next call an empty one."""

    def callback(_stream: int, out: Any) -> int:
        ctypes.memmove(out, ctypes.addressof(struct), ctypes.sizeof(struct))
        struct.release = None
        return 0

    return c.address_of(kind(callback))


def fail(kind: Any) -> int:
    return c.address_of(kind(lambda _stream, _out: 22))


def test_a_stream_that_is_not_spoilt_is_taken(tmp_path: Path) -> None:
    save_feather_batches(stream_of(Table()), tmp_path / "a.feather")
    assert pl.DataFrame(load_feather_file(tmp_path / "a.feather")).height == 3


def test_streams_that_fail_or_are_not_there(tmp_path: Path) -> None:
    table = Table()
    schema, array = give(c.GetSchema, table.schema), give(c.GetNext, table.rows)
    why = ctypes.create_string_buffer("壊れた".encode())
    words = c.address_of(c.GetLastError(lambda _stream: ctypes.addressof(why)))
    silent = c.address_of(c.GetLastError(lambda _stream: 0))
    for stream, message in {
        (schema, array, words, None): "taken out",
        (None, array, words, c.RELEASE_STREAM): "get_schema",
        (schema, None, words, c.RELEASE_STREAM): "get_next",
        (fail(c.GetSchema), array, words, c.RELEASE_STREAM): "22: 壊れた",
        (fail(c.GetSchema), array, None, c.RELEASE_STREAM): "22: no message",
        (fail(c.GetSchema), array, silent, c.RELEASE_STREAM): "22: no message",
    }.items():
        table.schema.release = c.RELEASE_SCHEMA
        with pytest.raises(ValueError, match=message):
            save_feather_file(c.StreamExporter(c.Stream(*stream, None)), tmp_path / "a.feather")
    table.schema.release = c.RELEASE_SCHEMA
    with pytest.raises(ValueError, match="22: 壊れた"):
        save_feather_file(
            c.StreamExporter(c.Stream(schema, fail(c.GetNext), words, c.RELEASE_STREAM, None)), tmp_path / "a.feather"
        )
    assert list(tmp_path.iterdir()) == []


def test_a_capsule_is_taken_once(tmp_path: Path) -> None:
    table = Table()
    for exporter in (c.Exporter(table.schema, table.rows), stream_of(Table())):
        save_feather_file(exporter, tmp_path / "a.feather")
        with pytest.raises(ValueError, match="taken out"):
            save_feather_file(exporter, tmp_path / "a.feather")


def test_capsules_of_another_name_and_what_is_no_capsule(tmp_path: Path) -> None:
    table = Table()
    exporter = c.Exporter(table.schema, table.rows)
    schema, array = exporter.capsules
    wrong: Any
    for wrong in ((array, schema), (c.capsule(table.schema, b"arrow_array"), array), (schema, schema)):
        exporter.capsules = wrong
        with pytest.raises(ValueError, match="incorrect name"):
            save_feather_file(exporter, tmp_path / "a.feather")
    for wrong in (None, 1, (schema,), (schema, array, array), (1, 2), (None, None)):
        exporter.capsules = wrong
        with pytest.raises((TypeError, ValueError)):
            save_feather_file(exporter, tmp_path / "a.feather")
    stream = stream_of(table)
    stream.capsule = schema
    with pytest.raises(ValueError, match="incorrect name"):
        save_feather_file(stream, tmp_path / "a.feather")
    assert list(tmp_path.iterdir()) == []
