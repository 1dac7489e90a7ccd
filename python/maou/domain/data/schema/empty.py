"""Frames and arrays to start from."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from maou.domain.data.schema.dtypes import array_dtype, frame_schema
from maou.domain.data.schema.records import HCPE, INTERMEDIATE, PREPROCESSING, STAGE1, STAGE2, Field, Record

StructuredArray = npt.NDArray[np.void]


def create_empty_hcpe_df(size: int = 0) -> pl.DataFrame:
    """HCPE frame of `size` rows of nulls. Raises ValueError for a negative size."""
    return empty_frame(HCPE, size)


def create_empty_preprocessing_df(size: int = 0) -> pl.DataFrame:
    """Preprocessing frame of `size` rows of zeros in full shape. Raises ValueError for a negative size."""
    return empty_frame(PREPROCESSING, size)


def create_empty_intermediate_df(size: int = 0) -> pl.DataFrame:
    """Intermediate frame of `size` rows of zeros in full shape. Raises ValueError for a negative size."""
    return empty_frame(INTERMEDIATE, size)


def create_empty_stage1_df(size: int = 0) -> pl.DataFrame:
    """Stage 1 frame of `size` rows of zeros in full shape. Raises ValueError for a negative size."""
    return empty_frame(STAGE1, size)


def create_empty_stage2_df(size: int = 0) -> pl.DataFrame:
    """Stage 2 frame of `size` rows of zeros in full shape. Raises ValueError for a negative size."""
    return empty_frame(STAGE2, size)


def create_empty_hcpe_array(size: int) -> StructuredArray:
    """Zeros of shape (size,) and `get_hcpe_dtype()`. Raises ValueError for a negative size."""
    return empty_array(HCPE, size)


def create_empty_preprocessing_array(size: int) -> StructuredArray:
    """Zeros of shape (size,) and `get_preprocessing_dtype()`. Raises ValueError for a negative size."""
    return empty_array(PREPROCESSING, size)


def create_empty_intermediate_array(size: int) -> StructuredArray:
    """Zeros of shape (size,) and `get_intermediate_dtype()`. Raises ValueError for a negative size."""
    return empty_array(INTERMEDIATE, size)


def create_empty_stage1_array(size: int) -> StructuredArray:
    """Zeros of shape (size,) and `get_stage1_dtype()`. Raises ValueError for a negative size."""
    return empty_array(STAGE1, size)


def create_empty_stage2_array(size: int) -> StructuredArray:
    """Zeros of shape (size,) and `get_stage2_dtype()`. Raises ValueError for a negative size."""
    return empty_array(STAGE2, size)


def empty_frame(record: Record, size: int) -> pl.DataFrame:
    """Frame of `size` rows that passes the record's own validation: nulls where allowed, else zeros."""
    _check_size(size)
    if record.nullable:
        return pl.DataFrame(schema=frame_schema(record)).clear(size)
    return pl.DataFrame([_zeros(field, size) for field in record.fields])


def empty_array(record: Record, size: int) -> StructuredArray:
    """Zeroed array of `size` records."""
    _check_size(size)
    return np.zeros(size, array_dtype(record))


def _check_size(size: int) -> None:
    if size < 0:
        raise ValueError(f"size must not be negative, got {size}")


def _zeros(field: Field, size: int) -> pl.Series:
    # Polars reads an n-dimensional array as an Array column; zero of any width casts to any number.
    zeros = pl.Series(field.name, np.zeros((size, *field.shape), np.uint8))
    column: pl.Series = zeros.cast(field.stored or field.frame).cast(field.frame)
    return column
