"""From pages to blocks: the samples of a selection in a window, stacked so that no reader sees a page or a seam.

Series whose samples lie on one ring, one after another, are taken row by row (a *frame*: for each page, a column for
each series). Series with several writers at once, or on several rings, or on no grid are merged by time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ruler.model.arrays import BoolArray, CodeArray, FloatArray, IntArray
from ruler.storage import Block, Selection
from ruler.tsdb.files.chunk import OpenChunk
from ruler.tsdb.files.page import ABSENT_CELL, OPEN, SPECIAL, STALES, TIME_SIGN, Bits, Leaf
from ruler.tsdb.keep.erase import Erasure, erased, spared, touching
from ruler.tsdb.labels.selected import Frame, Selected
from ruler.tsdb.select.merging import Part, in_order
from ruler.tsdb.write.ring import Ring

MOST_HOLES = 4  # rows of a stack for each row that there is
CELLS_AT_ONCE = 1 << 16  # gathered, judged and decoded while they are in the cache

FAR = 1 << 62  # no time is further from 1970

_SIGN = np.uint64(TIME_SIGN)


class Layer(NamedTuple):
    """A Layer is the rows [low, high) of a leaf, and for each series its column there (0: none)."""

    page: Leaf
    columns: IntArray
    low: int
    high: int
    whole: bool  # every series has its column here, and samples can be in these rows
    erasures: tuple[Erasure, ...] = ()  # that may touch samples here


def select(selected: Selected, rings: Sequence[Ring], start: int, end: int) -> Selection:
    """The samples of the selected series in (start, end]."""
    return selection(selected, stacked(selected, rings, start, end))


def stacked(selected: Selected, rings: Sequence[Ring], start: int, end: int, plane: int = 0) -> list[Block]:
    """The same as blocks whose rows are those of the selected series; of archives, one of their planes."""
    start, end = max(start, -FAR), min(end, FAR)
    blocks: list[Block] = []
    gridded = [
        (ring, layers) for ring in rings if ring.interval and (layers := layers_of(selected, ring, start, end, plane))
    ]
    free = [layer for ring in rings if not ring.interval for layer in layers_of(selected, ring, start, end)]
    merged = _needing_merge(selected, [layers for _, layers in gridded], free)
    for ring, layers in gridded:
        frame, framed = _framed(selected, layers, merged)
        if framed and (block := _grid_block(ring, frame, framed, start, end)) is not None:
            blocks.append(block)
    if merged is not None:
        every = [layer for _, layers in gridded for layer in layers] + free
        block = _merged_block(every, np.flatnonzero(merged), start, end)
        if block is not None:
            blocks.append(block)
    return blocks


def cells(selected: Selected, rings: Sequence[Ring], start: int, end: int) -> int:
    """How many cells `select` would allocate, at most."""
    total = 0
    for ring in rings:
        layers = layers_of(selected, ring, start, end)
        stacked = sum((layer.high - layer.low) * int(np.count_nonzero(layer.columns)) for layer in layers)
        if layers and ring.interval and (height := _height(layers)) is not None:
            stacked = max(stacked, height * int(np.count_nonzero(_anywhere(layers))))
        total += stacked
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
        low, high = page.rows_about(start, end)
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


def _framed(selected: Selected, layers: list[Layer], merged: BoolArray | None) -> tuple[Frame, list[Layer]]:
    """The frame of the series that are not merged (remembered when nothing is missing anywhere), and its layers."""
    key: tuple[int, ...] | None = None
    if merged is None and all(layer.whole for layer in layers):
        key = tuple(id(layer.columns) for layer in layers)
        known = selected.frames.get(key)
        if known is not None:
            return known, layers
        rows = np.arange(len(selected), dtype=np.int64)
    else:
        here = _anywhere(layers)
        rows = np.flatnonzero(here if merged is None else here & ~merged)
        layers = [layer._replace(columns=layer.columns[rows]) for layer in layers]
        layers = [layer for layer in layers if layer.columns.any()]
        if not layers:
            return Frame(rows, (), (), np.empty(0, dtype=np.int32)), []
    slots, stream_of = streams_of([layer.page.slot_of[layer.columns] for layer in layers])
    frame = Frame(rows, tuple(layer.columns for layer in layers), slots, stream_of)
    if key is not None:
        selected.remember(key, frame)
    return frame, layers


def _anywhere(layers: list[Layer]) -> BoolArray:
    """Which series have a column in any of these layers."""
    here = layers[0].columns > 0
    for layer in layers[1:]:
        here = here | (layer.columns > 0)
    return here


def streams_of(slots_of: list[CodeArray]) -> tuple[tuple[IntArray, ...], CodeArray]:
    """The streams of a block, each a slot (or none) in each layer, and the stream of each column."""
    place = np.zeros(len(slots_of[0]), dtype=np.int64)
    first = place[:1]
    for slots in slots_of:
        _, first, place = np.unique(place * (int(slots.max()) + 1) + slots, return_index=True, return_inverse=True)
    return tuple(slots[first].astype(np.int64) for slots in slots_of), place.astype(np.int32)


def _grid_block(ring: Ring, frame: Frame, layers: list[Layer], start: int, end: int) -> Block | None:
    """The block of a frame: times first, then values, so that a row seen with its time is seen whole."""
    base = min(layer.page.first + layer.low for layer in layers)
    before = [layer.page.writes for layer in layers]
    times = _stacked_times(layers, frame.slots, base)
    inside = _crop(times, start, end)
    if inside is None:
        return None
    top, bottom, edges = inside
    times = times[top:bottom]
    gappy = np.flatnonzero(np.logical_not(times.all(axis=1))).tolist()
    removed = {row - top: (times[row - top] == 0)[frame.stream_of] for row in edges if top <= row < bottom}
    values, held, gaps = _gathered(layers, base + top, bottom - top, removed)
    if any(writes & 1 or writes != layer.page.writes for layer, writes in zip(layers, before, strict=True)):
        for row in gappy:  # a row may have been half written: only its time makes it a sample
            values[row, (times[row] == 0)[frame.stream_of]] = ABSENT_CELL
        held, gaps = (values != ABSENT_CELL).any(axis=0), True
    for row in gappy:
        if row:
            np.maximum(times[row], times[row - 1], out=times[row])
    flags = 0
    for layer in layers:
        flags |= int(np.bitwise_or.reduce(layer.page.flags[layer.columns]))
    tick = ((base + top) * ring.interval, ring.interval)
    return _block(frame.rows, values, times, frame.stream_of, tick, flags, held, gaps=gaps)


def _stacked_times(layers: list[Layer], slots: tuple[IntArray, ...], base: int) -> Bits:
    """The stored times [rows × streams] of all layers, row 0 being the tick `base`."""
    if len(layers) == 1:
        page, _, low, high, *_ = layers[0]
        return _columns(page.times[low:high], slots[0]).copy()
    height = max(layer.page.first + layer.high for layer in layers) - base
    times = np.zeros((height, len(slots[0])), dtype=np.uint64)
    for layer, places in zip(layers, slots, strict=True):
        at = layer.page.first + layer.low - base
        times[at : at + layer.high - layer.low] |= _columns(layer.page.times[layer.low : layer.high], places)
    return times


def _crop(times: Bits, start: int, end: int) -> tuple[int, int, list[int]] | None:
    """Remove the times that are not in (start, end]: the rows with any left, and those in which some were removed."""
    after, until = np.uint64(start + TIME_SIGN), np.uint64(end + TIME_SIGN)
    latest = times.max(axis=1)
    earliest = (times - np.uint64(1)).min(axis=1)  # less one, so that no time (zero) is the highest number
    edges = np.flatnonzero((earliest < after) | (latest > until)).tolist()
    for row in edges:
        each = times[row]
        each[(each <= after) | (each > until)] = 0
        latest[row] = each.max()
    some = np.flatnonzero(latest)
    return (int(some[0]), int(some[-1]) + 1, edges) if len(some) else None


def _columns(rows: Bits, columns: IntArray) -> Bits:
    return rows[:, columns[0] : columns[-1] + 1] if _neighbours(columns) else rows[:, columns]


def _neighbours(columns: IntArray) -> bool:
    return bool(columns[-1] - columns[0] == len(columns) - 1 and (columns[1:] > columns[:-1]).all())


def _gathered(
    layers: list[Layer], base: int, height: int, removed: dict[int, BoolArray]
) -> tuple[Bits, BoolArray, bool]:
    """The values of `height` rows from the tick `base` on, which columns hold any, and whether any is absent.

    Goes by as many rows as the cache holds. In the rows of `removed` the columns given there are left absent.
    """
    width = len(layers[0].columns)
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

    def gather(self, begin: int, stop: int, into: Bits, overlap: int) -> None:
        """Copy these rows of the block; the first `overlap` rows of `into` hold cells of other streams already."""
        page, columns, low, high, _, erasures = self._layer
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
    if _neighbours(columns):
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


def _block(
    rows: IntArray,
    values: Bits,
    times: Bits,
    stream_of: CodeArray,
    tick: tuple[int, int] | None,
    flags: int,
    held: BoolArray,
    *,
    gaps: bool,
) -> Block | None:
    """A block of decoded cells and stored times (which it takes over), without the columns that hold nothing."""
    times ^= _SIGN
    floats: FloatArray = values.view(np.float64)
    if not held.all():
        if not held.any():
            return None
        rows, floats, stream_of = rows[held], floats[:, held], stream_of[held]
    real = times.view(np.int64)
    return Block(rows, floats, real, stream_of, tick, bool(flags & SPECIAL), bool(flags & STALES), gaps)


def _merged_block(layers: list[Layer], rows: IntArray, start: int, end: int) -> Block | None:
    """The block of series that are merged by time: each is its own stream, and rows count its samples."""
    parts: list[Part] = []
    flags = 0
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
        flags |= int(np.bitwise_or.reduce(page.flags[columns]))
    if not parts:
        return None
    which, when, what = in_order(parts, len(rows))
    if not len(which):
        return None
    starts = np.searchsorted(which, np.arange(len(rows)))
    row = np.arange(len(which)) - starts[which]
    height = int(row.max()) + 1
    values = np.full((height, len(rows)), ABSENT_CELL)
    stamps = np.zeros((height, len(rows)), dtype=np.uint64)
    values[row, which] = what ^ ABSENT_CELL
    stamps[row, which] = when.view(np.uint64) ^ _SIGN
    np.maximum.accumulate(stamps, axis=0, out=stamps)
    held = np.zeros(len(rows), dtype=np.bool_)
    held[which] = True
    stream_of = np.arange(len(rows), dtype=np.int32)
    return _block(rows, values, stamps, stream_of, None, flags, held, gaps=len(which) < values.size)


def selection(selected: Selected, blocks: list[Block]) -> Selection:
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
