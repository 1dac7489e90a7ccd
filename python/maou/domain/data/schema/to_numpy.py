"""Frames to structured arrays, a column at a time through its Arrow buffer."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from maou.domain.data.schema.empty import empty_array
from maou.domain.data.schema.errors import SchemaValidationError
from maou.domain.data.schema.records import HCPE, PREPROCESSING, STAGE1, STAGE2, Field, Record
from maou.domain.data.schema.validate import first_true, hcp_bytes, leaves, rating_pairs, validate_columns

HCPE_FILL: dict[str, int | str] = {
    "eval": 0,
    "bestMove16": 0,
    # Not 0, which would count a game without a result as a draw.
    "gameResult": -1,
    "id": "",
    "endgameStatus": "",
    "moves": 0,
}
"""What a null of an HCPE frame becomes in an array. `hcp` becomes zeros, `ratings` (0, 0), a date NaT."""


def convert_hcpe_df_to_numpy(df: pl.DataFrame) -> npt.NDArray[np.void]:
    """Array of shape (len(df),) and `get_hcpe_dtype()`.

    A numpy array has no nulls. They become: `hcp` 32 zero bytes, `eval`, `bestMove16` and `moves` 0,
    `gameResult` -1 (0 is a draw), `id` and `endgameStatus` `""`, `partitioningKey` NaT; null or empty
    `ratings` become (0, 0).

    Raises:
        SchemaValidationError: when the frame breaks the HCPE schema, a `hcp` is not 32 bytes, `ratings` are
        neither
            two nor none, an `id` has more than 128 characters or an `endgameStatus` more than 16.
    """
    validate_columns(df, HCPE)
    out = empty_array(HCPE, len(df))
    for field in HCPE.fields:
        _fill_hcpe_column(out, df[field.name], field)
    return out


def convert_preprocessing_df_to_numpy(df: pl.DataFrame) -> npt.NDArray[np.void]:
    """Array of shape (len(df),) and `get_preprocessing_dtype()`; `bestMoveWinRate` is left out.

    `moveLabel` and `resultValue` are rounded to half precision.

    Raises:
        SchemaValidationError: when the frame breaks the preprocessing schema; lists of another length
        included.
    """
    return _convert(df, PREPROCESSING)


def convert_stage1_df_to_numpy(df: pl.DataFrame) -> npt.NDArray[np.void]:
    """Array of shape (len(df),) and `get_stage1_dtype()`.

    Raises:
        SchemaValidationError: when the frame breaks the stage 1 schema; lists of another length included.
    """
    return _convert(df, STAGE1)


def convert_stage2_df_to_numpy(df: pl.DataFrame) -> npt.NDArray[np.void]:
    """Array of shape (len(df),) and `get_stage2_dtype()`.

    Raises:
        SchemaValidationError: when the frame breaks the stage 2 schema; lists of another length included.
    """
    return _convert(df, STAGE2)


def _convert(df: pl.DataFrame, record: Record) -> npt.NDArray[np.void]:
    validate_columns(df, record)
    out = empty_array(record, len(df))
    for field in record.fields:
        if field.scalar is None:
            continue
        column = df[field.name]
        if field.is_fixed_list:
            out[field.name] = leaves(column, field).to_numpy().reshape(-1, *field.shape)
        else:
            out[field.name] = column.to_numpy()
    return out


def _fill_hcpe_column(out: npt.NDArray[np.void], column: pl.Series, field: Field) -> None:
    if field.name == "hcp":
        out["hcp"] = hcp_bytes(column, field).to_numpy().reshape(-1, *field.shape)
    elif field.name == "ratings":
        present, pairs = rating_pairs(column, field)
        out["ratings"][present.to_numpy()] = pairs.to_numpy().reshape(-1, *field.shape)
    elif field.name == "partitioningKey":
        out["partitioningKey"] = column.to_numpy()
    else:
        if column.dtype == pl.String:
            _check_width(column, field)
        out[field.name] = column.fill_null(HCPE_FILL[field.name]).to_numpy()


def _check_width(column: pl.Series, field: Field) -> None:
    # numpy would cut a longer string silently, and two ids could become one.
    assert field.scalar is not None
    width = int(field.scalar[1:])
    lengths = column.str.len_chars()
    row = first_true(lengths > width)
    if row is not None:
        raise SchemaValidationError(field.name, f"at most {width} characters", f"{lengths[row]} in row {row}")
