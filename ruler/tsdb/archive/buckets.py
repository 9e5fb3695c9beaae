"""What an archive keeps of a bucket's samples: six numbers for each series, worked out for many series at once.

Bucket k of `size` ms holds the samples of (k × size, (k + 1) × size], open to the left as windows of PromQL are.

Markers of staleness are no samples: a bucket after whose last sample the series ended has a negative COUNT, and one
that holds nothing but a marker has it in all planes. A NaN is a sample, as it is to PromQL: it counts, spoils the sum,
and is less than any number to MIN and MAX; but a counter has no sample there, nor where it is infinite.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from ruler.model.arrays import ABSENT_BITS, NEVER, STALE, STALE_BITS, BoolArray, CodeArray, FloatArray, IntArray, absent


class Plane(IntEnum):
    """A Plane is one of the numbers of a bucket.

    LOST is what a counter lost by resets in the bucket: the sum of its values before each. So it rose by LAST + LOST -
    the LAST before, wherever that is, and rises of neighbouring buckets add up. (Less to keep than the rise.)
    """

    LAST = 0
    MIN = 1
    MAX = 2
    SUM = 3
    COUNT = 4
    LOST = 5


@dataclass(frozen=True, slots=True)
class Stretch:
    """A Stretch is `count` buckets of `size` ms, from number `first` on."""

    size: int
    first: int
    count: int

    @property
    def start(self) -> int:
        return self.first * self.size

    @property
    def end(self) -> int:
        return (self.first + self.count) * self.size

    def places(self, times: IntArray) -> IntArray:
        """Of each time, which of the buckets has it."""
        return np.asarray((times - 1) // self.size - self.first)


def bucketed(
    values: FloatArray, times: IntArray, stream_of: CodeArray, before: FloatArray, stretch: Stretch
) -> FloatArray:
    """The planes [planes × columns × buckets] of a block's samples, which lie in the stretch.

    `before` is the last finite sample of each column before the stretch, NaN where there is none.
    """
    columns, count = values.shape[1], stretch.count
    planes = absent(len(Plane), columns * count)
    cells, bucket = _side_by_side(values, times, stream_of, stretch)
    stale = cells.view(np.int64) == STALE_BITS
    ended = np.empty(0, dtype=np.int64)
    if stale.any():
        ended = bucket[stale & _last_of(bucket)]
        planes[:, ended] = STALE
        cells, bucket = cells[~stale], bucket[~stale]
    if len(cells):
        first = np.concatenate(([0], np.flatnonzero(bucket[1:] != bucket[:-1]) + 1))
        where = bucket[first]
        last = np.append(first[1:], len(cells)) - 1
        planes[Plane.LAST, where] = cells[last]
        planes[Plane.MIN, where] = np.fmin.reduceat(cells, first)
        planes[Plane.MAX, where] = np.fmax.reduceat(cells, first)
        with np.errstate(invalid="ignore", over="ignore"):  # infinities are values like others
            planes[Plane.SUM, where] = np.add.reduceat(cells, first)
            planes[Plane.LOST, where] = _lost(cells, bucket, count, before, first)
        planes[Plane.COUNT, where] = last - first + 1
        both = ended[planes[Plane.COUNT, ended] > 0]
        planes[Plane.COUNT, both] *= -1.0
    return planes.reshape(len(Plane), columns, count)


def _side_by_side(
    values: FloatArray, times: IntArray, stream_of: CodeArray, stretch: Stretch
) -> tuple[FloatArray, CodeArray]:
    """What is there, column by column, and which bucket each is in; the buckets of all columns are counted through."""
    cells = np.ascontiguousarray(values.T)
    places = np.ascontiguousarray(stretch.places(times).astype(np.int32).T)
    buckets = places[stream_of]
    buckets += (np.arange(len(cells), dtype=np.int32) * np.int32(stretch.count))[:, np.newaxis]
    there = cells.view(np.int64) != ABSENT_BITS
    if there.all():
        return cells.reshape(-1), buckets.reshape(-1)
    return cells[there], buckets[there]


def _last_of(groups: CodeArray) -> BoolArray:
    """Which entries are the last of their group; groups ascend."""
    last = np.ones(len(groups), dtype=np.bool_)
    last[:-1] = groups[1:] != groups[:-1]
    return last


def _lost(cells: FloatArray, bucket: CodeArray, count: int, before: FloatArray, first: IntArray) -> FloatArray:
    """What resets lost in each bucket, of which `first` are the first samples: the samples just before each reset."""
    finite = np.isfinite(cells)
    if not finite.all():
        kept = np.flatnonzero(finite)
        cells, bucket, first = cells[kept], bucket[kept], np.searchsorted(kept, first)
    lost = np.zeros(len(cells) + 1)  # and nothing behind the last, where a bucket without a finite sample may begin
    reset = np.flatnonzero(cells[1:] < cells[:-1]) + 1
    lost[reset] = cells[reset - 1]
    column = bucket[first[first < len(cells)]] // count
    opening = first[: len(column)][np.diff(column, prepend=-1) != 0]
    older = before[bucket[opening] // count]
    lost[opening] = np.where(cells[opening] < older, older, 0.0)
    sums = np.add.reduceat(lost, first)
    return np.where(np.append(first[1:], len(cells)) > first, sums, 0.0)


def last_times(times: IntArray, stretch: Stretch) -> IntArray:
    """The last time [streams × buckets] at which each stream got something in each bucket, NEVER where it did not."""
    fresh = times != NEVER
    fresh[1:] &= times[1:] != times[:-1]
    stream, row = np.nonzero(fresh.T)
    when = times[row, stream]
    bucket = stream * stretch.count + stretch.places(when)
    found = np.full(times.shape[1] * stretch.count, NEVER)
    last = _last_of(bucket)
    found[bucket[last]] = when[last]
    return found.reshape(times.shape[1], stretch.count)
