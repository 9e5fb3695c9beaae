"""Samples of any age, put beside what is there: written as chunks at once, past the pages and the live tables.

A sample that is there already stays as it is. Series that are not live get ids that nobody else has, given out by the
writer thread; readers join them to others of the same labels, as they do with all chunks.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final, Protocol, TypeVar

import numpy as np

from common.clock import Clock
from common.durations import DAY
from common.errors import DiskRefused
from common.labels import METRIC_NAME, Labels
from ruler.model.arrays import ABSENT_BITS, STALE_BITS, IntArray
from ruler.model.table import LabelTable, StringPool, table_of
from ruler.storage import REFUSED, Imported, SeriesSamples
from ruler.tsdb.coding.codec import Codec
from ruler.tsdb.files.chunk import Cache, Chunk
from ruler.tsdb.files.chunkfiles import ChunkFiles
from ruler.tsdb.files.dictionary import Dictionary, Part
from ruler.tsdb.files.page import ABSENT_CELL, SPECIAL, STALES, Bits
from ruler.tsdb.keep.keeper import PARTS_KEPT
from ruler.tsdb.keep.mergeable import MERGED_ROWS
from ruler.tsdb.keep.seal import Layout, write
from ruler.tsdb.labels.index import Index
from ruler.tsdb.labels.selected import NO_SERIES, Selected
from ruler.tsdb.select import blocks
from ruler.tsdb.write import fingerprints
from ruler.tsdb.write.free import FURTHEST_AHEAD
from ruler.tsdb.write.ring import Ring
from ruler.tsdb.write.stream import normalised
from ruler.tsdb.write.strips import Rectangle, Strip, gridded, ungridded

T = TypeVar("T")

LOOKED_UP_AT_ONCE: Final = 256  # series, while the writer waits
IDS_REMEMBERED: Final = 1 << 17
FINGERPRINT_BYTES: Final = 32 << 20
NEARBY: Final = DAY  # how far away (ms) a chunk may be for a series to go on under the id that it has there
COMPARED_AT_ONCE: Final = 4_000_000  # cells
MOST_RINGS: Final = 64  # beyond which no import begins one for another interval


class InWriter(Protocol):
    """An InWriter runs a function in the writer thread, and gives what it gives."""

    def __call__(self, function: Callable[[], T], /) -> T: ...


class Identities:
    """Identities are the ids of series: which a series goes by, and which it is to go by in a new chunk."""

    def __init__(self, index: Index, in_writer: InWriter) -> None:
        self._index, self._in_writer = index, in_writer
        self._given: OrderedDict[bytes, int] = OrderedDict()
        self._of_chunk = Cache(FINGERPRINT_BYTES)

    def of(self, labels: Sequence[Labels], chunks: Iterable[Chunk]) -> tuple[IntArray, Selected]:
        """The id that each series is to be written under, and all under which these chunks and pages have them."""
        prints = fingerprints.of_labels(labels)
        rows, ids = self._known(labels, prints, chunks)
        chosen = np.full(len(labels), REFUSED, dtype=np.int64)
        chosen[rows[::-1]] = ids[::-1]  # the first that was found: a live one, if there is one
        keys = [each.tobytes() for each in prints]
        for row in np.flatnonzero(chosen == REFUSED).tolist():
            chosen[row] = self._given.get(keys[row], REFUSED)
        new = np.flatnonzero(chosen == REFUSED)
        if len(new):
            chosen[new] = self._reserved(len(new))
        for row, series in enumerate(chosen.tolist()):
            self._given[keys[row]] = series
            self._given.move_to_end(keys[row])
        while len(self._given) > IDS_REMEMBERED:
            self._given.popitem(last=False)
        return chosen, _selected(len(labels), rows, ids)

    def _known(self, labels: Sequence[Labels], prints: Bits, chunks: Iterable[Chunk]) -> tuple[IntArray, IntArray]:
        """Pairs of a series and an id of it: live ones first, then the latest."""
        index = self._index
        live = np.empty(len(labels), dtype=np.int64)
        for start in range(0, len(labels), LOOKED_UP_AT_ONCE):
            some = labels[start : start + LOOKED_UP_AT_ONCE]
            live[start : start + len(some)] = self._in_writer(partial(index.find, some))
        rows, ids = [np.flatnonzero(live != REFUSED)], [live[live != REFUSED]]
        for chunk in sorted(chunks, key=lambda chunk: -chunk.number):
            opened = chunk.opened()
            if opened is None or not (cold := opened.cold(index)).any():
                continue
            known = self._of_chunk.get(chunk.number, partial(fingerprints.of_dictionary, opened.dictionary))
            places = np.flatnonzero(cold[1:])
            mine, theirs = fingerprints.matches(prints, known[places])
            rows.append(mine)
            ids.append(opened.series_of[1 + places[theirs]])
        return np.concatenate(rows), np.concatenate(ids).astype(np.int64)

    def _reserved(self, count: int) -> IntArray:
        index = self._index

        def reserve() -> IntArray:
            first = index.count
            index.reserve(first + count)
            return np.arange(first, first + count)

        return self._in_writer(reserve)


class Backfill:
    """A Backfill puts samples of any age into a database. One call at a time."""

    def __init__(
        self,
        index: Index,
        rings: Mapping[int, Ring],
        begin_ring: Callable[[int], Ring],
        chunks: ChunkFiles,
        number: Callable[[], int],
        keep: Callable[[], int],
        note: Callable[[int], None],
        clock: Clock,
        in_writer: InWriter,
    ) -> None:
        """`begin_ring` gives the ring of an interval, `number` the next of a leaf, `keep` how old (ms) samples get;
        `note` hears since when there are more samples."""
        self._identities = Identities(index, in_writer)
        self._rings, self._begin_ring, self._chunks, self._number = rings, begin_ring, chunks, number
        self._keep, self._note, self._clock, self._in_writer = keep, note, clock, in_writer

    def put(self, series: Sequence[SeriesSamples]) -> Imported:
        """Store samples; a series may come in several pieces. Raises DiskRefused, with some of them stored perhaps."""
        now = self._clock.now()
        joined, duplicate = _joined(series)
        strips, total = _within(joined, now - self._keep(), now + FURTHEST_AHEAD)
        total += Imported(duplicate=duplicate)
        if not strips:
            return total
        labels = [joined[strip.series].labels for strip in strips]
        strips = [strip._replace(series=place) for place, strip in enumerate(strips)]
        oldest = min(int(strip.times[0]) for strip in strips)
        newest = max(int(strip.times[-1]) for strip in strips)
        rings = list(self._rings.values())
        chunks = [chunk for ring in rings for chunk in ring.chunks]
        about = [chunk for chunk in chunks if chunk.oldest <= newest + NEARBY and chunk.newest >= oldest - NEARBY]
        ids, selected = self._identities.of(labels, about)
        fresh = _without(strips, self._held(selected, rings, oldest, newest))
        stored = sum(len(strip.times) for strip in fresh)
        if fresh:
            self._write(fresh, labels, ids, selected, now)
            self._note(min(int(strip.times[0]) for strip in fresh))
        return total + Imported(stored, duplicate=sum(len(strip.times) for strip in strips) - stored)

    def _held(self, selected: Selected, rings: Sequence[Ring], first: int, last: int) -> dict[int, list[IntArray]]:
        """The times in [first, last] at which series have a sample already."""
        cells = blocks.cells(selected, rings, first - 1, last)
        if not cells:
            return {}
        if cells > COMPARED_AT_ONCE and last > first:
            middle = (first + last) // 2
            found = self._held(selected, rings, first, middle)
            for series, times in self._held(selected, rings, middle + 1, last).items():
                found.setdefault(series, []).extend(times)
            return found
        found = {}
        for block in blocks.stacked(selected, rings, first - 1, last):
            there = block.values.view(np.int64) != ABSENT_BITS
            for column, series in enumerate(block.rows.tolist()):
                times = block.times[there[:, column], block.stream_of[column]]
                found.setdefault(series, []).append(times)
        return found

    def _write(
        self, strips: Sequence[Strip], labels: Sequence[Labels], ids: IntArray, selected: Selected, now: int
    ) -> None:
        rectangles, others = gridded(strips, max(1, self._keep() // PARTS_KEPT))
        for rectangle in rectangles:
            if self._fits(rectangle, selected, now):
                self._publish(rectangle, labels, ids)
            else:
                others += rectangle.strips
        for rectangle in ungridded(others):
            self._publish(rectangle, labels, ids)

    def _fits(self, rectangle: Rectangle, selected: Selected, now: int) -> bool:
        """Whether the ring of the interval has nothing of these series thereabouts, and is not written there.

        Where leaves of a ring overlap, those begun later are taken for what was measured after the clock was set back.
        """
        interval = rectangle.interval
        if interval not in self._rings and len(self._rings) >= MOST_RINGS:
            return False
        ring = self._rings.get(interval)
        first, last = rectangle.oldest - 2 * interval, rectangle.newest + 2 * interval
        if last >= now:
            return False
        if ring is None:
            return True
        if any(page.first * interval <= last for page in ring.pages):
            return False
        series = np.array([strip.series for strip in rectangle.strips])
        layers = blocks.layers_of(selected, ring, first, last)
        return not any((layer.columns[series] > 0).any() for layer in layers)

    def _publish(self, rectangle: Rectangle, labels: Sequence[Labels], ids: IntArray) -> None:
        layout, strips = _layout(rectangle, labels, ids, self._number())
        rows = [rectangle.rows_of[slot] for slot in (layout.slot - 1).tolist()]

        def cells(_plane: int, start: int, stop: int) -> Bits:
            block = np.zeros((stop - start, rectangle.rows), dtype=np.uint64)
            for place in range(start, stop):
                block[place - start, rows[place]] = normalised(strips[place].values) ^ ABSENT_CELL
            return block

        codec = Codec.DENSE if rectangle.rows >= MERGED_ROWS else Codec.FAST
        try:
            sink = self._chunks.file_sink(layout.number)
        except OSError as error:
            raise DiskRefused(f"cannot be written: {error.strerror}") from None
        try:
            header, size = write(sink, layout, codec, cells)
        except OSError as error:
            sink.discard()
            raise DiskRefused(f"cannot be written: {error.strerror}") from None
        except BaseException:
            sink.discard()
            raise
        chunk = self._chunks.published(header, sink, size)
        self._in_writer(lambda: self._begin_ring(rectangle.interval).adopt(chunk))


def _joined(series: Sequence[SeriesSamples]) -> tuple[list[SeriesSamples], int]:
    """The samples of each series in one piece, and how many of them had a time that an earlier piece has."""
    pieces: dict[Labels, list[SeriesSamples]] = {}
    for each in series:
        if len(each):
            pieces.setdefault(each.labels, []).append(each)
    joined, duplicate = [], 0
    for labels, several in pieces.items():
        if len(several) == 1:
            joined.append(several[0])
            continue
        times = np.concatenate([piece.times for piece in several])
        values = np.concatenate([piece.values for piece in several])
        distinct, first = np.unique(times, return_index=True)
        joined.append(SeriesSamples(labels, distinct, values[first]))
        duplicate += len(times) - len(distinct)
    return joined, duplicate


def _within(series: Sequence[SeriesSamples], oldest: int, newest: int) -> tuple[list[Strip], Imported]:
    """What is neither too old nor from the future, and how much is."""
    strips, too_old, future = [], 0, 0
    for place, each in enumerate(series):
        start, stop = np.searchsorted(each.times, (oldest, newest + 1)).tolist()
        too_old, future = too_old + start, future + len(each) - stop
        if start < stop:
            strips.append(Strip(place, each.times[start:stop], each.values[start:stop]))
    return strips, Imported(too_old=too_old, future=future)


def _without(strips: Sequence[Strip], held: Mapping[int, list[IntArray]]) -> list[Strip]:
    """The strips without the samples whose times are held, those of which nothing is left not at all."""
    fresh = []
    for strip in strips:
        if strip.series in held:
            new = ~np.isin(strip.times, np.concatenate(held[strip.series]))
            if not new.all():
                strip = strip._replace(times=strip.times[new], values=strip.values[new])  # noqa: PLW2901
        if len(strip.times):
            fresh.append(strip)
    return fresh


def _selected(count: int, rows: IntArray, ids: IntArray) -> Selected:
    """A selection of `count` series that go by several ids each, of which nobody asks for the labels."""
    pairs = np.unique(np.stack([rows, ids]), axis=1)
    row, series = pairs
    nth = np.arange(len(row)) - np.searchsorted(row, row)
    layers = []
    for layer in range(max(1, int(nth.max(initial=-1)) + 1)):
        each = np.full(count, NO_SERIES, dtype=np.int64)
        each[row[nth == layer]] = series[nth == layer]
        layers.append(each)
    nameless = LabelTable((), np.empty((count, 0), dtype=np.int32), StringPool())
    return Selected(layers[0], nameless, tuple(layers[1:]))


def _layout(rectangle: Rectangle, labels: Sequence[Labels], ids: IntArray, number: int) -> tuple[Layout, list[Strip]]:
    """The layout of a chunk of this rectangle, and its strips in the order of the columns."""
    pool = StringPool()
    series = np.array([strip.series for strip in rectangle.strips])
    names = [labels[place].get(METRIC_NAME, "") for place in series.tolist()]
    order = sorted(range(len(names)), key=lambda place: (names[place], ids[series[place]]))
    strips = [rectangle.strips[place] for place in order]
    parts = list(_parts([labels[strip.series] for strip in strips], pool))
    layout = Layout(
        interval=rectangle.interval,
        first=rectangle.first,
        number=number,
        order=number,
        sources=(),
        series=ids[series[order]],
        slot=np.array(rectangle.slot_of, dtype=np.int32)[order] + np.int32(1),
        flags=np.array([_flags(strip) for strip in strips], dtype=np.uint8),
        times=rectangle.times,
        dictionary=Dictionary.of_parts(parts, pool),
    )
    return layout, strips


def _parts(labels: Sequence[Labels], pool: StringPool) -> Iterator[Part]:
    """The labels of neighbouring columns, which are in the order of their metric names."""
    by_name: dict[str, list[Labels]] = {}
    for each in labels:
        by_name.setdefault(each.get(METRIC_NAME, ""), []).append(each.without((METRIC_NAME,)))
    for name, others in by_name.items():
        table = table_of(others, pool)
        yield Part(name, table.names, table.codes)


def _flags(strip: Strip) -> int:
    bits = strip.values.view(np.int64)
    odd = ~np.isfinite(strip.values)
    if not odd.any():
        return 0
    stale = bits[odd] == STALE_BITS
    return (STALES if stale.any() else 0) | (SPECIAL if not stale.all() else 0)
