"""Which kind of records a file has, from its columns."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from maou.domain.data.schema.errors import SchemaValidationError
from maou.domain.data.schema.records import HCPE, INTERMEDIATE, PREPROCESSING, STAGE1, STAGE2, Record
from maou.domain.data.schema.validate import validate_columns

OTHER = "other"

KINDS: Mapping[str, Record] = {
    "hcpe": HCPE,
    "preprocessing": PREPROCESSING,
    "intermediate": INTERMEDIATE,
    "stage1": STAGE1,
    "stage2": STAGE2,
}
"""Record types by the names that options and `SearchIndex` have for them."""


def guess_kind(schema: Mapping[str, pl.DataType]) -> str:
    """The key of `KINDS` that has these columns, in any order, or "other"."""
    empty = pl.DataFrame(schema=dict(schema))
    return next((kind for kind, record in KINDS.items() if _mismatch(empty, record) is None), OTHER)


def near_miss(schema: Mapping[str, pl.DataType]) -> str | None:
    """For columns that are named as those of a record type and are none: what is wrong with them."""
    empty = pl.DataFrame(schema=dict(schema))
    for kind, record in KINDS.items():
        if {field.name for field in record.fields} == set(schema):
            mismatch = _mismatch(empty, record)
            return f"no {kind}: {mismatch}" if mismatch else None
    return None


def _mismatch(empty: pl.DataFrame, record: Record) -> SchemaValidationError | None:
    try:
        validate_columns(empty, record)
    except SchemaValidationError as error:
        return error
    return None
