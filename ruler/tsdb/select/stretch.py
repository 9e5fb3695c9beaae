"""Some series on one ring in a window, read from its leaves row by row: their times, then their cells, then a block.

Nothing is read before `blocks` is called, and then no more than these series need: a query has its many series cut into
stretches that fit a cache, and several threads read them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ruler.kernels.cells.gather import gather_times
from ruler.kernels.series.numbering import Numbering
from ruler.model.arrays import NEVER, CodeArray, IntArray
from ruler.storage import Block
from ruler.tsdb.select.gathering import Layer, gathered, last_of


@dataclass(frozen=True, slots=True)
class Stretch:
    """A Stretch is what the leaves of a ring have of some series in (start, end]; layers say which columns those are.

    It may be that only the `last` sample of each series is wanted.
    """

    interval: int
    layers: tuple[Layer, ...]
    start: int
    end: int
    last: bool
    base: int  # the tick of the first row that any of the layers has
    most: int  # rows

    @classmethod
    def of(cls, interval: int, layers: Sequence[Layer], start: int, end: int, *, last: bool) -> Stretch:
        """The stretch of these layers."""
        base = min(layer.page.first + layer.low for layer in layers)
        most = max(layer.page.first + layer.high for layer in layers) - base
        return cls(interval, tuple(layers), start, end, last, base, most)

    @property
    def height(self) -> int:
        """How many rows its block has at most."""
        return 1 if self.last else self.most

    @property
    def width(self) -> int:
        return len(self.layers[0].columns)

    def among(self, columns: slice) -> Stretch:
        """The same for some of the series."""
        layers = (layer.among(columns) for layer in self.layers)
        return replace(self, layers=tuple(layer for layer in layers if layer.columns.any()))

    def blocks(self, rows: IntArray | None = None) -> list[Block]:
        """The block of these series, if there is anything; its rows are `rows`, or else their places."""
        if not self.layers:
            return []
        if rows is None:
            rows = np.arange(self.width)
        if self.last:
            cells, moments = last_of(self.layers, self.start, self.end)
            streams = np.arange(self.width, dtype=np.int32)
            return [Block(rows, cells.view(np.float64)[np.newaxis], moments[np.newaxis], streams, None)]
        times, stream_of, top, bottom = self._timed()
        if top >= bottom:
            return []
        base = self.base + top
        values = gathered(self.layers, base, bottom - top).view(np.float64)
        return [Block(rows, values, times[top:bottom], stream_of, (base * self.interval, self.interval))]

    def _timed(self) -> tuple[IntArray, CodeArray, int, int]:
        """The times in (start, end] [rows × streams], NEVER where there is none, the stream of each column, and the
        rows outside of which there are none.
        """
        slots, stream_of = streams_of([layer.page.slot_of[layer.columns] for layer in self.layers])
        times = np.full((len(slots[0]), self.most), NEVER).T
        top, bottom = self.most, 0
        for layer, each in zip(self.layers, slots, strict=True):
            at = layer.page.first + layer.low - self.base
            stored = layer.page.times[layer.low : layer.high]
            first, stop = gather_times(stored, each, times[at : at + len(stored)], self.start, self.end)
            top, bottom = min(top, at + first), max(bottom, at + stop)
        return times, stream_of, top, bottom


def streams_of(slots_of: Sequence[CodeArray]) -> tuple[tuple[IntArray, ...], CodeArray]:
    """The streams of a block, each a slot (or none) in each layer, and the stream of each column."""
    codes = np.stack(slots_of, axis=1)
    stream_of, first = np.empty(len(codes), dtype=np.int64), np.empty(len(codes), dtype=np.int64)
    streams = Numbering(len(slots_of)).number(codes, range(len(slots_of)), stream_of, first)
    return tuple(slots[first[:streams]].astype(np.int64) for slots in slots_of), stream_of.astype(np.int32)
