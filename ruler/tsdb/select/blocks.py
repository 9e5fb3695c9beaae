"""From pages to blocks: the samples of a selection in a window, stacked so that no reader sees a page or a seam.

Series whose samples lie on one ring, one after another, are taken row by row (a *stretch*: for each leaf, a column for
each series). Series with several writers at once, or on several rings, or on no grid are merged by time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from ruler.kernels.cells.layers import Layer, clashing, extent, find_layers
from ruler.model.arrays import ABSENT, NEVER, BoolArray, IntArray, absent
from ruler.storage import Block, Deferred, Lasts, Look, Selection
from ruler.tsdb.files.page import ABSENT_CELL, TIME_SIGN
from ruler.tsdb.keep.erase import erased, spared, touching
from ruler.tsdb.labels.selected import Selected
from ruler.tsdb.select.merging import Part, in_order
from ruler.tsdb.select.stretch import Ends, Stretch
from ruler.tsdb.write.ring import Ring

MOST_HOLES = 4  # rows of a stack for each row that there is
AT_ONCE = 1 << 15  # cells: so few are one block, whose rows are laid out when it is selected
SHARE = 1 << 20  # cells that are deferred together, at most
SHARES, LEAST_SHARE = 8, 1 << 18  # so many at least, of which processors take one after the other, if they are as large
NO_ROWS = np.empty(0, dtype=np.int64)
FAR = 1 << 62  # no time is further from 1970

_SIGN = np.uint64(TIME_SIGN)


def select(
    selected: Selected,
    rings: Sequence[Ring],
    start: int,
    end: int,
    look: Look | None = None,
    hold: Callable[[int], None] | None = None,
) -> Selection:
    """The samples of the selected series in (start, end]; of those that a single look takes the last of, only that.

    `hold` is told how many cells are to be allocated at once, before they are.
    """
    parted = _parted(selected, rings, start, end, ends=Ends.of(look, start, end))
    if hold is not None:
        hold(parted.cells_at_once)
    found: list[Block | Lasts | Deferred] = []
    for rows, stretch in parted.stretches:
        height, width = stretch.shape
        if height * width <= AT_ONCE:
            found += stretch.blocks(rows)
            continue
        shares = max(-(-height * width // SHARE), min(SHARES, height * width // LEAST_SHARE), 1)
        across = -(-width // shares)
        for left in range(0, width, across):
            part = slice(left, left + across)
            found.append(Deferred(rows[part], height, stretch.among(part).blocks))
    return selection(selected, [*found, *parted.merged(start, end)])


def stacked(selected: Selected, rings: Sequence[Ring], start: int, end: int, plane: int = 0) -> list[Block]:
    """The same as blocks whose rows are those of the selected series; of archives, one of their planes.

    Cells without a time are ABSENT.
    """
    parted = _parted(selected, rings, start, end, plane)
    found = [whole for rows, stretch in parted.stretches for block in stretch.blocks(rows) for whole in block.blocks()]
    for block in found:
        never = block.times == NEVER
        for row in np.flatnonzero(never.any(axis=1)).tolist():
            block.values[row, never[row, block.stream_of]] = ABSENT
    return [*found, *parted.merged(start, end)]


class _Parted(Struct, frozen=True, eq=False):
    """A _Parted is a selection in two parts: the series of each stretch, and those that have to be merged by time."""

    stretches: list[tuple[IntArray, Stretch]]
    mixed: IntArray
    layers: list[Layer]  # that may have some of the mixed series

    @property
    def cells_at_once(self) -> int:
        """How many cells are allocated that are not deferred."""
        total = 0
        for layer in self.layers:
            total += (layer.high - layer.low) * int(np.count_nonzero(layer.columns[self.mixed]))
        for _, stretch in self.stretches:
            height, width = stretch.shape
            total += height * width if height * width <= AT_ONCE else 0
        return total

    def merged(self, start: int, end: int) -> list[Block]:
        """The block of the mixed series."""
        block = _merged_block(self.layers, self.mixed, start, end) if len(self.mixed) else None
        return [] if block is None else [block]


def _parted(
    selected: Selected, rings: Sequence[Ring], start: int, end: int, plane: int = 0, ends: Ends | None = None
) -> _Parted:
    start, end = max(start, -FAR), min(end, FAR)
    intervals, gridded, free = [], [], []
    for ring in rings:
        layers = layers_of(selected, ring, start, end, plane)
        if not ring.interval:
            free += layers
        elif layers:
            intervals.append(ring.interval)
            gridded.append(layers)
    mixed = _needing_merge(gridded, free)
    stretches = []
    for interval, layers in zip(intervals, gridded, strict=True):
        rows, framed = _framed(layers, mixed)
        if framed:
            stretches.append((rows, Stretch(interval, framed, start, end, ends)))
    if mixed is None:
        return _Parted(stretches, NO_ROWS, [])
    return _Parted(stretches, np.flatnonzero(mixed), [*chain(*gridded), *free])


def cells(selected: Selected, rings: Sequence[Ring], start: int, end: int) -> int:
    """How many cells `stacked` would allocate at most."""
    total = 0
    for ring in rings:
        layers = layers_of(selected, ring, start, end)
        stacked = sum((layer.high - layer.low) * layer.count for layer in layers)
        if layers and ring.interval and (height := _height(layers)) is not None:
            stacked = max(stacked, height * int(np.count_nonzero(_anywhere(layers))))
        total += stacked
    return total


def living(selected: Selected, rings: Sequence[Ring], start: int, end: int) -> BoolArray:
    """Which of the selected series may have a sample about start ≤ time ≤ end."""
    found = np.zeros(len(selected), dtype=np.bool_)
    for ring in rings:
        for layer in layers_of(selected, ring, start - 1, end):
            here = layer.columns > 0
            if layer.erasures:
                here &= ~erased(layer.page, layer.columns, layer.low, layer.high, layer.erasures)
            found |= here
    return found


def layers_of(selected: Selected, ring: Ring, start: int, end: int, plane: int = 0) -> list[Layer]:
    """What the ring's leaves have of the selection in a window; several layers of one that has a series twice."""
    records = ring.erasures.records  # before the leaves: forgotten once others are in their place
    return find_layers(ring.leaves, selected, max(start, -FAR), min(end, FAR), plane, records, touching)


def _needing_merge(gridded: list[list[Layer]], free: list[Layer]) -> BoolArray | None:
    """Which series cannot be taken row by row; None when all can."""
    merged: BoolArray | None = None
    seen: BoolArray | None = None  # on a ring before
    for layers in gridded:
        if len(layers) > 1:
            clash = clashing(layers)
            if clash is not None:
                merged = clash if merged is None else merged | clash
            if _height(layers) is None:
                merged = _anywhere(layers) if merged is None else merged | _anywhere(layers)
        if len(gridded) > 1:
            here = _anywhere(layers)
            if seen is None:
                seen = here
            else:
                merged = (seen & here) if merged is None else merged | (seen & here)
                seen |= here
    for layer in free:
        merged = (layer.columns > 0) if merged is None else merged | (layer.columns > 0)
    return merged if merged is not None and merged.any() else None


def _height(layers: list[Layer]) -> int | None:
    """How many rows the layers take as one stack; None when most would be holes, as after a clock was years ahead."""
    _, height, rows = extent(layers)
    return height if height <= MOST_HOLES * rows else None


def _framed(layers: list[Layer], merged: BoolArray | None) -> tuple[IntArray, list[Layer]]:
    """Which series are there and not merged, and their layers."""
    if merged is None:
        for layer in layers:
            if layer.whole:
                return np.arange(len(layer.columns)), layers
    here = _anywhere(layers)
    rows = np.flatnonzero(here if merged is None else here & ~merged)
    layers = [layer.among(rows) for layer in layers]
    return rows, [layer for layer in layers if layer.count]


def _anywhere(layers: list[Layer]) -> BoolArray:
    """Which series have a column in any of these layers."""
    here = layers[0].columns > 0
    for layer in layers[1:]:
        here = here | (layer.columns > 0)
    return here


def _merged_block(layers: list[Layer], rows: IntArray, start: int, end: int) -> Block | None:
    """The block of series that are merged by time: each is its own stream, and rows count its samples."""
    parts: list[Part] = []
    for layer in sorted(layers, key=lambda layer: layer.page.order):
        page, low, high = layer.page, layer.low, layer.high
        here = np.flatnonzero(layer.columns[rows])
        columns = layer.columns[rows[here]]
        if not len(columns):
            continue
        stored = page.times[low:high][:, page.slot_of[columns]].T
        real = (stored ^ _SIGN).view(np.int64)
        cells, places, first = spared(page, columns, low, high, layer.erasures)
        bits = cells[low - first : high - first, places].T
        column, row = np.nonzero((real > start) & (real <= end) & (bits != 0))
        parts.append(Part(page.order, page.interval, here[column], real[column, row], bits[column, row]))
    if not parts:
        return None
    which, when, what = in_order(parts, len(rows))
    if not len(which):
        return None
    starts = np.searchsorted(which, np.arange(len(rows)))
    row = np.arange(len(which)) - starts[which]
    height = int(row.max()) + 1
    values = absent(height, len(rows))
    times = np.full(values.shape, NEVER)
    values.view(np.uint64)[row, which] = what ^ ABSENT_CELL
    times[row, which] = when
    return Block(rows, values, times, np.arange(len(rows), dtype=np.int32), None)


def selection(selected: Selected, blocks: Sequence[Block | Lasts | Deferred]) -> Selection:
    """The blocks with the table of exactly the series that they hold."""
    table = selected.table
    if len(blocks) == 1 and len(blocks[0].rows) == len(selected):
        return Selection(table, tuple(blocks))
    held = np.zeros(len(selected), dtype=np.bool_)
    for block in blocks:
        held[block.rows] = True
    if held.all():
        return Selection(table, tuple(blocks))
    place = np.cumsum(held) - 1
    moved = tuple(replace(block, rows=place[block.rows]) for block in blocks)
    return Selection(table.take(np.flatnonzero(held)), moved)
