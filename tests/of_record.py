"""What there is for each record type, by the type's name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl

from maou.domain.data import schema
from maou.infra.utility import records


def of(template: str, record: str) -> Callable[..., Any]:
    function: Callable[..., Any] = getattr(schema, template.format(record))
    return function


def generated(record: str, rows: int) -> pl.DataFrame:
    frame: pl.DataFrame = getattr(records, f"generate_{record}_df")(rows, seed=1)
    return frame
