"""Some series on one ring in a window, as rows of its leaves: a block of their times, and of cells that are computed.

Nothing is read before `blocks` is called, and then no more than these series need: a query has its many series cut into
stretches, which several threads read.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from msgspec.structs import astuple, replace

from ruler.kernels.cells.lasts import LastSamples
from ruler.kernels.cells.layers import Layer, extent
from ruler.kernels.cells.stacks import stacked_times
from ruler.model.arrays import IntArray
from ruler.storage import Aspect, Block, Lasts, Look
from ruler.tsdb.select.gathering import gathered, source_of


class Ends(Struct, frozen=True):
    """Ends are the windows (end - reach, end] of which only the last samples are wanted: so many, `step` ms apart.

    `past_stale` says that the marker of a series that ended is none of them. All times are ms.
    """

    first: int
    step: int
    windows: int
    reach: int
    past_stale: bool

    @classmethod
    def of(cls, look: Look | None, start: int, end: int) -> Ends | None:
        """Those of a look at what is in (start, end]; None where it takes other samples, too."""
        if look is None or look.aspect not in (Aspect.INSTANT, Aspect.LATEST):
            return None
        first = start + look.reach
        windows = 1 + (end - first) // look.step if look.step else 1
        return cls(first, look.step, windows, look.reach, look.aspect is Aspect.LATEST)


class Stretch(Struct, frozen=True, eq=False):
    """A Stretch is what the leaves of a ring have of some series in (start, end]; layers say which columns those are.

    Where there are `ends`, only the last samples of those windows are wanted.
    """

    interval: int
    layers: list[Layer]
    start: int
    end: int
    ends: Ends | None

    @property
    def shape(self) -> tuple[int, int]:
        """How many rows and columns its block has at most."""
        return self.ends.windows if self.ends is not None else extent(self.layers)[1], len(self.layers[0].columns)

    def among(self, columns: slice) -> Stretch:
        """The same for some of the series."""
        layers = [layer.among(columns) for layer in self.layers]
        return replace(self, layers=[layer for layer in layers if layer.count])

    def blocks(self, rows: IntArray | None = None) -> Sequence[Block | Lasts]:
        """The block of these series, if there is anything; its rows are `rows`, or else their places."""
        if not self.layers:
            return []
        if rows is None:
            rows = np.arange(len(self.layers[0].columns))
        if self.ends is not None:
            return [Lasts(rows, LastSamples(self.layers, source_of, *astuple(self.ends)))]
        base, most, _ = extent(self.layers)
        times, stream_of, top, bottom = stacked_times(self.layers, base, most, self.start, self.end)
        if top >= bottom:
            return []
        base += top
        cells = gathered(self.layers, len(rows), base, bottom - top)
        return [Block(rows, cells, times[top:bottom], stream_of, (base * self.interval, self.interval))]
