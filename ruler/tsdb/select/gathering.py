"""The cells of a frame, taken from its leaves: some rows, a run of columns at a time, whoever asks and whenever.

What is gathered twice is the same: only a time that was there when the rows were chosen makes a cell a sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ruler.kernels.gather import gather
from ruler.model.arrays import BoolArray, CodeArray, IntArray
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


class Gatherer:
    """A Gatherer gives the cells of a frame as they were when it was made.

    `stored` are the times [rows × streams] of its rows, the first of which is the tick `base`: 0 where there is none,
    or none that is asked for; `edges` are the rows in which some were taken out. `writes` says for each layer what had
    been written to its page before the times were read.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        writes: Sequence[int],
        base: int,
        stored: Bits,
        stream_of: CodeArray,
        edges: Sequence[int],
    ) -> None:
        self._layers, self._writes, self._base = layers, writes, base
        self._stored, self._stream_of, self._edges = stored, stream_of, edges

    def among(self, columns: IntArray) -> Gatherer:
        """The same for some of the columns."""
        layers = [layer.among(columns) for layer in self._layers]
        return Gatherer(layers, self._writes, self._base, self._stored, self._stream_of[columns], self._edges)

    def values(self, rows: slice) -> Bits:
        """The values of some rows [rows × columns], ABSENT where there is none; columns lie side by side in memory."""
        values = np.empty((len(self._stream_of), rows.stop - rows.start), dtype=np.uint64).T
        filled, base = 0, self._base + rows.start
        for layer in self._layers:
            offset = layer.page.first - base
            begin, end = max(0, layer.low + offset), min(len(values), layer.high + offset)
            if begin < end:
                values[filled:begin] = ABSENT_CELL
                between = min(max(begin, filled), end)  # rows above it hold cells of other streams already
                for low, high in ((begin, between), (between, end)):
                    if low < high:
                        _take(layer, low - offset, values[low:high], beside=low < between)
                filled = max(filled, end)
        values[filled:] = ABSENT_CELL
        written = [layer.page.writes for layer in self._layers]
        settled = all(was == now and not was & 1 for was, now in zip(self._writes, written, strict=True))
        # A row may have been half written: only its time makes it a sample.
        for row in self._edges if settled else range(rows.start, rows.stop):
            if rows.start <= row < rows.stop:
                values[row - rows.start, (self._stored[row] == 0)[self._stream_of]] = ABSENT_CELL
        return values


def _take(layer: Layer, low: int, into: Bits, *, beside: bool) -> None:
    """Take rows of a layer, from `low` on; `beside` cells of other streams that are in their places already."""
    page, columns, *_, erasures = layer
    high = low + len(into)
    if not erasures and not beside and isinstance(page, OpenChunk):
        page.read(columns, low, high, into, page.plane)
        return
    cells, places, first = spared(page, columns, low, high, erasures)
    rows = cells[low - first : high - first]
    if page.torn is not None:
        rows, places = _sure(page, page.torn, low, rows[:, places], columns), np.arange(len(columns))
    gather(rows, places, into, np.arange(len(columns)), beside=beside)


def _sure(page: Leaf, torn: BoolArray, low: int, cells: Bits, columns: IntArray) -> Bits:
    """The cells without those that no entry vouches for."""
    for row in np.flatnonzero(torn[low : low + len(cells)]).tolist():
        cells[row, page.times[low + row, page.slot_of[columns]] == 0] = 0
    return cells


def of_columns(rows: Bits, columns: IntArray) -> Bits:
    """Some columns of these rows; a view where they are neighbours."""
    return rows[:, columns[0] : columns[-1] + 1] if neighbours(columns) else rows[:, columns]


def neighbours(columns: IntArray) -> bool:
    """Whether each of these columns is the one after that before it."""
    return bool(columns[-1] - columns[0] == len(columns) - 1 and (columns[1:] > columns[:-1]).all())
