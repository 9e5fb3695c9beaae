"""Reading a page that an earlier process left: what its checks vouch for is kept, the rest reads as absent."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ruler.kernels.cells.rows import find_since
from ruler.model.arrays import STALE_BITS, BoolArray, IntArray
from ruler.tsdb.files.disk import Disk
from ruler.tsdb.files.page import (
    ABSENT_CELL,
    CHECKED,
    COLUMN_SIZE,
    HEADER_SIZE,
    SERIES_BITS,
    SPECIAL,
    STALES,
    TIME_SIGN,
    TIME_WEIGHT,
    Bits,
    Page,
    Shape,
    Weights,
    column_checks,
    shape_in,
)

_STALE = np.uint64(STALE_BITS) ^ ABSENT_CELL
_EXPONENT = np.uint64(0x7FF0000000000000)
_SERIES = (np.uint64(1) << SERIES_BITS) - np.uint64(1)


class CorruptPageError(ValueError):
    """A file that is no page, or whose header cannot be trusted."""


@dataclass(slots=True)
class Damage:
    """Damage is what had to be left out of a page: rows of streams, and columns.

    An unfinished row is one that was being written when the process died, or whose entry is lost.
    """

    rows: int = 0
    columns: int = 0
    records: int = 0  # of columns, of which the other copy is intact
    unfinished: int = 0
    cut_short: bool = False


def map_page(descriptor: int, shape: Shape) -> tuple[list[Bits], Bits, Bits]:
    """Both copies of the columns' records, the entries and the cells of a page's file of full length: to read."""
    content = mmap.mmap(descriptor, shape.size, access=mmap.ACCESS_READ)

    def array(at: int, *sizes: int) -> Bits:
        return np.frombuffer(content, np.uint64, int(np.prod(sizes)), at).reshape(sizes)

    records = [array(at, shape.columns, COLUMN_SIZE // 8) for at in shape.records_at]
    entries = array(shape.entries_at, shape.rows, shape.slots, 2)
    return records, entries, array(shape.cells_at, shape.rows, shape.columns)


def read_page(
    path: Path, disk: Disk, known: Callable[[IntArray], BoolArray], weights: Weights
) -> tuple[Page, Damage, int]:
    """The page in a file, what is damaged in it, and 1 + the highest series id that it names; raises CorruptPageError.

    `known` says of each series id whether its labels survived: a column of another series is left out.
    """
    descriptor = disk.open(path)
    damage = Damage()
    with open(descriptor, "rb", closefd=True) as file:  # noqa: PTH123  (the descriptor is open already)
        shape = shape_in(file.read(HEADER_SIZE))
        if shape is None:
            raise CorruptPageError("the header is damaged")
        if path.stat().st_size < shape.size:
            damage.cut_short = True
            disk.resize(descriptor, shape.size)  # what is gone reads as absent, and fails its checks
        records, entries, cells = map_page(descriptor, shape)
    height = _height(entries, cells)
    page = Page(shape, entries[:height], cells[:height])
    page.rows, page.limit = height, 0
    top = _read_columns(page, records, known, damage)
    sums = _sums(page, weights.of(shape.columns))
    _judge(page, sums, damage)
    return page, damage, top


def _height(entries: Bits, cells: Bits) -> int:
    """How many rows have been begun."""
    rows = np.flatnonzero(entries[:, :, 0].any(axis=1))
    height = int(rows[-1]) + 1 if len(rows) else 1
    while height < len(cells) and cells[height].any():
        height += 1
    return height


def _read_columns(page: Page, copies: list[Bits], known: Callable[[IntArray], BoolArray], damage: Damage) -> int:
    """Learn which column is which series, from either copy of its record; 1 + the highest id."""
    given = np.flatnonzero(_written(copies[0]) | _written(copies[1]))
    if not len(given):
        return 0
    page.used = used = int(given[-1]) + 1
    named = copies[0][:used, 0]
    intact = first = _intact(copies[0][:used])
    if not np.array_equal(copies[0][:used], copies[1][:used]):
        second = _intact(copies[1][:used])
        named, intact = np.where(first, named, copies[1][:used, 0]), first | second
        written = [_written(records[:used]) for records in copies]  # a crash may come between the two
        damage.records = int(((first < written[0]) & second).sum() + ((second < written[1]) & first).sum())
    series = (named & _SERIES).astype(np.int64) - 1
    slots = (named >> SERIES_BITS).astype(np.int64)
    intact &= slots < page.shape.slots
    page.slot_of[:used] = np.where(intact, slots, 0)
    page.slots_used = int(slots[intact].max(initial=0)) + 1
    top = int(series[intact].max(initial=-1)) + 1
    labelled = intact.copy()
    labelled[intact] = known(series[intact])
    page.series_of[:used] = np.where(labelled, series, -1)
    damage.columns = used - 1 - int(labelled[1:].sum())
    return top


def _written(records: Bits) -> BoolArray:
    """Which records are not all zeros."""
    written: BoolArray = (records[:, 0] | records[:, 1]) != 0
    return written


def _intact(records: Bits) -> BoolArray:
    named, checks = records[:, 0], records[:, 1]
    intact: BoolArray = (named != 0) & (column_checks(named, 0) == checks)
    return intact


def _sums(page: Page, weights: Bits) -> Bits:
    """The weighted sum of the cells of each row of each slot."""
    used = page.used
    sums = np.zeros((page.rows, page.shape.slots), dtype=np.uint64)
    slots = page.slot_of[:used]
    edges = np.flatnonzero(np.diff(slots)) + 1
    for start, stop in zip([0, *edges.tolist()], [*edges.tolist(), used], strict=True):
        if slots[start]:
            sums[:, slots[start]] += page.cells[:, start:stop] @ weights[start:stop]
    return sums


def _judge(page: Page, sums: Bits, damage: Damage) -> None:
    """Keep the rows whose checks are right, and find out what a writer would have noted."""
    stored, checks = page.entries[:, :, 0], page.entries[:, :, 1]
    published = stored != 0
    right = (sums + stored * np.uint64(TIME_WEIGHT)) & np.uint64(CHECKED) == checks & np.uint64(CHECKED)
    bad = published & ~right
    damage.rows = int(bad.sum())
    if bad.any():
        published &= right
    np.copyto(page.times, stored, where=published)
    find_since(page.cells, page.times, page.slot_of[: page.used], page.since)
    unfinished = (stored == 0) & (sums != 0)
    damage.unfinished = int(unfinished.sum())
    torn = (bad | unfinished).any(axis=1)
    if torn.any():
        page.torn = torn
    some = published.any(axis=0)
    page.slot_first[some] = published.argmax(axis=0)[some]
    page.slot_last[:] = np.where(some, page.rows - 1 - published[::-1].argmax(axis=0), -1)
    page.last_row[: page.used] = np.where(
        page.series_of[: page.used] >= 0, page.slot_last[page.slot_of[: page.used]], -1
    )
    if not published.any():
        return
    times: IntArray = (stored[published] ^ np.uint64(TIME_SIGN)).view(np.int64)
    page.oldest, page.newest = int(times.min()), int(times.max())
    if page.interval:
        lies = times // page.interval - page.first
        off = np.nonzero(published)[0] - lies
        page.outline.ahead, page.outline.behind = max(1, int(off.max())), max(1, int(-off.min()))
    _flag(page, published & ((checks & np.uint64(3)) != 0))


def _flag(page: Page, noted: BoolArray) -> None:
    """Find the columns that hold ±Inf, NaN or stale markers, in the rows that say so."""
    slots = page.slot_of[: page.used]
    for slot in np.flatnonzero(noted.any(axis=0)).tolist():
        columns = np.flatnonzero(slots == slot)
        cells = page.cells[np.ix_(noted[:, slot], columns)]
        stale = cells == _STALE
        odd = (((cells ^ ABSENT_CELL) & _EXPONENT) == _EXPONENT) & (cells != 0) & ~stale
        page.flags[columns] = np.where(stale.any(axis=0), STALES, 0) | np.where(odd.any(axis=0), SPECIAL, 0)
