"""rate, increase, delta, irate, idelta: differences over a window, extrapolated as Prometheus does (extrapolatedRate).

Where the samples of a column are without gaps, everything but two values per window is a matter of the stream's times,
worked out once for all its series.
"""

from __future__ import annotations

import numpy as np

from common.labels import METRIC_NAME, quote
from ruler.model.arrays import BoolArray, FloatArray, IntArray
from ruler.promql.ast import Call
from ruler.promql.frame import Frame, Grid, Value
from ruler.promql.functions.neighbours import add_lost
from ruler.promql.functions.rows import is_range
from ruler.promql.functions.starts import NO_START
from ruler.promql.notes import NOT_A_COUNTER
from ruler.promql.scope import Run, Scope
from ruler.promql.window import Windows

_COUNTER_SUFFIXES = ("_total", "_sum", "_count", "_bucket")
_CLOSE = 1.1  # a sample within so many average distances of a window's edge is taken to reach it

Result = tuple[FloatArray, BoolArray | None]


def rate(windows: Windows) -> Result:
    return _split(windows, counter=True, seconds=(windows.ends - windows.starts)[:, np.newaxis] / 1000)


def increase(windows: Windows) -> Result:
    return _split(windows, counter=True, seconds=_once(windows))


def delta(windows: Windows) -> Result:
    return _split(windows, counter=False, seconds=_once(windows))


def _once(windows: Windows) -> FloatArray:
    """What to divide the whole difference of a window by: 1, unless the window is longer than asked for."""
    return np.ones((1, 1)) if windows.stretch is None else windows.stretch


def _split(windows: Windows, *, counter: bool, seconds: FloatArray) -> Result:
    """The extrapolated difference for each of so many seconds."""
    if counter and windows.span.block.starts is not None:
        return _by_column(windows, counter=counter, seconds=seconds)
    clean = windows.clean
    if clean.all():
        return _by_stream(windows, counter=counter, seconds=seconds)
    if not clean.any():
        return _by_column(windows, counter=counter, seconds=seconds)
    values = np.empty(windows.shape)
    present = np.empty(windows.shape, dtype=np.bool_)
    for which, kernel in ((clean, _by_stream), (~clean, _by_column)):
        values[:, which], present[:, which] = kernel(windows.subset(which), counter=counter, seconds=seconds)
    return values, present


def _by_stream(windows: Windows, *, counter: bool, seconds: FloatArray) -> tuple[FloatArray, BoolArray]:
    """Where all series of a stream have all of its samples, they share all that has to do with times."""
    first = np.minimum(windows.first, len(windows.span.block.values) - 1)
    last = np.maximum(windows.real_last, 0)
    count = windows.real_count
    reach = _Reach(windows, windows.times_at(first), windows.times_at(last), count, seconds)
    oldest, newest = windows.values_at(first), windows.values_at(last)
    rise = np.subtract(newest, oldest, out=newest)
    factor = windows.spread(reach.factor(reach.to_start))
    if counter:
        add_lost(windows, rise)
        near_zero = oldest <= rise * windows.spread(reach.to_start / reach.sampled * (1 + 1e-9))
        if near_zero.any():
            step, column = np.nonzero(near_zero)
            factor = factor.copy()
            factor[step, column] = reach.at(step, windows.stream[column]).from_zero(
                oldest[step, column], rise[step, column]
            )
    return np.multiply(rise, factor, out=rise), windows.spread(count > 1)


def _by_column(windows: Windows, *, counter: bool, seconds: FloatArray) -> tuple[FloatArray, BoolArray]:
    oldest, here, first = windows.earliest()
    newest, _, last = windows.latest(stale_ends=False)
    first_time, last_time = windows.times[first, windows.stream], windows.times[last, windows.stream]
    count = windows.counts
    reach = _Reach(windows, first_time, last_time, count, seconds)
    rise = newest - oldest
    if not counter:
        return rise * reach.factor(reach.to_start), count > 1
    add_lost(windows, rise)
    if windows.span.block.starts is None:
        return rise * reach.from_zero(oldest, rise), count > 1
    begun = windows.span.block.starts[first, windows.columns]
    within = here & (begun != NO_START) & (begun > windows.starts[:, np.newaxis]) & (begun < first_time)
    from_begun = (rise + oldest) * reach.since(begun, last_time)
    return np.where(within, from_begun, rise * reach.from_zero(oldest, rise)), within | (count > 1)


class _Reach:
    """A Reach is how far the samples of windows are taken to reach beyond the first and the last of them (s)."""

    def __init__(
        self, windows: Windows, first_time: IntArray, last_time: IntArray, count: IntArray, seconds: FloatArray
    ) -> None:
        self._seconds = seconds
        ends = windows.ends[:, np.newaxis]
        self.sampled = (last_time - first_time) / 1000
        average = self.sampled / (count - 1)
        close, half = average * _CLOSE, average / 2
        to_start = (first_time - windows.starts[:, np.newaxis]) / 1000
        to_end = (ends - last_time) / 1000
        self.to_start: FloatArray = np.where(to_start >= close, half, to_start)
        self.to_end: FloatArray = np.where(to_end >= close, half, to_end)

    def at(self, step: IntArray, stream: IntArray) -> _Reach:
        """That of single cells."""
        part = object.__new__(_Reach)
        part._seconds = self._seconds[step, 0] if len(self._seconds) > 1 else self._seconds[0]
        part.sampled = self.sampled[step, stream]
        part.to_start = self.to_start[step, stream]
        part.to_end = self.to_end[step, stream]
        return part

    def factor(self, to_start: FloatArray) -> FloatArray:
        """What to multiply a difference with."""
        return (self.sampled + to_start + self.to_end) / self.sampled / self._seconds

    def since(self, begun: IntArray, last_time: IntArray) -> FloatArray:
        """The factor of a counter that is known to have been zero at a time (ms)."""
        counted = (last_time - begun) / 1000
        return (counted + self.to_end) / counted / self._seconds

    def from_zero(self, oldest: FloatArray, rise: FloatArray) -> FloatArray:
        """The factor of a counter: it was never below zero, so it cannot have started before its zero point."""
        to_zero = np.where((rise > 0) & (oldest >= 0), self.sampled * (oldest / rise), np.inf)
        return self.factor(np.where(to_zero < self.to_start, to_zero, self.to_start))


def irate(windows: Windows) -> Result:
    older, newer, distance, present = _last_two(windows)
    rise = np.where(newer < older, newer, newer - older)
    return rise / (distance / 1000), present


def idelta(windows: Windows) -> Result:
    older, newer, _, present = _last_two(windows)
    return newer - older, present


def _last_two(windows: Windows) -> tuple[FloatArray, FloatArray, IntArray, BoolArray]:
    """The last two values of each window, the time between them (ms), and whether there are two."""
    if windows.clean.all():
        last = np.maximum(windows.real_last, 0)
        before = np.maximum(last - 1, 0)
        if windows.span.missed is not None:
            before = np.take_along_axis(windows.span.origin[:, windows.streams], before, axis=0)
        distance = windows.spread(windows.times_at(last) - windows.times_at(before))
        return windows.values_at(before), windows.values_at(last), distance, windows.spread(windows.real_count > 1)
    older, newer = np.zeros(windows.shape), np.zeros(windows.shape)
    distance = np.zeros(windows.shape, dtype=np.int64)
    newest_time = np.zeros(windows.shape, dtype=np.int64)
    for values, here, times in windows.samples(with_times=True):
        np.copyto(older, newer, where=here)
        np.copyto(newer, values, where=here)
        np.copyto(distance, times - newest_time, where=here)
        np.copyto(newest_time, times, where=here)
    return older, newer, distance, windows.counts > 1


def of_counter(run: Run) -> Run:
    """The function with a note for each metric whose name does not say that it is a counter."""

    def noting(scope: Scope, call: Call, grid: Grid) -> Value:
        value = run(scope, call, grid)
        if isinstance(value, Frame) and value.series:
            argument = next(arg for arg in call.args if is_range(arg))
            for code in np.unique(value.table.column(METRIC_NAME)).tolist():
                name = scope.strings.text(code)
                if name and not name.endswith(_COUNTER_SUFFIXES):
                    scope.notes.info(f"{NOT_A_COUNTER} {quote(name)}", argument)
        return value

    return noting
