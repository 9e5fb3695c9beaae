"""Functions of time: the evaluation's own, and the parts of a date. All in UTC."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ruler.model.arrays import FloatArray, IntArray
from ruler.promql.ast import Call, VectorSelector
from ruler.promql.frame import Frame, Grid, Value, empty_frame, unlabelled_frame
from ruler.promql.scope import Run, Scope
from ruler.promql.walk import bare

_DAY = 86_400

# Days from the year -292277022399, Go's absolute zero, to 1970. Go counts seconds from there in 64 bits without a sign,
# so that what is no time at all (NaN, infinity) still has a date: always the same, and Prometheus shows it.
_ZERO_DAYS = 730_692_556 * 146_097 + 719_162
_ZERO_SECONDS = np.uint64(_ZERO_DAYS * _DAY % (1 << 64))


def time(scope: Scope, call: Call, grid: Grid) -> Value:
    return grid.times / 1000


def timestamp(scope: Scope, call: Call, grid: Grid) -> Value:
    """When each sample was taken: known of a plain selector; all else is of the evaluation's time."""
    argument = bare(call.args[0])
    if isinstance(argument, VectorSelector):
        return scope.sample_times(argument, grid)
    frame = scope.vector(argument, grid)
    shape = (len(grid), frame.series)
    values = np.broadcast_to((grid.times / 1000)[:, np.newaxis], shape)
    present = None if frame.present is None else np.broadcast_to(frame.present, shape)
    return frame.with_values(values, present, drop=True)


def start_timestamp(scope: Scope, call: Call, grid: Grid) -> Value:
    """Since when each sample counts: known of a plain selector, and of nothing else."""
    argument = bare(call.args[0])
    if isinstance(argument, VectorSelector):
        return scope.sample_starts(argument, grid)
    scope.vector(argument, grid)
    return empty_frame(scope.strings)


def date_part(part: Callable[[IntArray], IntArray]) -> Run:
    """A function of whole seconds since 1970: of the samples' values, or without an argument of the time itself."""

    def run(scope: Scope, call: Call, grid: Grid) -> Value:
        if not call.args:
            return unlabelled_frame(part(grid.times // 1000).astype(np.float64), scope.strings)
        frame = scope.vector(call.args[0], grid)
        values = part(_whole_seconds(frame.values)).astype(np.float64)
        return Frame(frame.table, values, frame.present, np.ones_like(frame.drop))

    return run


def _whole_seconds(values: FloatArray) -> IntArray:
    """Values as int64, as Go on amd64 converts them: the least of all for what does not fit."""
    fits = np.abs(values) < float(1 << 63)
    return np.where(fits, values, -float(1 << 63)).astype(np.int64)


def _since_zero(seconds: IntArray) -> npt.NDArray[np.uint64]:
    return seconds.astype(np.int64).view(np.uint64) + _ZERO_SECONDS


def _days(seconds: IntArray) -> IntArray:
    """Whole days since 1970."""
    return (_since_zero(seconds) // np.uint64(_DAY)).astype(np.int64) - _ZERO_DAYS


def _second_of_day(seconds: IntArray) -> IntArray:
    return (_since_zero(seconds) % np.uint64(_DAY)).astype(np.int64)


def _dates(seconds: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Year, month and day of the proleptic Gregorian calendar."""
    days = _days(seconds) + 719_468  # since 1 March of year 0
    era = days // 146_097
    day_of_era = days - era * 146_097
    year_of_era = (day_of_era - day_of_era // 1_460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * day_of_year + 2) // 153  # March is 0
    day = day_of_year - (153 * shifted + 2) // 5 + 1
    month = np.where(shifted < 10, shifted + 3, shifted - 9)
    return year_of_era + era * 400 + (month <= 2), month, day


def _leap(year: IntArray) -> IntArray:
    return np.asarray((year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))).astype(np.int64)


_DAYS_IN_MONTH = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
_DAYS_BEFORE = np.concatenate(([0, 0], np.cumsum(_DAYS_IN_MONTH[1:-1])))


def year(seconds: IntArray) -> IntArray:
    return _dates(seconds)[0]


def month(seconds: IntArray) -> IntArray:
    return _dates(seconds)[1]


def day_of_month(seconds: IntArray) -> IntArray:
    return _dates(seconds)[2]


def days_in_month(seconds: IntArray) -> IntArray:
    in_year, in_month, _ = _dates(seconds)
    return np.asarray(_DAYS_IN_MONTH[in_month] + np.where(in_month == 2, _leap(in_year), 0))


def day_of_year(seconds: IntArray) -> IntArray:
    in_year, in_month, day = _dates(seconds)
    return np.asarray(_DAYS_BEFORE[in_month] + day + np.where(in_month > 2, _leap(in_year), 0))


def day_of_week(seconds: IntArray) -> IntArray:
    return (_days(seconds) + 4) % 7


def hour(seconds: IntArray) -> IntArray:
    return _second_of_day(seconds) // 3_600


def minute(seconds: IntArray) -> IntArray:
    return _second_of_day(seconds) % 3_600 // 60
