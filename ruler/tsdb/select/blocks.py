"""From pages to blocks: the samples of a selection in a window, stacked so that no reader sees a page or a seam.

Series whose samples lie on one ring, one after another, are taken row by row (a *stretch*: for each leaf, a column for
each series). Series with several writers at once, or on several rings, or on no grid are merged by time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ruler.model.arrays import ABSENT, NEVER, BoolArray, IntArray, absent
from ruler.storage import Aspect, Block, Deferred, Look, Selection
from ruler.tsdb.files.chunk import OpenChunk
from ruler.tsdb.files.page import ABSENT_CELL, OPEN, TIME_SIGN
from ruler.tsdb.keep.erase import erased, spared, touching
from ruler.tsdb.labels.selected import Selected
from ruler.tsdb.select.gathering import Layer
from ruler.tsdb.select.merging import Part, in_order
from ruler.tsdb.select.stretch import Stretch
from ruler.tsdb.write.ring import Ring

MOST_HOLES = 4  # rows of a stack for each row that there is
AT_ONCE = 1 << 15  # cells: so few are gathered when they are selected
SHARE = 1 << 20  # cells that are deferred together: as much as a cache holds
LEAST_SERIES, MOST_SERIES = 64, 1 << 13  # that are deferred together
ALL = 1 << 62

FAR = 1 << 62  # no time is further from 1970

_SIGN = np.uint64(TIME_SIGN)


def select(selected: Selected, rings: Sequence[Ring], start: int, end: int, look: Look | None = None) -> Selection:
    """The samples of the selected series in (start, end]; of those that a single look takes the last of, only that."""
    last = look is not None and look.aspect is Aspect.INSTANT and not look.step
    found: list[Block | Deferred] = []
    stretches, merged = _parted(selected, rings, start, end, 0, last=last)
    for rows, stretch in stretches:
        height = stretch.height
        if height * stretch.width <= AT_ONCE:
            found += _placed(stretch.blocks(), rows)
        else:
            width = min(MOST_SERIES, max(LEAST_SERIES, SHARE // height))
            for left in range(0, len(rows), width):
                part = slice(left, left + width)
                found.append(Deferred(rows[part], height, stretch.among(part).blocks))
    return selection(selected, [*found, *merged])


def stacked(selected: Selected, rings: Sequence[Ring], start: int, end: int, plane: int = 0) -> list[Block]:
    """The same as blocks whose rows are those of the selected series; of archives, one of their planes.

    Cells without a time are ABSENT.
    """
    stretches, merged = _parted(selected, rings, start, end, plane, last=False)
    found = [block for rows, stretch in stretches for block in _placed(stretch.blocks(), rows)]
    for block in found:
        never = block.times == NEVER
        for row in np.flatnonzero(never.any(axis=1)).tolist():
            block.values[row, never[row, block.stream_of]] = ABSENT
    return found + merged


def _placed(blocks: list[Block], rows: IntArray) -> list[Block]:
    return [replace(block, rows=rows[block.rows]) for block in blocks]


def _parted(
    selected: Selected, rings: Sequence[Ring], start: int, end: int, plane: int, *, last: bool
) -> tuple[list[tuple[IntArray, Stretch]], list[Block]]:
    """The series that can be read row by row, those of each ring a stretch, and the others merged by time."""
    start, end = max(start, -FAR), min(end, FAR)
    gridded = [
        (ring, layers) for ring in rings if ring.interval and (layers := layers_of(selected, ring, start, end, plane))
    ]
    free = [layer for ring in rings if not ring.interval for layer in layers_of(selected, ring, start, end)]
    merged = _needing_merge(selected, [layers for _, layers in gridded], free)
    stretches = []
    for ring, layers in gridded:
        rows, framed = _framed(selected, layers, merged)
        if framed:
            stretches.append((rows, Stretch(ring.interval, tuple(framed), start, end, last)))
    if merged is None:
        return stretches, []
    every = [layer for _, layers in gridded for layer in layers] + free
    block = _merged_block(every, np.flatnonzero(merged), start, end)
    return stretches, [] if block is None else [block]


def cells(selected: Selected, rings: Sequence[Ring], start: int, end: int, at_once: int = ALL) -> int:
    """How many cells `select` would allocate at most, when it defers blocks of more than `at_once`."""
    total = 0
    layers_of_each = [(ring, layers) for ring in rings if (layers := layers_of(selected, ring, start, end))]
    for ring, layers in layers_of_each:
        stacked = sum((layer.high - layer.low) * int(np.count_nonzero(layer.columns)) for layer in layers)
        if ring.interval and (height := _height(layers)) is not None:
            stacked = max(stacked, height * int(np.count_nonzero(_anywhere(layers))))
        total += min(stacked, at_once) if len(layers_of_each) == 1 and ring.interval else stacked
    return total


def living(selected: Selected, rings: Sequence[Ring], start: int, end: int) -> BoolArray:
    """Which of the selected series may have a sample about start ≤ time ≤ end."""
    found = np.zeros(len(selected), dtype=np.bool_)
    for ring in rings:
        for layer in layers_of(selected, ring, start - 1, end):
            alive = layer.columns > 0
            if layer.erasures:
                alive &= ~erased(layer.page, layer.columns, layer.low, layer.high, layer.erasures)
            found |= alive
    return found


def layers_of(selected: Selected, ring: Ring, start: int, end: int, plane: int = 0) -> list[Layer]:
    """What the ring's leaves have of the selection in a window; several layers of one that has a series twice."""
    layers, records = [], ring.erasures.records  # before the leaves: forgotten once others are in their place
    for leaf in ring.leaves:
        if leaf.oldest > end or leaf.newest <= start or (page := leaf.opened()) is None:
            continue
        if plane and isinstance(page, OpenChunk):
            page = page.of_plane(plane)
        low, high = page.rows_about(start, min(end, leaf.newest))
        if low >= high:
            continue
        erasures = touching(records, leaf, start, end)
        for columns in selected.lookup(page).layers:
            alive = (page.last_row[columns] >= low) & (page.first_row[columns] < high)
            if alive.all():
                layers.append(Layer(page, columns, low, high, whole=True, erasures=erasures))
            elif alive.any():
                layers.append(Layer(page, np.where(alive, columns, 0), low, high, whole=False, erasures=erasures))
    if len(layers) > 1 and ring.interval:
        layers.sort(key=lambda layer: (layer.page.first, layer.page.order))
    return layers


def _needing_merge(selected: Selected, gridded: list[list[Layer]], free: list[Layer]) -> BoolArray | None:
    """Which series cannot be taken row by row; None when all can."""
    merged: BoolArray | None = None
    seen: BoolArray | None = None  # on a ring before
    for layers in gridded:
        if len(layers) > 1:
            until = np.full(len(selected), -(1 << 62), dtype=np.int64)
            clash = np.zeros(len(selected), dtype=np.bool_)
            for page, columns, *_ in layers:
                slots = page.slot_of[columns]
                clash |= (columns > 0) & (until >= page.first + page.slot_first[slots].astype(np.int64))
                last = page.slot_last[slots].astype(np.int64)
                ends = np.where(last == OPEN, 1 << 62, page.first + last)
                until = np.where(columns > 0, np.maximum(until, ends), until)
            merged = clash if merged is None else merged | clash
            if _height(layers) is None:
                merged = merged | _anywhere(layers)
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
    low = min(layer.page.first + layer.low for layer in layers)
    high = max(layer.page.first + layer.high for layer in layers)
    return high - low if high - low <= MOST_HOLES * sum(layer.high - layer.low for layer in layers) else None


def _framed(selected: Selected, layers: list[Layer], merged: BoolArray | None) -> tuple[IntArray, list[Layer]]:
    """Which series are there and not merged, and their layers."""
    if merged is None and any(layer.whole for layer in layers):
        return np.arange(len(selected), dtype=np.int64), layers
    here = _anywhere(layers)
    rows = np.flatnonzero(here if merged is None else here & ~merged)
    layers = [layer.among(rows) for layer in layers]
    return rows, [layer for layer in layers if layer.columns.any()]


def _anywhere(layers: list[Layer]) -> BoolArray:
    """Which series have a column in any of these layers."""
    here = layers[0].columns > 0
    for layer in layers[1:]:
        here = here | (layer.columns > 0)
    return here


def _merged_block(layers: list[Layer], rows: IntArray, start: int, end: int) -> Block | None:
    """The block of series that are merged by time: each is its own stream, and rows count its samples."""
    parts: list[Part] = []
    for page, all_columns, low, high, _, erasures in sorted(layers, key=lambda layer: layer.page.order):
        here = np.flatnonzero(all_columns[rows])
        columns = all_columns[rows[here]]
        if not len(columns):
            continue
        stored = page.times[low:high][:, page.slot_of[columns]].T
        real = (stored ^ _SIGN).view(np.int64)
        cells, places, first = spared(page, columns, low, high, erasures)
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


def selection(selected: Selected, blocks: Sequence[Block | Deferred]) -> Selection:
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
