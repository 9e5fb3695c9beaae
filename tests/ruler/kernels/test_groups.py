"""Kernels of groups of series look at no cell beyond their arrays: what does not fit together is refused."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ruler.kernels.series.best import keep_best, keep_first
from ruler.kernels.series.groups import fold
from ruler.kernels.series.numbering import Numbering
from ruler.kernels.series.pairing import Pairing
from ruler.kernels.series.presence import mark_groups
from ruler.kernels.series.quantiles import quantiles
from ruler.kernels.series.sorting import sort_by

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
    (sort_by, (GROUP_OF, 1, ROOM, ROOM[:2].copy()), "room for 2 of 3"),
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


def test_no_other_operator_is_known() -> None:
    """What is asked for by name is one of the operators, or nothing."""
    with pytest.raises(KeyError, match="median"):
        fold("median", VALUES, MASK, GROUP_OF, INTO, FOUND)
