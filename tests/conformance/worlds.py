"""What a script of Prometheus's PromQL tests loads its series into, and which of them it cannot take.

Native histograms are not stored. Series that have any are left out, and a storage that is asked for one says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from common.labels import METRIC_NAME, Labels
from ruler.model.matcher import Matcher
from ruler.model.table import LabelTable, Strings
from ruler.storage import Look, Queryable, Selection
from ruler.tsdb.config import Retention
from ruler.tsdb.db import DB
from tests.conformance.script import Clear, Load, Series
from tests.ruler.promql.memory_storage import MemoryStorage

LONGEST = 40 * 86_400_000  # ms of samples that a script may load


class Storage(Protocol):
    """A Storage takes samples of series and can be queried."""

    @property
    def queryable(self) -> Queryable: ...

    def load(self, interval: int, series: list[Series]) -> None: ...


class ListedStorage:
    """A ListedStorage is the obvious storage, made of lists."""

    def __init__(self) -> None:
        self.queryable = MemoryStorage()

    def load(self, interval: int, series: list[Series]) -> None:
        for each in series:
            samples = [(row * interval, point) for row, point in enumerate(each.points) if point is not None]
            starts = {
                row * interval: row * interval + offset for row, offset in enumerate(each.starts) if offset is not None
            }
            self.queryable.put(each.labels, samples, stream=str(each.labels), starts=starts)


class PagedStorage:
    """A PagedStorage is the database without a directory; every load is a stream that brings its own timestamps."""

    def __init__(self) -> None:
        self.queryable = DB.open(None, retention=Retention(LONGEST))

    def load(self, interval: int, series: list[Series]) -> None:
        if not series:
            return
        ids = self.queryable.series([each.labels for each in series])
        stream = self.queryable.stream(f"load {ids[0]}", None)
        for row in range(max(len(each.points) for each in series)):
            given = [each.points[row] if row < len(each.points) else None for each in series]
            present = np.array([point is not None for point in given])
            values = np.array([point for point in given if point is not None], dtype=np.float64)
            stream.append(row * interval, row * interval, ids[present], values)


@dataclass(frozen=True)
class LeftOut:
    """A LeftOut is a series that no storage here takes, and when it has samples (ms)."""

    labels: Labels
    times: Sequence[int]

    def selected_by(self, matchers: Sequence[Matcher], start: int, end: int) -> bool:
        if not any(start < time <= end for time in self.times):
            return False
        return all(matcher.matches(self.labels.get(matcher.name, "")) for matcher in matchers)


class World:
    """A World is the storage that a script fills, and the series that were left out.

    It is queried like the storage; `missed` are those of the series left out that a query would have been given.
    """

    def __init__(self, new_storage: Callable[[], Storage]) -> None:
        self._new_storage = new_storage
        self._storage = new_storage()
        self._left_out: list[LeftOut] = []
        self.missed: set[Labels] = set()

    def do(self, command: Load | Clear) -> None:
        if isinstance(command, Clear):
            self._storage, self._left_out = self._new_storage(), []
            return
        if any(series.starts for series in command.series):  # which the database does not store
            self._storage = ListedStorage()
        self._storage.load(command.interval, [series for series in command.series if not series.native])
        for series in command.series:
            labels = series.labels if series.native else _converted(series.labels) if command.with_nhcb else None
            if labels is not None:
                times = [row * command.interval for row, point in enumerate(series.points) if point is not None]
                self._left_out.append(LeftOut(labels, times))

    @property
    def strings(self) -> Strings:
        return self._storage.queryable.strings

    def cells(self, matchers: Sequence[Matcher], start: int, end: int) -> int:
        return self._storage.queryable.cells(matchers, start, end)

    def tables(self, matchers: Sequence[Matcher], start: int, end: int) -> LabelTable:
        return self._storage.queryable.tables(matchers, start, end)

    def select(
        self,
        matchers: Sequence[Matcher],
        start: int,
        end: int,
        look: Look | None = None,
        hold: Callable[[int], None] | None = None,
    ) -> Selection:
        self.missed |= {each.labels for each in self._left_out if each.selected_by(matchers, start, end)}
        return self._storage.queryable.select(matchers, start, end, look, hold)


def _converted(labels: Labels) -> Labels | None:
    """The native histogram that `load_with_nhcb` makes of a classic one, from one of its series."""
    name = labels.get(METRIC_NAME, "")
    for suffix in ("_bucket", "_count", "_sum"):
        if name.endswith(suffix):
            return labels.without(("le",)).replacing({METRIC_NAME: name.removesuffix(suffix)})
    return None
