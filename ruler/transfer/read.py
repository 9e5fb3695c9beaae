"""From a storage to series: the samples that matchers select, series by series, in bounded memory.

What would take more cells than the budget is read metric by metric, and a metric that is too large alone in slices of
time. So a series may come in several pieces; its metric's pieces are together, and time ascends from piece to piece.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from common.labels import METRIC_NAME, Labels
from ruler.model.arrays import ABSENT_BITS, NEVER, CodeArray, IntArray
from ruler.model.matcher import Matcher, MatchOp
from ruler.storage import Block, Queryable
from ruler.transfer.series import SeriesSamples

CELLS = 4_000_000  # read at once: 32 MB of values
NAMES_AT_ONCE = 500
SHORTEST_SLICE = 600_000  # ms; what is too large even so is read all the same
DAY = 86_400_000

Matchers = Sequence[Matcher]

_SPECIAL = re.compile(r"[\\.+*?()|\[\]{}^$]")


def read_series(
    storage: Queryable, matcher_sets: Sequence[Matchers], start: int, end: int, *, cells: int = CELLS
) -> Iterator[SeriesSamples]:
    """Every sample of a series that one of the sets selects, with start ≤ time ≤ end, by metric name, then by labels.

    At most about `cells` cells are read at once. A series that several sets select comes once.
    """
    for names in _groups(storage, matcher_sets, start, end, cells):
        chosen = [(*matchers, *names) for matchers in matcher_sets]
        for first, last in _slices(storage, chosen, start, end, cells):
            yield from _read(storage, chosen, first, last)


def label_names(storage: Queryable, matcher_sets: Sequence[Matchers], start: int, end: int) -> list[str]:
    """The names of the labels that the selected series have, sorted."""
    found: set[str] = set()
    for matchers in matcher_sets:
        table = storage.tables(matchers, start, end)
        found.update(table.names[column] for column in np.flatnonzero(table.codes.any(axis=0)).tolist())
    return sorted(found)


def days(storage: Queryable, matcher_sets: Sequence[Matchers], start: int, end: int) -> Iterator[tuple[int, int]]:
    """(first ms, last ms) of each UTC day, cut to start and end, in which the selected series may have samples."""
    yield from _days(storage, matcher_sets, start // DAY, end // DAY, start, end)


def _days(
    storage: Queryable, matcher_sets: Sequence[Matchers], first: int, last: int, start: int, end: int
) -> Iterator[tuple[int, int]]:
    low, high = max(start, first * DAY), min(end, last * DAY + DAY - 1)
    if not _cells(storage, matcher_sets, low, high):
        return
    if first == last:
        yield low, high
        return
    middle = (first + last) // 2
    yield from _days(storage, matcher_sets, first, middle, start, end)
    yield from _days(storage, matcher_sets, middle + 1, last, start, end)


def _cells(storage: Queryable, matcher_sets: Sequence[Matchers], start: int, end: int) -> int:
    return sum(storage.cells(matchers, start - 1, end) for matchers in matcher_sets)


def _groups(
    storage: Queryable, matcher_sets: Sequence[Matchers], start: int, end: int, cells: int
) -> Iterator[tuple[Matcher, ...]]:
    """Matchers of the metric names to read together, in the order of the names; none when all fits at once."""
    total = _cells(storage, matcher_sets, start, end)
    if total <= cells:
        yield ()
        return
    count_of: dict[str, int] = {}
    for matchers in matcher_sets:
        table = storage.tables(matchers, start, end)
        codes, counts = np.unique(table.column(METRIC_NAME), return_counts=True)
        for code, count in zip(codes.tolist(), counts.tolist(), strict=True):
            name = table.strings.text(code)
            count_of[name] = count_of.get(name, 0) + count
    each = total / max(1, sum(count_of.values()))  # cells of one series, on an average
    group: list[str] = []
    filled = 0.0
    for name, count in sorted(count_of.items()):
        if group and (filled + count * each > cells or len(group) == NAMES_AT_ONCE):
            yield (_named(group),)
            group, filled = [], 0.0
        group.append(name)
        filled += count * each
    if group:
        yield (_named(group),)


def _named(names: list[str]) -> Matcher:
    if len(names) == 1:
        return Matcher(METRIC_NAME, MatchOp.EQUAL, names[0])
    return Matcher(METRIC_NAME, MatchOp.REGEX, "|".join(_SPECIAL.sub(r"\\\g<0>", name) for name in names))


def _slices(
    storage: Queryable, matcher_sets: Sequence[Matchers], start: int, end: int, cells: int
) -> Iterator[tuple[int, int]]:
    """The span in pieces that fit the budget; those without samples left out."""
    wanted = _cells(storage, matcher_sets, start, end)
    if not wanted:
        return
    if wanted <= cells or end - start < SHORTEST_SLICE:
        yield start, end
        return
    middle = (start + end) // 2
    yield from _slices(storage, matcher_sets, start, middle, cells)
    yield from _slices(storage, matcher_sets, middle + 1, end, cells)


class _Place(NamedTuple):
    """Where the samples of a series are."""

    labels: Labels
    block: Block
    times: list[IntArray]  # of each stream of the block
    column: int


def _read(storage: Queryable, matcher_sets: Sequence[Matchers], start: int, end: int) -> Iterator[SeriesSamples]:
    places: list[_Place] = []
    for index, matchers in enumerate(matcher_sets):
        earlier = matcher_sets[:index]
        selection = storage.select(matchers, start - 1, end)
        for block in [block for each in selection.blocks for block in each.blocks()]:
            times = list(np.ascontiguousarray(block.times.T))
            for column, labels in enumerate(selection.table.take(block.rows).all_labels()):
                if not any(_selects(each, labels) for each in earlier):
                    places.append(_Place(labels, block, times, column))
    places.sort(key=lambda place: (place.labels.get(METRIC_NAME, ""), tuple(place.labels.items())))
    for place in places:
        series = _samples(place)
        if len(series):
            yield series


def _samples(place: _Place) -> SeriesSamples:
    """The samples of one column. Columns without gaps share the array of their times."""
    stream_of: CodeArray = place.block.stream_of
    times = place.times[stream_of[place.column]]
    values = np.ascontiguousarray(place.block.values[:, place.column])
    present = (values.view(np.int64) != ABSENT_BITS) & (times != NEVER)
    if not present.all():
        times, values = times[present], values[present]
    return SeriesSamples(place.labels, times, values)


def _selects(matchers: Matchers, labels: Labels) -> bool:
    return all(matcher.matches(labels.get(matcher.name, "")) for matcher in matchers)
