"""Polars schemas and numpy dtypes of the record types."""

from __future__ import annotations

import numpy as np
import polars as pl

from maou.domain.data.schema.records import HCPE, INTERMEDIATE, PREPROCESSING, STAGE1, STAGE2, Record


def get_hcpe_polars_schema() -> dict[str, pl.DataType]:
    """Columns of an HCPE frame in file order; every column is nullable."""
    return frame_schema(HCPE)


def get_preprocessing_polars_schema() -> dict[str, pl.DataType]:
    """Columns of a preprocessing frame in file order; none is nullable."""
    return frame_schema(PREPROCESSING)


def get_intermediate_polars_schema() -> dict[str, pl.DataType]:
    """Columns of an intermediate frame in file order; none is nullable."""
    return frame_schema(INTERMEDIATE)


def get_stage1_polars_schema() -> dict[str, pl.DataType]:
    """Columns of a stage 1 frame in file order; none is nullable."""
    return frame_schema(STAGE1)


def get_stage2_polars_schema() -> dict[str, pl.DataType]:
    """Columns of a stage 2 frame in file order; none is nullable."""
    return frame_schema(STAGE2)


def get_hcpe_dtype() -> np.dtype[np.void]:
    """Structured dtype of an HCPE array: packed position of 32, pair of ratings, `id` of 128 characters."""
    return array_dtype(HCPE)


def get_preprocessing_dtype() -> np.dtype[np.void]:
    """Structured dtype of a preprocessing array: 9x9 board, 14 in hand, 1496 moves; no `bestMoveWinRate`."""
    return array_dtype(PREPROCESSING)


def get_intermediate_dtype() -> np.dtype[np.void]:
    """Structured dtype of an intermediate array: 9x9 board, 14 in hand, 1496 counts."""
    return array_dtype(INTERMEDIATE)


def get_stage1_dtype() -> np.dtype[np.void]:
    """Structured dtype of a stage 1 array: 9x9 board, 14 in hand, 9x9 reachable squares."""
    return array_dtype(STAGE1)


def get_stage2_dtype() -> np.dtype[np.void]:
    """Structured dtype of a stage 2 array: 9x9 board, 14 in hand, 1496 legal moves."""
    return array_dtype(STAGE2)


def frame_schema(record: Record) -> dict[str, pl.DataType]:
    """Polars schema of `record`, a new dict each time."""
    return {field.name: field.frame for field in record.fields}


def array_dtype(record: Record) -> np.dtype[np.void]:
    """Numpy structured dtype of `record`, unpadded."""
    return np.dtype([(field.name, field.scalar, field.shape) for field in record.fields if field.scalar])
