"""Quantiles of classic histograms, from their buckets: those of all cells (a histogram at a step) at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ruler.model.arrays import BoolArray, FloatArray, IntArray

_SMALL = 1e-12  # relative differences up to this between buckets are rounding, not observations


@dataclass(frozen=True, slots=True)
class Buckets:
    """Buckets are classic histograms, one for each cell: `bounds` and `counts` [cells × places], rising.

    The first `used` [cells] places of a cell are its buckets; what stands in the others means nothing.
    """

    bounds: FloatArray
    counts: FloatArray
    used: IntArray

    def last(self, array: FloatArray, before: int = 1) -> FloatArray:
        """The entry of each cell's last bucket, or of one before it."""
        place = np.maximum(self.used - before, 0)
        return np.take_along_axis(array, place[:, np.newaxis], axis=1)[:, 0]


@dataclass(frozen=True, slots=True)
class Forced:
    """Forced says where counts had to be raised to be monotonic: which cells, and the worst of it in each."""

    cells: BoolArray
    lowest: FloatArray
    highest: FloatArray
    most: FloatArray


def monotonic(buckets: Buckets) -> tuple[Buckets, Forced]:
    """The buckets with counts that never fall; tiny differences are smoothed in silence."""
    counts = buckets.counts.copy()
    cells = len(counts)
    forced = np.zeros(cells, dtype=np.bool_)
    lowest, highest, most = np.full(cells, np.inf), np.full(cells, -np.inf), np.zeros(cells)
    for place in range(1, counts.shape[1]):
        before, now = counts[:, place - 1], counts[:, place]
        used = place < buckets.used
        apart = np.abs(now - before)
        size = np.abs(now) + np.abs(before)
        alike = apart < _SMALL * size
        falls = used & (now < before) & ~alike
        np.copyto(lowest, np.minimum(lowest, buckets.bounds[:, place]), where=falls)
        np.copyto(highest, np.maximum(highest, buckets.bounds[:, place]), where=falls)
        np.copyto(most, np.maximum(most, apart), where=falls)
        forced |= falls
        counts[:, place] = np.where(falls | alike | ~used, before, now)
    return Buckets(buckets.bounds, counts, buckets.used), Forced(forced, lowest, highest, most)


def bucket_quantile(share: FloatArray, buckets: Buckets) -> FloatArray:
    """The quantile of each cell's histogram, interpolated within the bucket that it falls into."""
    bounds, counts, used = buckets.bounds, buckets.counts, buckets.used
    observations = buckets.last(counts)
    rank = share * observations
    places = np.arange(counts.shape[1])
    reached = (counts >= rank[:, np.newaxis]) & (places < (used - 1)[:, np.newaxis])
    found = np.where(reached.any(axis=1), reached.argmax(axis=1), used - 1)
    end = np.take_along_axis(bounds, found[:, np.newaxis], axis=1)[:, 0]
    below = np.maximum(found - 1, 0)[:, np.newaxis]
    start = np.where(found > 0, np.take_along_axis(bounds, below, axis=1)[:, 0], 0.0)
    base = np.where(found > 0, np.take_along_axis(counts, below, axis=1)[:, 0], 0.0)
    count = np.take_along_axis(counts, found[:, np.newaxis], axis=1)[:, 0] - base
    result = start + (end - start) * ((rank - base) / count)
    result = np.where((found == 0) & (end <= 0), end, result)
    result = np.where(found == used - 1, buckets.last(bounds, 2), result)
    unknown = (used < 2) | (observations == 0) | (buckets.last(bounds) != np.inf)
    result = np.where(unknown, np.nan, result)
    return np.where(np.isnan(share), np.nan, np.where(share < 0, -np.inf, np.where(share > 1, np.inf, result)))


def bucket_fraction(low: FloatArray, high: FloatArray, buckets: Buckets) -> FloatArray:
    """The share of each cell's observations between two values."""
    total = buckets.last(buckets.counts)
    result = (_rank(high, buckets, total) - _rank(low, buckets, total)) / total
    result = np.where(low >= high, 0.0, result)
    unknown = (total == 0) | np.isnan(low) | np.isnan(high) | (buckets.last(buckets.bounds) != np.inf)
    return np.where(unknown, np.nan, result)


def _rank(value: FloatArray, buckets: Buckets, total: FloatArray) -> FloatArray:
    """How many observations of each cell are up to the value."""
    bounds, counts = buckets.bounds, buckets.counts
    rank = total.copy()
    known = np.zeros(len(total), dtype=np.bool_)
    for place in range(bounds.shape[1]):
        start = bounds[:, place - 1] if place else np.where(bounds[:, 0] > 0, 0.0, -np.inf)
        below = counts[:, place - 1] if place else np.zeros(len(total))
        end, count = bounds[:, place], counts[:, place]
        used = place < buckets.used
        at_edge = used & ~known & (start >= value)
        inside = used & ~known & (start < value) & (end > value)
        part = np.where(start == -np.inf, count, below + (count - below) * (value - start) / (end - start))
        rank = np.where(at_edge, below, np.where(inside, part, rank))
        known |= at_edge | inside
    return np.minimum(rank, total)
