"""From pages to blocks: the samples of a selection in a window, stacked so that no reader sees a page or a seam.

Series whose samples lie on one ring, one after another, are taken row by row (a *frame*: for each page, a column for
each series). Series with several writers at once, or on several rings, or on no grid are merged by time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ruler.model.arrays import BoolArray, CodeArray, FloatArray, IntArray
from ruler.storage import Block, Selection
from ruler.tsdb.page import ABSENT_CELL, OPEN, SPECIAL, STALES, TIME_SIGN, Bits, Page
from ruler.tsdb.ring import Ring
from ruler.tsdb.selected import Frame, Selected

CELLS_AT_ONCE = 1 << 16  # gathered, judged and decoded while they are in the cache

_SIGN = np.uint64(TIME_SIGN)


class Layer(NamedTuple):
    """A Layer is the rows [low, high) of a page, and for each series its column there (0: none)."""

    page: Page
    columns: IntArray
    low: int
    high: int
    whole: bool  # every series has its column here, and samples can be in these rows


def select(selected: Selected, rings: Sequence[Ring], start: int, end: int) -> Selection:
    """The samples of the selected series in (start, end]."""
    blocks: list[Block] = []
    gridded = [(ring, layers) for ring in rings if ring.interval and (layers := _layers(selected, ring, start, end))]
    free = [layer for ring in rings if not ring.interval for layer in _layers(selected, ring, start, end)]
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
    return _selection(selected, blocks)


def cells(selected: Selected, rings: Sequence[Ring], start: int, end: int) -> int:
    """How many cells `select` would allocate, at most."""
    total = 0
    for ring in rings:
        layers = _layers(selected, ring, start, end)
        stacked = sum((layer.high - layer.low) * int(np.count_nonzero(layer.columns)) for layer in layers)
        if layers and ring.interval:
            low = min(layer.page.first + layer.low for layer in layers)
            high = max(layer.page.first + layer.high for layer in layers)
            stacked = max(stacked, (high - low) * int(np.count_nonzero(_anywhere(layers))))
        total += stacked
    return total


def living(selected: Selected, rings: Sequence[Ring], start: int, end: int) -> BoolArray:
    """Which of the selected series may have a sample about start ≤ time ≤ end."""
    found = np.zeros(len(selected), dtype=np.bool_)
    for ring in rings:
        for layer in _layers(selected, ring, start - 1, end):
            found |= layer.columns > 0
    return found


def _layers(selected: Selected, ring: Ring, start: int, end: int) -> list[Layer]:
    """What the ring's pages have of the selection in a window; several layers of a page that has a series twice."""
    layers = []
    for page in ring.pages:
        low, high = page.rows_about(start, end)
        if low >= high:
            continue
        for columns in selected.lookup(page).layers:
            alive = (page.last_row[columns] >= low) & (page.first_row[columns] < high)
            if alive.all():
                layers.append(Layer(page, columns, low, high, whole=True))
            elif alive.any():
                layers.append(Layer(page, np.where(alive, columns, 0), low, high, whole=False))
    if len(layers) > 1 and ring.interval:
        layers.sort(key=lambda layer: (layer.page.first, layer.page.shape.number))
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
                clash |= (columns > 0) & (until >= page.first + page.slot_first[slots])
                last = page.slot_last[slots].astype(np.int64)
                ends = np.where(last == OPEN, 1 << 62, page.first + last)
                until = np.where(columns > 0, np.maximum(until, ends), until)
            merged = clash if merged is None else merged | clash
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
    slots, stream_of = _streams([layer.page.slot_of[layer.columns] for layer in layers])
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


def _streams(slots_of: list[CodeArray]) -> tuple[tuple[IntArray, ...], CodeArray]:
    """The streams of a block, each a slot (or none) in each layer, and the stream of each column."""
    place = np.zeros(len(slots_of[0]), dtype=np.int64)
    first = place[:1]
    for slots in slots_of:
        _, first, place = np.unique(place * (int(slots.max()) + 1) + slots, return_index=True, return_inverse=True)
    return tuple(slots[first].astype(np.int64) for slots in slots_of), place.astype(np.int32)


def _grid_block(ring: Ring, frame: Frame, layers: list[Layer], start: int, end: int) -> Block | None:
    """The block of a frame: times first, then values, so that a row seen with its time is seen whole."""
    base = min(layer.page.first + layer.low for layer in layers)
    height = max(layer.page.first + layer.high for layer in layers) - base
    before = [layer.page.writes for layer in layers]
    times = np.zeros((height, len(frame.slots[0])), dtype=np.uint64)
    for layer, slots in zip(layers, frame.slots, strict=True):
        at = layer.page.first + layer.low - base
        times[at : at + layer.high - layer.low] |= _columns(layer.page.times[layer.low : layer.high], slots)
    real = (times ^ _SIGN).view(np.int64)
    outside: BoolArray = (real <= start) | (real > end)  # also where there is no time, which is the smallest int64
    some: BoolArray = np.logical_not(outside.all(axis=1))
    if not some.any():
        return None
    top = int(some.argmax())
    bottom = height - int(some[::-1].argmax())
    outside, times = outside[top:bottom], times[top:bottom]
    cropped = outside & (times != 0)
    times[outside] = 0

    values = np.zeros((bottom - top, len(frame.rows)), dtype=np.uint64)
    filled = 0
    flags = 0
    for layer in layers:
        low = max(layer.low, base + top - layer.page.first)
        high = min(layer.high, base + bottom - layer.page.first)
        if low >= high:
            continue
        at = layer.page.first + low - base - top
        _gather(layer.page, low, high, layer.columns, values[at : at + high - low], filled - at)
        filled = max(filled, at + high - low)
        flags |= int(np.bitwise_or.reduce(layer.page.flags[layer.columns]))
    unsure = cropped.any(axis=1)
    for layer, writes in zip(layers, before, strict=True):
        if writes & 1 or writes != layer.page.writes:
            unsure[:] = True  # a row may have been half written: only its time makes it a sample
    gappy = ~times.all(axis=1)
    for row in np.flatnonzero(unsure & gappy).tolist():
        values[row, (times[row] == 0)[frame.stream_of]] = 0
    for row in np.flatnonzero(gappy).tolist():
        if row:
            np.maximum(times[row], times[row - 1], out=times[row])
    return _decoded(frame.rows, values, times, frame.stream_of, ((base + top) * ring.interval, ring.interval), flags)


def _columns(rows: Bits, columns: IntArray) -> Bits:
    first = int(columns[0])
    if columns[-1] - first == len(columns) - 1 and (len(columns) < 3 or bool((np.diff(columns) == 1).all())):
        return rows[:, first : first + len(columns)]
    return rows[:, columns]


def _gather(page: Page, low: int, high: int, columns: IntArray, into: Bits, overlap: int) -> None:
    """Copy columns of some rows; the first `overlap` rows of `into` may hold cells of other streams already."""
    rows = page.cells[low:high]
    if page.torn is not None and page.torn[low:high].any():
        sure = rows[:, columns]
        for row in np.flatnonzero(page.torn[low:high]).tolist():
            sure[row, page.times[low + row, page.slot_of[columns]] == 0] = 0
        into |= sure
        return
    if overlap > 0:
        into[:overlap] |= rows[:overlap, columns]
        rows, into = rows[overlap:], into[overlap:]
    first = int(columns[0])
    if columns[-1] - first == len(columns) - 1 and bool((np.diff(columns) == 1).all()):
        into[:] = rows[:, first : first + len(columns)]
    else:
        rows.take(columns, axis=1, out=into, mode="clip")


def _decoded(
    rows: IntArray,
    values: Bits,
    times: Bits,
    stream_of: CodeArray,
    tick: tuple[int, int] | None,
    flags: int,
) -> Block | None:
    """A block of stored cells and times, without the columns that hold nothing. Takes over `values` and `times`."""
    step = max(1, CELLS_AT_ONCE // max(1, values.shape[1]))
    present = np.zeros(values.shape[1], dtype=np.uint64)
    gaps = False
    for at in range(0, len(values), step):
        part = values[at : at + step]
        present |= np.bitwise_or.reduce(part, axis=0)
        gaps = gaps or not part.all()
        np.bitwise_xor(part, ABSENT_CELL, out=part)
    times ^= _SIGN
    floats: FloatArray = values.view(np.float64)
    held = present != 0
    if not held.all():
        if not held.any():
            return None
        rows, floats, stream_of = rows[held], floats[:, held], stream_of[held]
    return Block(rows, floats, times.view(np.int64), stream_of, tick, bool(flags & SPECIAL), bool(flags & STALES), gaps)


def _merged_block(layers: list[Layer], rows: IntArray, start: int, end: int) -> Block | None:
    """The block of series that are merged by time: each is its own stream, and rows count its samples."""
    series: list[IntArray] = []
    times: list[IntArray] = []
    found: list[Bits] = []
    flags = 0
    for page, all_columns, low, high, _ in sorted(layers, key=lambda layer: layer.page.shape.number):
        here = np.flatnonzero(all_columns[rows])
        columns = all_columns[rows[here]]
        if not len(columns):
            continue
        stored = page.times[low:high][:, page.slot_of[columns]].T
        real = (stored ^ _SIGN).view(np.int64)
        bits = page.cells[low:high][:, columns].T
        column, row = np.nonzero((real > start) & (real <= end) & (bits != 0))
        series.append(here[column])
        times.append(real[column, row])
        found.append(bits[column, row])
        flags |= int(np.bitwise_or.reduce(page.flags[columns]))
    if not series:
        return None
    which, when, what = np.concatenate(series), np.concatenate(times), np.concatenate(found)
    later = (which[1:] > which[:-1]) | ((which[1:] == which[:-1]) & (when[1:] > when[:-1]))
    if not later.all():
        order = np.lexsort((when, which))  # stable: among equal times the older page's sample comes first
        which, when, what = which[order], when[order], what[order]
        first = np.ones(len(which), dtype=np.bool_)
        first[1:] = (which[1:] != which[:-1]) | (when[1:] != when[:-1])
        which, when, what = which[first], when[first], what[first]
    if not len(which):
        return None
    starts = np.searchsorted(which, np.arange(len(rows)))
    row = np.arange(len(which)) - starts[which]
    height = int(row.max()) + 1
    values = np.zeros((height, len(rows)), dtype=np.uint64)
    stamps = np.zeros((height, len(rows)), dtype=np.uint64)
    values[row, which] = what
    stamps[row, which] = when.view(np.uint64) ^ _SIGN
    np.maximum.accumulate(stamps, axis=0, out=stamps)
    return _decoded(rows, values, stamps, np.arange(len(rows), dtype=np.int32), None, flags)


def _selection(selected: Selected, blocks: list[Block]) -> Selection:
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
    moved = tuple(
        Block(place[b.rows], b.values, b.times, b.stream_of, b.tick, b.special, b.stale, b.gaps) for b in blocks
    )
    return Selection(table.take(np.flatnonzero(held)), moved)
