"""How samples with times of their own get in: they may be ahead of the clock, come late, or come again.

What is refused is what Prometheus refuses, told apart as it does. A late sample takes the next row as any other does:
rows of a ring without a grid are in the order in which samples came, and readers put them in the order of their times.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from common.durations import HOUR, MINUTE
from ruler.model.arrays import FloatArray, IntArray
from ruler.storage import Appended
from ruler.tsdb.files.page import ABSENT_CELL, TIME_SIGN, Bits, Leaf, Page
from ruler.tsdb.write.stream import NEVER, PageStream, normalised

FURTHEST_AHEAD: Final = 10 * MINUTE  # what a sample's own time may be ahead of the clock
REACH: Final = HOUR  # how far behind the newest time samples come in without a window: half a block of Prometheus

_NO_NEWS: Final = Appended(0)


class FreeStream(PageStream):
    """A FreeStream is the Stream of samples that bring their own times; `due` is what the clock says."""

    _latest: int | None = None  # the newest time of its series, as far as that matters; None: not looked up yet
    _there: tuple[IntArray | None, bytes] = (None, b"")  # series and values that are known to be stored at that time

    def append(self, due: int, time: int, series: IntArray, values: FloatArray) -> Appended:
        count, ledger = len(series), self._ledger
        if time > due + FURTHEST_AHEAD:
            ledger.future += count
            return Appended(0, future=count)
        latest = self._latest
        if latest is None or latest > due + FURTHEST_AHEAD:  # a new stream, or the clock was set back
            latest = self._latest = self._recalled(series, due)
            self._there = None, b""
        head, window = self._head(due), ledger.out_of_order_window
        kept = due - ledger.keep
        floor = max(head - REACH, kept)
        if (time < floor or time < latest) and (not window or time < max(head - window, kept)):
            if time >= floor and not window:
                ledger.out_of_order += count
                return Appended(0, out_of_order=count)
            if window:
                ledger.too_old += count
            else:
                ledger.out_of_bounds += count
            return Appended(0, too_old=count)
        if time > latest:
            self._latest, self._there = time, (series, values.tobytes())
            return self._put(time, series, values)
        if time == latest and series is self._there[0] and values.tobytes() == self._there[1]:
            return _NO_NEWS
        return self._put_new(time, series, values)

    def close(self, time: int | None) -> None:
        latest = NEVER if self._latest is None else self._latest
        self._last = NEVER if time is not None and latest > time + FURTHEST_AHEAD else latest
        super().close(time)

    def _put(self, time: int, series: IntArray, values: FloatArray) -> Appended:
        self._last = NEVER  # rows need no order here
        return super().append(time, time, series, values)

    def _put_new(self, time: int, series: IntArray, values: FloatArray) -> Appended:
        """Store what has no sample at `time` yet: the same again is no news, another value is a duplicate."""
        cells = normalised(values) ^ ABSENT_CELL
        held = self._held_at(time, series)
        new = held == 0
        duplicate = int(np.count_nonzero(~new & (held != cells)))
        self._ledger.duplicate += duplicate
        if not new.any():
            if time == self._latest and not duplicate:
                self._there = series, values.tobytes()
            return Appended(0, duplicate=duplicate)
        done = self._put(time, series, values) if new.all() else self._put(time, series[new], values[new])
        return Appended(done.stored, duplicate=done.duplicate + duplicate)

    def _head(self, due: int) -> int:
        """The newest time there is: now, or what samples had that were ahead of it; the same for all of one `due`."""
        ledger = self._ledger
        if ledger.head_for != due:
            ahead = [leaf.newest for leaf in self._ring.leaves if due < leaf.newest <= due + FURTHEST_AHEAD]
            ledger.head_for, ledger.head = due, max(ahead, default=due)
        return ledger.head

    def _recalled(self, series: IntArray, due: int) -> int:
        """The newest time at which any of `series` has a sample, where it is near enough to decide anything."""
        since, until = self._head(due) - max(REACH, self._ledger.out_of_order_window), due + FURTHEST_AHEAD
        latest = NEVER
        for leaf, low, high in self._about(since - 1, until):
            for columns in _columns_of(leaf, series):
                stored = leaf.times[low:high][:, leaf.slot_of[columns]]
                cells, places, first = leaf.cells_of(columns, low, high)
                held = stored[
                    (cells[low - first : high - first, places] != 0) & (stored <= np.uint64(until + TIME_SIGN))
                ]
                latest = max(latest, int(held.max(initial=0)) - TIME_SIGN)
        return max(latest, NEVER)

    def _held_at(self, time: int, series: IntArray) -> Bits:
        """The cell that each of `series` has at `time`, zero where there is none."""
        held: Bits = np.zeros(len(series), dtype=np.uint64)
        for leaf, low, high in self._about(time - 1, time):
            for columns in _columns_of(leaf, series):
                rows, places = np.nonzero(leaf.times[low:high][:, leaf.slot_of[columns]] == np.uint64(time + TIME_SIGN))
                stored, where, first = leaf.cells_of(columns, low, high)
                cells = stored[low - first + rows, where[places]]
                some = np.flatnonzero(cells)[::-1]  # of several rows at one time the first has the last word
                some = some[held[places[some]] == 0]
                held[places[some]] = cells[some]
        return held

    def _about(self, start: int, end: int) -> Iterator[tuple[Leaf, int, int]]:
        """The leaves of the ring with samples in (start, end], and in which rows those are."""
        for leaf in self._ring.leaves:
            if leaf.oldest <= end and leaf.newest > start and (opened := leaf.opened()) is not None:
                low, high = opened.outline.rows_about(max(start, leaf.oldest - 1), min(end, leaf.newest))
                if low < high:
                    yield opened, low, high


def _columns_of(page: Leaf, series: IntArray) -> list[IntArray]:
    """As the page's own; one series of a page that still grows is looked for, which costs less than to sort it."""
    if isinstance(page, Page) and page.limit and len(series) == 1:
        return list(1 + np.flatnonzero(page.series_of[1 : page.used] == series[0])[:, None])
    return page.columns_of(series)
