"""rate, increase, delta, irate, idelta: differences over a window, extrapolated as Prometheus does (extrapolatedRate).

Where the samples of a column are without gaps, everything but two values per window is a matter of the stream's times,
worked out once for all its series.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from common.labels import METRIC_NAME, quote
from ruler.model.arrays import BoolArray, FloatArray, IntArray
from ruler.promql.ast import Call
from ruler.promql.frame import Frame, Grid, Value
from ruler.promql.functions.neighbours import add_lost, overlapping_columns
from ruler.promql.functions.rows import TILE, is_range, tiles
from ruler.promql.functions.starts import NO_START, Counted, starts_again, starts_of
from ruler.promql.notes import NOT_A_COUNTER, OVERLAPPING
from ruler.promql.scope import Ranged, Run, Scope
from ruler.promql.span import Span
from ruler.promql.window import Result, Samples, Windows, by_kind

_COUNTER_SUFFIXES = ("_total", "_sum", "_count", "_bucket")
_CLOSE = 1.1  # a sample within so many average distances of a window's edge is taken to reach it


def rate(windows: Windows) -> Result:
    return _difference(windows, counter=True, seconds=(windows.ends - windows.starts)[:, np.newaxis] / 1000)


def increase(windows: Windows) -> Result:
    return _difference(windows, counter=True, seconds=_once(windows))


def delta(windows: Windows) -> Result:
    return _difference(windows, counter=False, seconds=_once(windows))


def _once(windows: Windows) -> FloatArray:
    """What to divide the whole difference of a window by: 1, unless the window is longer than asked for."""
    return np.ones((1, 1)) if windows.stretch is None else windows.stretch


def _difference(windows: Windows, *, counter: bool, seconds: FloatArray) -> Result:
    return by_kind(windows, lambda part: _extrapolated(part, counter=counter, seconds=seconds))


def _extrapolated(windows: Windows, *, counter: bool, seconds: FloatArray) -> Result:
    """The difference of the last and the first sample, extrapolated to the window, for each of so many seconds."""
    oldest, newest = windows.earliest(), windows.latest()
    if windows.span.block.starts is None:
        count = windows.shared_count if newest.shared else windows.counts
        reach = _Reach(windows, oldest.own_times, newest.own_times, count, seconds)
    else:
        reach = _Reach(windows, oldest.times, newest.times, windows.counts, seconds)
    first, rise, present = oldest.values, newest.values, windows.holding(2)
    np.subtract(rise, first, out=rise)
    if not counter:
        return np.multiply(rise, newest.spread(reach.factor(reach.to_start)), out=rise), present
    add_lost(windows, rise)
    if windows.span.block.starts is not None:
        return _from_starts(windows, oldest, rise, reach, present)
    factor = newest.spread(reach.factor(reach.to_start))
    to_start = reach.to_start / reach.sampled * (1 + 1e-9)
    if not first.min(initial=np.inf) > rise.max(initial=0.0) * np.nanmax(to_start, initial=0.0):
        step, column = np.nonzero((first <= rise * newest.spread(to_start)) & (rise > 0))
        if len(step):
            factor = factor.copy()
            place = windows.stream[column] if newest.shared else column
            factor[step, column] = reach.at(step, place).from_zero(first[step, column], rise[step, column])
    return np.multiply(rise, factor, out=rise), present


def _from_starts(
    windows: Windows, oldest: Samples, rise: FloatArray, reach: _Reach, present: BoolArray | None
) -> Result:
    """The same of counters of which it may be known when they were zero."""
    first, first_time = oldest.values, oldest.times
    begun = oldest.of(starts_of(windows))
    within = oldest.here & (begun != NO_START) & (begun > windows.starts[:, np.newaxis]) & (begun < first_time)
    since = reach.since(begun, windows.latest().times)
    extrapolated = reach.from_zero(first, rise)
    here = np.ones(windows.shape, dtype=np.bool_) if present is None else present
    return np.where(within, (rise + first) * since, rise * extrapolated), within | here


class _Reach:
    """A Reach is how far the samples of windows are taken to reach beyond the first and the last of them (s)."""

    def __init__(
        self, windows: Windows, first_time: IntArray, last_time: IntArray, count: npt.NDArray[Any], seconds: FloatArray
    ) -> None:
        self._seconds = seconds
        ends = windows.ends[:, np.newaxis]
        self.sampled = (last_time - first_time) / 1000
        average = self.sampled / np.maximum(count - 1, 1)
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
    return by_kind(windows, _instant_rate)


def _instant_rate(windows: Windows) -> Result:
    newer = windows.latest()
    older = windows.before(newer)
    seconds = newer.spread((newer.own_times - older.own_times) / 1000)
    rise, before = newer.values, older.values
    again = rise < before
    if windows.span.block.starts is not None:
        again |= starts_again(_counted(older), _counted(newer))
    if again.any():
        before[again] = 0.0
    np.subtract(rise, before, out=rise)
    return np.divide(rise, seconds, out=rise), older.present


def _counted(samples: Samples) -> Counted:
    return Counted(samples.of(starts_of(samples.windows)), samples.times)


def idelta(windows: Windows) -> Result:
    return by_kind(windows, _instant_delta)


def _instant_delta(windows: Windows) -> Result:
    newer = windows.latest()
    older = windows.before(newer)
    return newer.values - older.values, older.present


def note_overlaps(scope: Scope, call: Call, ranged: Ranged) -> None:
    """Warn of metrics whose samples say of themselves that they count what others had counted."""
    names, column = ranged.table.column(METRIC_NAME), 0
    for span in ranged.spans:
        if isinstance(span, Span) and span.block.starts is not None and span.before is None:
            for windows in tiles(span, TILE):
                found = column + windows.columns[overlapping_columns(windows)]
                for code in np.unique(names[found]).tolist():
                    argument = next(arg for arg in call.args if is_range(arg))
                    scope.notes.warn(f"{OVERLAPPING} {quote(scope.strings.text(code))}", argument)
        column += len(span.block.rows)


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
