"""Compensated sums agree with exact ones, in order or by parts, of whole numbers and of others."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruler.model.arrays import FloatArray
from ruler.promql.sums import Runs, grouped_sum, settled

terms = st.lists(st.floats(-1e15, 1e15, allow_nan=False), min_size=1, max_size=9)


def sums_of(*groups: list[float]) -> FloatArray:
    sizes = np.array([len(group) for group in groups])
    runs = Runs(np.cumsum(sizes) - sizes, sizes)
    values = np.array([list(itertools.chain.from_iterable(groups))])
    with np.errstate(over="ignore", invalid="ignore"):
        return np.ravel(settled(*grouped_sum(values, runs)))


@given(st.lists(terms, min_size=1, max_size=5), st.sampled_from([0, 200]))
def test_compensated_sums_are_nearly_exact(groups: list[list[float]], padding: int) -> None:
    """Each group's sum is the exact sum of its terms, rounded about once, however many more terms are 0."""
    found = sums_of(*([*group, *([0.0] * padding)] for group in groups)).tolist()
    for group, number in zip(groups, found, strict=True):
        assert math.fsum(group) == pytest.approx(number, rel=1e-15, abs=1e-25 * max(map(abs, group)))


@pytest.mark.parametrize("padding", [0, 200])
def test_what_huge_terms_hide_is_found(padding: int) -> None:
    """Terms that cancel leave what stands beside them."""
    assert [1.0, 10.0] == sums_of([1e100, 1.0, -1e100, *([0.0] * padding)], [5.0, 5.0]).tolist()


@pytest.mark.parametrize("padding", [0, 200])
def test_infinite_sums_stay_what_they_are(padding: int) -> None:
    """Infinity swallows the compensation, opposite infinities give NaN, and too large a sum is infinite."""
    more = [0.0] * padding
    found = sums_of([math.inf, -1.0, *more], [math.inf, -math.inf, *more], [1e308, 1e308, *more], [0.1, 0.2, *more])
    assert [math.inf, math.inf, 0.30000000000000004] == [found[0], found[2], found[3]]
    assert math.isnan(found[1])


def test_tenths_add_up() -> None:
    """Ten times a tenth is one, and so is a thousand times a thousandth."""
    assert [1.0, 1.0] == sums_of([0.1] * 10, [0.001] * 1000).tolist()
