"""Sums and extremes of windows that overlap, worked out once for the rows that they share.

Sums are differences of running sums in twice the precision, so that nothing is lost between a large past and a small
present; infinities and NaN would spoil them and take the other way. Extremes come from those of 1, 2, 4 … rows.
"""

from __future__ import annotations

import numpy as np

from ruler.model.arrays import FloatArray, IntArray
from ruler.promql.sums import add, settled
from ruler.promql.window import Windows

_WORTH_IT = 4  # how many times each row must be looked at before sharing pays
_LOST = 2.0**-50  # of a running sum: a difference smaller than that has lost some of its digits


def overlapping(windows: Windows) -> bool:
    """Whether the windows hold the same rows so often that sharing pays."""
    longest = int((windows.stop - windows.first).max(initial=0))
    return longest * len(windows.ends) > _WORTH_IT * len(windows.cells)


def shared_sum(windows: Windows) -> FloatArray | None:
    """The sum of each window; None where running sums would not be exact enough."""
    if windows.span.block.special:
        return None
    terms = np.where(windows.sampled, windows.cells, 0.0)
    total, error = np.zeros((len(terms) + 1, terms.shape[1])), np.zeros((len(terms) + 1, terms.shape[1]))
    for row, term in enumerate(terms):
        total[row + 1], error[row + 1] = add(total[row], error[row], term)
    start, stop = _edges(windows)
    before, after = np.take_along_axis(total, start, axis=0), np.take_along_axis(total, stop, axis=0)
    errors = np.take_along_axis(error, stop, axis=0) - np.take_along_axis(error, start, axis=0)
    result = settled(*add(after, errors, -before))
    doubtful = (np.abs(result) < _LOST * np.maximum(np.abs(before), np.abs(after))) & (result != 0)
    return None if doubtful.any() or not np.isfinite(result).all() else result


def shared_extreme(windows: Windows, choose: np.ufunc) -> FloatArray:
    """The least or largest sample of each window (`choose` is fmin or fmax), NaN where there is none."""
    level = np.where(windows.sampled, windows.cells, np.nan)
    start, stop = _edges(windows)
    lengths = stop - start
    result = np.full(windows.shape, np.nan)
    reach = 1
    while True:
        fitting = (lengths >= reach) & (lengths < 2 * reach)
        if fitting.any():
            step, column = np.nonzero(fitting)
            first, last = start[step, column], stop[step, column] - reach
            result[step, column] = choose(level[first, column], level[last, column])
        if not (lengths >= 2 * reach).any():
            return result
        level = choose(level[:-reach], level[reach:])
        reach *= 2


def _edges(windows: Windows) -> tuple[IntArray, IntArray]:
    """The rows of each window, counted from the first row that any of them holds."""
    above = windows.used.start
    start = windows.spread(windows.first) - above
    return start, np.maximum(windows.spread(windows.stop) - above, start)
