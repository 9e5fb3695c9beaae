"""Sums that keep what plain addition loses. A compensated number is a pair: its value and the error left out of it.

Prometheus adds one term after the other by Neumaier's method. Small groups are added here just so, to the same bit; of
large ones both come to the sum rounded once, unless their terms cancel each other almost wholly.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ruler.model.arrays import BoolArray, FloatArray, IntArray

_SMALL = 128  # groups up to this size are added in order
_BLOCK = 1 << 15  # cells that are added at a time: some arrays of them fit the second-level cache together
_SHALLOW = 16  # how many times as many groups as terms there must be for adding a term of each at a time to be faster
_LOST = 2.0**-50  # of the largest of n terms, times n³: that much of the other bits may be lost
_WHOLE = 2.0**53  # below it sums of whole numbers are exact


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


@dataclass(frozen=True, slots=True)
class Runs:
    """Runs are groups of columns side by side: group g is `sizes[g]` columns from `starts[g]` on."""

    starts: IntArray
    sizes: IntArray

    def columns(self, group: int) -> slice:
        """The columns of one group."""
        return slice(int(self.starts[group]), int(self.starts[group] + self.sizes[group]))

    def alike(self) -> Iterator[tuple[IntArray, IntArray, BoolArray]]:
        """Groups of about one size: their numbers, their columns [groups × places], and which places are beyond."""
        scale = np.frexp(self.sizes - 0.5)[1]
        for each in np.unique(scale).tolist():
            groups = np.flatnonzero(scale == each)
            place = np.arange(self.sizes[groups].max())
            last = self.sizes[groups][:, np.newaxis] - 1
            yield groups, self.starts[groups][:, np.newaxis] + np.minimum(place, last), place > last

    def take(self, groups: IntArray) -> tuple[IntArray, Runs]:
        """The columns of these groups, and their runs among only those."""
        sizes = self.sizes[groups]
        stops = np.cumsum(sizes)
        first = np.repeat(self.starts[groups] - (stops - sizes), sizes)
        return first + np.arange(len(first)), Runs(stops - sizes, sizes)


def grouped_sum(values: FloatArray, runs: Runs) -> tuple[FloatArray, FloatArray]:
    """The compensated sum of each group at each step; values [steps × columns] are 0 where there are none."""
    if _whole(values, runs):
        total = np.add.reduceat(values, runs.starts, axis=1)
        return total, np.zeros_like(total)
    shape = len(values), len(runs.starts)
    total, error = np.empty(shape), np.empty(shape)
    small = runs.sizes <= _SMALL
    height = max(1, _BLOCK // values.shape[1])
    for top in range(0, len(values), height):
        block, rows = values[top : top + height], slice(top, top + height)
        if small.all():
            total[rows], error[rows] = _in_order(block, runs)
            continue
        total[rows], error[rows], sure = _by_parts(block, runs)
        doubtful = np.flatnonzero(small | ~sure)
        if len(doubtful):
            columns, of_doubtful = runs.take(doubtful)
            total[rows, doubtful], error[rows, doubtful] = _in_order(block.take(columns, axis=1), of_doubtful)
    return total, error


def _whole(values: FloatArray, runs: Runs) -> bool:
    """Whether all values are whole numbers, and small enough for plain addition to lose nothing."""
    if not (values[0] == np.rint(values[0])).all():
        return False
    largest = max(values.max(), -values.min())
    return bool(largest * runs.sizes.max() < _WHOLE and (values == np.rint(values)).all())


def _in_order(values: FloatArray, runs: Runs) -> tuple[FloatArray, FloatArray]:
    """One term after the other, as Prometheus adds."""
    shape = len(values), len(runs.starts)
    if (runs.sizes == runs.sizes[0]).all():
        total, error = _added_up(values.reshape(*shape, -1))
    else:
        total, error = np.empty(shape), np.empty(shape)
        for groups, columns, beyond in runs.alike():
            terms = values[:, columns]
            terms[:, beyond] = 0.0
            total[:, groups], error[:, groups] = _added_up(terms)
    return total, np.where(np.isfinite(total), error, 0.0)


def _added_up(terms: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Over the last axis: the last of the running sums, and the running sum of what each addition lost."""
    if terms.shape[-1] * _SHALLOW <= terms[..., 0].size:
        total, error = terms[..., 0], np.zeros(terms.shape[:-1])
        for place in range(1, terms.shape[-1]):
            total, error = add(total, error, terms[..., place])
        return total, error
    sums = np.add.accumulate(terms, axis=-1)
    total = sums[..., -1]
    gained = np.diff(sums, axis=-1)
    lost = np.zeros_like(sums)  # the first addition is to nothing
    np.subtract(sums[..., 1:], gained, out=lost[..., 1:])
    np.subtract(sums[..., :-1], lost[..., 1:], out=lost[..., 1:])
    np.subtract(terms[..., 1:], gained, out=gained)
    lost[..., 1:] += gained
    return total, np.add.accumulate(lost, axis=-1, out=lost)[..., -1]


def _by_parts(values: FloatArray, runs: Runs) -> tuple[FloatArray, FloatArray, BoolArray]:
    """The sums of the leading bits, which are exact, and with them those of all other bits; of which groups it holds.

    Leading bits are multiples of a unit that is large enough for all their sums to have no more than 53 bits. What is
    lost of the other bits is nothing beside the sum, unless infinity, NaN or terms that cancel are among them.
    """
    largest = np.maximum(
        np.maximum.reduceat(values, runs.starts, axis=1), -np.minimum.reduceat(values, runs.starts, axis=1)
    )
    grid = np.ldexp(1.0, np.frexp(largest * runs.sizes)[1] + 1)
    each = np.repeat(grid, runs.sizes, axis=1)
    leading = values + each
    leading -= each
    exact = np.add.reduceat(leading, runs.starts, axis=1)
    rest = np.add.reduceat(np.subtract(values, leading, out=leading), runs.starts, axis=1)
    total = exact + rest
    sure = np.isfinite(total) & (np.abs(total) >= largest * (runs.sizes.astype(np.float64) ** 3 * _LOST))
    return total, (exact - total) + rest, np.asarray(sure.all(axis=0))


def mean_in_order(terms: FloatArray, here: BoolArray) -> FloatArray:
    """The mean over the last axis of finite terms whose sum may not be: kept as a mean from the term that overflows."""
    total, error, mean = (np.zeros(len(terms)) for _ in range(3))
    count = np.zeros(len(terms))
    as_mean = np.zeros(len(terms), dtype=np.bool_)
    for term, present in zip(terms.T, here.T, strict=True):
        count += present
        summed, lost = add(total, error, np.where(present, term, 0.0))
        turns = present & ~as_mean & np.isinf(summed)
        mean = np.where(turns, total / (count - 1), mean)
        error = np.where(turns, error / (count - 1), error)
        as_mean |= turns
        share = (count - 1) / count
        moved, left = added(share * mean, share * error, term / count)
        mean = np.where(present & as_mean, moved, mean)
        total = np.where(present & ~as_mean, summed, total)
        error = np.where(present, np.where(as_mean, left, lost), error)
    return np.where(as_mean, mean + error, total / count + error / count)
