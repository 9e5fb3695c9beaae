"""Aggregations give the very bits that Prometheus's own way through the values gives, whatever floats they are."""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.labels import Labels
from ruler.model.result import Matrix, Vector
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
    "stddev": lambda group: math.sqrt(as_prometheus.variance_of(group)),
}
COUNTING: dict[str, Callable[[Sequence[float]], float]] = {"count": len, "group": lambda _: 1.0}


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
def test_groups_are_as_there_to_the_bit(operator: str, groups: list[list[float]]) -> None:
    """NaN, infinities, signs of zero, sums that cancel or overflow: in every group the bits are Prometheus's."""
    found = aggregate(f"{operator} by (group) (x)", groups)
    assert [bits(REFERENCE[operator](group)) for group in groups] == [bits(each) for each in found]


@pytest.mark.parametrize("operator", REFERENCE)
@pytest.mark.parametrize("size", [64, 129, 1000])
def test_so_are_large_groups(operator: str, size: int) -> None:
    """However many series a group has, they are taken in their order."""
    generator = np.random.default_rng(size)
    groups = [generator.normal(scale=10.0**power, size=size).tolist() for power in (-3, 0, 8)]
    found = aggregate(f"{operator} by (group) (x)", groups)
    assert [REFERENCE[operator](group) for group in groups] == found


@given(
    share=st.sampled_from([-1.0, 0.0, 0.3, 0.5, 1.0, 2.0, math.nan]),
    groups=st.lists(st.lists(numbers, min_size=1, max_size=40), min_size=1, max_size=4),
)
def test_quantiles_are_those_of_sorted_groups(share: float, groups: list[list[float]]) -> None:
    """NaN is less than every number; either zero may come first."""
    found = aggregate(f"quantile by (group) ({share}, x)", groups)
    expected = [as_prometheus.quantile_of(share, group) for group in groups]
    assert [bits(each + 0.0) for each in expected] == [bits(each + 0.0) for each in found]


@pytest.mark.parametrize("operator", [*REFERENCE, *COUNTING])
@given(
    cells=st.lists(st.lists(st.one_of(st.none(), tame), min_size=7, max_size=7), min_size=1, max_size=12),
    halves=st.randoms(use_true_random=False),
)
@settings(max_examples=50, deadline=None)
def test_each_step_is_aggregated_by_itself(
    operator: str, cells: list[list[float | None]], halves: random.Random
) -> None:
    """Over a range each group is made of those of its series that have a sample at the step, and of nothing else."""
    storage = MemoryStorage()
    members: dict[str, list[list[float | None]]] = {}
    for place, row in enumerate(cells):
        group = halves.choice("ab")
        members.setdefault(group, []).append(row)
        samples = [(step * 1000, number) for step, number in enumerate(row) if number is not None]
        storage.put(Labels({"__name__": "x", "group": group, "of": f"{place:05}"}), samples)
    result = Engine(storage, lookback=500).range(f"{operator} by (group) (x)", 0, 6000, 1000).value
    assert isinstance(result, Matrix)
    fold = (REFERENCE | COUNTING)[operator]
    expected = {
        (group, step * 1000): fold(there)
        for group, rows in members.items()
        for step in range(7)
        if (there := [number for row in rows if (number := row[step]) is not None])
    }
    found = {
        (labels["group"], time): number
        for row, labels in enumerate(result.table.all_labels())
        for place in range(result.offsets[row], result.offsets[row + 1])
        for time, number in [(int(result.times[place]), float(result.values[place]))]
    }
    assert expected == found
