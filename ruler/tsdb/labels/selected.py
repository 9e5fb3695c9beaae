"""What matchers select, kept between queries: the series, their labels, and where their columns are in each page.

A selection is extended when series are added, never dropped for it. Everything here is replaced, not changed, so that
readers need no lock; two that extend the same selection at once do the same work twice, and either result is right.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from typing import NamedTuple
from weakref import WeakValueDictionary

import numpy as np

from common.labels import METRIC_NAME
from ruler.kernels.cells.matching import rows_that_have
from ruler.model.arrays import IntArray
from ruler.model.matcher import Matcher, MatchOp
from ruler.model.table import LabelTable, Strings
from ruler.tsdb.files.chunk import Chunk
from ruler.tsdb.files.page import Leaf
from ruler.tsdb.labels.index import Index, MetricTable, Rows, union
from ruler.tsdb.labels.matching import Check, select_absent, select_codes, wanted

MAX_SELECTIONS, MAX_SERIES = 4096, 4_000_000
MAX_LOOKUPS = 64  # leaves whose columns a selection remembers
NO_SERIES = -2  # (lost columns are −1)

Key = tuple[tuple[Matcher, ...], tuple[int, ...]]  # and the numbers of the chunks that know more than the index


class Lookup(NamedTuple):
    """A Lookup is where the series of a selection are in one page: for each layer, a column for each series."""

    used: int
    layers: tuple[IntArray, ...]

    @property
    def empty(self) -> bool:
        return not self.layers


class Selected:
    """A Selected is the series that a list of matchers selects among the first `seen` of the index.

    `ids` are those of live series; `others` those that series had before. NO_SERIES where there is none.
    """

    def __init__(
        self, ids: IntArray, table: LabelTable, seen: int, rows_seen: dict[int, int], others: tuple[IntArray, ...] = ()
    ) -> None:
        self.ids, self.table, self.seen, self.rows_seen, self.others = ids, table, seen, rows_seen, others
        self._lookups: OrderedDict[int, Lookup] = OrderedDict()

    def __len__(self) -> int:
        return len(self.ids)

    def share(self, other: Selected) -> None:
        """Have what is known of another selection of the same series known of this one, from now on by both."""
        self.ids, self.table, self._lookups = other.ids, other.table, other._lookups

    def lookup(self, page: Leaf) -> Lookup:
        """Where the series are in `page`."""
        used = page.used
        known = self._lookups.get(page.key)
        if known is not None and known.used == used:
            return known
        if known is not None and not self._any_in(page, known.used, used):
            found = Lookup(used, known.layers)
        else:
            layers = (columns for ids in (self.ids, *self.others) for columns in page.columns_of(ids))
            found = Lookup(used, tuple(columns for columns in layers if columns.any()))
        self._lookups[page.key] = found
        if len(self._lookups) > MAX_LOOKUPS:
            self._lookups.popitem(last=False)
        return found

    def _any_in(self, page: Leaf, since: int, until: int) -> bool:
        return bool(np.isin(page.series_of[since:until], self.ids).any())


class Catalog:
    """A Catalog answers which series matchers select, and remembers the answers (bounded)."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._generation = 0
        self._known: OrderedDict[Key, Selected] = OrderedDict()
        self._series = 0  # in all of `_known`
        self._alike: WeakValueDictionary[bytes, Selected] = WeakValueDictionary()  # by the ids that they select

    def select(
        self, matchers: Sequence[Matcher], chunks: Callable[[], Iterable[Chunk]], check: Check | None = None
    ) -> Selected:
        """The series that matchers select: live ones, and those that only some of `chunks` (asked for later) know.

        What `check` raises ends the search.
        """
        index = self._index
        if self._generation != index.generation:
            self.forget()
        generation, count = index.generation, index.count
        wanted_ = tuple(matchers)
        live = self._known.get((wanted_, ()))
        if live is None or live.seen != count:
            live = self._remember((wanted_, ()), self._extend(wanted_, live, check))
        cold = [chunk for chunk in chunks() if (opened := chunk.opened()) is not None and opened.cold(index).any()]
        if not cold:
            return live
        key = (wanted_, tuple(chunk.number for chunk in cold))
        known = self._known.get(key)
        if known is not None and known.seen == live.seen and generation == index.generation:
            return known
        return self._remember(key, _with_cold(live, wanted_, cold, index, check))

    def forget(self) -> None:
        """Remember nothing: series have been taken out of the index."""
        self._generation = self._index.generation
        self._known = OrderedDict()
        self._series = 0
        self._alike = WeakValueDictionary()

    def _remember(self, key: Key, selected: Selected) -> Selected:
        known = self._known.get(key)
        self._series += len(selected) - (len(known) if known is not None else 0)
        self._known[key] = selected
        while len(self._known) > 1 and (len(self._known) > MAX_SELECTIONS or self._series > MAX_SERIES):
            _, dropped = self._known.popitem(last=False)
            self._series -= len(dropped)
        return selected

    def _extend(self, matchers: tuple[Matcher, ...], known: Selected | None, check: Check | None) -> Selected:
        index = self._index
        count = index.count
        if known is None:
            rows_seen: dict[int, int] = {}
            tables = self._tables(matchers)
        else:
            rows_seen = known.rows_seen
            names = index.names_of(known.seen, count)
            tables = [index.tables[name] for name in names if self._name_wanted(matchers, index.strings.text(name))]
        others = [matcher for matcher in matchers if matcher.name != METRIC_NAME]
        if len(others) > 1:
            others.sort(key=_leaves_many)
        parts, now_seen = [], dict(rows_seen)
        for table in tables:
            rows = table.rows
            chosen = _chosen(rows, rows_seen.get(table.name, 0), others, index.strings, check)
            now_seen[table.name] = len(rows.ids)
            if len(chosen):
                parts.append((table.name, rows, chosen))
        ids = [rows.ids[chosen] for _, rows, chosen in parts]
        if known is None:
            found = np.concatenate(ids) if ids else np.empty(0, dtype=np.int64)
            return self._sharing(Selected(found, union(parts, index.strings), count, now_seen))
        if not parts:
            known.rows_seen, known.seen = now_seen, count
            return known
        labels = joined(known.table, union(parts, index.strings))
        return Selected(np.concatenate([known.ids, *ids]), labels, count, now_seen)

    def _sharing(self, selected: Selected) -> Selected:
        """The selection, sharing what it can with one by other matchers: most say the same in several ways."""
        name = selected.ids.tobytes() if len(selected) <= 64 else blake2b(selected.ids.tobytes()).digest()
        alike = self._alike.setdefault(name, selected)
        if alike is not selected:
            selected.share(alike)
        return selected

    def _tables(self, matchers: tuple[Matcher, ...]) -> list[MetricTable]:
        """The tables of the metrics whose name the matchers want."""
        index = self._index
        named = [wanted(matcher) for matcher in matchers if matcher.name == METRIC_NAME]
        exact = next((want.values for want in named if want.values is not None and not want.negated), None)
        if exact is None:
            tables = list(index.tables.values())
        else:
            codes = [index.strings.find(value) for value in sorted(exact)]
            tables = [index.tables[code] for code in codes if code is not None and code in index.tables]
            if len(named) == 1:
                return tables
        text = index.strings.text
        return [table for table in tables if all(want.accepts(text(table.name)) for want in named)]

    def _name_wanted(self, matchers: tuple[Matcher, ...], name: str) -> bool:
        return all(wanted(matcher).accepts(name) for matcher in matchers if matcher.name == METRIC_NAME)


def _leaves_many(matcher: Matcher) -> bool:
    return matcher.op is not MatchOp.EQUAL


def _chosen(rows: Rows, since: int, matchers: Sequence[Matcher], strings: Strings, check: Check | None) -> IntArray:
    """Which rows from `since` on the matchers select."""
    asked, others = [], []
    for matcher in matchers:
        if matcher.name not in rows.names:
            if not select_absent(matcher, strings):
                return np.empty(0, dtype=np.int64)
            continue
        place, want = rows.names.index(matcher.name), wanted(matcher)
        if want.values is None or len(want.values) != 1:
            others.append((place, matcher))
            continue
        code = strings.find(*want.values)
        if code is not None:
            asked.append((place, code, not want.negated))
        elif not want.negated:
            return np.empty(0, dtype=np.int64)
    if asked:
        room = np.empty(len(rows.ids) - since, dtype=np.int64)
        chosen = room[: rows_that_have(rows.codes, np.array(asked, dtype=np.int32), since, room)]
    else:
        chosen = np.arange(since, len(rows.ids))
    for place, matcher in others:
        chosen = chosen[select_codes(matcher, rows.codes[chosen, place], strings, check)]
    return chosen


def _with_cold(
    live: Selected, matchers: tuple[Matcher, ...], chunks: Sequence[Chunk], index: Index, check: Check | None
) -> Selected:
    """The live series and those of the chunks; a series that has had several ids is one series."""
    table, ids = live.table, [live.ids]
    for chunk in chunks:
        opened = chunk.opened()
        if opened is not None:
            columns, labels = opened.dictionary.select(matchers, opened.cold(index)[1:], index.strings, check)
            if len(columns):
                table = joined(table, labels)
                ids.append(opened.series_of[columns + 1])
    if len(ids) == 1:
        return live
    every = np.concatenate(ids)
    rows_as_bytes = np.ascontiguousarray(table.codes).view(f"V{4 * table.codes.shape[1]}").reshape(-1)
    _, first, where = np.unique(rows_as_bytes, return_index=True, return_inverse=True)
    order = np.argsort(first)  # live series first, as they are; then the others, as they came
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    pairs = np.unique(np.stack([place[where], every]), axis=1)
    row, series = pairs
    live_ids = np.concatenate([live.ids, np.full(len(order) - len(live), NO_SERIES)])
    other = series != live_ids[row]
    row, series = row[other], series[other]
    nth = np.arange(len(row)) - np.searchsorted(row, row)
    others = []
    for layer in range(int(nth.max(initial=-1)) + 1):
        each = np.full(len(order), NO_SERIES)
        each[row[nth == layer]] = series[nth == layer]
        others.append(each)
    return Selected(live_ids, table.take(first[order]), live.seen, live.rows_seen, tuple(others))


def subset(selected: Selected, rows: IntArray) -> Selected:
    """Some of the selected series."""
    others = tuple(each[rows] for each in selected.others)
    return Selected(selected.ids[rows], selected.table.take(rows), selected.seen, {}, others)


def joined(first: LabelTable, second: LabelTable) -> LabelTable:
    """The rows of both tables, one under the other."""
    names = tuple(sorted({*first.names, *second.names}))
    codes = np.zeros((len(first) + len(second), len(names)), dtype=np.int32)
    for table, rows in ((first, slice(0, len(first))), (second, slice(len(first), None))):
        codes[rows, [names.index(name) for name in table.names]] = table.codes
    return LabelTable(names, codes, first.strings)
