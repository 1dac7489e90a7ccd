"""Frames that are not what the contract says: named by column, by what was expected and what was found."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from of_record import generated, of

from maou.domain.data.schema import SchemaValidationError

HAND = pl.List(pl.UInt8)


def lists(values: list[Any], dtype: Any = pl.UInt8) -> pl.Series:
    return pl.Series(values, dtype=pl.List(dtype))


BROKEN: dict[str, tuple[str, Callable[[pl.DataFrame], pl.DataFrame], str, str, str]] = {
    "missing column": ("stage1", lambda df: df.drop("id"), "id", "UInt64", "no such column"),
    "foreign column": (
        "stage1",
        lambda df: df.with_columns(note=pl.lit("x")),
        "note",
        "no such column in stage 1 records",
        "String",
    ),
    "other type": (
        "stage1",
        lambda df: df.with_columns(pl.col("id").cast(pl.String)),
        "id",
        "UInt64",
        "String",
    ),
    "null": (
        "preprocessing",
        lambda df: df.with_columns(resultValue=pl.Series([None, 0.5, None], dtype=pl.Float32)),
        "resultValue",
        "no nulls",
        "2 nulls",
    ),
    "short list": (
        "stage1",
        lambda df: df.with_columns(piecesInHand=lists([[0] * 14, [0] * 13, [0] * 14])),
        "piecesInHand",
        "lists of 14",
        "a list of 13 in row 1",
    ),
    "empty list": (
        "stage2",
        lambda df: df.with_columns(legalMovesLabel=lists([[0] * 1496, [0] * 1496, []])),
        "legalMovesLabel",
        "lists of 1496",
        "a list of 0 in row 2",
    ),
    "lengths that add up": (
        "stage1",
        lambda df: df.with_columns(piecesInHand=lists([[0] * 14, [0] * 13, [0] * 15])),
        "piecesInHand",
        "lists of 14",
        "a list of 13 in row 1",
    ),
    "short board": (
        "stage1",
        lambda df: df.with_columns(boardIdPositions=lists([[[0] * 9] * 9, [[0] * 9] * 9, [[0] * 9] * 8], HAND)),
        "boardIdPositions",
        "lists of 9x9",
        "a list of 8 in row 2",
    ),
    "ragged board": (
        "stage1",
        lambda df: df.with_columns(
            reachableSquares=lists([[[0] * 9] * 9, [[0] * 9] * 7 + [[0] * 8, [0] * 10], [[0] * 9] * 9], HAND)
        ),
        "reachableSquares",
        "lists of 9x9",
        "a list of 8 in row 1",
    ),
    "null list": (
        "stage1",
        lambda df: df.with_columns(piecesInHand=lists([[0] * 14, None, [0] * 14])),
        "piecesInHand",
        "no nulls",
        "1 null",
    ),
    "null in a list": (
        "stage1",
        lambda df: df.with_columns(piecesInHand=lists([[0] * 14, [0] * 13 + [None], [0] * 14])),
        "piecesInHand",
        "no nulls inside lists",
        "1 null",
    ),
    "null rank": (
        "stage1",
        lambda df: df.with_columns(
            boardIdPositions=lists([[[0] * 9] * 9, [[0] * 9] * 8 + [None], [[0] * 9] * 9], HAND)
        ),
        "boardIdPositions",
        "lists of 9x9",
        "1 null",
    ),
    "array of another shape": (
        "stage1",
        lambda df: df.with_columns(piecesInHand=pl.Series(np.zeros((3, 15), np.uint8))),
        "piecesInHand",
        "List(UInt8) of 14",
        "Array(UInt8, shape=(15,))",
    ),
    "short position": (
        "hcpe",
        lambda df: df.with_columns(hcp=pl.Series([bytes(32), None, bytes(31)])),
        "hcp",
        "values of 32 bytes",
        "31 in row 2",
    ),
    "one rating": (
        "hcpe",
        lambda df: df.with_columns(ratings=lists([[], None, [1500]], pl.UInt16)),
        "ratings",
        "lists of 2 or none",
        "a list of 1 in row 2",
    ),
    "null rating": (
        "hcpe",
        lambda df: df.with_columns(ratings=lists([[], [1500, None], None], pl.UInt16)),
        "ratings",
        "no nulls inside lists",
        "1 null",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
@pytest.mark.parametrize("check", ["validate_{}_df", "convert_{}_df_to_numpy"])
def test_a_broken_frame_names_column_expected_and_found(case: str, check: str) -> None:
    record, damage, column, expected, found = BROKEN[case]
    with pytest.raises(SchemaValidationError) as caught:
        of(check, record)(damage(generated(record, 3)))
    error = caught.value
    assert (error.column, error.expected, error.found) == (column, expected, found)
    assert str(error) == f"column {column!r}: expected {expected}, found {found}"


def test_the_error_is_a_value_error_and_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(SchemaValidationError("id", "UInt64", "Int64")))
    assert isinstance(error, SchemaValidationError)
    assert issubclass(SchemaValidationError, ValueError)
    assert (error.column, error.expected, error.found) == ("id", "UInt64", "Int64")
