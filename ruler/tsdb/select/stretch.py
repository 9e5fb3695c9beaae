"""Some series on one ring in a window, read from its leaves row by row: their times, then their cells, then a block.

Nothing is read before `blocks` is called, and then no more than these series need: a query has its many series cut into
stretches that fit a cache, and several threads read them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ruler.model.arrays import CodeArray, IntArray
from ruler.storage import Block
from ruler.tsdb.files.page import ABSENT_CELL, TIME_SIGN, Bits
from ruler.tsdb.select.gathering import Gatherer, Layer, of_columns

NEAR_ROWS = 3  # before that of a moment, where the last sample before it is looked for first

_SIGN = np.uint64(TIME_SIGN)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A Stretch is what the leaves of a ring have of some series in (start, end]; layers say which columns those are.

    With a `moment`, of what is not after it only the last sample of each series is wanted.
    """

    interval: int
    layers: tuple[Layer, ...]
    start: int
    end: int
    moment: int | None = None

    @property
    def most(self) -> int:
        """How many rows it has at most."""
        return self._high - self._low

    @property
    def height(self) -> int:
        """How many rows it most probably has: with a moment, not many of those before that."""
        if self.moment is None:
            return self.most
        return self._high - max(self._low, min(self.moment // self.interval, self._high - 1) - NEAR_ROWS)

    @property
    def _low(self) -> int:
        return min(layer.page.first + layer.low for layer in self.layers)

    @property
    def _high(self) -> int:
        return max(layer.page.first + layer.high for layer in self.layers)

    @property
    def width(self) -> int:
        return len(self.layers[0].columns)

    def among(self, columns: slice) -> Stretch:
        """The same for some of the series."""
        return replace(self, layers=tuple(layer.among(columns) for layer in self.layers))

    def blocks(self) -> list[Block]:
        """The blocks; their rows are places among these series. Times are read before cells, so a row that is seen with
        its time is seen whole.
        """
        layers = [layer for layer in self.layers if layer.columns.any()]
        if not layers:
            return []
        base = min(layer.page.first + layer.low for layer in layers)
        writes = [layer.page.writes for layer in layers]
        slots, stream_of = streams_of([layer.page.slot_of[layer.columns] for layer in layers])
        times = _stacked_times(layers, slots, base)
        edges = self._cropped(times, base)
        top, bottom = _inhabited(times)
        if top == bottom:
            return []
        gatherer = Gatherer(layers, writes, base, times, stream_of, edges)
        read = _Read(self.interval, base, times, gatherer, np.arange(self.width), stream_of)
        return [read.block(top, bottom)] if self.moment is None else read.since(self.moment, top, bottom)

    def _cropped(self, times: Bits, base: int) -> list[int]:
        """Remove the times that are not in (start, end]; the rows in which there were any."""
        after, until = np.uint64(self.start + TIME_SIGN), np.uint64(self.end + TIME_SIGN)
        ahead = max(layer.page.ahead for layer in self.layers)
        behind = max(layer.page.behind for layer in self.layers)
        # Rows lie so near to where their times would put them that only the first and the last can have such times.
        early = min(max(0, self.start // self.interval + ahead + 1 - base), len(times))
        late = min(max(early, self.end // self.interval - behind - base), len(times))
        edges = []
        for row in (*range(early), *range(late, len(times))):
            each = times[row]
            outside = ((each <= after) | (each > until)) & (each != 0)
            if outside.any():
                each[outside] = 0
                edges.append(row)
        return edges


@dataclass(frozen=True, slots=True)
class _Read:
    """A _Read is the stored times [rows × streams] of a stretch, from the tick `base` on, and where its cells are."""

    interval: int
    base: int
    times: Bits
    gatherer: Gatherer
    rows: IntArray
    stream_of: CodeArray

    def since(self, moment: int, top: int, bottom: int) -> list[Block]:
        """The blocks of the rows [top, bottom), without those above the last sample that is not after a moment."""
        last = min(max(moment // self.interval - self.base, top), bottom - 1)
        low = max(top, last - NEAR_ROWS)
        if low - top < NEAR_ROWS:
            return [self.block(top, bottom)]
        values = self.gatherer.values(slice(low, last + 1))
        stored = self.times[low : last + 1]
        taken = (stored != 0) & (stored <= np.uint64(moment + TIME_SIGN))
        near = ((values != ABSENT_CELL) & taken[:, self.stream_of]).any(axis=0)
        if near.all():
            return [self._block_of(low, values) if last + 1 == bottom else self.block(low, bottom)]
        if not near.any():
            return [self.block(top, bottom)]
        far = np.flatnonzero(~near)
        return [self._among(np.flatnonzero(near)).block(low, bottom), self._among(far).block(top, bottom)]

    def _among(self, columns: IntArray) -> _Read:
        rows, stream_of = self.rows[columns], self.stream_of[columns]
        return replace(self, gatherer=self.gatherer.among(columns), rows=rows, stream_of=stream_of)

    def block(self, top: int, bottom: int) -> Block:
        """The block of the rows [top, bottom)."""
        return self._block_of(top, self.gatherer.values(slice(top, bottom)))

    def _block_of(self, top: int, values: Bits) -> Block:
        times = self.times[top : top + len(values)]
        return block_of(self.rows, values, times, self.stream_of, ((self.base + top) * self.interval, self.interval))


def streams_of(slots_of: list[CodeArray]) -> tuple[tuple[IntArray, ...], CodeArray]:
    """The streams of a block, each a slot (or none) in each layer, and the stream of each column."""
    place = np.zeros(len(slots_of[0]), dtype=np.int64)
    first = place[:1]
    for slots in slots_of:
        _, first, place = np.unique(place * (int(slots.max()) + 1) + slots, return_index=True, return_inverse=True)
    return tuple(slots[first].astype(np.int64) for slots in slots_of), place.astype(np.int32)


def _stacked_times(layers: Sequence[Layer], slots: tuple[IntArray, ...], base: int) -> Bits:
    """The stored times [rows × streams] of all layers, row 0 being the tick `base`."""
    if len(layers) == 1:
        page, _, low, high, *_ = layers[0]
        return of_columns(page.times[low:high], slots[0]).copy()
    height = max(layer.page.first + layer.high for layer in layers) - base
    times = np.zeros((height, len(slots[0])), dtype=np.uint64)
    for layer, places in zip(layers, slots, strict=True):
        at = layer.page.first + layer.low - base
        times[at : at + layer.high - layer.low] |= of_columns(layer.page.times[layer.low : layer.high], places)
    return times


def _inhabited(times: Bits) -> tuple[int, int]:
    """The rows [top, bottom) outside of which there is no time."""
    top, bottom = 0, len(times)
    while bottom and not times[bottom - 1].any():
        bottom -= 1
    while top < bottom and not times[top].any():
        top += 1
    return top, bottom


def block_of(rows: IntArray, values: Bits, stored: Bits, stream_of: CodeArray, tick: tuple[int, int] | None) -> Block:
    """A block of values and stored times."""
    return Block(rows, values.view(np.float64), (stored ^ _SIGN).view(np.int64), stream_of, tick)
