"""Engines that keep an index in files: maou's, and what one would use in its place.

Settings are those for one writer and then readers only, with nothing to recover after a crash. A peer answers with
records, and has no files to name. Numeric ids are stored as numbers: a page of those with a prefix is put together of a
range for each length.
"""

# ruff: noqa: D102 - what the methods do is said in `Engine`.

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maou.infra.utility.index_engine import BATCH_ROWS, PAGE_EVALS, PAGE_IDS, Engine, Key, Query, first
from maou.infra.utility.index_in_memory import Dict, Polars

if TYPE_CHECKING:
    import polars as pl


class Maou(Engine):
    """`SearchIndex` in a file."""

    module = "maou._rust"

    def build(self) -> None:
        from maou._rust.maou_index import SearchIndex

        index = SearchIndex(self.source.files, "stage1" if self.source.has_numbers else "hcpe")
        index.build_from_files(self._path(), memory=self.source.memory)

    def open(self) -> None:
        from maou._rust.maou_index import SearchIndex

        self._index = SearchIndex.open(self._path())

    def queries(self) -> dict[str, Query]:
        index, rows = self._index, self.source.rows
        starts = {file: sum(rows[:number]) for number, file in enumerate(self.source.files)}

        def record(place: tuple[str, int] | None) -> int | None:
            return None if place is None else starts[place[0]] + place[1]

        find = Query(lambda id: (id,), index.search_by_id, record)
        return {
            "id": find,
            "absent": find,
            "prefix": Query(lambda prefix: (prefix, PAGE_IDS), index.search_id_prefix, list),
            "page": Query(
                lambda offset: (None, None, offset, PAGE_EVALS),
                index.search_by_eval_range,
                lambda places: [record(place) for place in places],
            ),
            "count": Query(tuple, index.count_eval_range, int),
        }

    def _path(self) -> Path:
        return self.source.directory / "records.maouidx"


class Duckdb(Engine):
    """A table with an ART index on the id."""

    module = "duckdb"
    bytes_per_record = 60

    def build(self) -> None:
        import duckdb

        connection = duckdb.connect(str(self._path()))
        if self.source.memory:
            connection.execute(f"SET memory_limit = '{self.source.memory}B'")
        kind = "UBIGINT" if self.source.has_numbers else "VARCHAR"
        connection.execute(f"CREATE TABLE records (record UINTEGER, id {kind}, eval SMALLINT)")
        for frame in self.source.frames():
            connection.register("batch", _Stream(frame))
            connection.execute("INSERT INTO records SELECT record, id, eval FROM batch")
            connection.unregister("batch")
        connection.execute("CREATE INDEX by_id ON records (id)")
        connection.close()

    def open(self) -> None:
        import duckdb

        self._connection = duckdb.connect(str(self._path()), read_only=True)

    def queries(self) -> dict[str, Query]:
        execute = self._connection.execute
        id_sql = "SELECT min(record) FROM records WHERE id = ?"
        page_sql = f"SELECT record FROM records ORDER BY eval, record LIMIT {PAGE_EVALS} OFFSET ?"
        count_sql = "SELECT count(*) FROM records WHERE eval BETWEEN ? AND ?"
        find = Query(lambda id: ([self.key(id)],), lambda values: execute(id_sql, values).fetchone(), first)
        return {
            "id": find,
            "absent": find,
            "prefix": Query(self._prefix, lambda sql, ends: execute(sql, ends).fetchall(), _column),
            "page": Query(lambda offset: ([offset],), lambda values: execute(page_sql, values).fetchall(), _column),
            "count": Query(lambda ends: (ends,), lambda ends: execute(count_sql, ends).fetchone(), first),
        }

    def _prefix(self, prefix: str) -> tuple[str, list[Key]]:
        ranges = self.ranges(prefix)
        within = " OR ".join(["id BETWEEN ? AND ?"] * len(ranges))
        distinct = f"SELECT DISTINCT id FROM records WHERE {within}"
        sql = f"SELECT CAST(id AS VARCHAR) AS text FROM ({distinct}) ORDER BY text LIMIT {PAGE_IDS}"
        return sql, [end for ends in ranges for end in ends]

    def _path(self) -> Path:
        return self.source.directory / "records.duckdb"


class Sqlite(Engine):
    """A table with an index on each column. Numbers are shifted into the signed range."""

    module = "sqlite3"
    SHIFT = 1 << 63

    def build(self) -> None:
        import sqlite3

        connection = sqlite3.connect(self._path(), isolation_level=None)
        for setting in ("journal_mode=OFF", "synchronous=OFF", "locking_mode=EXCLUSIVE"):
            connection.execute(f"PRAGMA {setting}")
        if self.source.memory:
            connection.execute(f"PRAGMA cache_size=-{self.source.memory >> 10}")
        kind = "INTEGER" if self.source.has_numbers else "TEXT"
        connection.execute(f"CREATE TABLE records (record INTEGER PRIMARY KEY, id {kind}, eval INTEGER)")
        connection.execute("BEGIN")
        for frame in self.source.frames(BATCH_ROWS):
            connection.executemany("INSERT INTO records VALUES (?, ?, ?)", self._rows(frame))
        connection.execute("CREATE INDEX by_id ON records (id)")
        connection.execute("CREATE INDEX by_eval ON records (eval)")
        connection.execute("COMMIT")
        connection.close()

    def open(self) -> None:
        import sqlite3

        self._connection = sqlite3.connect(f"{self._path().absolute().as_uri()}?mode=ro", uri=True)
        # As much as the library was compiled for: it takes the lesser.
        self._connection.execute(f"PRAGMA mmap_size={1 << 40}")

    def queries(self) -> dict[str, Query]:
        execute = self._connection.execute
        id_sql = "SELECT record FROM records WHERE id = ? ORDER BY record LIMIT 1"
        prefix_sql = f"SELECT DISTINCT id FROM records WHERE id BETWEEN ? AND ? ORDER BY id LIMIT {PAGE_IDS}"
        page_sql = f"SELECT record FROM records ORDER BY eval, record LIMIT {PAGE_EVALS} OFFSET ?"
        count_sql = "SELECT count(*) FROM records WHERE eval BETWEEN ? AND ?"
        find = Query(lambda id: ((self.key(id),),), lambda values: execute(id_sql, values).fetchone(), first)
        return {
            "id": find,
            "absent": find,
            "prefix": Query(
                lambda prefix: (self.ranges(prefix),),
                lambda ranges: self.page(row[0] for ends in ranges for row in execute(prefix_sql, ends)),
                list,
            ),
            "page": Query(lambda offset: ((offset,),), lambda values: execute(page_sql, values).fetchall(), _column),
            "count": Query(lambda ends: (ends,), lambda ends: execute(count_sql, ends).fetchone(), first),
        }

    def to_key(self, id: int | str) -> Key:
        return id - self.SHIFT if isinstance(id, int) else id

    def to_text(self, key: Key) -> str:
        return str(key + self.SHIFT) if isinstance(key, int) else str(key)

    def _rows(self, frame: pl.DataFrame) -> Iterable[tuple[Any, ...]]:
        import polars as pl

        if self.source.has_numbers:
            shift = pl.lit(self.SHIFT, dtype=pl.UInt64)
            frame = frame.with_columns((pl.col("id") ^ shift).reinterpret(signed=True))
        return frame.iter_rows()

    def _path(self) -> Path:
        return self.source.directory / "records.sqlite"


class Lmdb(Engine):
    """A B+ tree of ids, big-endian so that they sort, and one of evaluations with the sorted records of each."""

    module = "lmdb"
    MAP_SIZE = 1 << 40
    """Address space, not memory."""
    EVAL_SHIFT = 1 << 15

    def build(self) -> None:
        import lmdb

        path = str(self._path())
        environment = lmdb.open(path, map_size=self.MAP_SIZE, max_dbs=2, subdir=False, sync=False)
        ids = environment.open_db(b"ids")
        evals = environment.open_db(b"evals", dupsort=True, dupfixed=True)
        # Sorted a file at a time, so that one page is filled after the other; of equal ids the first stays.
        for frame in self.source.frames():
            for batch in frame.sort("id", maintain_order=True).iter_slices(BATCH_ROWS):
                with environment.begin(write=True, db=ids) as transaction, transaction.cursor() as cursor:
                    cursor.putmulti(self._ids_of(batch), dupdata=False, overwrite=False)
            for batch in frame.sort("eval", maintain_order=True).iter_slices(BATCH_ROWS):
                with environment.begin(write=True, db=evals) as transaction, transaction.cursor() as cursor:
                    cursor.putmulti(self._evals_of(batch))
        environment.sync(True)
        environment.close()

    def open(self) -> None:
        import lmdb

        path = str(self._path())
        self._environment = lmdb.open(
            path, map_size=self.MAP_SIZE, max_dbs=2, subdir=False, readonly=True, lock=False, readahead=False
        )
        ids, evals = (self._environment.open_db(name, create=False) for name in (b"ids", b"evals"))
        self._transaction = self._environment.begin(db=ids)
        self._ids, self._evals = self._transaction.cursor(ids), self._transaction.cursor(evals)

    def queries(self) -> dict[str, Query]:
        find = Query(lambda id: (self.key(id),), self._transaction.get, lambda value: value and _record(value))
        return {
            "id": find,
            "absent": find,
            "prefix": Query(
                lambda prefix: (self.ranges(prefix),), lambda ranges: self.page(self._within(ranges)), list
            ),
            "page": Query(lambda offset: (offset,), self._page, lambda values: [_record(value) for value in values]),
            "count": Query(lambda ends: tuple(map(self._eval_key, ends)), self._count, int),
        }

    def to_key(self, id: int | str) -> Key:
        return id.to_bytes(8, "big") if isinstance(id, int) else id.encode()

    def to_text(self, key: Key) -> str:
        return str(int.from_bytes(key, "big")) if self.source.has_numbers else key.decode()

    def _within(self, ranges: Sequence[tuple[bytes, bytes]]) -> Iterator[bytes]:
        for low, high in ranges:
            if self._ids.set_range(low):
                for key in islice(self._ids.iternext(keys=True, values=False), PAGE_IDS):
                    if key > high:
                        break
                    yield key

    def _page(self, offset: int) -> list[bytes]:
        # The number of records of an evaluation is known; within one there is nothing but to walk.
        cursor = self._evals
        cursor.first()
        while offset >= (records := cursor.count()):
            offset -= records
            cursor.next_nodup()
        for _ in range(offset):
            cursor.next_dup()
        return list(islice(cursor.iternext(keys=False, values=True), PAGE_EVALS))

    def _count(self, low: bytes, high: bytes) -> int:
        cursor, records = self._evals, 0
        more = cursor.set_range(low)
        while more and cursor.key() <= high:
            records += cursor.count()
            more = cursor.next_nodup()
        return records

    def _ids_of(self, batch: pl.DataFrame) -> Iterable[tuple[bytes, bytes]]:
        ids = batch["id"]
        keys = _pieces(ids.to_numpy(), ">u8") if self.source.has_numbers else map(str.encode, ids.to_list())
        return zip(keys, _pieces(batch["record"].to_numpy(), ">u4"), strict=True)

    def _evals_of(self, batch: pl.DataFrame) -> Iterable[tuple[bytes, bytes]]:
        keys = _pieces(batch["eval"].to_numpy().astype("i4") + self.EVAL_SHIFT, ">u2")
        return zip(keys, _pieces(batch["record"].to_numpy(), ">u4"), strict=True)

    def _eval_key(self, evaluation: int) -> bytes:
        return (evaluation + self.EVAL_SHIFT).to_bytes(2, "big")

    def _path(self) -> Path:
        return self.source.directory / "records.lmdb"


class _Stream:
    """A frame as nothing but Arrow data: DuckDB would ask for pyarrow to take it as a frame."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self._frame = frame

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._frame.__arrow_c_stream__(requested_schema)


ENGINES: dict[str, type[Engine]] = {
    "maou": Maou,
    "duckdb": Duckdb,
    "sqlite": Sqlite,
    "polars": Polars,
    "lmdb": Lmdb,
    "dict": Dict,
}


def _pieces(numbers: Any, dtype: str) -> list[bytes]:
    """The bytes of each number of an array."""
    stored = numbers.astype(dtype)
    size, content = stored.itemsize, stored.tobytes()
    return [content[at : at + size] for at in range(0, len(content), size)]


def _record(value: bytes) -> int:
    return int.from_bytes(value, "big")


def _column(rows: Sequence[Sequence[Any]]) -> list[Any]:
    return [row[0] for row in rows]
