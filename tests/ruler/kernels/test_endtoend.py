"""What is laid end to end is each series' values at the steps where it has any, in the order that was asked for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruler.kernels.text.endtoend import count_cells, lay_end_to_end


@given(st.integers(0, 40), st.integers(1, 12), st.booleans(), st.booleans(), st.integers(0, 2**32))
def test_series_stand_end_to_end_in_their_order(series: int, steps: int, masked: bool, still: bool, seed: int) -> None:
    """Whether a mask hides some, and whether the values move from step to step; run by run as at once."""
    rng = np.random.default_rng(seed)
    shape = (steps, series)
    values = np.broadcast_to(rng.random(series), shape) if still else rng.random(shape)
    present = rng.random(shape) < 0.7 if masked else np.ones(shape, dtype=np.bool_)
    moments, order = 7 + np.arange(steps) * 15_000, rng.permutation(series)
    mask = present.view(np.uint8) if masked else None
    offsets = np.zeros(series + 1, dtype=np.int64)
    cells = count_cells(mask, steps, order, offsets)
    times, into = np.zeros(cells, dtype=np.int64), np.zeros(cells)
    middle = int(rng.integers(series + 1))
    for low, high in ((0, middle), (middle, series)):
        lay_end_to_end(values, mask, 7, 15_000, order, offsets, low, high, times, into)
    expected = [[(moments[step], values[step, each]) for step in range(steps) if present[step, each]] for each in order]
    laid = list(zip(times.tolist(), into.tolist(), strict=True))
    assert expected == [laid[offsets[row] : offsets[row + 1]] for row in range(series)]


@pytest.mark.parametrize(
    ("order", "offsets", "high"), [([0, 2], [0, 1, 2], 2), ([0, 1], [0, -1, 2], 2), ([0, 1], [0, 1, 2], 3)]
)
def test_cells_that_are_not_there_are_not_touched(order: list[int], offsets: list[int], high: int) -> None:
    """An order, offsets or a run of series that do not fit are refused."""
    values = np.ones((1, 2))
    times, into = np.zeros(2, dtype=np.int64), np.zeros(2)
    with pytest.raises(ValueError, match=r"^series "):
        lay_end_to_end(values, None, 0, 1, np.array(order), np.array(offsets), 0, high, times, into)


@pytest.mark.parametrize(("order", "offsets"), [([0, 2], 3), ([0, -1], 3), ([0, 1], 2), ([0], 2)])
def test_cells_are_counted_of_series_that_are_there(order: list[int], offsets: int) -> None:
    """An order or a number of offsets that does not fit is refused."""
    present = np.ones((3, 2), dtype=np.uint8)
    with pytest.raises(ValueError, match=r"series"):
        count_cells(present, 3, np.array(order), np.zeros(offsets, dtype=np.int64))


def test_no_more_is_written_than_there_is_room_for() -> None:
    """Offsets that leave too little of it lose values, and nothing else."""
    values, times, room = np.ones((4, 2)), np.zeros(5, dtype=np.int64), np.zeros(10)
    lay_end_to_end(values, None, 0, 1, np.arange(2), np.array([0, 2, 4]), 0, 2, times, room[:5])
    assert [0.0] * 5 == room[5:].tolist()
