"""Sums and extremes of windows that overlap, worked out once for the rows that they share.

A sum is the difference of two running sums. So that nothing is lost between a large past and a small present, values
are split in two: a high part of so few digits that running sums of it are exact, and the rest, whose running sums are
as good as exact. Where even those may not be, and where there are infinities or NaN, samples are added one by one.
Extremes come from those of 1, 2, 4 … rows.
"""

from __future__ import annotations

import numpy as np

from ruler.model.arrays import BoolArray, FloatArray
from ruler.promql.running import accumulate, room_for, running_counts
from ruler.promql.sums import added
from ruler.promql.window import Windows

_WORTH_IT = 2  # how many times each row must be looked at before sharing pays
_SURE = 8.0  # a sum must be so many times the largest low part, and the number of rows squared, to be surely right


def overlapping(windows: Windows) -> bool:
    """Whether the windows hold the same rows so often that sharing pays."""
    longest = int((windows.stop - windows.first).max(initial=0))
    return len(windows.ends) == 1 or longest * len(windows.ends) > _WORTH_IT * windows.height


def sums(windows: Windows) -> tuple[FloatArray, FloatArray]:
    """The sum of each window, and what rounding left out of it."""
    if not overlapping(windows):
        return _added_up(windows)
    terms = windows.cells if windows.full else np.where(windows.sampled, windows.cells, 0.0)
    odd = np.zeros(len(windows.columns), dtype=np.bool_)
    if windows.span.block.special:
        odd |= ~np.isfinite(terms).all(axis=0)
        terms = np.where(odd, 0.0, terms) if odd.any() else terms
    total, error, doubtful = exact_sums(windows, terms)
    if odd.any():
        total[:, odd], error[:, odd] = _added_up(windows.subset(odd))
    if doubtful.any():
        anew = _added_up if doubtful.all() else sums  # apart from columns of other magnitudes they may be sure
        total[:, doubtful], error[:, doubtful] = anew(windows.subset(doubtful))
    return total, error


def _added_up(windows: Windows) -> tuple[FloatArray, FloatArray]:
    """The same, by adding one sample after the other."""
    total, error = np.zeros(windows.shape), np.zeros(windows.shape)
    for values, here, _ in windows.each():
        total, error = added(total, error, np.where(here, values, 0.0))
    return total, error


def exact_sums(windows: Windows, terms: FloatArray) -> tuple[FloatArray, FloatArray, BoolArray]:
    """The sum of each window's terms, what rounding left out of it, and of which columns some may be wrong.

    Terms [rows × columns] are finite, and 0 where there is no sample.
    """
    height = len(terms)
    # Adding and taking away so large a number rounds to multiples of its last digit, of which a float holds `height`.
    anchor = 1.5 * np.exp2(np.frexp(_largest(terms))[1] + float(height.bit_length()))
    high, low = (room_for(height, terms.shape[1], np.float64) for _ in range(2))
    np.add(terms, anchor, out=high[1 : height + 1])
    high[1 : height + 1] -= anchor
    np.subtract(terms, high[1 : height + 1], out=low[1 : height + 1])
    lowest = _largest(low)
    total = exact = _within(windows, high)
    error = np.zeros_like(total)
    if lowest:
        rest = _within(windows, low)
        total = exact + rest
        error = np.add(np.subtract(exact, total, out=exact), rest, out=exact)
    small = np.abs(total) < lowest * (float(height) ** 2 * _SURE)
    doubtful = np.full(terms.shape[1], not np.isfinite(anchor))
    if small.any():
        some: BoolArray = np.any(small, axis=0)
        part, running = windows.subset(some), running_counts(terms[:, some] != 0)
        nothing = part.at(running, part.stop) == part.at(running, part.first)
        doubtful[some] |= np.any(small[:, some] & ~nothing, axis=0)
    return total, error, doubtful


def _largest(terms: FloatArray) -> float:
    return max(float(terms.max(initial=0.0)), -float(terms.min(initial=0.0)))


def _within(windows: Windows, room: FloatArray) -> FloatArray:
    """The sum of each window's rows of a room, which is used up."""
    if len(windows.ends) == 1:
        return _at_once(windows, room[1 : windows.height + 1])
    accumulate(room, windows.height)
    return np.subtract(windows.at(room, windows.stop), windows.at(room, windows.first))


def _at_once(windows: Windows, terms: FloatArray) -> FloatArray:
    """The sum of the terms of each column's only window: rows that all have, and those that some have not."""
    top, bottom = int(windows.first.max(initial=0)), int(windows.stop.min(initial=windows.height))
    if top >= bottom:
        top, bottom = windows.height, windows.height
    found: FloatArray = terms[top:bottom].sum(axis=0, keepdims=True)
    for low, high in ((0, top), (bottom, windows.height)):
        if low < high:
            row = np.arange(low, high)[:, np.newaxis]
            inside = windows.spread((row >= windows.first) & (row < windows.stop))
            found += np.where(inside, terms[low:high], 0.0).sum(axis=0, keepdims=True)
    return found


def shared_extreme(windows: Windows, choose: np.ufunc) -> FloatArray:
    """The least or largest sample of each window (`choose` is fmin or fmax), NaN where there is none."""
    level = windows.cells if windows.full else np.where(windows.sampled, windows.cells, np.nan)
    start, stop = windows.first, windows.stop
    lengths = stop - start
    result = np.full(windows.shape, np.nan)
    reach = 1
    while (lengths >= reach).any():
        fitting = (lengths >= reach) & (lengths < 2 * reach)
        if fitting.any():
            bottom = len(level) - 1
            found: FloatArray = choose(
                windows.at(level, np.minimum(start, bottom)), windows.at(level, np.clip(stop - reach, 0, bottom))
            )
            if fitting.all():
                return found
            np.copyto(result, found, where=windows.spread(fitting))
        level = choose(level[:-reach], level[reach:])
        reach *= 2
    return result
