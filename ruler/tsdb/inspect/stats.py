"""What is in the database: sizes, times, and which names and labels have the most series. Computed when asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from heapq import nsmallest

import numpy as np

from common.labels import METRIC_NAME
from ruler.model.arrays import BoolArray, CodeArray, IntArray
from ruler.model.table import NO_LABEL
from ruler.tsdb.labels.index import Index, Rows
from ruler.tsdb.write.budget import Budget, Refusal
from ruler.tsdb.write.churn import Churn
from ruler.tsdb.write.ring import Ring
from ruler.tsdb.write.stream import Ledger

Top = tuple[tuple[str, int], ...]
Text = Callable[[int], str]
LONG = 255  # bytes: from there on Prometheus writes a length as four


@dataclass(frozen=True, slots=True)
class Head:
    """Head is the part of the statistics that is cheap: counts, and the times (ms) of what is held."""

    series: int
    active: int
    series_created: int
    pages: int
    chunks: int
    chunk_bytes: int
    strings: int
    min_time: int
    max_time: int


@dataclass(frozen=True, slots=True)
class Stats:
    """Stats are what Prometheus's status/tsdb tells, and whose series are too many or come and go.

    Each list is (name, count), largest first. `pairs` counts the distinct pairs of a label and a value. `limit` is that
    of active series, 0 is none; the lists of churn count what was minted in the last hour.
    """

    head: Head
    pairs: int
    series_by_name: Top
    values_by_label: Top
    memory_by_label: Top
    series_by_pair: Top
    limit: int
    refusals: tuple[Refusal, ...]
    churn_by_name: Top
    churn_by_job: Top


def head_of(index: Index, rings: Sequence[Ring], ledger: Ledger) -> Head:
    leaves = [leaf for ring in rings for leaf in ring.leaves]
    pages = sum(len(ring.pages) for ring in rings)
    written = [leaf for leaf in leaves if leaf.newest >= leaf.oldest]
    return Head(
        series=len(ledger.held.nonzero()),
        active=index.live,
        series_created=index.count,
        pages=pages,
        chunks=len(leaves) - pages,
        chunk_bytes=sum(chunk.size for ring in rings for chunk in ring.chunks),
        strings=len(index.strings),
        min_time=min((leaf.oldest for leaf in written), default=0),
        max_time=max((leaf.newest for leaf in written), default=0),
    )


def stats_of(index: Index, rings: Sequence[Ring], ledger: Ledger, budget: Budget, churn: Churn, limit: int) -> Stats:
    """The statistics of the series that open streams hold; no list has more than `limit` rows."""
    text = index.strings.text
    tables = [(table.name, table.rows) for table in list(index.tables.values())]
    values = _values([(name, rows, ledger.held[rows.ids] > 0) for name, rows in tables])
    names = values[METRIC_NAME].top(limit)
    pairs = ((f"{label}={text(code)}", series) for label, each in values.items() for code, series in each.top(limit))
    return Stats(
        head_of(index, rings, ledger),
        sum(len(each.codes) for each in values.values()),
        _top(((text(code), series) for code, series in names), limit),
        _top(((label, len(each.codes)) for label, each in values.items() if len(each.codes)), limit),
        _top(((label, each.size(label, text)) for label, each in values.items() if len(each.codes)), limit),
        _top(pairs, limit),
        budget.limit,
        tuple(refusal for refusal in budget.refusals if refusal.series)[:limit],
        _top(index.minted_since(churn.first).items(), limit),
        _top(_minted_by_job([rows for _, rows in tables], churn.first, text).items(), limit),
    )


@dataclass(frozen=True, slots=True)
class _Values:
    """Values are those that some label has: their codes, and how many series have each."""

    codes: CodeArray
    series: IntArray

    @staticmethod
    def of(pieces: Sequence[CodeArray]) -> _Values:
        codes, series = np.unique(np.concatenate(pieces), return_counts=True)
        there = codes != NO_LABEL
        return _Values(codes[there], series[there])

    def top(self, limit: int) -> list[tuple[int, int]]:
        order = np.lexsort((self.codes, -self.series))[:limit]
        return list(zip(self.codes[order].tolist(), self.series[order].tolist(), strict=True))

    def size(self, label: str, text: Text) -> int:
        """The bytes that Prometheus has for the label in all series: both texts, each with its length before it."""
        sizes = (_encoded(text(code)) for code in self.codes.tolist())
        each = np.fromiter(sizes, dtype=np.int64, count=len(self.codes))
        return int((each + _encoded(label)) @ self.series)


def _values(tables: Sequence[tuple[int, Rows, BoolArray]]) -> dict[str, _Values]:
    """The values of each label in those rows of tables (name, rows, which of them)."""
    having: dict[str, list[tuple[Rows, BoolArray, int]]] = {}
    for _, rows, which in tables:
        for column, label in enumerate(rows.names):
            having.setdefault(label, []).append((rows, which, column))
    counts = np.array([np.count_nonzero(which) for _, _, which in tables], dtype=np.int64)
    names = np.array([name for name, _, _ in tables], dtype=np.int32)
    found = {METRIC_NAME: _Values(names[counts > 0], counts[counts > 0])}
    for label, places in having.items():
        found[label] = _Values.of([rows.codes[which, column] for rows, which, column in places])
    return found


def _encoded(text: str) -> int:
    size = len(text) if text.isascii() else len(text.encode())
    return size + (1 if size < LONG else 4)


def _minted_by_job(tables: Sequence[Rows], first: int, text: Text) -> dict[str, int]:
    """How many series each job got with ids from `first` up, of those that are there."""
    with_jobs = [rows for rows in tables if "job" in rows.names]
    jobs = [rows.codes[rows.ids >= first, rows.names.index("job")] for rows in with_jobs]
    if not jobs:
        return {}
    minted = _Values.of(jobs)
    return {text(code): series for code, series in minted.top(len(minted.codes))}


def _top(counts: Iterable[tuple[str, int]], limit: int) -> Top:
    return tuple(nsmallest(limit, counts, key=lambda item: (-item[1], item[0])))
