"""Deleting samples: found and noted in one go, gone from answers at once, and from the files when those are rewritten.

All of it runs in the keeper's thread, so no leaf is sealed or merged meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from ruler.model.arrays import IntArray
from ruler.model.matcher import Matcher
from ruler.tsdb.files.chunk import Chunk, OpenChunk
from ruler.tsdb.files.page import TIME_SIGN, Leaf
from ruler.tsdb.keep.erase import FAR, NEVER, Erasure, Erasures, erased
from ruler.tsdb.labels.selected import NO_SERIES, Selected
from ruler.tsdb.write.ring import Ring

Select = Callable[[Sequence[Matcher], int, int], Selected]


class Eraser:
    """An Eraser adds erasures, knows what they touch, and drops those that touch nothing any more."""

    def __init__(
        self, erasures: Erasures, rings: Callable[[], list[Ring]], select: Select, number: Callable[[], int]
    ) -> None:
        self.erasures = erasures
        self._rings, self._select, self._number = rings, select, number
        self._looked_at: tuple[int, ...] = ()  # leaves, when it was last found out what is over

    def erase(self, matcher_sets: Iterable[Sequence[Matcher]], start: int, end: int) -> int:
        """Erase what is there of the matching series with start ≤ time ≤ end; of how many ids. Raises DiskRefused."""
        start, end = max(start, -FAR), min(end, FAR)
        found = [self._select(matchers, start - 1, end) for matchers in matcher_sets]
        ids = np.unique(
            np.concatenate([np.empty(0, np.int64), *(s.ids for s in found), *(o for s in found for o in s.others)])
        )
        ids = ids[ids != NO_SERIES]
        oldest, newest = self._spans(ids)
        ends = np.minimum(newest, end)
        some = (ends >= start) & (oldest <= end)
        if some.any():
            self._leave_pages(ids[some], ends[some])
            self.erasures.add(Erasure(start, self._number(), ids[some], ends[some]))
        return int(np.count_nonzero(some))

    def touched(self) -> tuple[Ring, Chunk, OpenChunk] | None:
        """A chunk that has erased samples, if there is one."""
        for ring in self._rings():
            for chunk in ring.chunks:
                opened = chunk.opened() if self.erasures.on(chunk) else None
                if opened is not None and any(_hits(each, opened) for each in self.erasures.on(chunk)):
                    return ring, chunk, opened
        return None

    def emptied(self, opened: OpenChunk) -> bool:
        """Whether all that a chunk has is erased."""
        columns = np.arange(1, opened.used)
        held = columns[opened.last_row[columns] >= 0]
        return bool(erased(opened, held, 0, opened.rows, self.erasures.on(opened)).all())

    def prune(self) -> None:
        """Drop the erasures that touch nothing any more. May raise OSError."""
        leaves = [leaf for ring in self._rings() for leaf in ring.leaves]
        numbers = tuple(leaf.number for leaf in leaves)
        if not self.erasures.records or numbers == self._looked_at:
            return
        over = []
        for each in self.erasures.records:
            mine = (leaf.opened() for leaf in leaves if each.touches(leaf, -FAR, FAR))
            if not any(leaf is None or _hits(each, leaf) for leaf in mine):
                over.append(each)
        if over:
            self.erasures.drop(over)
        self._looked_at = numbers

    def _leave_pages(self, ids: IntArray, ends: IntArray) -> None:
        """Have the next samples go to new pages where they may lie in what is erased: others have put in later ones."""
        for ring in self._rings():
            page = ring.current
            if page is not None:
                _, place = _columns(page, ids)
                if (ends[place] > page.newest).any():
                    page.limit = 0

    def _spans(self, ids: IntArray) -> tuple[IntArray, IntArray]:
        """The oldest and the newest time at which the writers of each series have written."""
        oldest, newest = np.full(len(ids), FAR, dtype=np.int64), np.full(len(ids), NEVER, dtype=np.int64)
        for ring in self._rings():
            for leaf in ring.leaves:
                opened = leaf.opened()
                if opened is not None:
                    columns, place = _columns(opened, ids)
                    first, last = _reach(opened)
                    np.minimum.at(oldest, place, first[opened.slot_of[columns]])
                    np.maximum.at(newest, place, last[opened.slot_of[columns]])
        return oldest, newest


def _hits(erasure: Erasure, leaf: Leaf) -> bool:
    """Whether the leaf has rows of a series in the time that is erased."""
    columns, _ = _columns(leaf, erasure.ids)
    stored = leaf.times[: leaf.rows, leaf.slot_of[columns]].T
    rows = np.arange(leaf.rows)
    held = (rows >= leaf.first_row[columns, None]) & (rows <= leaf.last_row[columns, None])
    return bool((erasure.covers(stored, leaf.series_of[columns]) & held).any())


def _columns(leaf: Leaf, ids: IntArray) -> tuple[IntArray, IntArray]:
    """The columns of these series (ascending ids), and which of them each is of."""
    series = leaf.series_of[1 : leaf.used]
    columns = np.flatnonzero(np.isin(series, ids)) + 1
    return columns, np.searchsorted(ids, series[columns - 1])


def _reach(leaf: Leaf) -> tuple[IntArray, IntArray]:
    """The oldest and the newest time of each slot."""
    stored = leaf.times[: leaf.rows]
    real = (stored ^ np.uint64(TIME_SIGN)).view(np.int64)
    first = np.where(stored == 0, FAR, real).min(axis=0, initial=FAR)
    return first, real.max(axis=0, initial=NEVER)
