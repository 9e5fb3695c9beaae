"""Samples of many series as rectangles, which chunks are: which series share rows, and which rows share a chunk.

Series whose times lie on a regular grid go by ticks, which is what queries are quick with. Others go one sample after
the other, series of a similar number of samples together, so that a rectangle is never much larger than its samples.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np

from common.durations import DAY, SECOND
from ruler.model.arrays import FloatArray, IntArray
from ruler.tsdb.files.page import TIME_SIGN, Bits

ROWS: Final = 4096  # of a chunk, if that does not make too many
SHORTER_ROWS: Final = 512  # where most series are shorter than that
WINDOWS: Final = 64  # chunks of one interval
LEAST_REGULAR: Final = 16  # samples that show a grid
LEAST_FILLED: Final = 8  # of a rectangle's rows, one in so many must have a sample in each series
WIDENING: Final = 4  # the longest series of a rectangle without a grid has at most so many times the samples of any


class Strip(NamedTuple):
    """A Strip is samples of one series, which is known by its place in a batch; times ascend."""

    series: int
    times: IntArray
    values: FloatArray

    def part(self, start: int, stop: int) -> Strip:
        return Strip(self.series, self.times[start:stop], self.values[start:stop])


class Grid(NamedTuple):
    """A Grid says on which ticks of which interval times lie; no two on the same."""

    interval: int
    ticks: IntArray


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A Rectangle is strips that share rows: `rows_of[slot]` are the rows of all strips with that slot."""

    interval: int  # 0: rows are on no grid
    first: int
    rows: int
    strips: Sequence[Strip]
    slot_of: Sequence[int]
    rows_of: Sequence[IntArray]

    @property
    def times(self) -> Bits:
        """The stored times [slots × rows]."""
        stored = np.zeros((len(self.rows_of), self.rows), dtype=np.uint64)
        for strip, slot in zip(self.strips, self.slot_of, strict=True):
            stored[slot, self.rows_of[slot]] = strip.times.view(np.uint64) ^ np.uint64(TIME_SIGN)
        return stored

    @property
    def oldest(self) -> int:
        return min(int(strip.times[0]) for strip in self.strips)

    @property
    def newest(self) -> int:
        return max(int(strip.times[-1]) for strip in self.strips)


def gridded(strips: Sequence[Strip], longest: int) -> tuple[list[Rectangle], list[Strip]]:
    """The rectangles of those strips that lie on grids, none longer than `longest` (ms), and the other strips."""
    by_interval: dict[int, list[tuple[Strip, int, Grid]]] = {}
    others: list[Strip] = []
    for slot, same in enumerate(_by_times(strips)):
        grid = grid_of(same[0].times)
        if grid is None:
            others += same
        else:
            by_interval.setdefault(grid.interval, []).extend((strip, slot, grid) for strip in same)
    rectangles = []
    for interval, found in by_interval.items():
        for window in _windows(found, max(1, longest // interval)):
            rectangle, sparse = _on_grid(interval, window)
            others += sparse
            if rectangle is not None:
                rectangles.append(rectangle)
    return rectangles, others


def ungridded(strips: Sequence[Strip]) -> Iterator[Rectangle]:
    """The rectangles of strips whose times are on no grid."""
    classes: dict[tuple[int, int], list[Strip]] = {}
    for strip in strips:
        for piece, start in enumerate(range(0, len(strip.times), ROWS)):
            part = strip.part(start, start + ROWS)
            size = 0
            while WIDENING**size < len(part.times):
                size += 1
            classes.setdefault((piece, size), []).append(part)
    for _, found in sorted(classes.items(), key=lambda item: item[0]):
        slots = _by_times(found)
        yield Rectangle(
            interval=0,
            first=0,
            rows=max(len(strip.times) for strip in found),
            strips=[strip for same in slots for strip in same],
            slot_of=[slot for slot, same in enumerate(slots) for _ in same],
            rows_of=[np.arange(len(same[0].times)) for same in slots],
        )


def grid_of(times: IntArray) -> Grid | None:
    """The grid on which `times` lie, to within half of its interval; most of its ticks have one."""
    if len(times) < LEAST_REGULAR:
        return None
    apart = int(np.median(np.diff(times)))
    interval = max(SECOND, (apart + SECOND // 2) // SECOND * SECOND)
    if abs(apart - interval) * 10 > interval or interval > DAY:
        return None
    middle = int(np.median(times % interval))
    for phase in (middle, middle + interval // 2, 0):
        ticks = (times - phase + interval // 2) // interval
        if (ticks[1:] > ticks[:-1]).all():
            return Grid(interval, ticks) if 2 * len(ticks) > ticks[-1] - ticks[0] else None
    return None


def _by_times(strips: Sequence[Strip]) -> list[list[Strip]]:
    """The strips that have the same times, together."""
    same: dict[bytes, list[Strip]] = {}
    for strip in strips:
        same.setdefault(blake2b(strip.times.tobytes(), digest_size=16).digest(), []).append(strip)
    return list(same.values())


def _windows(found: Sequence[tuple[Strip, int, Grid]], longest: int) -> Iterator[list[tuple[Strip, int, IntArray]]]:
    """The strips of one interval, cut at the same ticks: (strip, slot, ticks) of each window, oldest first."""
    typical = int(np.median([len(grid.ticks) for _, _, grid in found]))
    size = min(longest, ROWS if typical >= SHORTER_ROWS else SHORTER_ROWS)
    first = min(int(grid.ticks[0]) for _, _, grid in found)
    span = max(int(grid.ticks[-1]) for _, _, grid in found) - first
    while span // size >= WINDOWS and size < longest:
        size = min(2 * size, longest)
    windows: dict[int, list[tuple[Strip, int, IntArray]]] = {}
    for strip, slot, grid in found:
        window_of = grid.ticks // size
        edges = [0, *(np.flatnonzero(np.diff(window_of)) + 1).tolist(), len(window_of)]
        for start, stop in pairwise(edges):
            part = (strip.part(start, stop), slot, grid.ticks[start:stop])
            windows.setdefault(int(window_of[start]), []).append(part)
    for window in sorted(windows):
        yield windows[window]


def _on_grid(interval: int, window: Sequence[tuple[Strip, int, IntArray]]) -> tuple[Rectangle | None, list[Strip]]:
    """The rectangle of what is in a window, and the strips that would make it too empty."""
    low = min(int(ticks[0]) for _, _, ticks in window)
    high = max(int(ticks[-1]) for _, _, ticks in window) + 1
    dense = [part for part in window if LEAST_FILLED * len(part[2]) >= high - low]
    sparse = [strip for strip, _, ticks in window if LEAST_FILLED * len(ticks) < high - low]
    if not dense:
        return None, sparse
    place: dict[int, int] = {}
    rows_of: list[IntArray] = []
    for _, slot, ticks in dense:
        if place.setdefault(slot, len(place)) == len(rows_of):
            rows_of.append(ticks - low)
    slot_of = [place[slot] for _, slot, _ in dense]
    return Rectangle(interval, low, high - low, [strip for strip, _, _ in dense], slot_of, rows_of), sparse
