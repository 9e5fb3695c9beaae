"""Values of layers, as a stack that computes them when they are wanted, or the last one of each series."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ruler.kernels.cells.layers import Layer
from ruler.kernels.cells.stacks import Source, Stack, take_last
from ruler.model.arrays import BoolArray, IntArray
from ruler.tsdb.files.chunk import OpenChunk
from ruler.tsdb.files.page import ABSENT_CELL, Bits, Leaf
from ruler.tsdb.keep.erase import spared


def gathered(layers: Sequence[Layer], width: int, base: int, height: int) -> Stack:
    """The values of all series in `height` rows from the tick `base` on, ABSENT where there is none."""
    sources = []
    for layer in layers:
        offset = layer.page.first - base
        begin, end = max(0, layer.low + offset), min(height, layer.high + offset)
        if begin < end:
            sources.append(_source(layer, layer.columns, begin - offset, begin, end))
    return Stack(sources, width, height)


def last_of(layers: Sequence[Layer], start: int, end: int, *, past_stale: bool) -> tuple[Bits, IntArray]:
    """The last value of each series with a time in (start, end], ABSENT where there is none, and that time (ms).

    With `past_stale`, the marker of a series that ended is none.
    """
    width = len(layers[0].columns)
    values, times = np.empty(width, dtype=np.uint64), np.zeros(width, dtype=np.int64)
    values.fill(ABSENT_CELL)
    missing = width
    for layer in reversed(layers):
        columns = layer.columns if missing == width else np.where(values == ABSENT_CELL, layer.columns, 0)
        source = _source(layer, columns, layer.low, 0, layer.high - layer.low)
        missing = take_last(layer, source, values, times, start, end, past_stale)
        if not missing:
            break
    return values, times


def _source(layer: Layer, columns: IntArray, low: int, begin: int, end: int) -> Source:
    """A layer from row `low` on, which are the rows [begin, end) of a stack, for the series that have a column."""
    page: Leaf = layer.page
    if isinstance(page, OpenChunk) and not layer.erasures:
        return page.source(columns, low, begin, end)
    cells, places, first = spared(page, columns, low, low + end - begin, layer.erasures)
    if page.torn is None:
        return Source(begin, end, columns, low - first, places, cells)
    rows = _sure(page, page.torn, low, cells[low - first : low - first + end - begin, places], columns)
    return Source(begin, end, columns, 0, np.arange(len(columns)), rows)


def _sure(page: Leaf, torn: BoolArray, low: int, cells: Bits, columns: IntArray) -> Bits:
    """The cells without those that no entry vouches for."""
    for row in np.flatnonzero(torn[low : low + len(cells)]).tolist():
        cells[row, page.times[low + row, page.slot_of[columns]] == 0] = 0
    return cells
