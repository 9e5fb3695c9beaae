"""Variance and standard deviation of windows.

A few samples are taken one after the other, to the bit as Prometheus does. Many are measured from one of their column,
and their sums and sums of squares shared by all windows that hold them, unless that or Prometheus's way loses digits.
"""

from __future__ import annotations

import numpy as np

from ruler.model.arrays import BoolArray, FloatArray
from ruler.promql.functions.neighbours import changed, count_pairs
from ruler.promql.functions.sliding import exact_sums, overlapping
from ruler.promql.sums import added
from ruler.promql.window import Result, Windows

_SHORT = 64  # samples in a window
_LITTLE = 1 << 14  # samples in all windows
_FAR = 2.0**-12  # of the squares about the origin: a variance smaller than that has lost digits
_FLAT = 2.0**-26  # of the mean's square: of a variance smaller than that Prometheus has lost digits


def stddev_over_time(windows: Windows) -> Result:
    variance, present = stdvar_over_time(windows)
    return np.sqrt(variance), present


def stdvar_over_time(windows: Windows) -> Result:
    if _few(windows) or not overlapping(windows):
        return _in_order(windows), windows.holding()
    variance, doubtful = _about_origin(windows)
    if doubtful.any():
        variance[:, doubtful] = _in_order(windows.subset(doubtful))
    return variance, windows.holding()


def _few(windows: Windows) -> bool:
    longest, (steps, width) = int((windows.stop - windows.first).max(initial=0)), windows.shape
    return longest <= _SHORT and longest * steps * width <= _LITTLE


def _about_origin(windows: Windows) -> tuple[FloatArray, BoolArray]:
    """The variances, and of which columns some may be wrong."""
    cells = windows.cells
    if windows.full:
        origin = cells[0]
        apart = cells - origin
    else:
        origin = cells[windows.sampled.argmax(axis=0), np.arange(cells.shape[1])]
        apart = np.where(windows.sampled, cells - origin, 0.0)
    total, error, doubtful = exact_sums(windows, apart)
    squares, _, wrong = exact_sums(windows, np.multiply(apart, apart, out=apart))
    total += error
    counts = windows.counts
    mean = total / counts
    variance = (squares - total * mean) / counts
    mean += origin
    sure = (variance >= squares * (_FAR / counts)) & (variance >= mean * mean * _FLAT)
    if not sure.all():
        some: BoolArray = ~np.all(sure, axis=0)
        changes, _ = count_pairs(windows.subset(some), changed)
        level = (changes == 0) & np.isfinite(mean[:, some])
        variance[:, some] = np.where(level, 0.0, variance[:, some])
        doubtful[some] |= np.any(~sure[:, some] & ~level & (counts[:, some] > 0), axis=0)
    return variance, doubtful | wrong


def _in_order(windows: Windows) -> FloatArray:
    mean, mean_error = np.zeros(windows.shape), np.zeros(windows.shape)
    squares, squares_error = np.zeros(windows.shape), np.zeros(windows.shape)
    count = np.zeros(windows.shape)
    for values, here, _ in windows.each():
        count += here
        apart = np.where(here, values - (mean + mean_error), 0.0)
        mean, mean_error = added(mean, mean_error, apart / np.maximum(count, 1))
        product = np.where(here, apart * (values - (mean + mean_error)), 0.0)
        squares, squares_error = added(squares, squares_error, product)
    return (squares + squares_error) / count
