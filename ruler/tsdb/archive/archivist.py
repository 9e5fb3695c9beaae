"""Building archives: when a day is over, what its samples come to in buckets, written as a chunk before they may go.

Works through the raw leaves in windows of one UTC day, oldest first, some columns at a time. What has been built is
known from the chunks alone: of each window, what its series have is left out. The keeper's thread does it.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from common.durations import DAY, HOUR
from common.labels import METRIC_NAME
from common.logs import facts
from ruler.model.arrays import ABSENT_BITS, NEVER, STALE_BITS, BoolArray, FloatArray, IntArray
from ruler.model.matcher import Matcher
from ruler.model.table import LabelTable, stacked
from ruler.tsdb.archive.buckets import Plane, Stretch, bucketed, last_times
from ruler.tsdb.archive.rules import Rules
from ruler.tsdb.coding.codec import Codec, encode_cells
from ruler.tsdb.config import Archive
from ruler.tsdb.files.chunk import Chunk, OpenChunk
from ruler.tsdb.files.chunkfile import ChunkWriter, Sink
from ruler.tsdb.files.dictionary import Dictionary, Part
from ruler.tsdb.files.page import ABSENT_CELL, SPECIAL, STALES, TIME_SIGN, Bits, mixed
from ruler.tsdb.keep.seal import BLOCK_CELLS, Layout, Written, finish, spans
from ruler.tsdb.labels.selected import NO_SERIES, Selected, subset
from ruler.tsdb.select import blocks
from ruler.tsdb.write.ring import Ring

SETTLED = HOUR + HOUR // 4  # after the end of a day; without a window for late samples, they may be an hour late
BLOCK_COLUMNS, COLUMNS_AT_ONCE = 512, 64  # written, and worked out: the raw samples of a day fit the cache
MERGED_ROWS, MERGED_AT_ONCE = 1024, 8
PARTS_KEPT = 6  # at least: buckets are let go chunk by chunk
WINDOWS_A_ROUND = 64  # that are looked at; one that has something to build ends the round
FAR = 1 << 62

FlagArray = npt.NDArray[np.uint8]
Select = Callable[[Sequence[Matcher], int, int], Selected]
Write = Callable[[Callable[[Sink, int], Written | None]], Chunk | None]

log = logging.getLogger("tsdb")


class HaltedError(Exception):
    """Nobody waits for what is being built any more: it will be built from the beginning."""


class Archivist:
    """An Archivist keeps the archives up to the raw samples. `round` builds what there is to build at a time."""

    def __init__(
        self, raw: Mapping[int, Ring], archives: Mapping[int, Ring], select: Select, late: Callable[[], int]
    ) -> None:
        """`late` says how many ms samples may come late."""
        self._raw, self.archives, self._select, self._late = raw, archives, select, late
        self.rules = Rules(())
        self.halted: Callable[[], bool] = lambda: False
        self._next: dict[int, int] = {}  # of each resolution, the window that has not been looked at
        self._late_comers: deque[int] = deque()  # since when (ms) there is more than there was

    def apply(self, archives: Sequence[Archive]) -> None:
        """Build what these ask for from now on, of what there still is too."""
        if self.rules.archives != tuple(archives):
            self.rules = Rules(archives)
            self._next = {}

    def revisit(self, since: int) -> None:
        """Samples of series that were not there have come in: look at the windows from `since` (ms) on again.

        Any thread.
        """
        self._late_comers.append(since)

    def built(self) -> int:
        """Until when (ms) every archive has what it needs of the raw samples."""
        self._go_back()
        oldest = self._oldest()
        nexts = [(size, self._next.get(size, (oldest - 1) // span_of(size))) for size in self.rules.resolutions()]
        return min((window * span_of(size) for size, window in nexts), default=FAR)

    def round(self, now: int, write: Write) -> None:
        """Build the next window of each resolution that is over. May raise OSError, or HaltedError."""
        self._go_back()
        over = now - max(SETTLED, self._late())
        oldest = self._oldest()
        for size in self.rules.resolutions():
            span = span_of(size)
            window = max(self._next.get(size, -FAR), (oldest - 1) // span)
            for _ in range(WINDOWS_A_ROUND):
                if (window + 1) * span > over:
                    break
                built = self._build(Stretch(size, window * (span // size), span // size), write)
                window += 1
                self._next[size] = window
                if built:
                    break

    def groups(self, archive: Ring, otherwise: int) -> Iterator[list[Chunk]]:
        """The chunks of an archive that are to be merged: those that stay equally long, some at a time."""
        by_time: dict[int, list[Chunk]] = {}
        for chunk in archive.chunks:
            if chunk.rows < MERGED_ROWS:
                by_time.setdefault(self.rules.kept(chunk, otherwise), []).append(chunk)
        for kept, chunks in by_time.items():
            yield from _groups(chunks, kept // PARTS_KEPT)

    def _go_back(self) -> None:
        while self._late_comers:
            since = self._late_comers.popleft()
            self._next = {size: min(window, (since - 1) // span_of(size)) for size, window in self._next.items()}

    def _oldest(self) -> int:
        leaves = [
            leaf.oldest for ring in list(self._raw.values()) for leaf in ring.leaves if leaf.newest >= leaf.oldest
        ]
        return min(leaves, default=FAR)

    def _build(self, stretch: Stretch, write: Write) -> bool:
        """Write what the archive lacks of a window; whether that was anything."""
        wanted = self._lacking(self._wanted(stretch), stretch)
        if wanted is None:
            return False
        selected, kept = wanted
        for each in np.unique(kept).tolist():
            part = subset(selected, np.flatnonzero(kept == each))
            archive = self.archives[stretch.size]
            chunk = write(_Building(part, self._raw, archive, stretch, self.halted).write)
            if chunk is not None:
                archive.adopt(chunk)
                log.info("archived", extra=facts(resolution=stretch.size, until=stretch.end, series=len(part)))
        return True

    def _wanted(self, stretch: Stretch) -> tuple[Selected, IntArray] | None:
        """The series that are to be archived, and how long each stays."""
        found: list[Selected] = []
        kept: list[IntArray] = []
        for number, (matchers, rule) in enumerate(self.rules.selectors):
            stays = dict(self.rules.archives[rule].resolutions).get(stretch.size)
            if stays is None:
                continue
            selected = self._select(matchers, stretch.start, stretch.end)
            own = np.flatnonzero(self.rules.deciding(selected.table) == number)
            if len(own):
                found.append(subset(selected, own))
                kept.append(np.full(len(own), stays, dtype=np.int64))
        return (_together(found), np.concatenate(kept)) if found else None

    def _lacking(self, wanted: tuple[Selected, IntArray] | None, stretch: Stretch) -> tuple[Selected, IntArray] | None:
        """Those of them with raw samples in the window, and without buckets there."""
        if wanted is None:
            return None
        selected, kept = wanted
        raw = blocks.living(selected, list(self._raw.values()), stretch.start + 1, stretch.end)
        rows = np.flatnonzero(raw & ~_there(selected, self.archives[stretch.size], stretch))
        return (subset(selected, rows), kept[rows]) if len(rows) else None


def span_of(size: int) -> int:
    """How long (ms) a window is: a day, or as much of it as whole buckets fill, or one bucket that is longer."""
    return size * max(1, DAY // size)


def _there(selected: Selected, archive: Ring, stretch: Stretch) -> BoolArray:
    """Which of the selected series have buckets before and after, or in, these."""
    found = np.zeros(len(selected), dtype=np.bool_)
    for chunk in archive.chunks:
        low, high = max(stretch.first - chunk.first, 0), min(stretch.first + stretch.count - chunk.first, chunk.rows)
        if low < high and (opened := chunk.opened()) is not None:
            for columns in selected.columns_in(opened):
                found |= (opened.first_row[columns] < high) & (opened.last_row[columns] >= low)
    return found


def _groups(chunks: Sequence[Chunk], longest: int) -> Iterator[list[Chunk]]:
    """Stretches of chunks of about a size, which follow one another: as many as make it worth it, or many rows."""
    group: list[Chunk] = []
    rows = 0
    for chunk in chunks:
        if group and not _fits(group, chunk, longest):
            group, rows = [], 0
        group.append(chunk)
        rows += chunk.rows
        if len(group) > 1 and (len(group) == MERGED_AT_ONCE or rows >= MERGED_ROWS):
            yield group
            group, rows = [], 0


def _fits(group: Sequence[Chunk], chunk: Chunk, longest: int) -> bool:
    last = group[-1]
    if chunk.first < last.first + last.rows or chunk.newest - group[0].oldest > longest:
        return False
    return chunk.rows * 2 > last.rows and last.rows * 2 > chunk.rows


class _Building:
    """A _Building is one chunk of buckets being built, a block of columns at a time."""

    def __init__(
        self,
        selected: Selected,
        raw: Mapping[int, Ring],
        archive: Ring,
        stretch: Stretch,
        halted: Callable[[], bool],
    ) -> None:
        self._raw, self._archive, self._stretch, self._halted = list(raw.values()), archive, stretch, halted
        order, self._parts = _by_name(selected)
        self._selected = subset(selected, order)
        self._slots = _Slots(stretch.count)

    def write(self, sink: Sink, number: int) -> Written | None:
        """Write it; None when there is no sample. May raise OSError."""
        stretch, count = self._stretch, len(self._selected)
        width = max(1, min(BLOCK_CELLS // stretch.count, BLOCK_COLUMNS))
        writer = ChunkWriter(sink)
        slot, flags = np.zeros(count, dtype=np.int32), np.zeros(count, dtype=np.uint8)
        first_row, last_row = np.zeros(count, dtype=np.int32), np.full(count, -1, dtype=np.int32)
        for start in range(0, count, width):
            here = slice(start, min(start + width, count))
            cells = np.zeros((len(Plane), here.stop - start, stretch.count), dtype=np.uint64)
            for low in range(start, here.stop, COLUMNS_AT_ONCE):
                if self._halted():
                    raise HaltedError
                some = slice(low, min(low + COLUMNS_AT_ONCE, here.stop))
                into = cells[:, low - start : some.stop - start]
                slot[some], flags[some] = self._fill(into, subset(self._selected, np.arange(count)[some]))
            first_row[here], last_row[here] = spans(cells[Plane.LAST])
            for plane in cells:
                writer.block(encode_cells(plane, Codec.FAST))
        if not self._slots.count:
            return None
        layout = Layout(
            interval=stretch.size,
            first=stretch.first,
            number=number,
            order=number,
            sources=(),
            series=_ids(self._selected),
            slot=np.maximum(slot, 1),  # a column without a sample is anywhere
            flags=flags,
            times=self._slots.stored(),
            dictionary=Dictionary.of_parts(self._parts, self._selected.table.strings),
            resolution=stretch.size,
            planes=len(Plane),
        )
        return finish(writer, layout, width, first_row, last_row)

    def _fill(self, cells: Bits, part: Selected) -> tuple[IntArray, FlagArray]:
        """Work out the stored cells [planes × columns × buckets] of some columns; their slots and flags."""
        stretch, count = self._stretch, len(part)
        slot, flags = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.uint8)
        before = self._before(part)
        for block in blocks.stacked(part, self._raw, stretch.start, stretch.end):
            planes = bucketed(block.values, block.times, block.stream_of, before[block.rows], stretch)
            cells[:, block.rows] = planes.view(np.uint64) ^ ABSENT_CELL
            slot[block.rows] = self._slots.of(last_times(block.times, stretch))[block.stream_of]
            flags[block.rows] = _flags(planes)
        return slot, flags

    def _before(self, part: Selected) -> FloatArray:
        """The last finite sample before the window that the archive knows of each series, NaN where there is none."""
        found = np.full(len(part), np.nan)
        for chunk in reversed(self._archive.chunks):
            left = np.flatnonzero(np.isnan(found))
            if not len(left):
                break
            if chunk.newest <= self._stretch.start and (opened := chunk.opened()) is not None:
                for columns in part.columns_in(opened):
                    found[left] = _last_finite(opened, columns[left], found[left])
        return found


def _flags(planes: FloatArray) -> FlagArray:
    """What the columns of some planes may hold beside numbers."""
    bits = planes.view(np.int64)
    stale = bits == STALE_BITS
    special = (~np.isfinite(planes) & (bits != ABSENT_BITS) & ~stale).any(axis=(0, 2))
    ended = (stale[Plane.LAST] | (planes[Plane.COUNT] < 0)).any(axis=1)
    return np.asarray(SPECIAL * special + STALES * ended, dtype=np.uint8)


def _last_finite(chunk: OpenChunk, columns: IntArray, known: FloatArray) -> FloatArray:
    """The last finite LAST of each column of a chunk, or what is known where there is none."""
    if not columns.any():
        return known
    values = (chunk.taken(columns, 0, chunk.rows, Plane.LAST) ^ ABSENT_CELL).view(np.float64)
    finite = np.isfinite(values)
    row = len(values) - 1 - finite[::-1].argmax(axis=0)
    return np.where(finite.any(axis=0), values[row, np.arange(len(columns))], known)


class _Slots:
    """The _Slots of a chunk are the distinct rows of times that its columns have; found again by a hash of 64 bits."""

    def __init__(self, buckets: int) -> None:
        self._weights = mixed(np.arange(buckets, dtype=np.uint64)) | np.uint64(1)
        self._known = np.empty(0, dtype=np.uint64)  # sorted
        self._numbers = np.empty(0, dtype=np.int64)  # of those
        self._rows: list[Bits] = []
        self.count = 0

    def of(self, times: IntArray) -> IntArray:
        """The slot of each row [streams × buckets], counted from 1."""
        stored = np.where(times == NEVER, np.uint64(0), times.view(np.uint64) ^ np.uint64(TIME_SIGN))
        hashes = mixed(stored.dot(self._weights))
        distinct, first = np.unique(hashes, return_index=True)
        new = np.flatnonzero(~np.isin(distinct, self._known))
        if len(new):
            self._rows.append(stored[first[new]])
            numbers = np.arange(self.count + 1, self.count + 1 + len(new))
            known = np.concatenate([self._known, distinct[new]])
            order = np.argsort(known)
            self._known, self._numbers = known[order], np.concatenate([self._numbers, numbers])[order]
            self.count += len(new)
        return self._numbers[np.searchsorted(self._known, hashes)]

    def stored(self) -> Bits:
        """All of them, as they are stored [slots × buckets]."""
        return np.concatenate(self._rows)


def _together(found: Sequence[Selected]) -> Selected:
    """Selections that have no series in common, as one."""
    if len(found) == 1:
        return found[0]
    table = stacked([each.table for each in found], found[0].table.strings)
    layers = max(len(each.others) for each in found)
    others = tuple(
        np.concatenate(
            [each.others[layer] if layer < len(each.others) else np.full(len(each), NO_SERIES) for each in found]
        )
        for layer in range(layers)
    )
    return Selected(np.concatenate([each.ids for each in found]), table, others)


def _ids(selected: Selected) -> IntArray:
    """An id of each series: the live one, or the latest that it had."""
    ids = selected.ids
    for others in selected.others:
        ids = np.where(selected.ids >= 0, ids, np.maximum(ids, others))
    return ids


def _by_name(selected: Selected) -> tuple[IntArray, list[Part]]:
    """The order of the series by metric name and id, and their labels in that order."""
    table = selected.table
    distinct, where = np.unique(table.column(METRIC_NAME), return_inverse=True)
    texts = [table.strings.text(code) for code in distinct.tolist()]
    rank = np.empty(len(texts), dtype=np.int64)
    rank[sorted(range(len(texts)), key=texts.__getitem__)] = np.arange(len(texts))
    order = np.lexsort((_ids(selected), rank[where]))
    ranks = rank[where][order]
    edges = [0, *(np.flatnonzero(np.diff(ranks)) + 1).tolist(), len(order)]
    return order, [_part(table, order[start:stop]) for start, stop in pairwise(edges)]


def _part(table: LabelTable, rows: IntArray) -> Part:
    """The labels of some series of one metric."""
    name = table.strings.text(int(table.column(METRIC_NAME)[rows[0]]))
    columns = [place for place, label in enumerate(table.names) if label != METRIC_NAME]
    codes = table.codes[rows][:, columns]
    return Part(name, tuple(table.names[place] for place in columns), codes)
