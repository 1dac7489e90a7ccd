"""Engines that keep records in memory: every process reads the files anew."""

# ruff: noqa: D102 - what the methods do is said in `Engine`.

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from maou.infra.utility.index_engine import BATCH_ROWS, PAGE_EVALS, PAGE_IDS, Engine, Query, first

if TYPE_CHECKING:
    import polars as pl


class Polars(Engine):
    """A frame and filters; nothing is prepared."""

    module = "polars"
    is_persistent = False
    bytes_per_record = 100

    def build(self) -> None:
        import polars as pl

        self._frame = pl.concat(list(self.source.frames()))

    def open(self) -> None:
        self.build()

    def queries(self) -> dict[str, Query]:
        import polars as pl

        frame, id, evaluation = self._frame, pl.col("id"), pl.col("eval")
        # Records ascend, so a stable sort has them in order; a lazy one takes ten times as long for a page far behind.
        pairs = frame.select("eval", "record")
        find = Query(lambda text: (self.key(text),), lambda key: frame.filter(id == key)["record"][:1], first)
        return {
            "id": find,
            "absent": find,
            "prefix": Query(lambda prefix: (self._within(prefix),), self._prefix, list),
            "page": Query(
                lambda offset: (offset,),
                lambda offset: pairs.sort("eval", maintain_order=True)["record"].slice(offset, PAGE_EVALS),
                list,
            ),
            "count": Query(tuple, lambda low, high: frame.select(evaluation.is_between(low, high).sum()).item(), int),
        }

    def _prefix(self, within: pl.Expr) -> list[str]:
        import polars as pl

        ids = self._frame.lazy().filter(within).select(pl.col("id").unique().cast(pl.String))
        return ids.sort("id").head(PAGE_IDS).collect()["id"].to_list()

    def _within(self, prefix: str) -> pl.Expr:
        import polars as pl

        id = pl.col("id")
        if not self.source.has_numbers:
            return id.str.starts_with(prefix)
        ends = [[pl.lit(end, dtype=pl.UInt64) for end in ends] for ends in self.ranges(prefix)]
        return pl.any_horizontal(id.is_between(low, high) for low, high in ends)


class Dict(Engine):
    """A dict for ids, and beside it sorted arrays for what a dict cannot do."""

    module = "builtins"
    is_persistent = False
    bytes_per_record = 180

    def build(self) -> None:
        import numpy as np

        self._records: dict[Any, int] = {}
        evals = []
        for frame in self.source.frames(BATCH_ROWS):
            for record, id in zip(frame["record"].to_list(), frame["id"].to_list(), strict=True):
                self._records.setdefault(id, record)
            evals.append(frame["eval"].to_numpy())
        self._sorted = sorted(self._records)
        values = np.concatenate(evals)
        self._order = np.argsort(values, kind="stable").astype(np.uint32)
        self._evals = values[self._order]

    def open(self) -> None:
        self.build()

    def queries(self) -> dict[str, Query]:
        import numpy as np

        order, evals = self._order, self._evals
        find = Query(lambda id: (self.key(id),), self._records.get, lambda record: record)
        return {
            "id": find,
            "absent": find,
            "prefix": Query(
                lambda prefix: (self.ranges(prefix),), lambda ranges: self.page(self._within(ranges)), list
            ),
            "page": Query(lambda offset: (offset,), lambda offset: order[offset : offset + PAGE_EVALS].tolist(), list),
            "count": Query(
                # Of another type than the array, they would make numpy convert all of it.
                lambda ends: tuple(map(np.int16, ends)),
                lambda low, high: evals.searchsorted(high, "right") - evals.searchsorted(low, "left"),
                int,
            ),
        }

    def _within(self, ranges: Sequence[tuple[Any, Any]]) -> Iterator[Any]:
        for low, high in ranges:
            start = bisect_left(self._sorted, low)
            yield from self._sorted[start : min(start + PAGE_IDS, bisect_right(self._sorted, high, start))]
