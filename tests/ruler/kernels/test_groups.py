"""Kernels of groups of series look at no cell beyond their arrays: what does not fit together is refused."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ruler.kernels.series.best import keep_best, keep_first
from ruler.kernels.series.groups import fold, mark_any
from ruler.kernels.series.moving import move
from ruler.kernels.series.numbering import Numbering
from ruler.kernels.series.pairing import Pairing
from ruler.kernels.series.presence import mark_groups
from ruler.kernels.series.quantiles import quantiles
from ruler.kernels.series.sorting import count_ranks, put_in_order

VALUES, MASK, GROUP_OF = np.zeros((2, 3)), np.ones((2, 3), dtype=np.uint8), np.zeros(3, dtype=np.int64)
INTO, FOUND = np.zeros((2, 1)), np.zeros((2, 1), dtype=np.uint8)
ONE, WANTED = np.ones(1), np.ones(1, dtype=np.int64)
ROWS, ROOM = np.zeros((3, 2), dtype=np.int32), np.zeros(3, dtype=np.int64)

CASES: list[tuple[Callable[..., object], tuple[object, ...], str]] = [
    (fold, ("sum", VALUES, None, GROUP_OF[:2], INTO, FOUND), "groups of 2 series, values of 3"),
    (fold, ("sum", VALUES, MASK[:, :2], GROUP_OF, INTO, FOUND), "a mask of 2 x 2 for 2 x 3"),
    (fold, ("sum", VALUES, MASK, GROUP_OF, INTO[:1], FOUND[:1]), "2 steps, 1 of results"),
    (fold, ("sum", VALUES, MASK, GROUP_OF, INTO, FOUND[:1]), "a mask of 1 x 1 for 2 x 1 results"),
    (quantiles, (ONE, VALUES, MASK[:1], GROUP_OF, INTO, FOUND), "a mask of 1 x 3 for 2 x 3"),
    (quantiles, (np.ones(3), VALUES, MASK, GROUP_OF, INTO, FOUND), "3 of a parameter"),
    (quantiles, (ONE, VALUES, MASK, GROUP_OF, INTO, FOUND[:1]), "a mask of 1 x 1 for 2 x 1 results"),
    (keep_best, (1.0, WANTED[:0], VALUES, None, GROUP_OF, 1, MASK.copy()), "0 of a parameter"),
    (keep_best, (1.0, WANTED, VALUES, None, GROUP_OF, 1, MASK[:, :2].copy()), "to keep 2 of 3 series"),
    (keep_first, (WANTED, VALUES, None, GROUP_OF, 1, MASK[:1].copy()), "1 of results"),
    (keep_first, (WANTED, VALUES, None, GROUP_OF, 1, MASK[:, :2].copy()), "to keep 2 of 3 series"),
    (mark_groups, (VALUES, None, GROUP_OF, FOUND[:1]), "2 steps, 1 of results"),
    (Pairing(GROUP_OF, GROUP_OF, 1).write, (ROOM, ROOM), "room for 3 of 9 pairs"),
    (mark_any, (MASK[0], GROUP_OF[:2], FOUND[0]), "groups of 2 series, marks of 3"),
    (
        count_ranks,
        (GROUP_OF, WANTED, -1, MASK[0].copy(), ROOM, np.zeros(3, dtype=np.int64), 0, 4),
        "rows from 0 to 4 of 3",
    ),
    (count_ranks, (GROUP_OF, WANTED, -1, MASK[0].copy(), ROOM, ROOM[:1].copy(), 0, 3), "no room for the rank of row 0"),
    (count_ranks, (GROUP_OF + 1, WANTED, -1, MASK[0].copy(), ROOM, ROOM.copy(), 0, 3), "no room for the rank of row 0"),
    (put_in_order, (ROOM, ROOM.copy(), ROOM, ROOM[:2].copy(), 0, 3), "places from 0 to 3 of 3"),
    (put_in_order, (ROOM + 7, ROOM.copy(), ROOM, ROOM.copy(), 0, 3), "ranks that were not counted"),
    (put_in_order, (ROOM, ROOM + 7, ROOM, ROOM.copy(), 0, 3), "ranks that were not counted"),
    (put_in_order, (ROOM, ROOM.copy(), ROOM - 1, ROOM.copy(), 0, 3), "ranks that were not counted"),
    (move, (ROWS, None, ROOM[:2], ROWS.copy(), 1), "3 rows of 2 codes, 2 places in 3 rows"),
    (move, (ROWS, None, ROOM[:1], ROWS.copy(), 0), "3 rows of 2 codes, 1 places"),
    (move, (ROWS, None, ROOM[:2] + 2, ROWS.copy(), 0), "no column 2 of 2"),
    (Numbering(2).number, (ROWS, [0], ROOM, ROOM), "1 columns of 2"),
    (Numbering(2).number, (ROWS, [0, 2], ROOM, ROOM), "no column 2 of 2"),
    (Numbering(2).number, (ROWS, [0, 1], ROOM, ROOM[:2]), "room for 2 rows of 3"),
]


@pytest.mark.parametrize(("kernel", "arguments", "words"), CASES)
def test_arrays_that_do_not_fit_together_are_refused(
    kernel: Callable[..., object], arguments: tuple[object, ...], words: str
) -> None:
    """Nothing is read or written before shapes have been compared."""
    with pytest.raises(ValueError, match=words):
        kernel(*arguments)


def test_only_rows_that_are_there_are_moved() -> None:
    """A row beyond the table is refused, before or behind it."""
    for row in (-1, 3):
        with pytest.raises(IndexError, match="no such row of 3"):
            move(ROWS, np.array([0, row]), ROOM[:2], ROWS.copy(), 0)


def test_no_other_operator_is_known() -> None:
    """What is asked for by name is one of the operators, or nothing."""
    with pytest.raises(KeyError, match="median"):
        fold("median", VALUES, MASK, GROUP_OF, INTO, FOUND)
