"""The cells of a frame, taken from its leaves: some rows, a run of columns at a time, whoever asks and whenever.

What is gathered twice is the same: only a time that was there when the rows were chosen makes a cell a sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ruler.model.arrays import BoolArray, CodeArray, IntArray
from ruler.tsdb.files.chunk import OpenChunk, Part
from ruler.tsdb.files.page import ABSENT_CELL, Bits, Leaf
from ruler.tsdb.keep.erase import Erasure, spared

CELLS_AT_ONCE = 1 << 16  # gathered, judged and decoded while they are in the cache


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

    def cells(self, rows: slice, columns: slice) -> tuple[Bits, BoolArray, bool]:
        """The cells of these rows and columns, which columns hold any, and whether any cell is ABSENT."""
        streams = self._stream_of[columns]
        layers = [layer.among(columns) for layer in self._layers if layer.columns[columns].any()]
        removed = {row - rows.start: (self._stored[row] == 0)[streams] for row in self._edges if _within(row, rows)}
        cells, held, gaps = _gathered(layers, self._base + rows.start, rows.stop - rows.start, len(streams), removed)
        written = [layer.page.writes for layer in self._layers]
        if any(was & 1 or was != now for was, now in zip(self._writes, written, strict=True)):
            # A row may have been half written: only its time makes it a sample.
            cells[(self._stored[rows] == 0)[:, streams]] = ABSENT_CELL
            held, gaps = (cells != ABSENT_CELL).any(axis=0), True
        return cells, held, gaps


def _within(row: int, rows: slice) -> bool:
    return bool(rows.start <= row < rows.stop)


def _gathered(
    layers: Sequence[Layer], base: int, height: int, width: int, removed: dict[int, BoolArray]
) -> tuple[Bits, BoolArray, bool]:
    """The values of `height` rows from the tick `base` on, which columns hold any, and whether any is absent.

    Goes by as many rows as the cache holds. In the rows of `removed` the columns given there are left absent.
    """
    step = max(1, CELLS_AT_ONCE // width)
    values = np.empty((height, width), dtype=np.uint64)
    present = np.zeros(width, dtype=np.uint64)
    gaps = False
    pieces = [_Piece(layer, layer.page.first - base) for layer in layers]
    for low in range(0, height, step):
        part = values[low : low + step]
        high, filled = low + len(part), 0
        for piece in pieces:
            begin, stop = max(low, piece.begin), min(high, piece.end)
            if begin < stop:
                at = begin - low
                part[filled:at] = 0
                piece.gather(begin, stop, part[at : stop - low], filled - at)
                filled = max(filled, stop - low)
        part[filled:] = 0
        for row in range(low, high):
            if row in removed:
                part[row - low, removed[row]] = 0
        present |= np.bitwise_or.reduce(part, axis=0)
        gaps = gaps or not part.all()
        np.bitwise_xor(part, ABSENT_CELL, out=part)
    return values, present != 0, gaps


class _Piece:
    """A _Piece is the cells of one layer, taken from its leaf when they are first wanted and let go after the last."""

    def __init__(self, layer: Layer, offset: int) -> None:
        self._layer, self._offset = layer, offset
        self.begin, self.end = layer.low + offset, layer.high + offset  # rows of the block
        self._taken: tuple[Bits, IntArray, int] | None = None
        self._parts: list[Part] | None = None

    def gather(self, begin: int, stop: int, into: Bits, overlap: int) -> None:
        """Copy these rows of the block; the first `overlap` rows of `into` hold cells of other streams already."""
        page, columns, low, high, _, erasures = self._layer
        if overlap <= 0 and not erasures and isinstance(page, OpenChunk):
            if self._parts is None:
                self._parts = page.parts_of(columns, page.plane)
            if not columns.all():
                into[:] = 0
            for part in self._parts:
                into[:, part.into] = part.cells[begin - self._offset : stop - self._offset, part.within]
            return
        if self._taken is None:
            self._taken = spared(page, columns, low, high, erasures)
        cells, places, first = self._taken
        rows = cells[begin - self._offset - first : stop - self._offset - first]
        if page.torn is not None:
            _gather_sure(page, page.torn, begin - self._offset, rows, columns, places, into, overlap)
        else:
            _gather(rows, places, into, overlap)
        if stop == self.end:
            self._taken = None


def _gather(rows: Bits, columns: IntArray, into: Bits, overlap: int) -> None:
    if overlap > 0:
        into[:overlap] |= rows[:overlap, columns]
        rows, into = rows[overlap:], into[overlap:]
    if neighbours(columns):
        into[:] = rows[:, columns[0] : columns[-1] + 1]
    else:
        rows.take(columns, axis=1, out=into, mode="clip")


def _gather_sure(
    page: Leaf, torn: BoolArray, low: int, rows: Bits, columns: IntArray, places: IntArray, into: Bits, overlap: int
) -> None:
    """The same where cells may be there that no entry vouches for."""
    sure = rows[:, places]
    for row in np.flatnonzero(torn[low : low + len(rows)]).tolist():
        sure[row, page.times[low + row, page.slot_of[columns]] == 0] = 0
    into[max(0, overlap) :] = 0
    into |= sure


def of_columns(rows: Bits, columns: IntArray) -> Bits:
    """Some columns of these rows; a view where they are neighbours."""
    return rows[:, columns[0] : columns[-1] + 1] if neighbours(columns) else rows[:, columns]


def neighbours(columns: IntArray) -> bool:
    """Whether each of these columns is the one after that before it."""
    return bool(columns[-1] - columns[0] == len(columns) - 1 and (columns[1:] > columns[:-1]).all())
