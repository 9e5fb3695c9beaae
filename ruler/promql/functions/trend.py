"""deriv, predict_linear, double_exponential_smoothing: lines and curves through the samples of a window."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from common.errors import QueryError
from ruler.model.arrays import BoolArray, FloatArray, IntArray
from ruler.model.golang import format_float
from ruler.promql.ast import Call
from ruler.promql.scope import Scope
from ruler.promql.sums import added
from ruler.promql.window import Result, Windows


def deriv(windows: Windows) -> Result:
    slope, _ = _line(windows, windows.earliest().times)
    return slope, windows.holding(2)


def predict_linear(windows: Windows, seconds: FloatArray) -> Result:
    slope, intercept = _line(windows, windows.now[:, np.newaxis])
    values = slope * seconds + intercept
    return values, np.broadcast_to(windows.counts > 1, values.shape)


def _line(windows: Windows, origin: IntArray) -> tuple[FloatArray, FloatArray]:
    """The slope (per s) of the line nearest to the samples, and its value at `origin` (ms)."""
    shape = np.broadcast_shapes(windows.shape, origin.shape)
    sums = [(np.zeros(shape), np.zeros(shape)) for _ in range(4)]
    opening = np.zeros(windows.shape)
    count = np.zeros(windows.shape)
    level = np.ones(windows.shape, dtype=np.bool_)
    for values, here, times in windows.each(with_times=True):
        np.copyto(opening, values, where=here & (count == 0))
        level &= ~here | (values == opening) | (count == 0)
        count += here
        x = np.where(here, (times - origin) / 1e3, 0.0)
        y = np.where(here, values, 0.0)
        sums = [added(total, error, term) for (total, error), term in zip(sums, (x, y, x * y, x * x), strict=True)]
    sum_x, sum_y, sum_xy, sum_xx = (total + error for total, error in sums)
    slope = (sum_xy - sum_x * sum_y / count) / (sum_xx - sum_x * sum_x / count)
    intercept = sum_y / count - slope * sum_x / count
    flat = np.where(np.isinf(opening), np.nan, opening)
    return np.where(level, np.where(np.isinf(opening), np.nan, 0.0), slope), np.where(level, flat, intercept)


def double_exponential_smoothing(windows: Windows, smoothing: FloatArray, trend: FloatArray) -> Result:
    smoothed, older, slope = np.zeros(windows.shape), np.zeros(windows.shape), np.zeros(windows.shape)
    count = np.zeros(windows.shape, dtype=np.int64)
    for values, here, _ in windows.each():
        drift = np.where(count == 1, values - smoothed, trend * (smoothed - older) + (1 - trend) * slope)
        slope = np.where(here & (count > 0), drift, slope)
        moved = smoothing * values + (1 - smoothing) * (smoothed + slope)
        older = np.where(here & (count > 0), smoothed, older)
        smoothed = np.where(here, np.where(count == 0, values, moved), smoothed)
        count += here
    return smoothed, np.broadcast_to(count > 1, smoothed.shape)


def checked_factors(scope: Scope, call: Call, scalars: list[FloatArray], occupied: Callable[[], BoolArray]) -> None:
    """Refuse smoothing and trend factors outside (0, 1)."""
    for name, factors in zip(("smoothing", "trend"), (each[:, 0] for each in scalars), strict=True):
        outside = (factors <= 0) | (factors >= 1)
        if outside.any() and (met := outside & occupied()).any():
            short, wrong = name[0] + "f", np.broadcast_to(factors, met.shape)[met][0]
            raise QueryError(f"invalid {name} factor. Expected: 0 < {short} < 1, got: {format_float(wrong, 'f', 6)}")
