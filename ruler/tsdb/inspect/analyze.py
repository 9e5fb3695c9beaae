"""What is in a directory, by its labels and by its bytes: whose series are many, come and go, or are dear. For reading.

A series that goes by several ids is counted once, by its fingerprint. Time is that between its first and its last
sample; what a series lacks of the time of all counts as churn, to each of its labels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import nlargest

import numpy as np

from ruler.model.arrays import BoolArray, IntArray
from ruler.model.table import NO_LABEL, StringPool
from ruler.tsdb.files.chunk import Chunk, OpenChunk
from ruler.tsdb.files.dictionary import Dictionary, Part
from ruler.tsdb.files.page import TIME_SIGN, Leaf, Page
from ruler.tsdb.keep.mergeable import MERGED_ROWS
from ruler.tsdb.keep.seal import sorted_parts
from ruler.tsdb.labels.index import Index
from ruler.tsdb.write import fingerprints

FAR = 1 << 62

Top = tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Kind:
    """A Kind is a sort of files: how many there are, with how many rows and samples on how many bytes."""

    name: str
    files: int
    rows: tuple[int, int, int]  # least, median, most
    samples: int
    size: int


@dataclass(frozen=True, slots=True)
class Analysis:
    """An Analysis is what `tsdb analyze` tells. Times are ms; each list is (name, amount), the largest first."""

    first: int
    last: int
    series: int
    pairs: int  # distinct ones of a label and a value
    churn_by_pair: Top
    churn_by_label: Top
    series_by_pair: Top
    values_by_label: Top
    lengths_by_label: Top  # of all values, in bytes
    series_by_metric: Top
    bytes_by_metric: Top
    kinds: tuple[Kind, ...]


def analyze(leaves: Sequence[Page | Chunk], index: Index, limit: int = 20) -> Analysis:
    """The analysis of what these leaves hold; no list has more than `limit` rows."""
    series, pool = _Series(), StringPool()
    sizes: dict[str, int] = {}
    kinds: dict[str, list[tuple[int, int, int]]] = {}
    for leaf, opened in _opened(leaves):
        columns, dictionary = _labelled(opened, index)
        spans = _Spans(opened, columns)
        if not isinstance(opened, OpenChunk) or not opened.header.resolution:
            series.add(dictionary, spans, pool)
        for name, size in _sizes(opened, dictionary):
            sizes[name] = sizes.get(name, 0) + size
        kinds.setdefault(_kind(opened), []).append((opened.rows, int(spans.count.sum()), leaf.size))
    counts = series.counts(pool)
    names = counts.pop("__name__", {})
    first, last = series.first, series.last
    length = max(1, last - first)
    everywhere = {"__name__": names, **counts}
    return Analysis(
        first,
        last,
        len(series),
        sum(map(len, everywhere.values())),
        _top(((f"{label}={value}", lacking / length) for label, value, _, lacking in _every(everywhere)), limit),
        _top(((label, sum(e[1] for e in found.values()) / length) for label, found in everywhere.items()), limit),
        _top(((f"{label}={value}", count) for label, value, count, _ in _every(everywhere)), limit),
        _top(((label, len(found)) for label, found in everywhere.items()), limit),
        _top(((label, sum(len(v.encode()) for v in found)) for label, found in everywhere.items()), limit),
        _top(((value, count) for value, (count, _) in names.items()), limit),
        _top(sizes.items(), limit),
        tuple(_kind_of(name, found) for name, found in sorted(kinds.items())),
    )


Counts = dict[str, dict[str, tuple[int, int]]]  # label → value → how many series, and what they lack of the time


class _Series:
    """The distinct series that were come across, with their labels and when they had samples."""

    def __init__(self) -> None:
        self._place: dict[bytes, int] = {}
        self._parts: list[tuple[IntArray, Part]] = []  # places of series, and their labels
        self._first: list[int] = []
        self._last: list[int] = []

    def __len__(self) -> int:
        return len(self._place)

    @property
    def first(self) -> int:
        return min(self._first, default=0)

    @property
    def last(self) -> int:
        return max(self._last, default=0)

    def add(self, dictionary: Dictionary, spans: _Spans, pool: StringPool) -> None:
        prints = [each.tobytes() for each in fingerprints.of_dictionary(dictionary)]
        new = np.zeros(len(prints), dtype=np.bool_)
        places = np.empty(len(prints), dtype=np.int64)
        known = zip(prints, spans.first.tolist(), spans.last.tolist(), spans.count.tolist(), strict=True)
        for column, (key, first, last, count) in enumerate(known):
            if not count:
                continue
            place = places[column] = self._place.setdefault(key, len(self._place))
            if place == len(self._first):
                new[column] = True
                self._first.append(first)
                self._last.append(last)
            self._first[place], self._last[place] = min(self._first[place], first), max(self._last[place], last)
        self._parts += [(places[columns], part) for columns, part in dictionary.parts(pool, new)]

    def counts(self, pool: StringPool) -> Counts:
        lacking = self.last - self.first - (np.array(self._last) - np.array(self._first))
        found: Counts = {}
        for places, part in self._parts:
            _count(found.setdefault("__name__", {}), [part.name], np.zeros(len(places), np.int64), lacking[places])
            for label, codes in zip(part.names, part.codes.T, strict=True):
                some = codes != NO_LABEL
                distinct, which = np.unique(codes[some], return_inverse=True)
                texts = [pool.text(code) for code in distinct.tolist()]
                _count(found.setdefault(label, {}), texts, which, lacking[places][some])
        return {label: values for label, values in found.items() if values}


class _Spans:
    """When each column of a leaf has samples, and in how many rows its stream has written between the two."""

    def __init__(self, leaf: Leaf, columns: IntArray) -> None:
        count = len(columns)
        self.first, self.last = np.full(count, FAR), np.full(count, -FAR)
        self.count = np.zeros(count, dtype=np.int64)
        stored, slots = leaf.times[: leaf.rows], leaf.slot_of[columns]
        for slot in np.unique(slots).tolist():
            mine = np.flatnonzero(slots == slot)
            rows = np.flatnonzero(stored[:, slot])
            times = (stored[rows, slot] ^ np.uint64(TIME_SIGN)).view(np.int64)
            low = np.searchsorted(rows, leaf.first_row[columns[mine]], "left")
            high = np.searchsorted(rows, leaf.last_row[columns[mine]], "right")
            some = high > low
            self.count[mine] = np.maximum(high - low, 0)
            self.first[mine[some]], self.last[mine[some]] = times[low[some]], times[high[some] - 1]


def _opened(leaves: Iterable[Page | Chunk]) -> Iterator[tuple[Page | Chunk, Page | OpenChunk]]:
    for leaf in leaves:
        opened = leaf.opened()
        if opened is not None:
            yield leaf, opened


def _labelled(leaf: Page | OpenChunk, index: Index) -> tuple[IntArray, Dictionary]:
    """The columns of a leaf in the order of their labels, and these."""
    if isinstance(leaf, OpenChunk):
        return np.arange(1, leaf.used), leaf.dictionary
    held: BoolArray = leaf.series_of[: leaf.used] >= 0
    columns = np.flatnonzero(held)
    order, parts = sorted_parts(leaf.series_of[columns], index)
    return columns[order], Dictionary.of_parts(parts, index.strings)


def _sizes(leaf: Page | OpenChunk, dictionary: Dictionary) -> Iterator[tuple[str, int]]:
    """How many bytes the samples of each metric take."""
    text = dictionary.strings.text
    each = leaf.column_sizes() if isinstance(leaf, OpenChunk) else None
    for metric in dictionary.metrics:
        count = metric.stop - metric.start
        yield text(metric.name), 8 * leaf.rows * count if each is None else int(each[metric.start : metric.stop].sum())


def _kind(leaf: Page | OpenChunk) -> str:
    if isinstance(leaf, Page):
        return "pages"
    if leaf.header.resolution:
        return f"archives of {leaf.header.resolution // 1000}s"
    return "chunks, merged" if leaf.rows >= MERGED_ROWS else "chunks"


def _kind_of(name: str, found: Sequence[tuple[int, int, int]]) -> Kind:
    rows = sorted(each for each, _, _ in found)
    middle = (rows[0], rows[len(rows) // 2], rows[-1])
    return Kind(name, len(found), middle, sum(each[1] for each in found), sum(each[2] for each in found))


def _count(into: dict[str, tuple[int, int]], texts: list[str], which: IntArray, lacking: IntArray) -> None:
    series = np.bincount(which, minlength=len(texts)).tolist()
    missing = np.bincount(which, weights=lacking, minlength=len(texts)).tolist()
    for text, count, lack in zip(texts, series, missing, strict=True):
        before = into.get(text, (0, 0))
        into[text] = (before[0] + count, before[1] + int(lack))


def _every(found: Counts) -> Iterator[tuple[str, str, int, int]]:
    for label, values in found.items():
        for value, (count, lacking) in values.items():
            yield label, value, count, lacking


def _top(amounts: Iterable[tuple[str, float]], limit: int) -> Top:
    return tuple(nlargest(limit, ((name, amount) for name, amount in amounts if amount), key=lambda item: item[1]))
