"""Taking series out of the live tables that have no sample in pages and no writer any more.

The tables without them are prepared beside the old ones by any thread; the writer thread puts them in place between two
appends. Series that the writer came across meanwhile stay.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ruler.model.arrays import BoolArray, CodeArray, IntArray
from ruler.tsdb.labels.index import Index, MetricTable
from ruler.tsdb.labels.sparse import among


@dataclass(frozen=True, slots=True)
class Renewed:
    """A Renewed is the table of one metric without its dead series, and those, as of the first `seen` rows."""

    table: MetricTable
    seen: int
    dead: IntArray
    dead_codes: CodeArray
    names: tuple[str, ...]  # of the columns of `dead_codes`


def prepare(index: Index, living: Callable[[], IntArray]) -> list[Renewed]:
    """The tables that change, when only the series that `living` gives (ascending ids) stay."""
    index.asked = []
    ids = living()
    renewed = []
    for table in list(index.tables.values()):
        rows = table.rows
        alive = among(rows.ids, ids)
        if not alive.all():
            fresh = MetricTable(table.name)
            _add(fresh, rows.names, rows.codes[alive], rows.ids[alive])
            renewed.append(Renewed(fresh, len(rows.ids), rows.ids[~alive], rows.codes[~alive], rows.names))
    return renewed


def finish(index: Index, renewed: list[Renewed], held: Callable[[IntArray], BoolArray]) -> int:
    """Put prepared tables in place, in the writer thread; how many series have gone."""
    asked = np.unique(np.concatenate([np.empty(0, np.int64), *(index.asked or [])]))
    tables, gone = {}, [np.empty(0, np.int64)]
    for each in renewed:
        back = among(each.dead, asked) | held(each.dead)
        _add(each.table, each.names, each.dead_codes[back], each.dead[back])
        rows = index.tables[each.table.name].rows
        _add(each.table, rows.names, rows.codes[each.seen :], rows.ids[each.seen :])
        tables[each.table.name] = each.table
        gone.append(each.dead[~back])
    dropped = np.concatenate(gone)
    index.replace(tables, dropped)
    return len(dropped)


def _add(table: MetricTable, names: tuple[str, ...], codes: CodeArray, ids: IntArray) -> None:
    """Add rows, with columns for the labels that they use."""
    if not len(ids):
        return
    used = [column for column in np.flatnonzero(codes.any(axis=0)).tolist() if names[column] not in table.names]
    if used:
        table.add_names([names[column] for column in used])
    placed = np.zeros((len(ids), len(table.names)), dtype=np.int32)
    for column, name in enumerate(table.names):
        if name in names:
            placed[:, column] = codes[:, names.index(name)]
    table.add(placed, ids)
