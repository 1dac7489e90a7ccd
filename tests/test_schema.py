"""Schemas, dtypes, empty frames and conversion to numpy; none of it needs the extension."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest
from of_record import generated, of

from maou.domain.data import schema
from maou.domain.data.schema import MOVE_LABELS_NUM, SchemaValidationError

RECORDS = ("hcpe", "preprocessing", "intermediate", "stage1", "stage2")
CONVERTED = ("hcpe", "preprocessing", "stage1", "stage2")
BOARD = pl.List(pl.List(pl.UInt8))
HAND = pl.List(pl.UInt8)

POLARS_SCHEMAS: dict[str, dict[str, Any]] = {
    "hcpe": {
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
    "preprocessing": {
        "id": pl.UInt64,
        "boardIdPositions": BOARD,
        "piecesInHand": HAND,
        "moveLabel": pl.List(pl.Float32),
        "moveWinRate": pl.List(pl.Float32),
        "bestMoveWinRate": pl.Float32,
        "resultValue": pl.Float32,
    },
    "intermediate": {
        "id": pl.UInt64,
        "boardIdPositions": BOARD,
        "piecesInHand": HAND,
        "count": pl.Int32,
        "moveLabelCount": pl.List(pl.Int32),
        "winCount": pl.Float32,
    },
    "stage1": {
        "id": pl.UInt64,
        "boardIdPositions": BOARD,
        "piecesInHand": HAND,
        "reachableSquares": BOARD,
    },
    "stage2": {
        "id": pl.UInt64,
        "boardIdPositions": BOARD,
        "piecesInHand": HAND,
        "legalMovesLabel": pl.List(pl.UInt8),
    },
}

POSITION_DTYPE = [("id", "u8"), ("boardIdPositions", "u1", (9, 9)), ("piecesInHand", "u1", (14,))]
NUMPY_DTYPES: dict[str, list[Any]] = {
    "hcpe": [
        ("hcp", "u1", (32,)),
        ("eval", "i2"),
        ("bestMove16", "i2"),
        ("gameResult", "i1"),
        ("id", "U128"),
        ("partitioningKey", "datetime64[D]"),
        ("ratings", "u2", (2,)),
        ("endgameStatus", "U16"),
        ("moves", "i2"),
    ],
    "preprocessing": [
        *POSITION_DTYPE,
        ("moveLabel", "f2", (1496,)),
        ("moveWinRate", "f4", (1496,)),
        ("resultValue", "f2"),
    ],
    "intermediate": [
        *POSITION_DTYPE,
        ("count", "i4"),
        ("moveLabelCount", "i4", (1496,)),
        ("winCount", "f4"),
    ],
    "stage1": [*POSITION_DTYPE, ("reachableSquares", "u1", (9, 9))],
    "stage2": [*POSITION_DTYPE, ("legalMovesLabel", "u1", (1496,))],
}

BOARD_ARRAYS = {"boardIdPositions": (pl.UInt8, (9, 9)), "piecesInHand": (pl.UInt8, (14,))}
ARRAY_COLUMNS: dict[str, dict[str, tuple[Any, tuple[int, ...]]]] = {
    "hcpe": {},
    "preprocessing": {
        **BOARD_ARRAYS,
        "moveLabel": (pl.Float32, (1496,)),
        "moveWinRate": (pl.Float32, (1496,)),
    },
    "stage1": {**BOARD_ARRAYS, "reachableSquares": (pl.UInt8, (9, 9))},
    "stage2": {**BOARD_ARRAYS, "legalMovesLabel": (pl.UInt8, (1496,))},
}


def test_move_labels_num() -> None:
    assert MOVE_LABELS_NUM == 1496


@pytest.mark.parametrize("record", RECORDS)
def test_polars_schema_is_the_contract(record: str) -> None:
    assert list(of("get_{}_polars_schema", record)().items()) == list(POLARS_SCHEMAS[record].items())


@pytest.mark.parametrize("record", RECORDS)
def test_a_schema_is_the_callers_own(record: str) -> None:
    of("get_{}_polars_schema", record)().clear()
    assert of("get_{}_polars_schema", record)()


@pytest.mark.parametrize("record", RECORDS)
def test_numpy_dtype_is_the_contract(record: str) -> None:
    assert of("get_{}_dtype", record)() == np.dtype(NUMPY_DTYPES[record])


@pytest.mark.parametrize("size", [0, 3])
@pytest.mark.parametrize("record", RECORDS)
def test_empty_frames_and_arrays(record: str, size: int) -> None:
    frame = of("create_empty_{}_df", record)(size)
    array = of("create_empty_{}_array", record)(size)
    assert frame.height == size
    assert dict(frame.schema) == POLARS_SCHEMAS[record]
    assert array.shape == (size,)
    assert array.dtype == of("get_{}_dtype", record)()
    of("validate_{}_df", record)(frame)


def test_an_empty_frame_has_no_rows_unless_told() -> None:
    assert schema.create_empty_hcpe_df().height == 0


def test_empty_rows_are_null_where_allowed_and_zero_elsewhere() -> None:
    assert schema.create_empty_hcpe_df(2).null_count().row(0) == (2,) * 9
    stage1 = schema.create_empty_stage1_df(1).row(0, named=True)
    assert stage1 == {
        "id": 0,
        "boardIdPositions": [[0] * 9] * 9,
        "piecesInHand": [0] * 14,
        "reachableSquares": [[0] * 9] * 9,
    }


@pytest.mark.parametrize("record", RECORDS)
@pytest.mark.parametrize("kind", ["df", "array"])
def test_a_negative_size_is_refused(record: str, kind: str) -> None:
    with pytest.raises(ValueError, match="negative, got -1"):
        of(f"create_empty_{{}}_{kind}", record)(-1)


@pytest.mark.parametrize("record", RECORDS)
def test_generated_records_are_valid_and_repeatable(record: str) -> None:
    frame = generated(record, 120)
    of("validate_{}_df", record)(frame)
    assert frame.equals(generated(record, 120))
    assert frame["id"].n_unique() == 120


@pytest.mark.parametrize("record", CONVERTED)
@pytest.mark.parametrize("rows", [0, 1, 40])
def test_conversion_keeps_every_value(record: str, rows: int) -> None:
    frame = generated(record, rows)
    array = of("convert_{}_df_to_numpy", record)(frame)
    assert array.dtype == of("get_{}_dtype", record)()
    assert array.shape == (rows,)
    for name in array.dtype.names:
        if name in ("hcp", "ratings"):
            continue
        expected = np.array(frame[name].to_list(), array.dtype[name].base).reshape(array[name].shape)
        np.testing.assert_array_equal(array[name], expected, err_msg=name)


def test_conversion_of_positions_and_ratings() -> None:
    frame = generated("hcpe", 1100)
    array = schema.convert_hcpe_df_to_numpy(frame)
    assert [row.tobytes() for row in array["hcp"]] == frame["hcp"].to_list()
    expected = [list(pair) or [0, 0] for pair in frame["ratings"].to_list()]
    assert array["ratings"].tolist() == expected
    assert [0, 0] in expected


@pytest.mark.parametrize("record", CONVERTED)
def test_conversion_of_a_slice(record: str) -> None:
    frame = generated(record, 20)
    convert = of("convert_{}_df_to_numpy", record)
    np.testing.assert_array_equal(convert(frame.slice(5, 7)), convert(frame)[5:12])


@pytest.mark.parametrize("record", CONVERTED)
def test_conversion_of_array_columns_in_any_order(record: str) -> None:
    frame = generated(record, 5)
    columns = ARRAY_COLUMNS[record].items()
    arrays = frame.with_columns(pl.col(name).cast(pl.Array(leaf, shape)) for name, (leaf, shape) in columns)
    convert = of("convert_{}_df_to_numpy", record)
    np.testing.assert_array_equal(convert(arrays.select(reversed(arrays.columns))), convert(frame))


def test_nulls_of_hcpe_become_the_documented_values() -> None:
    row = schema.convert_hcpe_df_to_numpy(schema.create_empty_hcpe_df(1))[0]
    assert row["hcp"].tolist() == [0] * 32
    assert (row["eval"], row["bestMove16"], row["moves"]) == (0, 0, 0)
    assert row["gameResult"] == -1
    assert (row["id"], row["endgameStatus"]) == ("", "")
    assert np.isnat(row["partitioningKey"])
    assert row["ratings"].tolist() == [0, 0]


def test_dates_keep_their_day() -> None:
    frame = generated("hcpe", 1).with_columns(partitioningKey=pl.lit(date(1969, 7, 20)))
    assert schema.convert_hcpe_df_to_numpy(frame)["partitioningKey"][0] == np.datetime64("1969-07-20")


def test_ids_up_to_the_width_are_kept_and_longer_ones_refused() -> None:
    frame = generated("hcpe", 2)
    longest = "駒" * 128
    kept = schema.convert_hcpe_df_to_numpy(frame.with_columns(id=pl.Series(["a", longest])))
    assert kept["id"].tolist() == ["a", longest]
    with pytest.raises(SchemaValidationError) as caught:
        schema.convert_hcpe_df_to_numpy(frame.with_columns(id=pl.Series(["a", "b" * 129])))
    assert (caught.value.column, caught.value.found) == ("id", "129 in row 1")


def test_schemas_import_without_the_extension() -> None:
    script = """
import sys
sys.modules["maou._rust"] = None
import maou, maou.domain.data.schema
from maou.domain.data.rust_io import check_rust_backend
try:
    check_rust_backend()
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "cargo xtask build" in done.stdout


def test_the_benchmark_says_that_the_extension_is_missing() -> None:
    script = """
import sys
sys.modules["maou._rust"] = None
from maou.infra.utility.benchmark_polars_io import main
sys.exit(main([]))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert "cargo xtask build" in done.stderr
