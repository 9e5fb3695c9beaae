"""Aggregations give the very bits that Prometheus's own way through the values gives, whatever floats they are."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.labels import Labels
from ruler.model.result import Vector
from ruler.promql.engine import Engine
from tests.ruler.promql import as_prometheus
from tests.ruler.promql.memory_storage import MemoryStorage

NASTY = (
    0.0,
    -0.0,
    0.1,
    0.3,
    1.0,
    -1.0,
    1e16,
    -1e16,
    1e100,
    -1e100,
    1e308,
    -1e308,
    5e-324,
    math.inf,
    -math.inf,
    math.nan,
)
numbers = st.one_of(st.sampled_from((*NASTY, *(-each for each in NASTY))), st.floats())
tame = st.floats(-1e6, 1e6, allow_subnormal=False)

REFERENCE: dict[str, Callable[[Sequence[float]], float]] = {
    "sum": as_prometheus.total_of,
    "avg": as_prometheus.mean_of,
    "min": as_prometheus.least_of,
    "max": as_prometheus.greatest_of,
    "stdvar": as_prometheus.variance_of,
}


def bits(number: float) -> str:
    """A float, told apart from every other, all NaN being one."""
    return "nan" if math.isnan(number) else struct.pack(">d", number).hex()


def aggregate(query: str, groups: Sequence[Sequence[float]]) -> list[float]:
    """The value of each group, its members being series in this order."""
    storage = MemoryStorage()
    for group, members in enumerate(groups):
        for place, number in enumerate(members):
            storage.put(Labels({"__name__": "x", "group": f"{group:03}", "of": f"{place:05}"}), [(0, number)])
    value = Engine(storage).instant(query, 0).value
    assert isinstance(value, Vector)
    order = np.argsort([labels["group"] for labels in value.table.all_labels()])
    return [float(each) for each in value.values[order]]


@pytest.mark.parametrize("operator", REFERENCE)
@given(groups=st.lists(st.lists(numbers, min_size=1, max_size=9), min_size=1, max_size=4))
@settings(max_examples=150)
def test_small_groups_are_as_there_to_the_bit(operator: str, groups: list[list[float]]) -> None:
    """NaN, infinities, signs of zero, sums that cancel or overflow: in every group the bits are Prometheus's."""
    found = aggregate(f"{operator} by (group) (x)", groups)
    assert [bits(REFERENCE[operator](group)) for group in groups] == [bits(each) for each in found]


@pytest.mark.parametrize("operator", REFERENCE)
@pytest.mark.parametrize("size", [64, 65, 129, 1000])
def test_large_groups_agree_to_the_last_digits(operator: str, size: int) -> None:
    """Of large groups the order of additions is another one: sums are the same bits, means and variances almost."""
    generator = np.random.default_rng(size)
    groups = [generator.normal(scale=10.0**power, size=size).tolist() for power in (-3, 0, 8)]
    found = aggregate(f"{operator} by (group) (x)", groups)
    expected = [REFERENCE[operator](group) for group in groups]
    if operator in ("sum", "min", "max"):
        assert expected == found
    else:
        assert expected == pytest.approx(found, rel=1e-14)


@given(st.lists(st.lists(tame, min_size=1, max_size=300), min_size=1, max_size=3))
@settings(max_examples=30, deadline=None)
def test_sums_are_rounded_once(groups: list[list[float]]) -> None:
    """A sum of terms of about one size is the exact sum, rounded."""
    found = aggregate("sum by (group) (x)", groups)
    for group, number in zip(groups, found, strict=True):
        assert math.fsum(group) == pytest.approx(number, rel=3e-16, abs=1e-25 * max(map(abs, group)))
