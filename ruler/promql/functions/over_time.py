"""The `*_over_time` family: each folds the samples of a window, oldest first, for all windows at once.

Sums are compensated exactly as Prometheus's are. NaN is a value like others: least for `min`, `max` and quantiles.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from ruler.model.arrays import BoolArray, FloatArray
from ruler.promql.ast import Call
from ruler.promql.functions.neighbours import changed, count_pairs, fell
from ruler.promql.functions.sliding import overlapping, shared_extreme, shared_sum
from ruler.promql.notes import invalid_quantile
from ruler.promql.quantile import quantile_of
from ruler.promql.scope import Scope
from ruler.promql.sums import add, added, settled
from ruler.promql.window import Windows

Result: TypeAlias = tuple[FloatArray, BoolArray | None]
Compare: TypeAlias = Callable[[FloatArray, FloatArray], BoolArray]


def count_over_time(windows: Windows) -> Result:
    if windows.span.block.archived:
        return sum_over_time(windows)  # of how many there were in each bucket
    counts = windows.counts
    return counts.astype(np.float64), counts > 0


def present_over_time(windows: Windows) -> Result:
    return np.ones(windows.shape), windows.counts > 0


def last_over_time(windows: Windows) -> Result:
    values, here, _ = windows.latest(stale_ends=False)
    return values, here


def first_over_time(windows: Windows) -> Result:
    values, here, _ = windows.earliest()
    return values, here


def ts_of_last_over_time(windows: Windows) -> Result:
    _, here, rows = windows.latest(stale_ends=False)
    return windows.times[rows, windows.stream] / 1000, here


def ts_of_first_over_time(windows: Windows) -> Result:
    _, here, rows = windows.earliest()
    return windows.times[rows, windows.stream] / 1000, here


def sum_over_time(windows: Windows) -> Result:
    total, present = _sum_over_time(windows)
    return (total if windows.stretch is None else total / windows.stretch), present


def _sum_over_time(windows: Windows) -> Result:
    shared = shared_sum(windows) if overlapping(windows) else None
    if shared is not None:
        return shared, windows.counts > 0
    total, error = np.zeros(windows.shape), np.zeros(windows.shape)
    for values, here, _ in windows.samples():
        total, error = add(total, error, np.where(here, values, 0.0))
    return settled(total, error), windows.counts > 0


def avg_over_time(windows: Windows) -> Result:
    shared = shared_sum(windows) if overlapping(windows) else None
    if shared is not None:
        return shared / windows.counts, windows.counts > 0
    total, error = np.zeros(windows.shape), np.zeros(windows.shape)
    for values, here, _ in windows.samples():
        total, error = add(total, error, np.where(here, values, 0.0))
    count = windows.counts
    mean = total / count + error / count
    overflowed = ~np.isfinite(mean) & (count > 0)
    if overflowed.any():
        columns: BoolArray = np.any(overflowed, axis=0)
        mean[:, columns] = _running_mean(windows.subset(columns))
    return mean, count > 0


def _running_mean(windows: Windows) -> FloatArray:
    """The mean where the sum does not fit a float: from the sample on with which it would overflow, kept as a mean."""
    total, error, mean = np.zeros(windows.shape), np.zeros(windows.shape), np.zeros(windows.shape)
    count = np.zeros(windows.shape)
    as_mean = np.zeros(windows.shape, dtype=np.bool_)
    for values, here, _ in windows.samples():
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
        for values, here, _ in windows.samples():
            best = choose(best, np.where(here, values, np.nan))
    mixed = _of_two_zeros(windows, best)
    if mixed.any():
        best[:, mixed] = _first_best(windows.subset(mixed), beats)
    return best, windows.counts > 0


def _of_two_zeros(windows: Windows, best: FloatArray) -> BoolArray:
    """Which columns have a zero as result, and -0 among their samples: of 0 and -0 the first is to be taken."""
    mixed: BoolArray = np.any(best == 0, axis=0)
    if mixed.any():
        cells = windows.cells[:, mixed]
        mixed[mixed] = ((cells == 0) & np.signbit(cells)).any(axis=0)
    return mixed


def _first_best(windows: Windows, beats: Compare) -> FloatArray:
    best = np.full(windows.shape, np.nan)
    for values, here, _ in windows.samples():
        np.copyto(best, values, where=here & (beats(values, best) | np.isnan(best)))
    return best


def ts_of_min_over_time(windows: Windows) -> Result:
    return _time_of_extreme(windows, np.less_equal)


def ts_of_max_over_time(windows: Windows) -> Result:
    return _time_of_extreme(windows, np.greater_equal)


def _time_of_extreme(windows: Windows, no_worse: np.ufunc) -> Result:
    best = np.full(windows.shape, np.nan)
    when = np.zeros(windows.shape, dtype=np.int64)
    for values, here, times in windows.samples(with_times=True):
        better = here & (no_worse(values, best) | np.isnan(best))
        np.copyto(best, values, where=better)
        np.copyto(when, times, where=better)
    return when / 1000, windows.counts > 0


def stdvar_over_time(windows: Windows) -> Result:
    mean, mean_error = np.zeros(windows.shape), np.zeros(windows.shape)
    squares, squares_error = np.zeros(windows.shape), np.zeros(windows.shape)
    count = np.zeros(windows.shape)
    for values, here, _ in windows.samples():
        count += here
        apart = np.where(here, values - (mean + mean_error), 0.0)
        mean, mean_error = added(mean, mean_error, apart / np.maximum(count, 1))
        product = np.where(here, apart * (values - (mean + mean_error)), 0.0)
        squares, squares_error = added(squares, squares_error, product)
    return (squares + squares_error) / count, count > 0


def stddev_over_time(windows: Windows) -> Result:
    variance, present = stdvar_over_time(windows)
    return np.sqrt(variance), present


def quantile_over_time(windows: Windows, share: FloatArray) -> Result:
    return quantile_of(_stacked(windows), windows.counts, share), windows.counts > 0


def mad_over_time(windows: Windows) -> Result:
    """The median distance from the median; NaN where any sample is."""
    stack, half, counts = _stacked(windows), np.full((1, 1), 0.5), windows.counts
    median = quantile_of(stack, counts, half)
    result = quantile_of(np.abs(stack - median), counts, half)
    return np.where(np.count_nonzero(~np.isnan(stack), axis=0) < counts, np.nan, result), counts > 0


def _stacked(windows: Windows) -> FloatArray:
    """All samples [places × steps × columns], NaN where there is none."""
    turns = [np.where(here, values, np.nan) for values, here, _ in windows.samples()]
    return np.stack(turns) if turns else np.full((1, *windows.shape), np.nan)


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
