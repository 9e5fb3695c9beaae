"""Some series on one ring in a window, as rows of its leaves: a block of their times, and of cells that are computed.

Nothing is read before `blocks` is called, and then no more than these series need: a query has its many series cut into
stretches, which several threads read.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ruler.kernels.cells.layers import Layer, extent
from ruler.kernels.cells.stacks import stacked_times
from ruler.model.arrays import IntArray
from ruler.storage import Aspect, Block, Look
from ruler.tsdb.select.gathering import gathered, last_of

ONLY_LAST = (Aspect.INSTANT, Aspect.LATEST)


class Stretch(NamedTuple):
    """A Stretch is what the leaves of a ring have of some series in (start, end]; layers say which columns those are.

    Of a `single` look only the last sample of each series is wanted.
    """

    interval: int
    layers: list[Layer]
    start: int
    end: int
    single: Aspect | None  # one of ONLY_LAST
    base: int  # the tick of the first row that any of the layers has
    most: int  # rows

    @classmethod
    def of(cls, interval: int, layers: list[Layer], start: int, end: int, look: Look | None) -> Stretch:
        """The stretch of these layers."""
        base, most, _ = extent(layers)
        single = look.aspect if look is not None and not look.step and look.aspect in ONLY_LAST else None
        return cls(interval, layers, start, end, single, base, most)

    @property
    def height(self) -> int:
        """How many rows its block has at most."""
        return 1 if self.single else self.most

    @property
    def width(self) -> int:
        return len(self.layers[0].columns)

    def among(self, columns: slice) -> Stretch:
        """The same for some of the series."""
        layers = [layer.among(columns) for layer in self.layers]
        return self._replace(layers=[layer for layer in layers if layer.count])

    def blocks(self, rows: IntArray | None = None) -> list[Block]:
        """The block of these series, if there is anything; its rows are `rows`, or else their places."""
        if not self.layers:
            return []
        if rows is None:
            rows = np.arange(self.width)
        if self.single:
            last, moments = last_of(self.layers, self.start, self.end, past_stale=self.single is Aspect.LATEST)
            streams = np.arange(self.width, dtype=np.int32)
            return [Block(rows, last.view(np.float64)[np.newaxis], moments[np.newaxis], streams, None)]
        times, stream_of, top, bottom = stacked_times(self.layers, self.base, self.most, self.start, self.end)
        if top >= bottom:
            return []
        base = self.base + top
        cells = gathered(self.layers, self.width, base, bottom - top)
        return [Block(rows, cells, times[top:bottom], stream_of, (base * self.interval, self.interval))]
