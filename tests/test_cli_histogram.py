"""Bins and quantiles of 16-bit values."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maou.cli.histogram import Bin, Distribution, bins, draw

VALUES = st.lists(st.integers(-(1 << 15), (1 << 15) - 1) | st.none(), max_size=60)


def counted(values: list[int | None]) -> Distribution:
    distribution = Distribution()
    for half in (values[::2], values[1::2]):
        distribution.add(pl.Series(half, dtype=pl.Int16))
    return distribution


@given(VALUES)
def test_every_value_is_in_one_bin(values: list[int | None]) -> None:
    distribution = counted(values)
    items = bins(distribution)
    present = [value for value in values if value is not None]
    assert (distribution.total, distribution.nulls) == (len(present), len(values) - len(present))
    assert sum(item.count for item in items) == len(present)
    # The first and the last may stand for all that is further out.
    assert len(items) <= 26
    for item in items:
        low = item.low if item.low is not None else -(1 << 15)
        high = item.high if item.high is not None else (1 << 15) - 1
        assert item.count == sum(low <= value <= high for value in present)


@given(VALUES.filter(lambda values: any(value is not None for value in values)), st.floats(0, 1))
def test_quantiles_and_mean_are_those_of_numpy(values: list[int | None], share: float) -> None:
    distribution = counted(values)
    present = np.array([value for value in values if value is not None])
    assert distribution.mean == pytest.approx(present.mean())
    for exact in (0.0, 0.25, 0.5, 0.75, 1.0):
        assert distribution.quantile(exact) == np.quantile(present, exact, method="inverted_cdf")
    assert present.min() <= distribution.quantile(share) <= present.max()


def test_mates_do_not_squeeze_the_rest() -> None:
    evals: list[int | None] = [*range(-1000, 1000), *[31995] * 30, *[-31990] * 10]
    items = bins(counted(evals))
    assert [item for item in (items[0], items[-1])] == [Bin(None, -1001, 10), Bin(1000, None, 30)]


def test_a_bar_is_as_long_as_its_count_and_never_nothing() -> None:
    drawn = draw([Bin(None, -1, 1), Bin(0, 0, 0), Bin(1, 2000, 1000)], 40, "#")
    first, second, third = drawn.splitlines()
    assert first.split() == ["up", "to", "-1", "1", "#"]
    assert second.split() == ["0", "0"]
    assert third.split()[:4] == ["1", "to", "2,000", "1,000"]
    assert len(third) == 40
