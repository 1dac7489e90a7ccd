"""Checks of frames against their record type."""

from __future__ import annotations

import math

import polars as pl

from maou.domain.data.schema.errors import SchemaValidationError
from maou.domain.data.schema.records import HCPE, INTERMEDIATE, PREPROCESSING, STAGE1, STAGE2, Field, Record


def validate_hcpe_df(df: pl.DataFrame) -> None:
    """Check columns, dtypes and lengths: `hcp` 32 bytes or null, `ratings` two, none or null.

    Raises:
        SchemaValidationError: for the first column at fault.
    """
    validate(df, HCPE)


def validate_preprocessing_df(df: pl.DataFrame) -> None:
    """Check columns, dtypes, nulls and list lengths (9x9, 14, 1496).

    Raises:
        SchemaValidationError: for the first column at fault.
    """
    validate(df, PREPROCESSING)


def validate_intermediate_df(df: pl.DataFrame) -> None:
    """Check columns, dtypes, nulls and list lengths (9x9, 14, 1496).

    Raises:
        SchemaValidationError: for the first column at fault.
    """
    validate(df, INTERMEDIATE)


def validate_stage1_df(df: pl.DataFrame) -> None:
    """Check columns, dtypes, nulls and list lengths (9x9, 14, 9x9).

    Raises:
        SchemaValidationError: for the first column at fault.
    """
    validate(df, STAGE1)


def validate_stage2_df(df: pl.DataFrame) -> None:
    """Check columns, dtypes, nulls and list lengths (9x9, 14, 1496).

    Raises:
        SchemaValidationError: for the first column at fault.
    """
    validate(df, STAGE2)


def validate(df: pl.DataFrame, record: Record) -> None:
    """Check a frame in full: its columns, then what each one holds."""
    validate_columns(df, record)
    for field in record.fields:
        column = df[field.name]
        if field.is_fixed_list:
            leaves(column, field)
        elif field.name == "hcp":
            hcp_bytes(column, field)
        elif field.name == "ratings":
            rating_pairs(column, field)


def validate_columns(df: pl.DataFrame, record: Record) -> None:
    """Check names, dtypes and top-level nulls, which takes no look at the values."""
    for field in record.fields:
        if field.name not in df.columns:
            raise SchemaValidationError(field.name, _type_text(field), "no such column")
        column = df[field.name]
        if not _dtype_fits(column.dtype, field):
            raise SchemaValidationError(field.name, _type_text(field), str(column.dtype))
        if not record.nullable:
            _no_null(column, field.name, "no nulls")
    known = {field.name for field in record.fields}
    for name, dtype in df.schema.items():
        if name not in known:
            raise SchemaValidationError(name, f"no such column in {record.name} records", str(dtype))


def leaves(column: pl.Series, field: Field) -> pl.Series:
    """Flatten lists of `field.shape`: `len(column) * prod(shape)` elements in C order, no nulls.

    Takes `List` and `Array` columns; does not copy where Polars does not.

    Raises:
        SchemaValidationError: when a list is null, has a null or another length.
    """
    flat = column
    _no_null(flat, field.name, _shape_text(field))
    for depth, length in enumerate(field.shape):
        if isinstance(flat.dtype, pl.Array):
            flat = flat.reshape((-1,))
            break
        _all_of_length(flat, field, depth, length)
        flat = flat.explode()
        if depth + 1 < len(field.shape):
            _no_null(flat, field.name, _shape_text(field))
    _no_null(flat, field.name, "no nulls inside lists")
    return flat


def hcp_bytes(column: pl.Series, field: Field) -> pl.Series:
    """Flatten the packed positions: `len(column) * 32` UInt8; a null position is 32 zero bytes.

    Raises:
        SchemaValidationError: when a position is not 32 bytes.
    """
    (length,) = field.shape
    sizes = column.bin.size()
    row = first_true(sizes != length)
    if row is not None:
        raise SchemaValidationError(field.name, f"values of {length} bytes", f"{sizes[row]} in row {row}")
    filled: pl.Series = column.fill_null(bytes(length))
    flat: pl.Series = filled.cast(pl.List(pl.UInt8)).explode()
    return flat


def rating_pairs(column: pl.Series, field: Field) -> tuple[pl.Series, pl.Series]:
    """Take ratings apart: which rows have any (Boolean), and the ratings of those, two each (UInt16).

    Raises:
        SchemaValidationError: when a row has neither two ratings nor none, or half a pair is null.
    """
    (length,) = field.shape
    lists = column.cast(field.frame)
    counts = lists.list.len().fill_null(0)
    row = first_true((counts != 0) & (counts != length))
    if row is not None:
        raise SchemaValidationError(field.name, f"lists of {length} or none", f"a list of {counts[row]} in row {row}")
    present = counts == length
    pairs = lists.filter(present).explode()
    _no_null(pairs, field.name, "no nulls inside lists")
    return present, pairs


def first_true(mask: pl.Series) -> int | None:
    """Index of the first true value of a Boolean column; nulls count as false."""
    found = mask.fill_null(False).arg_true()
    return int(found[0]) if len(found) else None


def _all_of_length(lists: pl.Series, field: Field, depth: int, length: int) -> None:
    counts = lists.list.len()
    at = first_true(counts != length)
    if at is None:
        return
    # Below the top, `lists` has several entries for each row of the frame.
    row = at // math.prod(field.shape[:depth])
    raise SchemaValidationError(field.name, _shape_text(field), f"a list of {counts[at]} in row {row}")


def _no_null(column: pl.Series, name: str, expected: str) -> None:
    count = column.null_count()
    if count:
        raise SchemaValidationError(name, expected, f"{count} null" if count == 1 else f"{count} nulls")


def _dtype_fits(dtype: pl.DataType, field: Field) -> bool:
    if field.name == "ratings" and dtype == pl.Array(pl.UInt16, field.shape):
        return True
    return dtype in (field.frame, field.stored)


def _shape_text(field: Field) -> str:
    return f"lists of {'x'.join(map(str, field.shape))}"


def _type_text(field: Field) -> str:
    return f"{field.frame} of {'x'.join(map(str, field.shape))}" if field.is_fixed_list else str(field.frame)
