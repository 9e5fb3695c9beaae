"""Values of layers, gathered into one array that lies in memory as its readers go through it, column by column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ruler.kernels.cells.gather import gather_cells, gather_last
from ruler.model.arrays import BoolArray, IntArray
from ruler.tsdb.files.chunk import OpenChunk
from ruler.tsdb.files.page import ABSENT_CELL, Bits, Leaf
from ruler.tsdb.keep.erase import Erasure, spared


class Layer(NamedTuple):
    """A Layer is the rows [low, high) of a leaf, and for each series its column there (0: none)."""

    page: Leaf
    columns: IntArray
    low: int
    high: int
    whole: bool  # every series has its column here, and samples can be in these rows
    erasures: tuple[Erasure, ...] = ()  # that may touch samples here

    def among(self, columns: slice | IntArray) -> Layer:
        return self._replace(columns=self.columns[columns])


def gathered(layers: Sequence[Layer], base: int, height: int) -> Bits:
    """The values of all series in `height` rows from the tick `base` on, ABSENT where there is none."""
    values = np.empty((len(layers[0].columns), height), dtype=np.uint64).T
    filled = 0
    for layer in layers:
        offset = layer.page.first - base
        begin, end = max(0, layer.low + offset), min(height, layer.high + offset)
        if begin < end:
            values[filled:begin] = ABSENT_CELL
            between = min(max(begin, filled), end)  # rows above it hold cells of other streams already
            for low, high in ((begin, between), (between, end)):
                if low < high:
                    _take(layer, low - offset, values[low:high], beside=low < between)
            filled = max(filled, end)
    values[filled:] = ABSENT_CELL
    return values


def _take(layer: Layer, low: int, into: Bits, *, beside: bool) -> None:
    """Take rows of a layer, from `low` on; `beside` cells of other streams that are in their places already."""
    page, high = layer.page, low + len(into)
    if isinstance(page, OpenChunk) and not beside and not layer.erasures:
        page.read(layer.columns, low, high, into, page.plane)
    else:
        gather_cells(*_stored(layer, low, high), into, beside=beside)


def last_of(layers: Sequence[Layer], start: int, end: int) -> tuple[Bits, IntArray]:
    """The last value of each series with a time in (start, end], ABSENT where there is none, and that time (ms)."""
    width = len(layers[0].columns)
    values, times = np.full(width, ABSENT_CELL), np.zeros(width, dtype=np.int64)
    wanted = np.arange(width)
    for layer in reversed(layers):
        page, low, high = layer.page, layer.low, layer.high
        some = layer if len(wanted) == width else layer.among(wanted)
        slots = page.slot_of[some.columns]
        gather_last(*_stored(some, low, high), page.times[low:high], slots, values, times, wanted, start, end)
        wanted = np.flatnonzero(values == ABSENT_CELL)
        if not len(wanted):
            break
    return values, times


def _stored(layer: Layer, low: int, high: int) -> tuple[Bits, IntArray]:
    """Stored cells in the rows [low, high) of a layer, and the column of each series among them."""
    page, columns, *_, erasures = layer
    cells, within, first = spared(page, columns, low, high, erasures)
    rows = cells[low - first : high - first]
    if page.torn is None:
        return rows, within
    return _sure(page, page.torn, low, rows[:, within], columns), np.arange(len(columns))


def _sure(page: Leaf, torn: BoolArray, low: int, cells: Bits, columns: IntArray) -> Bits:
    """The cells without those that no entry vouches for."""
    for row in np.flatnonzero(torn[low : low + len(cells)]).tolist():
        cells[row, page.times[low + row, page.slot_of[columns]] == 0] = 0
    return cells
