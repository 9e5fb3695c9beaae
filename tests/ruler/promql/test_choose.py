"""topk and bottomk of large groups keep what sorting each step would."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from common.labels import Labels
from ruler.model.result import Matrix
from ruler.promql.engine import Engine
from tests.ruler.promql.memory_storage import MemoryStorage

STEPS = 3
cells = st.one_of(st.none(), st.sampled_from([0.0, -0.0, 1.0, 2.0, math.nan, math.inf, -math.inf]), st.floats(-9, 9))
columns = st.lists(st.lists(cells, min_size=STEPS, max_size=STEPS), min_size=1, max_size=40)


@settings(deadline=None, max_examples=150)
@given(columns=columns, most=st.integers(1, 4), top=st.booleans())
def test_the_best_of_each_step_are_kept(columns: list[list[float | None]], most: int, top: bool) -> None:
    """The series kept at a step are the first of those that have a sample, NaN behind every number."""
    storage = MemoryStorage()
    for number, column in enumerate(columns):
        samples = [(step * 1000, value) for step, value in enumerate(column) if value is not None]
        storage.put(Labels({"__name__": "x", "n": f"{number:02}"}), samples)
    name = "topk" if top else "bottomk"
    result = Engine(storage, lookback=500).range(f"{name}({most}, x)", 0, (STEPS - 1) * 1000, 1000).value
    assert isinstance(result, Matrix)
    found: list[set[int]] = [set() for _ in range(STEPS)]
    for row, labels in enumerate(result.table.all_labels()):
        for time in result.times[result.offsets[row] : result.offsets[row + 1]].tolist():
            found[time // 1000].add(int(labels["n"]))
    for step in range(STEPS):
        there = [(column[step], number) for number, column in enumerate(columns) if column[step] is not None]
        there.sort(key=lambda each: (math.isnan(each[0]), 0 if math.isnan(each[0]) else -each[0] if top else each[0]))
        assert {number for _, number in there[:most]} == found[step]
