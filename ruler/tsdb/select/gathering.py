"""Layers as sources of values, and the stack that computes those of all when they are wanted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ruler.kernels.cells.layers import Layer
from ruler.kernels.cells.stacks import Source, Stack
from ruler.model.arrays import BoolArray, IntArray
from ruler.tsdb.files.page import Bits, Leaf
from ruler.tsdb.keep.erase import spared


def gathered(layers: Sequence[Layer], width: int, base: int, height: int) -> Stack:
    """The values of all series in `height` rows from the tick `base` on, ABSENT where there is none."""
    sources = []
    for layer in layers:
        offset = layer.page.first - base
        begin, end = max(0, layer.low + offset), min(height, layer.high + offset)
        if begin < end:
            sources.append(source_of(layer, begin - offset, begin, end))
    return Stack(sources, width, height)


def source_of(layer: Layer, low: int, begin: int, end: int) -> Source:
    """A layer from row `low` on, which are the rows [begin, end) of a stack, for the series that have a column."""
    page: Leaf = layer.page
    columns = layer.columns
    if page.torn is None and not layer.erasures:
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
