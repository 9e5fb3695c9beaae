"""The samples of one series that one stream at a time has written to one ring: by far the usual case.

What is any less plain is left to blocks.py, which costs five times as much for one series and nothing more for many.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from ruler.storage import Block, Selection
from ruler.tsdb.files.page import ABSENT_CELL, OPEN, TIME_SIGN, Bits, Leaf
from ruler.tsdb.labels.selected import Selected
from ruler.tsdb.write.ring import Ring

_SIGN: Final = np.uint64(TIME_SIGN)
_ROWS: Final = np.zeros(1, dtype=np.int64)
_STREAMS: Final = np.zeros(1, dtype=np.int32)
_FAR: Final = 1 << 62


def select_one(selected: Selected, rings: Sequence[Ring], start: int, end: int) -> Selection | None:
    """The samples in (start, end] of the only series selected; None when it takes more to tell."""
    pages = _pages(selected, rings, start, end)
    if not pages:
        return None
    times, cells, until = [], [], -_FAR
    for page, column, low, high in pages:
        slot, writes = page.slot_of[column], page.writes
        if until >= page.first + int(page.slot_first[slot]):
            return None  # two writers
        last = int(page.slot_last[slot])
        until = _FAR if last == OPEN else page.first + last
        stamps = page.times[low:high, slot]
        sampled = (stamps > np.uint64(start + TIME_SIGN)) & (stamps <= np.uint64(end + TIME_SIGN))
        times.append(stamps[sampled])
        found, places, first = page.cells_of(np.array([column]), low, high)
        cells.append(found[low - first : high - first, places[0]][sampled])
        if writes & 1 or writes != page.writes:
            return None  # a row may have been half written
    return _selection(selected, _joined(times), _joined(cells))


def rows_about(rings: Sequence[Ring], start: int, end: int) -> int:
    """How many rows all leaves have about a window: no series takes more cells of them."""
    total = 0
    for ring in rings:
        for leaf in ring.leaves:
            if leaf.oldest <= end and leaf.newest > start and (page := leaf.opened()) is not None:
                low, high = page.rows_about(start, end)
                total += high - low
    return total


def _pages(selected: Selected, rings: Sequence[Ring], start: int, end: int) -> list[tuple[Leaf, int, int, int]]:
    """The leaves with the series' column and the rows to look at; none when not all is as plain as that."""
    found: list[tuple[Leaf, int, int, int]] = []
    ring_of_all: Ring | None = None
    if abs(start) > _FAR or abs(end) > _FAR:
        return []
    for ring in rings:
        for leaf in ring.leaves:
            if leaf.oldest > end or leaf.newest <= start:
                continue
            page = leaf.opened()
            if page is None:
                continue
            if page.torn is not None or not ring.interval or ring.erasures.records:
                return []
            low, high = page.rows_about(start, end)
            layers = selected.lookup(page).layers
            if low >= high or not layers:
                continue
            column = int(layers[0][0])
            if len(layers) > 1 or ring_of_all not in (None, ring):
                return []
            if page.last_row[column] >= low and page.first_row[column] < high:
                found.append((page, column, low, high))
                ring_of_all = ring
    return found


def _joined(parts: list[Bits]) -> Bits:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _selection(selected: Selected, stamps: Bits, cells: Bits) -> Selection | None:
    if not cells.any() or (stamps[1:] <= stamps[:-1]).any():
        return None
    values = (cells ^ ABSENT_CELL).view(np.float64)[:, np.newaxis]
    times = (stamps ^ _SIGN).view(np.int64)[:, np.newaxis]
    block = Block(_ROWS, values, times, _STREAMS, None)
    return Selection(selected.table, (block,))
