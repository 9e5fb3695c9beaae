"""From what is asked of metrics' tables to the series that have it: their ids, and their labels in one table."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import numpy as np
from msgspec import Struct

from common.labels import METRIC_NAME
from ruler.kernels.cells.matching import rows_that_have
from ruler.kernels.series.moving import move
from ruler.model.arrays import IntArray
from ruler.model.pace import Check, Pace
from ruler.model.table import LabelTable, Strings
from ruler.tsdb.labels.index import MetricTable, Rows
from ruler.tsdb.labels.matching import Asked, select_codes

FEW: Final = 1 << 12  # rows of one table that are taken without a look at whether anybody still waits


class Part(Struct, frozen=True, eq=False):
    """A Part is the rows [low, high) of a metric's table, and what is asked of them."""

    table: MetricTable
    rows: Rows
    low: int
    high: int
    asked: Asked


def chosen(parts: Sequence[Part], strings: Strings, check: Check | None = None) -> tuple[IntArray, LabelTable]:
    """The ids and the labels of all rows that have what is asked of them. What `check` raises ends the search."""
    pace = Pace(check)
    found = [(part, which) for part in parts if len(which := _which(part, strings, pace, check))]
    if len(found) == 1 and len(found[0][1]) <= FEW:
        return _of_one(*found[0], strings)
    names, places_of = _layout(tuple(dict.fromkeys(part.rows.names for part, _ in found)))
    total, at, metric = sum(len(which) for _, which in found), 0, names.index(METRIC_NAME)
    ids, codes = np.empty(total, dtype=np.int64), np.zeros((total, len(names)), dtype=np.int32)
    for part, which in found:
        rows, places = part.rows, places_of[part.rows.names]
        for low, high in pace.stretches(0, len(which)):
            some, into = which[low:high], slice(at + low, at + high)
            ids[into] = rows.ids[some]
            codes[into, metric] = part.table.name
            move(rows.codes, some, places, codes, at + low)
        at += len(which)
    return ids, LabelTable(names, codes, strings)


def _of_one(part: Part, which: IntArray, strings: Strings) -> tuple[IntArray, LabelTable]:
    """The same of one metric, of which few rows have what is asked."""
    rows = part.rows
    names, places_of = _layout((rows.names,))
    codes = np.empty((len(which), len(names)), dtype=np.int32)
    codes.fill(part.table.name)  # which stays in the column that no other goes to
    move(rows.codes, which, places_of[rows.names], codes, 0)
    return rows.ids.take(which), LabelTable(names, codes, strings)


def _which(part: Part, strings: Strings, pace: Pace, check: Check | None) -> IntArray:
    """Which rows of a table have what is asked."""
    rows, low, high = part.rows, part.low, part.high
    if part.asked.terms:
        zones, found = part.table.zones(rows), 0
        room = np.empty(high - low, dtype=np.int64)
        for start, stop in pace.stretches(low, high):
            found += rows_that_have(rows.codes, zones, part.asked.terms, start, stop, room[found:])
        which = room[:found]
    else:
        which = np.arange(low, high)
    for matcher in part.asked.tests:
        which = which[select_codes(matcher, rows.codes[which, rows.names.index(matcher.name)], strings, check)]
    return which


@lru_cache(maxsize=256)
def _layout(each: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], dict[tuple[str, ...], IntArray]]:
    """All these names of labels and that of the metric, sorted, and where those of each table go."""
    names = tuple(sorted({METRIC_NAME}.union(*each)))
    return names, {one: np.array([names.index(name) for name in one], dtype=np.int64) for one in each}
