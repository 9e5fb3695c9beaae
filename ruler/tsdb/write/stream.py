"""How samples get in: a stream keeps its place in the current page, and on its fast path does nothing but
XOR, sum, write cells, write the entry. All calls come from the one writer thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ruler.kernels.cells.rows import put_row
from ruler.model.arrays import NAN_BITS, STALE_BITS, BoolArray, FloatArray, IntArray
from ruler.storage import REFUSED, Appended
from ruler.tsdb.files.page import ABSENT_CELL, OPEN, SPECIAL, STALES, Bits, Page, Run, Weights
from ruler.tsdb.labels.sparse import SparseArray
from ruler.tsdb.write.ring import Ring

WIDEST_GAP = 64  # columns that are written as absent rather than jumped over with one more write
NEVER = -(1 << 62)

_EMPTY: IntArray = np.empty(0, dtype=np.int64)
_STALE, _NAN = np.uint64(STALE_BITS), np.uint64(NAN_BITS)


@dataclass(slots=True)
class Ledger:
    """A Ledger is what the writer keeps about all streams: counts, and how many open streams hold each series."""

    keep: int
    known: Callable[[IntArray], BoolArray]  # whether ids stand for series
    out_of_order_window: int = 0  # ms; how late samples with times of their own may come
    held: SparseArray = field(default_factory=lambda: SparseArray(np.int32))
    stored: int = 0
    out_of_order: int = 0
    too_old: int = 0  # for the out-of-order window
    out_of_bounds: int = 0  # too old where there is no such window
    duplicate: int = 0
    future: int = 0
    rewinds: int = 0
    head: int = 0  # the newest time there was when the clock said `head_for`
    head_for: int = NEVER


class PageStream:
    """A PageStream is the Stream of the database: a slot and some columns of its ring's current page."""

    def __init__(self, name: str, ring: Ring, ledger: Ledger, weights: Weights) -> None:
        self.name, self._ring, self._ledger, self._weights = name, ring, ledger, weights
        self._interval = ring.interval
        self._half = ring.interval // 2 if ring.interval else 1 << 62
        self._page: Page | None = None
        self._slot = 0
        self._row, self._last = -1, NEVER
        self._given: IntArray = _EMPTY  # the very array that the caller gave last
        self._series: IntArray = _EMPTY  # the same without duplicates
        self._kept: IntArray | None = None  # where in the values those are, when there were duplicates
        self._count = 0
        self._ids, self._columns = _EMPTY, _EMPTY  # of every column that the stream has in the page
        self._written_columns = _EMPTY  # the column of each value
        self._place: IntArray | None = None  # where in `_cells` each value goes, when not simply in order
        self._cells_of_row: tuple[Bits, IntArray] = np.zeros(0, dtype=np.uint64), _EMPTY  # and their columns
        self._finite: BoolArray = np.zeros(0, dtype=np.bool_)
        self._runs: list[Run] = []
        self._done = Appended(0)
        ring.live_slots += 1

    def append(self, due: int, time: int, series: IntArray, values: FloatArray) -> Appended:
        page = self._page
        row = due // self._interval - page.first if self._interval and page is not None else self._row + 1
        if (
            series is self._given
            and page is self._ring.current
            and page is not None
            and self._row < row < page.limit
            and time > self._last
            and -self._half <= time - due <= self._half
            and len(values) == self._count
        ):
            try:
                return self._write(page, row, time, values)
            except OSError as error:
                self._ring.give_up(page, row, error)
        return self._unusual(due, time, series, values)

    def close(self, time: int | None) -> None:
        alone = self._series[self._ledger.held[self._series] == 1]
        if time is not None and len(alone):
            rewound = self._last - time > self._half
            stale = np.full(len(alone), _STALE, dtype=np.uint64).view(np.float64)
            self._unusual(time, time if rewound else max(time, self._last + 1), alone, stale)
        self._hold(_EMPTY)
        self._leave()
        self._ring.live_slots -= 1

    def _unusual(self, due: int, time: int, series: IntArray, values: FloatArray) -> Appended:
        """Append when anything is different from last time."""
        if len(values) != len(series):
            raise ValueError(f"{self.name}: {len(values)} values for series: {len(series)}")
        if values.dtype != np.float64:
            raise ValueError(f"{self.name}: values are not float64: {values.dtype}")
        refused = self._refusal(time, len(series))
        if refused is not None:
            return refused
        if not -self._half <= time - due <= self._half:
            due = time  # late by more than half a tick: the row follows the real time
        tick = due // self._interval if self._interval else 0
        rewound = self._last != NEVER and time <= self._last
        while True:
            page, row = self._seat(tick, min(due, time), time, series, rewound=rewound)
            try:
                if series is not self._given:
                    self._arrange(page, row, series)
                return self._write(page, row, time, values if self._kept is None else values[self._kept])
            except OSError as error:
                self._ring.give_up(page, row, error)

    def _refusal(self, time: int, count: int) -> Appended | None:
        ledger = self._ledger
        if time > self._last or self._last - time > self._half:
            return None  # later than the last, or so much earlier that the clock must have been set back
        if time == self._last:
            ledger.duplicate += count
            return Appended(0, duplicate=count)
        ledger.out_of_order += count
        return Appended(0, out_of_order=count)

    def _seat(self, tick: int, now: int, time: int, series: IntArray, *, rewound: bool) -> tuple[Page, int]:
        """A page and row for these series, with the stream arranged in it."""
        ring = self._ring
        if rewound:
            if ring.current is None or ring.current is self._page or not ring.current.rewound:
                ring.turn(tick, now, rewound=True)
                self._ledger.rewinds += 1
            self._leave()
        self._hold(series)
        page, row = ring.place(tick, self._page, self._row, now)
        while not self._fits(page, row):
            page, row = ring.turn(tick, now, columns=self._count, slots=1), 0
        if self._interval:
            lies = time // self._interval - page.first
            outline = page.outline
            outline.ahead, outline.behind = max(outline.ahead, row - lies), max(outline.behind, lies - row)
        return page, row

    def _fits(self, page: Page, row: int) -> bool:
        """Have a slot in `page`, if it has room for the stream's series."""
        if page is not self._page:
            slot = page.add_slot(row) if page.room >= self._count else None
            if slot is None:
                return False
            self._leave()
            self._page, self._slot = page, slot
            return True
        return self._given is not _EMPTY or page.room >= int((self._find(self._series) < 0).sum())

    def _find(self, series: IntArray) -> IntArray:
        """Where in the stream's columns each series is; −1 where it has none yet."""
        if not len(self._ids):
            return np.full(len(series), -1, dtype=np.int64)
        order = np.argsort(self._ids)
        at = np.minimum(np.searchsorted(self._ids, series, sorter=order), len(order) - 1)
        return np.where(self._ids[order[at]] == series, order[at], -1)

    def _hold(self, series: IntArray) -> None:
        """Make `series` what the stream writes, and count it among their holders."""
        if series is self._given:
            return
        distinct, refused, self._kept = series, 0, None
        if len(series):
            ordered = np.sort(series)
            known = ordered[0] > REFUSED and bool(self._ledger.known(series).all())
            if not known or (ordered[1:] == ordered[:-1]).any():
                first = np.sort(np.unique(series, return_index=True)[1])
                self._kept = first if known else first[self._standing(series[first])]
                distinct = series[self._kept]
                refused = 0 if known else len(series) - int(np.count_nonzero(self._standing(series)))
        held = self._ledger.held
        held.add(self._series, -1)
        held.add(distinct, 1)
        self._ring.live_columns += len(distinct) - len(self._series)
        self._given, self._series, self._count = _EMPTY, distinct, len(distinct)
        self._finite = np.empty(len(distinct), dtype=np.bool_)
        self._done = Appended(len(distinct), duplicate=len(series) - refused - len(distinct))

    def _standing(self, series: IntArray) -> BoolArray:
        """Which of these ids stand for a series: others were refused, or forgotten since they were given out."""
        stands = series > REFUSED
        stands[stands] = self._ledger.known(series[stands])
        return stands

    def _arrange(self, page: Page, row: int, series: IntArray) -> None:
        """Lay out the cells of a row: each value has its place among the stream's columns, which fall into runs."""
        place = self._find(self._series)
        new = self._series[place < 0]
        if len(new):
            columns = page.add_columns(self._slot, new, row)
            place[place < 0] = np.arange(len(self._ids), len(self._ids) + len(new))
            self._ids = np.concatenate([self._ids, new])
            self._columns = np.concatenate([self._columns, columns])
        written = np.zeros(len(self._columns), dtype=np.bool_)
        written[place] = True
        last = page.last_row[self._columns]
        page.last_row[self._columns] = np.where(written, OPEN, np.where(last == OPEN, self._row, last))
        self._written_columns = self._columns[place]
        cells = np.zeros(len(self._columns), dtype=np.uint64)
        page.since[self._columns] = row
        in_order = len(place) == 0 or bool((np.diff(place) == 1).all())
        self._place = None if in_order else place
        some = slice(int(place[0]), int(place[0]) + len(place)) if in_order and len(place) else slice(None)
        self._cells_of_row = cells[some], self._columns[some]
        used = np.flatnonzero(written)
        columns = self._columns[used]
        breaks = np.flatnonzero((np.diff(used) > WIDEST_GAP) | (np.diff(columns) != np.diff(used)))
        weights = self._weights.of(page.shape.columns)
        self._runs = []
        for at, to in zip([0, *(breaks + 1).tolist()], [*breaks.tolist(), len(used) - 1], strict=True):
            if to < at:
                continue
            column = int(columns[at])
            run = cells[used[at] : used[to] + 1]
            self._runs.append(Run(run, column, weights[column : column + len(run)]))
        if self._kept is None:
            self._given = series  # from here on the fast path is open

    def _leave(self) -> None:
        """Give up the place in the page: what was written stays."""
        if self._page is not None:
            columns = self._columns[self._page.last_row[self._columns] == OPEN]
            self._page.last_row[columns] = self._row
            self._page.close_slot(self._slot, self._row)
        self._page, self._ids, self._columns, self._row, self._given = None, _EMPTY, _EMPTY, -1, _EMPTY

    def _write(self, page: Page, row: int, time: int, values: FloatArray) -> Appended:
        bits: Bits = values.view(np.uint64)
        notes = 0
        if np.isfinite(values, self._finite).tobytes().find(0) >= 0:
            bits, notes = self._special(page, bits)
        put_row(bits, self._place, *self._cells_of_row, page.since, row)
        page.write(row, self._slot, time, self._runs, notes)
        self._row, self._last = row, time
        self._ledger.stored += self._count
        return self._done

    def _special(self, page: Page, bits: Bits) -> tuple[Bits, int]:
        """`bits` with only the NaNs that exist inside, and without markers for what other streams have taken over."""
        bits = bits.copy()
        where = np.flatnonzero(~self._finite)
        odd = bits[where]
        stale = odd == _STALE
        nan = ((odd & np.uint64((1 << 52) - 1)) != 0) & ~stale
        odd[nan] = _NAN
        series = self._series[where]
        odd[stale & (self._ledger.held[series] > 1)] = ABSENT_CELL
        bits[where] = odd
        page.flags[self._written_columns[where]] |= np.where(stale, STALES, SPECIAL).astype(np.uint8)
        return bits, (STALES if stale.any() else 0) | (SPECIAL if not stale.all() else 0)


def normalised(values: FloatArray) -> Bits:
    """The bits of `values` with only the NaNs that exist inside."""
    bits: Bits = values.view(np.uint64)
    return np.where(np.isnan(values) & (bits != _STALE), _NAN, bits)
