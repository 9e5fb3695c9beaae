"""Operations on label tables: grouping, matching, relabelling and ordering of series by their code columns.

Codes are compared, never strings, except to order the distinct values of a column.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from common.labels import METRIC_NAME
from ruler.model.arrays import BoolArray, CodeArray, IntArray
from ruler.model.table import NO_LABEL, LabelTable, Strings

# What a metric is called, of what type and in what unit: all three go where Prometheus drops the name.
METADATA = frozenset((METRIC_NAME, "__type__", "__unit__"))

_KEY_LIMIT = 1 << 62
_COUNTED = 1 << 16  # ranges of keys up to this size are counted instead of sorted


@dataclass(frozen=True, slots=True)
class Groups:
    """Groups part series: `of[i]` is the group of series i; groups are numbered as they first appear.

    `first[g]` is the first series of group g.
    """

    of: IntArray
    first: IntArray

    def __len__(self) -> int:
        return len(self.first)


def _keys(columns: Sequence[CodeArray], length: int) -> tuple[IntArray, int]:
    """One number for each row, equal where all columns are equal, and a bound on the numbers."""
    key = np.zeros(length, dtype=np.int64)
    bound = 1
    for column in columns:
        low, high = int(column.min()), int(column.max())
        if low == high:
            continue
        size = high - low + 1
        if bound * size >= _KEY_LIMIT:
            distinct, key = np.unique(key, return_inverse=True)
            bound = len(distinct)
        key = key * size + (column - np.int64(low))
        bound *= size
    return key, bound


def grouped(columns: Sequence[CodeArray], length: int) -> Groups:
    """The groups of rows that are equal in all columns."""
    if length == 0:
        nothing = np.zeros(0, dtype=np.int64)
        return Groups(nothing, nothing)
    key, bound = _keys(columns, length)
    if bound == 1:
        return Groups(key, np.zeros(1, dtype=np.int64))
    if bound <= _COUNTED:
        first = np.full(bound, length, dtype=np.int64)
        np.minimum.at(first, key, np.arange(length))
        used = np.flatnonzero(first < length)
        used = used[np.argsort(first[used])]
        number = np.empty(bound, dtype=np.int64)
        number[used] = np.arange(len(used))
        return Groups(number[key], first[used])
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    order = np.argsort(first)
    number = np.empty(len(order), dtype=np.int64)
    number[order] = np.arange(len(order))
    return Groups(number[inverse], first[order])


def group_by(table: LabelTable, names: Iterable[str]) -> Groups:
    """The groups of series with equal values of these labels."""
    present = [name for name in dict.fromkeys(names) if name in table.names]
    return grouped([table.column(name) for name in present], len(table))


def group_all(table: LabelTable) -> Groups:
    """The groups of series with the same labels."""
    return group_by(table, table.names)


def group_both(left: LabelTable, right: LabelTable, names: Sequence[str]) -> tuple[IntArray, IntArray, int]:
    """For each series of both sides the number of its group by these labels, and how many groups there are."""
    columns = [np.concatenate((left.column(name), right.column(name))) for name in names]
    groups = grouped(columns, len(left) + len(right))
    return groups.of[: len(left)], groups.of[len(left) :], len(groups)


def is_any_label_name(name: str) -> bool:
    """Whether a label may be called so: anything but nothing, and but what was no UTF-8 when it was written."""
    return bool(name) and "\N{REPLACEMENT CHARACTER}" not in name


def names_of(*tables: LabelTable) -> tuple[str, ...]:
    """All label names of these tables, sorted."""
    if len(tables) == 1:
        return tables[0].names
    return tuple(sorted({name for table in tables for name in table.names}))


def keeping(table: LabelTable, names: Iterable[str]) -> LabelTable:
    """The table with these labels only."""
    wanted = frozenset(names)
    places = [index for index, name in enumerate(table.names) if name in wanted]
    return LabelTable(tuple(table.names[place] for place in places), table.codes[:, places], table.strings)


def dropping(table: LabelTable, names: Iterable[str]) -> LabelTable:
    """The table without these labels."""
    gone = frozenset(names)
    if gone.isdisjoint(table.names):
        return table
    return keeping(table, (name for name in table.names if name not in gone))


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


def stacked(tables: Sequence[LabelTable], strings: Strings) -> LabelTable:
    """The series of all these tables, one after the other."""
    names = names_of(*tables) if tables else ()
    codes = np.zeros((sum(len(table) for table in tables), len(names)), dtype=np.int32)
    row = 0
    for table in tables:
        places = [names.index(name) for name in table.names]
        codes[row : row + len(table), places] = table.codes
        row += len(table)
    return LabelTable(names, codes, strings)


def ranks(column: CodeArray, strings: Strings) -> IntArray:
    """For each row where its string stands among the column's distinct strings in sorted order."""
    distinct, inverse = np.unique(column, return_inverse=True)
    texts = [strings.text(code) for code in distinct.tolist()]
    rank = np.empty(len(texts), dtype=np.int64)
    rank[sorted(range(len(texts)), key=texts.__getitem__)] = np.arange(len(texts))
    return rank[inverse]


def label_order(table: LabelTable) -> IntArray:
    """The order of the series by their labels, as Prometheus compares them: name by name, then value by value."""
    if len(table) < 2:
        return np.arange(len(table))
    keys: list[IntArray] = []
    more_follows = np.zeros(len(table), dtype=np.bool_)
    for name in reversed(table.names):
        column = table.column(name)
        rank = ranks(column, table.strings)
        absent = column == NO_LABEL
        # A series without this label is less if it has no label after it either (it is a prefix), else greater.
        rank[absent] = np.where(more_follows[absent], len(table) + 1, -1)
        keys.append(rank)
        more_follows |= ~absent
    return np.lexsort(keys) if keys else np.arange(len(table))
