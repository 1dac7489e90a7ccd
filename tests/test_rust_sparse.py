"""Sparse arrays against numpy."""

from __future__ import annotations

import array
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from maou._rust.maou_io import (
    add_sparse_arrays_dual_rust,
    add_sparse_arrays_rust,
    compress_sparse_array_rust,
    expand_sparse_array_rust,
)

SIZE = 1496
WIN = np.dtype(np.float32)
Ints = npt.NDArray[np.int32]

# Few distinct values, so that zeros and sums of zero are common; no sum leaves the range.
VALUES = st.sampled_from([0, 0, 0, 1, -1, 2, -2, 1 << 29, -(1 << 29)])
DENSE = arrays.arrays(np.int32, st.integers(0, 60), elements=VALUES, fill=st.just(0))
PAIRS = st.integers(0, 60).flatmap(
    lambda size: st.tuples(*[arrays.arrays(np.int32, size, elements=VALUES, fill=st.just(0))] * 2)
)


def assert_sparse(idx: npt.NDArray[Any], val: npt.NDArray[Any]) -> None:
    assert (idx.dtype, val.dtype) == (np.dtype(np.uint16), np.dtype(np.int32))
    assert idx.shape == val.shape
    assert (np.diff(idx.astype(int)) > 0).all()


@given(DENSE)
def test_compress_is_numpys_nonzero(dense: Ints) -> None:
    idx, val = compress_sparse_array_rust(dense)
    assert_sparse(idx, val)
    (expected,) = np.nonzero(dense)
    np.testing.assert_array_equal(idx, expected)
    np.testing.assert_array_equal(val, dense[expected])


@given(DENSE)
def test_expand_undoes_compress(dense: Ints) -> None:
    expanded = expand_sparse_array_rust(*compress_sparse_array_rust(dense), len(dense))
    assert expanded.dtype == np.int32
    np.testing.assert_array_equal(expanded, dense)


@given(PAIRS)
def test_add_is_the_dense_sum(pair: tuple[Ints, Ints]) -> None:
    first, second = pair
    idx, val = add_sparse_arrays_rust(*compress_sparse_array_rust(first), *compress_sparse_array_rust(second))
    assert_sparse(idx, val)
    assert (val != 0).all()
    np.testing.assert_array_equal(expand_sparse_array_rust(idx, val, len(first)), first + second)


@given(PAIRS)
def test_add_commutes(pair: tuple[Ints, Ints]) -> None:
    first, second = (compress_sparse_array_rust(dense) for dense in pair)
    for one, other in zip(
        add_sparse_arrays_rust(*first, *second), add_sparse_arrays_rust(*second, *first), strict=True
    ):
        np.testing.assert_array_equal(one, other)


@given(PAIRS, st.randoms(use_true_random=False))
def test_dual_add_sums_both_and_keeps_by_label(pair: tuple[Ints, Ints], random: Any) -> None:
    first, second = pair
    size = len(first)
    wins = [np.array([random.choice([0, 0.5, 1, 2]) for _ in range(size)], WIN) for _ in pair]
    sparse: list[Any] = []
    for labels, win in zip(pair, wins, strict=True):
        idx, val = compress_sparse_array_rust(labels)
        sparse += [idx, val, win[idx]]
    idx, lab, sums = add_sparse_arrays_dual_rust(*sparse)
    assert_sparse(idx, lab)
    assert sums.dtype == WIN
    total = first + second
    (kept,) = np.nonzero(total)
    np.testing.assert_array_equal(idx, kept)
    np.testing.assert_array_equal(lab, total[kept])
    counted = [np.where(labels != 0, win, 0) for labels, win in zip(pair, wins, strict=True)]
    np.testing.assert_array_equal(sums, (counted[0] + counted[1])[kept].astype(WIN))


def test_the_example_of_a_move_distribution() -> None:
    dense = np.zeros(SIZE, np.int32)
    dense[[3, 1495]] = 7, -1
    idx, val = compress_sparse_array_rust(dense)
    assert (idx.tolist(), val.tolist()) == ([3, 1495], [7, -1])


def test_every_index_of_16_bits() -> None:
    dense = np.ones(1 << 16, np.int32)
    idx, val = compress_sparse_array_rust(dense)
    assert idx[-1] == 65535
    np.testing.assert_array_equal(expand_sparse_array_rust(idx, val, 1 << 16), dense)


def test_an_array_beyond_16_bits_is_refused() -> None:
    with pytest.raises(ValueError, match=r"65536|65537"):
        compress_sparse_array_rust(np.ones((1 << 16) + 1, np.int32))


def test_an_index_at_the_size_is_refused() -> None:
    with pytest.raises(ValueError, match="5"):
        expand_sparse_array_rust(np.array([0, 5], np.uint16), np.array([1, 1], np.int32), 5)


@pytest.mark.parametrize("size", [(1 << 16) + 1, 1 << 40, 1 << 70])
def test_a_size_that_indices_do_not_reach_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=rf"size is {size}: (16-bit indices reach 65536|it cannot be more)"):
        expand_sparse_array_rust(np.array([], np.uint16), np.array([], np.int32), size)


def test_unequal_lengths_are_refused() -> None:
    idx, val = np.array([0, 1], np.uint16), np.array([1], np.int32)
    with pytest.raises(ValueError, match=r"1.*2|2.*1"):
        expand_sparse_array_rust(idx, val, 5)
    with pytest.raises(ValueError, match=r"1.*2|2.*1"):
        add_sparse_arrays_rust(idx, val, idx[:1], val)
    with pytest.raises(ValueError, match=r"1.*2|2.*1"):
        add_sparse_arrays_rust(idx[:1], val, idx, val)
    with pytest.raises(ValueError, match=r"1.*2|2.*1"):
        add_sparse_arrays_dual_rust(idx[:1], val, np.zeros(2, WIN), idx[:1], val, np.zeros(1, WIN))


def test_a_sum_beyond_32_bits_is_not_wrapped_silently() -> None:
    idx, val = np.array([0], np.uint16), np.array([2**31 - 1], np.int32)
    with pytest.raises((ValueError, OverflowError)):
        add_sparse_arrays_rust(idx, val, idx, val)


@pytest.mark.parametrize(
    "dense",
    [
        np.array([0, 3, 0, -2], np.int32),
        np.array([0, 9, 3, 9, 0, 9, -2, 9], np.int32)[::2],
        array.array("i", [0, 3, 0, -2]),
        memoryview(array.array("i", [0, 3, 0, -2])),
    ],
    ids=["array", "strided array", "array.array", "memoryview"],
)
def test_any_buffer_will_do(dense: Any) -> None:
    idx, val = compress_sparse_array_rust(dense)
    assert (idx.tolist(), val.tolist()) == ([1, 3], [3, -2])


def test_a_read_only_array_will_do() -> None:
    dense = np.array([0, 3], np.int32)
    dense.flags.writeable = False
    assert compress_sparse_array_rust(dense)[0].tolist() == [1]


@pytest.mark.parametrize("dense", ["text", None, np.array(["a"]), [object()]])
def test_what_holds_no_numbers_is_refused(dense: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="dense"):
        compress_sparse_array_rust(dense)


@pytest.mark.parametrize("dense", [np.zeros((2, 2), np.int32), np.array([0.5]), np.array([1 << 31]), [1, None]])
def test_numbers_that_would_change_are_refused(dense: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="dense"):
        compress_sparse_array_rust(dense)


def test_other_integers_are_taken_where_they_fit() -> None:
    idx, val = compress_sparse_array_rust(np.array([0, 1 << 30], np.int64))
    assert (idx.tolist(), val.tolist()) == ([1], [1 << 30])
