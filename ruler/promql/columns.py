"""Operations on label tables: grouping, matching, relabelling and ordering of series by their code columns.

Codes are compared, never strings, except to order the distinct values of a column.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from common.labels import METRIC_NAME
from ruler.kernels.series.numbering import Numbering
from ruler.kernels.series.sorting import sort_by
from ruler.model.arrays import BoolArray, CodeArray, IntArray
from ruler.model.table import NO_LABEL, LabelTable, Strings

# What a metric is called, of what type and in what unit: all three go where Prometheus drops the name.
METADATA = frozenset((METRIC_NAME, "__type__", "__unit__"))


@dataclass(frozen=True, slots=True)
class Groups:
    """Groups part series: `of[i]` is the group of series i; groups are numbered as they first appear.

    `first[g]` is the first series of group g.
    """

    of: IntArray
    first: IntArray

    def __len__(self) -> int:
        return len(self.first)


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
        places = [table.names.index(name) if name in table.names else -1 for name in self._names]
        return numbered(self._numbering, table.codes, places)


def numbered(numbering: Numbering, codes: CodeArray, places: Sequence[int] | None = None) -> Groups:
    """The groups of rows that are equal in these columns, or in all; `first` has those that begin a new one."""
    of, first = np.empty(len(codes), dtype=np.int64), np.empty(len(codes), dtype=np.int64)
    new = numbering.number(codes, range(codes.shape[1]) if places is None else places, of, first)
    return Groups(of, first[:new])


def grouped(columns: Sequence[CodeArray], length: int) -> Groups:
    """The groups of rows that are equal in all columns."""
    codes = np.stack(columns, axis=1) if columns else np.empty((length, 0), dtype=np.int32)
    return numbered(Numbering(len(columns)), codes)


def group_by(table: LabelTable, names: Iterable[str]) -> Groups:
    """The groups of series with equal values of these labels."""
    return Grouping(dict.fromkeys(names)).add(table)


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


def is_constant(table: LabelTable, name: str) -> bool:
    """Whether a label tells no series from another."""
    if name not in table.names or len(table) < 2:
        return True
    column = table.column(name)
    return bool(column.min() == column.max())


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


def ranks(column: CodeArray, strings: Strings) -> tuple[IntArray, int]:
    """For each row where its string stands among the column's distinct strings in sorted order; how many those are."""
    groups = grouped((column,), len(column))
    texts = [strings.text(code) for code in column[groups.first].tolist()]
    rank = np.empty(len(texts), dtype=np.int64)
    rank[sorted(range(len(texts)), key=texts.__getitem__)] = np.arange(len(texts))
    return rank[groups.of], len(texts)


def label_order(table: LabelTable) -> IntArray:
    """The order of the series by their labels, as Prometheus compares them: name by name, then value by value."""
    order = np.arange(len(table))
    if len(table) < 2:
        return order
    more_follows = np.zeros(len(table), dtype=np.bool_)
    for name in reversed(table.names):
        column = table.column(name)
        absent = column == NO_LABEL
        rank, distinct = ranks(column, table.strings)
        if distinct > 1:
            # A series without this label is less if it has no label after it either (it is a prefix), else greater.
            rank[absent & more_follows] = distinct
            order, before = np.empty_like(order), order
            sort_by(rank, distinct + 1, before, order)
        more_follows |= ~absent
    return order
