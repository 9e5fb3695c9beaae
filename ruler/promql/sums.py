"""Sums that keep what plain addition loses. A compensated number is a pair: its value and the error left out of it.

Prometheus adds by Neumaier's method, so sums of huge and tiny values come out exact; so do these.
"""

from __future__ import annotations

import numpy as np

from ruler.model.arrays import BoolArray, FloatArray, IntArray

_CANCELLING = 16.0  # how much larger the terms may be than their sum before plain addition is not enough


def add(total: FloatArray, error: FloatArray, term: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Total + term, with what rounding lost added to the error (Knuth's two-sum)."""
    result = total + term
    back = result - total
    return result, error + ((total - (result - back)) + (term - back))


def added(total: FloatArray, error: FloatArray, term: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The same, forgetting the error where the sum is infinite, so that more may be added."""
    result, left = add(total, error, term)
    return result, np.where(np.isinf(result), 0.0, left)


def settled(total: FloatArray, error: FloatArray) -> FloatArray:
    """The compensated number as one; where it has overflowed the error says nothing."""
    return np.where(np.isfinite(total), total + error, total)


def grouped_sum(values: FloatArray, starts: IntArray) -> FloatArray:
    """The sums of runs of columns, each starting at one of `starts`; compensated where terms cancel each other."""
    plain = np.add.reduceat(values, starts, axis=1)
    if values.min(initial=0.0) >= 0:
        return plain
    size = np.add.reduceat(np.abs(values), starts, axis=1)
    if not (size > _CANCELLING * np.abs(plain)).any():
        return plain
    return compensated_sum(values, starts)


def compensated_sum(values: FloatArray, starts: IntArray) -> FloatArray:
    """The sums of runs of columns, in twice the precision: neighbours are added pairwise until one is left of each."""
    lengths = np.diff(starts, append=values.shape[1])
    total, error = values, np.zeros_like(values)
    while (lengths > 1).any():
        place = np.arange(total.shape[1]) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        left = np.flatnonzero(place % 2 == 0)
        paired: BoolArray = place[left] + 1 < np.repeat(lengths, (lengths + 1) // 2)
        right = np.minimum(left + 1, total.shape[1] - 1)
        term = np.where(paired, total[:, right], 0.0)
        total, error = add(total[:, left], error[:, left] + np.where(paired, error[:, right], 0.0), term)
        lengths = (lengths + 1) // 2
    return settled(total, error)
