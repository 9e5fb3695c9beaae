"""What is in the database: sizes, times, and which names and labels have the most series. Computed when asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from common.labels import METRIC_NAME
from ruler.tsdb.budget import Budget, Refusal
from ruler.tsdb.churn import Churn
from ruler.tsdb.index import Index
from ruler.tsdb.ring import Ring
from ruler.tsdb.stream import Ledger

Top = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Head:
    """Head is the part of the statistics that is cheap: counts, and the times (ms) of what is held."""

    series: int
    active: int
    series_created: int
    pages: int
    strings: int
    min_time: int
    max_time: int


@dataclass(frozen=True, slots=True)
class Stats:
    """Stats are what Prometheus's status/tsdb tells, and whose series are too many or come and go.

    Each list is (name, count), largest first. `limit` is that of active series, 0 is none.
    """

    head: Head
    series_by_name: Top
    values_by_label: Top
    memory_by_label: Top
    series_by_pair: Top
    limit: int
    refusals: tuple[Refusal, ...]
    churn_by_name: Top
    churn_by_job: Top


def head_of(index: Index, rings: Sequence[Ring], ledger: Ledger) -> Head:
    pages = [page for ring in rings for page in ring.pages]
    written = [page for page in pages if page.newest >= page.oldest]
    return Head(
        series=int(np.count_nonzero(ledger.held)),
        active=index.live,
        series_created=index.count,
        pages=len(pages),
        strings=len(index.strings),
        min_time=min((page.oldest for page in written), default=0),
        max_time=max((page.newest for page in written), default=0),
    )


def stats_of(index: Index, rings: Sequence[Ring], ledger: Ledger, budget: Budget, churn: Churn, limit: int) -> Stats:
    """The statistics of the series that open streams hold; the longest lists have `limit` rows."""
    text = index.strings.text
    by_name: dict[str, int] = {}
    by_pair: dict[tuple[str, int], int] = {}
    codes_of: dict[str, list[np.ndarray[tuple[int, ...], np.dtype[np.int32]]]] = {}
    for table in list(index.tables.values()):
        rows = table.rows
        held = ledger.held[rows.ids] > 0
        count = int(held.sum())
        if not count:
            continue
        by_name[text(table.name)] = count
        for column, name in enumerate(rows.names):
            distinct, counts = np.unique(rows.codes[held, column], return_counts=True)
            codes_of.setdefault(name, []).append(distinct)
            for code, series in zip(distinct.tolist(), counts.tolist(), strict=True):
                if code:
                    by_pair[name, code] = by_pair.get((name, code), 0) + series
    values = {name: np.unique(np.concatenate(codes)) for name, codes in codes_of.items()}
    distinct_values = {name: int(np.count_nonzero(codes)) for name, codes in values.items()}
    distinct_values[METRIC_NAME] = len(by_name)
    memory = {name: sum(len(text(code)) for code in codes.tolist()) for name, codes in values.items()}
    memory[METRIC_NAME] = sum(map(len, by_name))
    return Stats(
        head_of(index, rings, ledger),
        _top(by_name, limit),
        _top(distinct_values, limit),
        _top(memory, limit),
        _top({f"{name}={text(code)}": series for (name, code), series in by_pair.items()}, limit),
        budget.limit,
        tuple(refusal for refusal in budget.refusals if refusal.series)[:limit],
        _top(index.minted_since(churn.first), limit),
        _top(_minted_by_job(index, churn.first), limit),
    )


def _minted_by_job(index: Index, first: int) -> dict[str, int]:
    """How many series each job got with ids from `first` up, of those that are there."""
    by_job: dict[str, int] = {}
    for table in list(index.tables.values()):
        rows = table.rows
        if "job" not in rows.names:
            continue
        jobs = rows.codes[rows.ids >= first, rows.names.index("job")]
        for code, series in zip(*(each.tolist() for each in np.unique(jobs, return_counts=True)), strict=True):
            job = index.strings.text(code)
            by_job[job] = by_job.get(job, 0) + series
    return by_job


def _top(counts: dict[str, int], limit: int) -> Top:
    return tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:limit])
