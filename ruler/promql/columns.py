"""Operations on label tables: grouping, matching, relabelling and ordering of series by their code columns.

Codes are compared, never strings, except to order the distinct values of a column.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterable, Sequence

import numpy as np

from common.labels import METRIC_NAME
from ruler.kernels.series.numbering import Numbering
from ruler.kernels.series.sorting import count_ranks, put_in_order, varying
from ruler.model.arrays import BoolArray, CodeArray, IntArray
from ruler.model.groups import Groups, numbered
from ruler.model.pace import Check, Pace
from ruler.model.table import NO_LABEL, LabelTable, Strings

# What a metric is called, of what type and in what unit: all three go where Prometheus drops the name.
METADATA = frozenset((METRIC_NAME, "__type__", "__unit__"))

_TEXTS = 1 << 14  # that are sorted at once
_TEXT = 16  # rows of codes for the work that one makes


class Grouping:
    """A Grouping puts the series of any number of tables into groups of equal labels, a table at a time."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = tuple(names)
        self._numbering = Numbering(len(self._names))

    def __len__(self) -> int:
        """How many groups there are so far."""
        return len(self._numbering)

    def add(self, table: LabelTable) -> Groups:
        """The groups of a table's series; `first` has those alone that begin a group which had not been seen."""
        return numbered(self._numbering, table.codes, _places(table, self._names))


def grouped(columns: Sequence[CodeArray], length: int) -> Groups:
    """The groups of rows that are equal in all columns."""
    codes = np.stack(columns, axis=1) if columns else np.empty((length, 0), dtype=np.int32)
    return numbered(Numbering(len(columns)), codes)


def group_by(table: LabelTable, names: Iterable[str], check: Check | None = None) -> Groups:
    """The groups of series with equal values of these labels."""
    places = _places(table, dict.fromkeys(names))
    return numbered(Numbering(len(places)), table.codes, places, Pace(check))


def _places(table: LabelTable, names: Iterable[str]) -> list[int]:
    """In which columns of a table these labels are; -1 where in none."""
    return [table.names.index(name) if name in table.names else -1 for name in names]


def group_all(table: LabelTable) -> Groups:
    """The groups of series with the same labels."""
    return numbered(Numbering(len(table.names)), table.codes)


def group_both(left: LabelTable, right: LabelTable, names: Sequence[str]) -> tuple[IntArray, IntArray, int]:
    """For each series of both sides the number of its group by these labels, and how many groups there are."""
    grouping = Grouping(names)
    return grouping.add(left).of, grouping.add(right).of, len(grouping)


def is_any_label_name(name: str) -> bool:
    """Whether a label may be called so: anything but nothing, and but what was no UTF-8 when it was written."""
    return bool(name) and "\N{REPLACEMENT CHARACTER}" not in name


def keeping(table: LabelTable, names: Iterable[str]) -> LabelTable:
    """The table with these labels only."""
    wanted = frozenset(names)
    return table.having(tuple(name for name in table.names if name in wanted))


def dropping(table: LabelTable, names: Iterable[str]) -> LabelTable:
    """The table without these labels."""
    gone = frozenset(names)
    return table.having(tuple(name for name in table.names if name not in gone))


def setting(table: LabelTable, name: str, codes: CodeArray) -> LabelTable:
    """The table with one label's column replaced or added."""
    if name in table.names:
        changed = table.codes.copy()
        changed[:, table.names.index(name)] = codes
        return LabelTable(table.names, changed, table.strings)
    names = tuple(sorted((*table.names, name)))
    return LabelTable(names, np.insert(table.codes, names.index(name), codes, axis=1), table.strings)


def dropping_metadata(table: LabelTable, where: BoolArray) -> LabelTable:
    """The table without name, type and unit of the series at `where`."""
    if not where.any():
        return table
    if where.all():
        return dropping(table, METADATA)
    changed = table.codes.copy()
    for place, name in enumerate(table.names):
        if name in METADATA:
            changed[where, place] = NO_LABEL
    return LabelTable(table.names, changed, table.strings)


def is_constant(table: LabelTable, name: str) -> bool:
    """Whether a label tells no series from another."""
    if name not in table.names:
        return True
    place = table.names.index(name)
    return not varying(table.codes[:, place : place + 1])


def label_order(table: LabelTable, check: Check | None = None) -> IntArray:
    """The order of the series by their labels, as Prometheus compares them: name by name, then value by value.

    What `check` raises, at times, ends it.
    """
    count, codes, pace = len(table), table.codes, Pace(check)
    order, spare, rank_of = np.arange(count), np.empty(count, dtype=np.int64), np.empty(count, dtype=np.int64)
    follows = np.zeros(count, dtype=np.uint8)  # whether a series has any label after the column
    telling = varying(codes)
    for place in reversed(range(codes.shape[1])):
        if place not in telling:
            if count and codes[0, place] != NO_LABEL:
                follows[:] = True
            continue
        groups = numbered(Numbering(1), codes, [place], pace)
        distinct = codes[groups.first, place]
        absent, ranks = np.flatnonzero(distinct == NO_LABEL), _ranks(distinct, table.strings, pace)
        starts = np.zeros(len(groups) + 2, dtype=np.int64)
        for low, high in pace.stretches(0, count):
            count_ranks(groups.of, ranks, absent[0] if len(absent) else -1, follows, rank_of, starts, low, high)
        np.cumsum(starts, out=starts)
        for low, high in pace.stretches(0, count):
            put_in_order(rank_of, starts, order, spare, low, high)
        order, spare = spare, order
    return order


def _ranks(codes: CodeArray, strings: Strings, pace: Pace) -> IntArray:
    """Where the text of each code stands among theirs in sorted order; of very many, a part is sorted at a time."""
    texts: list[str] = []
    for start in range(0, len(codes), _TEXTS):
        texts += map(strings.text, codes[start : start + _TEXTS].tolist())
        pace.done(_TEXT * (len(texts) - start))
    ranks, at = np.empty(len(codes), dtype=np.int64), 0
    for part in _parts(texts, pace):
        ranks[sorted(part, key=texts.__getitem__)] = np.arange(at, at + len(part))
        at += len(part)
        pace.done(_TEXT * len(part))
    return ranks


def _parts(texts: Sequence[str], pace: Pace) -> Sequence[Sequence[int]]:
    """The places of texts in parts, each of texts that are greater than those of the part before."""
    if len(texts) <= _TEXTS:
        return (range(len(texts)),)
    bounds = sorted(texts[:: _TEXTS // 16])[::16]
    parts: list[list[int]] = [[] for _ in range(len(bounds) + 1)]
    for start in range(0, len(texts), _TEXTS):
        for place, text in enumerate(texts[start : start + _TEXTS], start):
            parts[bisect(bounds, text)].append(place)
        pace.done(_TEXT * _TEXTS)
    return parts
