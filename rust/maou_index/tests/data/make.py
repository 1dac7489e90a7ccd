"""Makes the files beside it: ``python make.py`` with polars and pyarrow installed.

They are what other writers make of the maou schemas. The columns that the index skips have every type of the schemas,
among them those that our build of Polars does not know.
"""

from __future__ import annotations

import datetime
from pathlib import Path

import polars as pl
import pyarrow as pa
from pyarrow import feather, ipc

HERE = Path(__file__).parent
MOVE_LABELS_NUM = 1496
HASHES = [7, 70, 18446744073709551615]


def hcpe() -> pl.DataFrame:
    """Four records: the second without an evaluation, the third without an id, the fourth with the first's id."""
    day = datetime.date(2024, 2, 29)
    return pl.DataFrame(
        {
            "hcp": [bytes(32)] * 4,
            "eval": [-120, None, 30, 5],
            "bestMove16": [1, 2, 3, 4],
            "gameResult": [0, 1, 2, None],
            "id": ["game_0", "game_1", None, "game_0"],
            "partitioningKey": [day, day, None, day],
            "ratings": [[1500, 1600], [], None, [1, 2]],
            "endgameStatus": ["resign", "角", None, ""],
            "moves": [100, 101, 102, 103],
        },
        schema={
            "hcp": pl.Binary,
            "eval": pl.Int16,
            "bestMove16": pl.Int16,
            "gameResult": pl.Int8,
            "id": pl.Utf8,
            "partitioningKey": pl.Date,
            "ratings": pl.List(pl.UInt16),
            "endgameStatus": pl.Utf8,
            "moves": pl.Int16,
        },
    )


def preprocessing() -> pa.Table:
    """Three records as ``maou_io`` writes them, with fixed-size lists."""
    count = len(HASHES)

    def zeros(kind: pa.DataType, *shape: int) -> pa.Array:
        size = count
        for length in shape:
            size *= length
        array = pa.array([0] * size, kind)
        for length in reversed(shape):
            array = pa.FixedSizeListArray.from_arrays(array, length)
        return array

    return pa.table(
        {
            "boardIdPositions": zeros(pa.uint8(), 9, 9),
            "id": pa.array(HASHES, pa.uint64()),
            "piecesInHand": zeros(pa.uint8(), 14),
            "moveLabel": zeros(pa.float32(), MOVE_LABELS_NUM),
            "moveWinRate": zeros(pa.float32(), MOVE_LABELS_NUM),
            "bestMoveWinRate": zeros(pa.float32()),
            "resultValue": zeros(pa.float32()),
        }
    )


def preprocessing_lists() -> pl.DataFrame:
    """The same as polars writes them, with lists."""
    board = [[[0] * 9] * 9] * len(HASHES)
    return pl.DataFrame(
        {
            "id": HASHES,
            "boardIdPositions": board,
            "piecesInHand": [[0] * 14] * len(HASHES),
            "resultValue": [0.5] * 3,
        },
        schema={
            "id": pl.UInt64,
            "boardIdPositions": pl.List(pl.List(pl.UInt8)),
            "piecesInHand": pl.List(pl.UInt8),
            "resultValue": pl.Float32,
        },
    )


def exotic() -> pa.Table:
    """Types that no maou schema has, around the two columns."""
    return pa.table(
        {
            "dictionary": pa.array(["x", "y", "x"]).dictionary_encode(),
            "eval": pa.array([1, 2, 3], pa.int16()),
            "struct": pa.array([{"a": 1, "b": [1]}] * 3),
            "timestamp": pa.array([1, 2, 3], pa.timestamp("ns", "Asia/Tokyo")),
            "half": pa.array([None] * 3, pa.float16()),
            "decimal": pa.array([None] * 3, pa.decimal128(20, 3)),
            "fixed": pa.array([b"ab", b"cd", None], pa.binary(2)),
            "map": pa.array([[("k", 1)]] * 3, pa.map_(pa.string(), pa.int8())),
            "null": pa.nulls(3),
            "view": pa.array(["a view that is longer than twelve bytes"] * 3, pa.string_view()),
            "id": pa.array(["e_1", "e_2", "e_3"], pa.string()),
            "interval": pa.array([None] * 3, pa.month_day_nano_interval()),
        }
    )


def write_stream(table: pa.Table, name: str, compression: str | None, rows: int | None = None) -> None:
    """Write ``table`` in the stream format, ``rows`` to a batch."""
    options = ipc.IpcWriteOptions(compression=compression)
    with ipc.new_stream(HERE / name, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=rows)


def main() -> None:
    """Write every file."""
    records, arrow = hcpe(), hcpe().to_arrow()
    records.write_ipc(HERE / "hcpe_polars_lz4.feather", compression="lz4")
    records.write_ipc(HERE / "hcpe_polars_plain.feather", compression="uncompressed")
    records.write_ipc_stream(HERE / "hcpe_polars_stream_zstd.feather", compression="zstd")
    feather.write_feather(arrow, str(HERE / "hcpe_pyarrow_zstd.feather"), compression="zstd", chunksize=3)
    write_stream(arrow, "hcpe_pyarrow_stream_plain.feather", None, rows=1)
    write_stream(arrow, "hcpe_pyarrow_stream_lz4.feather", "lz4")
    feather.write_feather(preprocessing(), str(HERE / "preprocessing_pyarrow_lz4.feather"), compression="lz4")
    feather.write_feather(preprocessing(), str(HERE / "preprocessing_pyarrow_zstd.feather"), compression="zstd")
    write_stream(preprocessing(), "preprocessing_pyarrow_stream_lz4.feather", "lz4")
    preprocessing_lists().write_ipc(HERE / "preprocessing_polars_zstd.feather", compression="zstd")
    feather.write_feather(exotic(), str(HERE / "exotic_pyarrow_lz4.feather"), compression="lz4")
    write_stream(exotic(), "exotic_pyarrow_stream_plain.feather", None)
    table = pa.table({"id": pa.array([1, 2], pa.int64()), "eval": pa.array([1, 2], pa.int16())})
    feather.write_feather(table, str(HERE / "wrong_id.feather"), compression="uncompressed")
    table = pa.table({"id": pa.array([1, 2], pa.uint64()), "eval": pa.array([1, 2], pa.int32())})
    feather.write_feather(table, str(HERE / "wrong_eval.feather"), compression="uncompressed")
    table = pa.table({"position": pa.array([[1]], pa.list_(pa.uint8(), 1))})
    feather.write_feather(table, str(HERE / "no_id.feather"), compression="uncompressed")
    empty = preprocessing().slice(0, 0)
    feather.write_feather(empty, str(HERE / "preprocessing_no_rows.feather"), compression="lz4")


if __name__ == "__main__":
    main()
