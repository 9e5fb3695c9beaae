"""Rows of windows: estimated from the grid, and right whatever the times are."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ruler.promql.span import rows_until

TICK = 1_000
NEVER = int(np.iinfo(np.int64).min)

streams = st.lists(st.lists(st.integers(-3_000, 9_000), min_size=6, max_size=6).map(sorted), min_size=2, max_size=4)
moments = st.lists(st.integers(-5_000, 11_000), min_size=1, max_size=8).map(sorted)


@given(streams, moments, st.sampled_from([None, (0, TICK), (-2_500, TICK), (40_000, 77)]), st.integers(0, 3))
def test_rows_are_those_that_bisection_finds(
    columns: list[list[int]], asked: list[int], tick: tuple[int, int] | None, unborn: int
) -> None:
    """For each moment and stream, the rows up to it are counted right, however far off the grid the times are."""
    for column in columns:
        column[:unborn] = [NEVER] * unborn
    found = rows_until(np.array(columns).T, np.array(asked), tick)
    assert [[bisect_right(column, moment) for column in columns] for moment in asked] == found.tolist()


def test_one_stream_needs_no_grid() -> None:
    """A single stream's rows are found without a tick grid."""
    assert [[0], [1], [3]] == rows_until(np.array([[10], [20], [20]]), np.array([9, 10, 20]), None).tolist()
