"""Functions of the samples of a window in the order of their values: quantiles, and the median distance from a median.

The samples of each window are laid side by side and sorted, for some columns at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ruler.model.arrays import FloatArray
from ruler.promql.window import Result, Windows

_AT_ONCE = 1 << 17  # samples that are laid out together: some arrays of them fit the second-level cache


class Ordered(NamedTuple):
    """Ordered are the samples of some columns' windows: `samples` [columns × steps × places] rise, NaN comes last.

    Of `counts` samples [columns × steps] so many as `numbers` says are no NaN.
    """

    samples: FloatArray
    counts: FloatArray
    numbers: FloatArray

    def quantile(self, share: FloatArray | float) -> FloatArray:
        """The quantile of each window; NaN is less than any number."""
        last = self.counts - 1
        rank = share * last
        low = np.floor(rank)
        weight = rank - low
        np.maximum(low, 0, out=low)
        high = np.minimum(last, low + 1)
        if self.numbers is not self.counts:
            nans = self.counts - self.numbers
            low -= nans
            high -= nans
        result = self._at(low)
        result *= 1 - weight
        result += self._at(high) * weight
        if np.less(share, 0).any() or np.greater(share, 1).any():
            result = np.where(share < 0, -np.inf, np.where(share > 1, np.inf, result))
        result[np.isnan(share) | (last < 0)] = np.nan
        return result

    def _at(self, place: FloatArray) -> FloatArray:
        columns, steps, places = self.samples.shape
        valid = (place >= 0) & (place < places)
        sure = bool(valid.all())
        index = (place if sure else np.where(valid, place, 0)).astype(np.int64)
        index += (np.arange(columns)[:, np.newaxis] * steps + np.arange(steps)) * places
        found = self.samples.reshape(-1).take(index)
        if not sure:
            found[~valid] = np.nan
        return found

    def distances_from(self, origin: FloatArray) -> Ordered:
        """The same of the samples' distances from a number for each window."""
        samples = np.abs(self.samples - origin[..., np.newaxis])
        samples.sort(axis=-1)
        return Ordered(samples, self.counts, np.count_nonzero(~np.isnan(samples), axis=-1).astype(np.float64))


def quantile_over_time(windows: Windows, share: FloatArray) -> Result:
    values = np.empty((max(len(share), len(windows.ends)), len(windows.columns)))
    for columns, ordered in _ordered(windows):
        values[:, columns] = ordered.quantile(share[:, 0]).T
    return values, windows.holding()


def mad_over_time(windows: Windows) -> Result:
    """The median distance from the median; NaN where any sample is."""
    values = np.empty(windows.shape)
    for columns, ordered in _ordered(windows):
        found = ordered.distances_from(ordered.quantile(0.5)).quantile(0.5)
        values[:, columns] = np.where(ordered.numbers < ordered.counts, np.nan, found).T
    return values, windows.holding()


def _ordered(windows: Windows) -> Iterator[tuple[slice, Ordered]]:
    """The samples of all windows, with the columns that they are of."""
    steps, width = windows.shape
    lengths = windows.stop - windows.first
    longest, shortest = max(int(lengths.max(initial=0)), 1), int(lengths.min(initial=windows.height))
    counts, first = np.ascontiguousarray(windows.counts.T), windows.spread(windows.first).T
    lengths = windows.spread(lengths).T
    columns = np.full((width, windows.height + longest), np.nan)
    columns[:, : windows.height] = windows.cells.T
    if not windows.full:
        columns[:, : windows.height][~windows.sampled.T] = np.nan
    places = sliding_window_view(columns, longest, axis=1)
    some = max(1, _AT_ONCE // max(1, steps * longest))
    for left in range(0, width, some):
        part = slice(left, min(left + some, width))
        number = np.arange(part.start, part.stop)[:, np.newaxis]
        samples = places[number, first[part]]
        for place in range(shortest, longest):
            samples[..., place][lengths[part] <= place] = np.nan
        samples.sort(axis=-1)
        of_each = numbers = counts[part]
        if windows.span.block.special:
            numbers = np.count_nonzero(~np.isnan(samples), axis=-1).astype(np.float64)
        yield part, Ordered(samples, of_each, numbers)
