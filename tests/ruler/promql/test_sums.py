"""Compensated sums agree with exact ones."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruler.promql.sums import compensated_sum, grouped_sum

terms = st.lists(st.floats(-1e15, 1e15, allow_nan=False), min_size=1, max_size=9)


@given(st.lists(terms, min_size=1, max_size=5))
def test_compensated_sums_are_nearly_exact(groups: list[list[float]]) -> None:
    """Each group's sum is the exact sum of its terms, rounded about once."""
    values = np.array([list(itertools.chain.from_iterable(groups))])
    starts = np.cumsum([0, *map(len, groups)])[:-1]
    found = compensated_sum(values, starts)[0].tolist()
    for group, number in zip(groups, found, strict=True):
        exact = math.fsum(group)
        assert exact == pytest.approx(number, rel=1e-15, abs=1e-25 * max(map(abs, group)))


def test_cancelling_terms_are_noticed() -> None:
    """A sum whose terms cancel is compensated without being asked for."""
    values = np.array([[1e100, 1.0, -1e100, 5.0, 5.0]])
    assert [[1.0, 10.0]] == grouped_sum(values, np.array([0, 3])).tolist()


def test_infinite_sums_stay_what_they_are() -> None:
    """Infinity swallows the compensation, and opposite infinities give NaN."""
    with np.errstate(invalid="ignore"):
        found = grouped_sum(np.array([[math.inf, -1.0, math.inf, -math.inf]]), np.array([0, 2]))[0]
    assert found[0] == math.inf
    assert math.isnan(found[1])
