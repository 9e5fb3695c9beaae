"""The database: labels, rings of pages and the catalog of selections, behind the two protocols of `ruler/storage.py`.

Appends come from one thread; queries from any, without a lock.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from common.labels import Labels
from ruler.model.arrays import IntArray
from ruler.model.matcher import Matcher
from ruler.model.table import LabelTable, Strings
from ruler.storage import Selection
from ruler.tsdb import blocks
from ruler.tsdb.index import Index
from ruler.tsdb.page import Page, Shape, Weights
from ruler.tsdb.ring import Ring
from ruler.tsdb.selected import Catalog
from ruler.tsdb.stream import Ledger, PageStream

DEFAULT_RING = 6 * 3_600_000


class MemoryPages:
    """MemoryPages are the source of pages of a database without a directory."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def new(self, shape: Shape) -> Page:
        return Page.in_memory(shape)

    def retire(self, page: Page) -> None:
        """Its memory goes with the last reader."""

    def next_number(self) -> int:
        return next(self._numbers)

    def failed(self, error: OSError) -> None:
        raise error


class NoLog:
    """NoLog keeps no labels."""

    mark = 0


class DB:
    """A DB holds the samples of the last `ring` milliseconds."""

    def __init__(self, ring: int) -> None:
        self._index = Index()
        self._catalog = Catalog(self._index)
        self._ledger = Ledger(ring)
        self._weights = Weights()
        self._source = MemoryPages()
        self._log = NoLog()
        self._keep = ring
        self._rings: dict[int, Ring] = {}

    @staticmethod
    def open(path: None = None, *, ring: int = DEFAULT_RING) -> DB:
        return DB(ring)

    def close(self) -> None:
        return

    # What writers call.

    def series(self, labels: Sequence[Labels]) -> IntArray:
        ids, _ = self._index.series(labels)
        self._ledger.grow(self._index.count)
        return ids

    def stream(self, name: str, interval: int | None) -> PageStream:
        ring = self._rings.get(interval or 0)
        if ring is None:
            ring = self._rings[interval or 0] = Ring(interval or 0, self._keep, self._source)
        return PageStream(name, ring, self._ledger, self._log, self._weights)

    # What readers call.

    @property
    def strings(self) -> Strings:
        return self._index.strings

    def cells(self, matchers: Sequence[Matcher], start: int, end: int) -> int:
        return blocks.cells(self._catalog.select(matchers), list(self._rings.values()), start, end)

    def select(self, matchers: Sequence[Matcher], start: int, end: int) -> Selection:
        return blocks.select(self._catalog.select(matchers), list(self._rings.values()), start, end)

    def tables(self, matchers: Sequence[Matcher], start: int, end: int) -> LabelTable:
        selected = self._catalog.select(matchers)
        living = blocks.living(selected, list(self._rings.values()), start, end)
        return selected.table if living.all() else selected.table.take(np.flatnonzero(living))

    def label_names(self, matchers: Sequence[Matcher], start: int, end: int) -> list[str]:
        """The names of the labels of every matching series that has a sample about start ≤ time ≤ end, sorted."""
        table = self.tables(matchers, start, end)
        used = np.flatnonzero(table.codes.any(axis=0))
        return [table.names[column] for column in used.tolist()]

    def label_values(self, name: str, matchers: Sequence[Matcher], start: int, end: int) -> list[str]:
        """The values of one label among the same series, sorted."""
        codes = np.unique(self.tables(matchers, start, end).column(name)).tolist()
        return sorted(self._index.strings.text(code) for code in codes if code)
