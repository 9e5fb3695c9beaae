"""From pages to blocks: the samples of a selection in a window, stacked so that no reader sees a page or a seam.

Series whose samples lie on one ring, one after another, are taken row by row (a *frame*: for each page, a column for
each series). Series with several writers at once, or on several rings, or on no grid are merged by time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ruler.model.arrays import BoolArray, CodeArray, FloatArray, IntArray
from ruler.storage import Aspect, Block, Deferred, Look, Selection
from ruler.tsdb.files.chunk import OpenChunk
from ruler.tsdb.files.page import ABSENT_CELL, OPEN, SPECIAL, STALES, TIME_SIGN, Bits
from ruler.tsdb.keep.erase import erased, spared, touching
from ruler.tsdb.labels.selected import Frame, Selected
from ruler.tsdb.select.gathering import Gatherer, Layer, of_columns
from ruler.tsdb.select.merging import Part, in_order
from ruler.tsdb.write.ring import Ring

MOST_HOLES = 4  # rows of a stack for each row that there is
NEAR_ROWS = 3  # before that of a moment, where the last sample before it is looked for first
AT_ONCE = 1 << 15  # cells: so few are gathered when they are selected
ALL = 1 << 62

FAR = 1 << 62  # no time is further from 1970

_SIGN = np.uint64(TIME_SIGN)


def select(selected: Selected, rings: Sequence[Ring], start: int, end: int, look: Look | None = None) -> Selection:
    """The samples of the selected series in (start, end], or of those that the look takes the last of."""
    moment = start + look.reach if look is not None and look.aspect is Aspect.INSTANT else None
    return selection(selected, _blocks(selected, rings, start, end, 0, AT_ONCE, moment))


def stacked(selected: Selected, rings: Sequence[Ring], start: int, end: int, plane: int = 0) -> list[Block]:
    """The same as blocks whose rows are those of the selected series; of archives, one of their planes."""
    return [block.whole() for block in _blocks(selected, rings, start, end, plane, ALL, None)]


def _blocks(
    selected: Selected, rings: Sequence[Ring], start: int, end: int, plane: int, at_once: int, moment: int | None
) -> list[Block | Deferred]:
    start, end = max(start, -FAR), min(end, FAR)
    blocks: list[Block | Deferred] = []
    gridded = [
        (ring, layers) for ring in rings if ring.interval and (layers := layers_of(selected, ring, start, end, plane))
    ]
    free = [layer for ring in rings if not ring.interval for layer in layers_of(selected, ring, start, end)]
    merged = _needing_merge(selected, [layers for _, layers in gridded], free)
    for ring, layers in gridded:
        frame, framed = _framed(selected, layers, merged)
        if framed:
            stretch = _stretch(ring, frame, framed, start, end, at_once)
            if stretch is not None:
                blocks += stretch.blocks() if moment is None else stretch.blocks_since(moment)
    if merged is not None:
        every = [layer for _, layers in gridded for layer in layers] + free
        block = _merged_block(every, np.flatnonzero(merged), start, end)
        if block is not None:
            blocks.append(block)
    return blocks


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


def _stretch(ring: Ring, frame: Frame, layers: list[Layer], start: int, end: int, at_once: int) -> Stretch | None:
    """The stretch of a frame in (start, end]: times are read before values, so a row seen with its time is whole."""
    base = min(layer.page.first + layer.low for layer in layers)
    writes = [layer.page.writes for layer in layers]
    times = _stacked_times(layers, frame.slots, base)
    inside = _crop(times, start, end)
    if inside is None:
        return None
    top, bottom, edges = inside
    flags = 0
    for layer in layers:
        flags |= int(np.bitwise_or.reduce(layer.page.flags[layer.columns]))
    gatherer = Gatherer(layers, writes, base, times, frame.stream_of, edges)
    return Stretch(
        ring.interval, base, slice(top, bottom), flags, times, gatherer, frame.rows, frame.stream_of, at_once
    )


@dataclass(frozen=True, slots=True)
class Stretch:
    """A Stretch is what some series have in the rows `span` of a grid, whose stored times [rows × streams] are `times`.

    The first row is the tick `base`; `rows` are those of the selection's table. Blocks of more than `at_once` cells are
    deferred.
    """

    interval: int
    base: int
    span: slice
    flags: int
    times: Bits
    gatherer: Gatherer
    rows: IntArray
    stream_of: CodeArray
    at_once: int

    def blocks_since(self, moment: int) -> list[Block | Deferred]:
        """The blocks without the rows above the last sample that is not after a moment."""
        top, bottom = self.span.start, self.span.stop
        last = min(max(moment // self.interval - self.base, top), bottom - 1)
        low = max(top, last - NEAR_ROWS)
        if low - top < NEAR_ROWS:
            return self.blocks()
        cells, _, _ = self.gatherer.cells(slice(low, last + 1), slice(0, len(self.rows)))
        stored = self.times[low : last + 1]
        taken = (stored != 0) & (stored <= np.uint64(moment + TIME_SIGN))
        near = ((cells != ABSENT_CELL) & taken[:, self.stream_of]).any(axis=0)
        if near.all():
            return replace(self, span=slice(low, bottom)).blocks()
        if not near.any():
            return self.blocks()
        recent = replace(self._among(np.flatnonzero(near)), span=slice(low, bottom))
        return [*recent.blocks(), *self._among(np.flatnonzero(~near)).blocks()]

    def _among(self, columns: IntArray) -> Stretch:
        rows, stream_of = self.rows[columns], self.stream_of[columns]
        return replace(self, gatherer=self.gatherer.among(columns), rows=rows, stream_of=stream_of)

    def blocks(self) -> list[Block | Deferred]:
        """The block, if there is anything."""
        times, tick = self.times[self.span].copy(), ((self.base + self.span.start) * self.interval, self.interval)
        for row in np.flatnonzero(np.logical_not(times.all(axis=1))).tolist():
            if row:
                np.maximum(times[row], times[row - 1], out=times[row])
        if len(times) * len(self.rows) <= self.at_once:
            cells, held, gaps = self.gatherer.cells(self.span, slice(0, len(self.rows)))
            block = _block(self.rows, cells, times, self.stream_of, tick, self.flags, held, gaps=gaps)
            return [] if block is None else [block]
        times ^= _SIGN
        special, stale = bool(self.flags & SPECIAL), bool(self.flags & STALES)
        real = times.view(np.int64)
        return [Deferred(self.rows, len(times), real, self.stream_of, tick, special, stale, self._gather)]

    def _gather(self, left: int, right: int) -> tuple[FloatArray, bool]:
        cells, _, gaps = self.gatherer.cells(self.span, slice(left, right))
        return cells.view(np.float64), gaps


def _stacked_times(layers: list[Layer], slots: tuple[IntArray, ...], base: int) -> Bits:
    """The stored times [rows × streams] of all layers, row 0 being the tick `base`."""
    if len(layers) == 1:
        page, _, low, high, *_ = layers[0]
        return of_columns(page.times[low:high], slots[0]).copy()
    height = max(layer.page.first + layer.high for layer in layers) - base
    times = np.zeros((height, len(slots[0])), dtype=np.uint64)
    for layer, places in zip(layers, slots, strict=True):
        at = layer.page.first + layer.low - base
        times[at : at + layer.high - layer.low] |= of_columns(layer.page.times[layer.low : layer.high], places)
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
