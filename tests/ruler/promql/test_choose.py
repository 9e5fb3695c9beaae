"""topk, bottomk and limitk keep what sorting each step would."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from common.labels import Labels
from ruler.model.result import Matrix, Vector
from ruler.promql.engine import Engine
from tests.ruler.promql.memory_storage import MemoryStorage

STEPS = 3
cells = st.one_of(st.none(), st.sampled_from([0.0, -0.0, 1.0, 2.0, math.nan, math.inf, -math.inf]), st.floats(-9, 9))
columns = st.lists(st.lists(cells, min_size=STEPS, max_size=STEPS), min_size=1, max_size=40)


operators = st.sampled_from(["topk", "bottomk", "limitk"])


def stored(columns: list[list[float | None]], groups: int) -> Engine:
    """Series n of these columns, dealt out to groups."""
    storage = MemoryStorage()
    for number, column in enumerate(columns):
        samples = [(step * 1000, value) for step, value in enumerate(column) if value is not None]
        storage.put(Labels({"__name__": "x", "g": str(number % groups), "n": f"{number:02}"}), samples)
    return Engine(storage, lookback=500)


def best(operator: str, column: list[float | None], most: int) -> list[int]:
    """Those of a group's series that are kept at a step, the best one first."""
    there = [(value, number) for number, value in enumerate(column) if value is not None]
    if operator != "limitk":
        sign = -1 if operator == "topk" else 1
        there.sort(key=lambda each: (math.isnan(each[0]), 0 if math.isnan(each[0]) else sign * each[0]))
    return [number for _, number in there[:most]]


@settings(deadline=None, max_examples=200)
@given(columns=columns, most=st.integers(1, 12), operator=operators, groups=st.integers(1, 3))
def test_the_best_of_each_step_are_kept(
    columns: list[list[float | None]], most: int, operator: str, groups: int
) -> None:
    """Of each group the first that have a sample are kept, in order of their values, NaN behind every number."""
    asked = f"{operator} by (g) ({most}, x)"
    result = stored(columns, groups).range(asked, 0, (STEPS - 1) * 1000, 1000).value
    assert isinstance(result, Matrix)
    found: list[set[int]] = [set() for _ in range(STEPS)]
    for row, labels in enumerate(result.table.all_labels()):
        for time in result.times[result.offsets[row] : result.offsets[row + 1]].tolist():
            found[time // 1000].add(int(labels["n"]))
    expected = [
        {
            group + groups * place
            for group in range(groups)
            for place in best(operator, [column[step] for column in columns[group::groups]], most)
        }
        for step in range(STEPS)
    ]
    assert expected == found


@settings(deadline=None, max_examples=100)
@given(columns=columns, most=st.integers(1, 12), operator=st.sampled_from(["topk", "bottomk"]))
def test_the_best_comes_first(columns: list[list[float | None]], most: int, operator: str) -> None:
    """At one time, series are in the order of their values, and equal ones in their own."""
    result = stored(columns, 1).instant(f"{operator}({most}, x)", 0).value
    assert isinstance(result, Vector)
    found = [int(labels["n"]) for labels in result.table.all_labels()]
    assert best(operator, [column[0] for column in columns], most) == found


def test_the_parameter_may_change_with_the_steps() -> None:
    """Each step keeps as many as its own value of the parameter says, and none for less than 1."""
    result = stored([[1.0] * STEPS, [2.0] * STEPS, [3.0] * STEPS], 1).range("topk(time(), x)", 0, 2000, 1000).value
    assert isinstance(result, Matrix)
    kept = [labels["n"] for labels in result.table.all_labels()]
    assert ["01", "02"] == kept
    assert [2000, 1000, 2000] == result.times.tolist()
