"""The `*_over_time` family, for all windows at once: what they share is worked out once, other samples are folded.

Sums are compensated exactly as Prometheus's are. NaN is a value like others: least for `min`, `max` and quantiles.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from ruler.model.arrays import BoolArray, FloatArray
from ruler.promql.ast import Call
from ruler.promql.functions.neighbours import changed, count_pairs, fell
from ruler.promql.functions.sliding import overlapping, shared_extreme, sums
from ruler.promql.notes import invalid_quantile
from ruler.promql.scope import Scope
from ruler.promql.sums import add
from ruler.promql.window import Result, Windows, by_kind

Compare: TypeAlias = Callable[[FloatArray, FloatArray], BoolArray]


def count_over_time(windows: Windows) -> Result:
    if windows.span.block.archived:
        return sum_over_time(windows)  # of how many there were in each bucket
    return windows.counts, windows.holding()


def present_over_time(windows: Windows) -> Result:
    return np.ones(windows.shape), windows.holding()


def last_over_time(windows: Windows) -> Result:
    return by_kind(windows, lambda part: part.latest().value)


def first_over_time(windows: Windows) -> Result:
    return by_kind(windows, lambda part: part.earliest().value)


def ts_of_last_over_time(windows: Windows) -> Result:
    return by_kind(windows, lambda part: part.latest().second)


def ts_of_first_over_time(windows: Windows) -> Result:
    return by_kind(windows, lambda part: part.earliest().second)


def sum_over_time(windows: Windows) -> Result:
    total, error = sums(windows)
    total += error
    return (total if windows.stretch is None else total / windows.stretch), windows.holding()


def avg_over_time(windows: Windows) -> Result:
    total, error = sums(windows)
    counts = windows.counts
    mean = np.divide(total, counts, out=total)
    mean += np.divide(error, counts, out=error)
    present = windows.holding()
    overflowed = ~np.isfinite(mean)
    if present is not None:
        overflowed &= present
    if overflowed.any():
        columns: BoolArray = np.any(overflowed, axis=0)
        mean[:, columns] = _running_mean(windows.subset(columns))
    return mean, present


def _running_mean(windows: Windows) -> FloatArray:
    """The mean where the sum does not fit a float: from the sample on with which it would overflow, kept as a mean."""
    total, error, mean = np.zeros(windows.shape), np.zeros(windows.shape), np.zeros(windows.shape)
    count = np.zeros(windows.shape)
    as_mean = np.zeros(windows.shape, dtype=np.bool_)
    for values, here, _ in windows.each():
        first = here & (count == 0)
        count += here
        summed, lost = add(total, error, np.where(here, values, 0.0))
        turns = here & ~first & ~as_mean & np.isinf(summed)
        mean = np.where(turns, total / (count - 1), mean)
        error = np.where(turns, error / (count - 1), error)
        as_mean |= turns
        share = (count - 1) / count
        moved, left = add(share * mean, share * error, values / count)
        left = np.where(np.isinf(moved), 0.0, left)
        by_mean, by_sum = here & as_mean, here & ~as_mean
        mean = np.where(by_mean, moved, mean)
        total = np.where(by_sum, summed, total)
        error = np.where(by_mean, left, np.where(by_sum & ~first, lost, error))
    return np.where(as_mean, mean + error, total / count + error / count)


def min_over_time(windows: Windows) -> Result:
    return _extreme(windows, np.fmin, np.less)


def max_over_time(windows: Windows) -> Result:
    return _extreme(windows, np.fmax, np.greater)


def _extreme(windows: Windows, choose: np.ufunc, beats: Compare) -> Result:
    if overlapping(windows):
        best = shared_extreme(windows, choose)
    else:
        best = np.full(windows.shape, np.nan)
        for values, here, _ in windows.each():
            best = choose(best, np.where(here, values, np.nan))
    mixed = _of_two_zeros(windows, best)
    if mixed.any():
        best[:, mixed] = _first_best(windows.subset(mixed), beats)
    return best, windows.holding()


def _of_two_zeros(windows: Windows, best: FloatArray) -> BoolArray:
    """Which columns have a zero as result, and -0 among their samples: of 0 and -0 the first is to be taken."""
    mixed: BoolArray = np.any(best == 0, axis=0)
    if mixed.any():
        cells = windows.cells[:, mixed]
        mixed[mixed] = ((cells == 0) & np.signbit(cells)).any(axis=0)
    return mixed


def _first_best(windows: Windows, beats: Compare) -> FloatArray:
    best = np.full(windows.shape, np.nan)
    for values, here, _ in windows.each():
        np.copyto(best, values, where=here & (beats(values, best) | np.isnan(best)))
    return best


def ts_of_min_over_time(windows: Windows) -> Result:
    return _time_of_extreme(windows, np.less_equal)


def ts_of_max_over_time(windows: Windows) -> Result:
    return _time_of_extreme(windows, np.greater_equal)


def _time_of_extreme(windows: Windows, no_worse: np.ufunc) -> Result:
    best = np.full(windows.shape, np.nan)
    when = np.zeros(windows.shape, dtype=np.int64)
    for values, here, times in windows.each(with_times=True):
        better = here & (no_worse(values, best) | np.isnan(best))
        np.copyto(best, values, where=better)
        np.copyto(when, times, where=better)
    return when / 1000, windows.holding()


def checked_quantile(scope: Scope, call: Call, scalars: list[FloatArray], occupied: Callable[[], BoolArray]) -> None:
    """Note each share that is none."""
    shares = scalars[0][:, 0]
    wrong = ~((shares >= 0) & (shares <= 1))
    if wrong.any():
        met = wrong & occupied()
        for share in np.unique(np.broadcast_to(shares, met.shape)[met]).tolist():
            scope.notes.warn(invalid_quantile(share), call.args[0])


def changes(windows: Windows) -> Result:
    return count_pairs(windows, changed)


def resets(windows: Windows) -> Result:
    return count_pairs(windows, fell)
