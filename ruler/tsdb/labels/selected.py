"""What matchers select, kept between queries: the series, their labels, and where their columns are in each page.

A selection is extended when series are added, never dropped for it. Everything here is replaced, not changed, so that
readers need no lock; two that extend the same selection at once do the same work twice, and either result is right.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from weakref import WeakValueDictionary

import numpy as np
from msgspec import Struct

from ruler.kernels.series.numbering import Numbering
from ruler.model.arrays import IntArray
from ruler.model.groups import numbered
from ruler.model.matcher import Matcher, MatchOp
from ruler.model.pace import Check, Pace
from ruler.model.table import LabelTable, stacked
from ruler.tsdb.files.chunk import Chunk
from ruler.tsdb.files.page import Leaf
from ruler.tsdb.labels.choosing import Part, chosen
from ruler.tsdb.labels.index import Index, MetricTable
from ruler.tsdb.labels.matching import Asked, Question, wanted

MAX_SELECTIONS, MAX_SERIES = 4096, 4_000_000
MAX_LOOKUPS = 64  # leaves whose columns a selection remembers
FEW = 64  # series that are looked up sooner than remembered
NO_SERIES = -2  # (lost columns are −1)
LEAST_SHARED = 64  # series: where fewer are is found as fast as whether it is known

Key = tuple[tuple[Matcher, ...], tuple[int, ...]]  # and the numbers of the chunks that know more than the index
Name = tuple[tuple[MetricTable, int, Asked], ...]  # for each table how many rows it had, and what was asked of them


class Lookup(Struct, frozen=True, eq=False):
    """A Lookup is where the series of a selection are in one page: for each layer, a column for each series."""

    used: int
    layers: list[IntArray]


class Selected:
    """A Selected is series with their labels.

    `ids` are those of live series; `others` those that series had before. NO_SERIES where there is none.
    """

    def __init__(self, ids: IntArray, table: LabelTable, others: tuple[IntArray, ...] = ()) -> None:
        self.ids, self.table, self.others = ids, table, others
        self.few = ids if len(ids) <= FEW and not others else None
        self._lookups: dict[int, Lookup] = {}

    def __len__(self) -> int:
        return len(self.ids)

    def columns_in(self, page: Leaf) -> list[IntArray]:
        """Where the series are in `page`: for each layer, a column for each series (0: none)."""
        used = page.used
        known = self._lookups.get(page.key)
        if known is not None and (known.used == used or not self._any_in(page, known.used, used)):
            found = known.layers
        else:
            found = page.columns_of(self.ids)
            for ids in self.others:
                found += page.columns_of(ids)
        if self.few is None and (known is None or known.used != used):
            self._lookups[page.key] = Lookup(used, found)
            if len(self._lookups) > MAX_LOOKUPS:
                del self._lookups[next(iter(self._lookups))]
        return found

    def _any_in(self, page: Leaf, since: int, until: int) -> bool:
        return bool(np.isin(page.series_of[since:until], self.ids).any())


class Known(Struct, frozen=True, eq=False):
    """A Known is what matchers select among the first `seen` ids, or what chunks add to what is `live` of that."""

    selected: Selected
    seen: int
    live: Selected | None = None


class Memory:
    """A Memory is what a catalog knows, as long as no series are taken out of the index."""

    def __init__(self, generation: int) -> None:
        self.generation = generation
        self.alike: WeakValueDictionary[Name, Selected] = WeakValueDictionary()
        self.known: OrderedDict[Key, Known] = OrderedDict()
        self._series = 0  # in all of `known`

    def remember(self, key: Key, found: Known) -> Selected:
        """Remember what was found last, and let go of what was found first when it is too much."""
        before = self.known.get(key)
        self.known[key] = found
        self._series += len(found.selected.ids) - (0 if before is None else len(before.selected.ids))
        while (len(self.known) > MAX_SELECTIONS or self._series > MAX_SERIES) and len(self.known) > 1:
            _, dropped = self.known.popitem(last=False)
            self._series -= len(dropped.selected)
        return found.selected


class Catalog:
    """A Catalog answers which series matchers select, and remembers the answers (bounded)."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._memory = Memory(index.generation)

    def select(self, matchers: Sequence[Matcher], chunks: Iterable[Chunk], check: Check | None = None) -> Selected:
        """The series that matchers select: live ones, and those that only some of `chunks` know.

        The chunks are looked at after the index. What `check` raises ends the search.
        """
        index, memory = self._index, self._memory
        if memory.generation != index.generation:
            memory = self._memory = Memory(index.generation)
        asked, count = tuple(matchers), index.count
        key: Key = (asked, ())
        known = memory.known.get(key)
        if known is not None and known.seen == count:
            live = known.selected
        else:
            live = memory.remember(key, Known(self._live(memory, asked, known, count, check), count))
        cold = [chunk for chunk in chunks if chunk.knows_more(index)]
        if not cold:
            return live
        key = (asked, tuple(chunk.number for chunk in cold))
        known = memory.known.get(key)
        if known is not None and known.live is live:
            return known.selected
        return memory.remember(key, Known(_with_cold(live, asked, cold, index, check), count, live))

    def _live(
        self, memory: Memory, matchers: tuple[Matcher, ...], known: Known | None, count: int, check: Check | None
    ) -> Selected:
        """What matchers select among the first `count` ids."""
        index = self._index
        question = Question(matchers, index.strings)
        since = 0 if known is None else known.seen
        parts: list[Part] = []
        for table in self._tables(question.named) if known is None else self._touched(question.named, since, count):
            rows = table.rows
            asked = question.asked(rows.names)
            if asked is not None:
                parts.append(Part(table, rows, rows.below(since) if since else 0, rows.below(count), asked))
        if known is not None:
            return _extended(known.selected, *chosen(parts, index.strings, check), check)
        name = tuple((part.table, part.high, part.asked) for part in parts)
        found = memory.alike.get(name)
        if found is None:
            found = Selected(*chosen(parts, index.strings, check))
            if len(found.ids) > LEAST_SHARED:
                memory.alike[name] = found
        return found

    def _tables(self, named: Sequence[Matcher]) -> list[MetricTable]:
        """The tables of the metrics whose name the matchers want."""
        index = self._index
        if len(named) == 1 and named[0].op is MatchOp.EQUAL:
            code = index.strings.find(named[0].value)
            table = None if code is None else index.tables.get(code)
            return [] if table is None else [table]
        wants = [wanted(matcher) for matcher in named]
        exact = next((want.values for want in wants if want.values is not None and not want.negated), None)
        if exact is None:
            tables = list(index.tables.values())
        else:
            codes = [index.strings.find(value) for value in sorted(exact)]
            tables = [index.tables[code] for code in codes if code is not None and code in index.tables]
            if len(wants) == 1:
                return tables
        text = index.strings.text
        return [table for table in tables if all(want.accepts(text(table.name)) for want in wants)]

    def _touched(self, named: Sequence[Matcher], since: int, until: int) -> list[MetricTable]:
        """Of those the ones that have some of the ids from `since` up to `until`."""
        index, text = self._index, self._index.strings.text
        wants = [wanted(matcher) for matcher in named]
        names = [name for name in index.names_of(since, until) if all(want.accepts(text(name)) for want in wants)]
        return [table for name in names if (table := index.tables.get(name)) is not None]


def _extended(known: Selected, ids: IntArray, table: LabelTable, check: Check | None) -> Selected:
    """The selection with more series."""
    if not len(ids):
        return known
    labels = stacked((known.table, table), table.strings, Pace(check))
    return Selected(np.concatenate((known.ids, ids)), labels)


def _with_cold(
    live: Selected, matchers: tuple[Matcher, ...], chunks: Sequence[Chunk], index: Index, check: Check | None
) -> Selected:
    """The live series and those of the chunks; a series that has had several ids is one series."""
    tables, cold = [live.table], []
    for chunk in chunks:
        opened = chunk.opened()
        if opened is not None:
            columns, labels = opened.dictionary.select(matchers, opened.cold(index)[1:], index.strings, check)
            if len(columns):
                tables.append(labels)
                cold.append(opened.series_of[columns + 1])
    if not cold:
        return live
    pace = Pace(check)
    table = stacked(tables, index.strings, pace)
    groups = numbered(Numbering(len(table.names)), table.codes, pace=pace)  # live series first, as they are
    ids = np.concatenate((live.ids, np.full(len(groups) - len(live), NO_SERIES)))
    row, series = groups.of[len(live) :], np.concatenate(cold)
    other = np.flatnonzero(series != ids[row])
    order = other[np.lexsort((series[other], row[other]))]
    row, series = row[order], series[order]
    fresh = np.ones(len(row), dtype=np.bool_)
    fresh[1:] = (row[1:] != row[:-1]) | (series[1:] != series[:-1])
    row, series = row[fresh], series[fresh]
    nth = np.arange(len(row)) - np.searchsorted(row, row)
    others = []
    for layer in range(int(nth.max(initial=-1)) + 1):
        each = np.full(len(groups), NO_SERIES)
        each[row[nth == layer]] = series[nth == layer]
        others.append(each)
    return Selected(ids, table.take(groups.first), tuple(others))


def subset(selected: Selected, rows: IntArray) -> Selected:
    """Some of the selected series."""
    others = tuple(each[rows] for each in selected.others)
    return Selected(selected.ids[rows], selected.table.take(rows), others)
