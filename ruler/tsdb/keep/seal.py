"""Sealing a page, and merging chunks: the same cells in fewer bytes, columns sorted by metric name.

Goes block by block, a block of columns at a time, so that it needs little memory however large a page is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ruler.kernels.series.numbering import Numbering
from ruler.model.arrays import BoolArray, CodeArray, IntArray
from ruler.tsdb.coding.codec import Codec, encode_cells, encode_times
from ruler.tsdb.files.chunkfile import ChunkWriter, Header, Sink
from ruler.tsdb.files.dictionary import Dictionary, Part
from ruler.tsdb.files.page import TIME_SIGN, Bits, Page
from ruler.tsdb.keep.erase import Erasure, Erasures, blank
from ruler.tsdb.keep.uniting import United
from ruler.tsdb.labels.index import Index

BLOCK_CELLS = 1 << 15
Written = tuple[Header, int]  # and the size of the chunk in bytes


@dataclass(frozen=True, slots=True)
class Layout:
    """A Layout is all of a chunk but its cells; arrays have no column 0 and no slot 0."""

    interval: int
    first: int
    number: int
    order: int
    sources: tuple[int, ...]
    series: IntArray  # of each column
    slot: CodeArray  # of each column, counted from 1
    flags: npt.NDArray[np.uint8]
    times: Bits  # [slots × rows]
    dictionary: Dictionary
    resolution: int = 0
    planes: int = 1


def write(sink: Sink, layout: Layout, codec: Codec, cells: Callable[[int, int, int], Bits]) -> Written:
    """Write a chunk; `cells(plane, start, stop)` are those of some columns [columns × rows]. May raise OSError."""
    columns, rows = len(layout.series), layout.times.shape[1]
    width = max(1, BLOCK_CELLS // rows)
    first_row, last_row = np.zeros(columns, dtype=np.int32), np.full(columns, -1, dtype=np.int32)
    writer = ChunkWriter(sink)
    for start in range(0, columns, width):
        stop = min(start + width, columns)
        for plane in range(layout.planes):
            block = cells(plane, start, stop)
            writer.block(encode_cells(block, codec))
            if not plane:
                first_row[start:stop], last_row[start:stop] = spans(block)
    return finish(writer, layout, width, first_row, last_row)


def finish(writer: ChunkWriter, layout: Layout, width: int, first_row: CodeArray, last_row: CodeArray) -> Written:
    """Write what follows the blocks of `width` columns, which begin and end in these rows. May raise OSError."""
    columns, rows = len(layout.series), layout.times.shape[1]
    stamps = (layout.times[layout.times != 0] ^ np.uint64(TIME_SIGN)).view(np.int64)
    header = Header(
        interval=layout.interval,
        first=layout.first,
        rows=rows,
        columns=columns + 1,
        slots=len(layout.times) + 1,
        number=layout.number,
        order=layout.order,
        resolution=layout.resolution,
        planes=layout.planes,
        oldest=int(stamps.min()),
        newest=int(stamps.max()),
        top=int(layout.series.max()) + 1,
        meta_at=0,
        meta_size=0,
        meta_crc=0,
        sources=layout.sources,
    )
    arrays = {
        "series": np.diff(layout.series, prepend=0),
        "slot": layout.slot,
        "first_row": first_row,
        "last_row": last_row,
        "flags": layout.flags,
        "reach": np.array(_reach(layout), dtype=np.int64),
        "block_width": np.array([width], dtype=np.int64),
        "times": np.frombuffer(encode_times(layout.times, layout.interval, layout.first), dtype=np.uint8),
        **layout.dictionary.arrays(),
    }
    return writer.finish(header, arrays)


def seal(page: Page, index: Index, sink: Sink, erasures: Sequence[Erasure] = ()) -> Written | None:
    """Write what a page holds as a chunk, which has the page's number; None when it holds nothing.

    What is written to the page meanwhile is left out: times are read before the cells that they vouch for. May raise
    OSError.
    """
    held = np.flatnonzero(page.last_row[: page.used] >= 0)
    published: BoolArray = (page.times != 0).any(axis=1)
    if not len(held) or not published.any():
        return None
    low, high = int(published.argmax()), page.rows - int(published[::-1].argmax())
    series = page.series_of[held].astype(np.int64)
    order, parts = sorted_parts(series, index)
    columns, series = held[order], series[order]
    used_slots, slot = np.unique(page.slot_of[columns], return_inverse=True)
    times = np.ascontiguousarray(page.times[low:high, used_slots].T)
    absent = times == 0
    gappy = absent.any(axis=1)

    def cells(_plane: int, start: int, stop: int) -> Bits:
        block = np.ascontiguousarray(page.cells[low:high, columns[start:stop]].T)
        for place in np.flatnonzero(gappy[slot[start:stop]]).tolist():
            block[place, absent[slot[start + place]]] = 0
        blank(block, times[slot[start:stop]], series[start:stop], erasures)
        return block

    layout = Layout(
        interval=page.interval,
        first=page.first + low,
        number=page.number,
        order=page.number,
        sources=(),
        series=series,
        slot=(slot + 1).astype(np.int32),
        flags=page.flags[columns],
        times=times,
        dictionary=Dictionary.of_parts(parts, index.strings),
    )
    return write(sink, layout, Codec.FAST, cells)


def merge(part: United, number: int, sources: tuple[int, ...], sink: Sink, erasures: Erasures | None = None) -> Written:
    """Write columns of several chunks of a ring, which follow one another, as one. May raise OSError."""
    chunks, columns, series = part.chunks, part.columns, part.series
    gone = [erasures.on(chunk) if erasures is not None else () for chunk in chunks]
    slots, slot = _streams_of([chunk.slot_of[each] for chunk, each in zip(chunks, columns, strict=True)])
    if chunks[0].interval:
        offsets = [chunk.first - chunks[0].first for chunk in chunks]
    else:
        offsets = [0, *np.cumsum([chunk.rows for chunk in chunks]).tolist()][:-1]
    rows = offsets[-1] + chunks[-1].rows
    times = np.zeros((len(slots[0]), rows), dtype=np.uint64)
    for chunk, offset, each in zip(chunks, offsets, slots, strict=True):
        times[:, offset : offset + chunk.rows] |= chunk.times[:, each].T
    flags = np.zeros(len(series), dtype=np.uint8)
    for chunk, each in zip(chunks, columns, strict=True):
        flags |= chunk.flags[each]

    def cells(plane: int, start: int, stop: int) -> Bits:
        block = np.zeros((stop - start, rows), dtype=np.uint64)
        for chunk, offset, each, without in zip(chunks, offsets, columns, gone, strict=True):
            here = each[start:stop]
            if here.any():
                part = chunk.taken(here, 0, chunk.rows, plane).T
                blank(part, chunk.times[:, chunk.slot_of[here]].T, chunk.series_of[here], without)
                block[:, offset : offset + chunk.rows] |= part
        return block

    layout = Layout(
        interval=chunks[0].interval,
        first=chunks[0].first,
        number=number,
        order=min(chunk.order for chunk in chunks),
        sources=sources,
        series=series,
        slot=slot + np.int32(1),
        flags=flags,
        times=times,
        dictionary=part.dictionary,
        resolution=chunks[0].header.resolution,
        planes=chunks[0].header.planes,
    )
    return write(sink, layout, Codec.DENSE, cells)


def _streams_of(slots_of: Sequence[CodeArray]) -> tuple[tuple[IntArray, ...], CodeArray]:
    """The streams of a chunk to be, each a slot (or none) in each of its sources, and the stream of each column."""
    codes = np.stack(slots_of, axis=1)
    stream_of, first = np.empty(len(codes), dtype=np.int64), np.empty(len(codes), dtype=np.int64)
    streams = Numbering(len(slots_of)).number(codes, range(len(slots_of)), stream_of, first)
    return tuple(slots[first[:streams]].astype(np.int64) for slots in slots_of), stream_of.astype(np.int32)


def spans(cells: Bits) -> tuple[CodeArray, CodeArray]:
    """The first and the last row of each column that holds a sample (0 and −1: none)."""
    present = cells != 0
    some = present.any(axis=1)
    last = present.shape[1] - 1 - present[:, ::-1].argmax(axis=1)
    return present.argmax(axis=1).astype(np.int32), np.where(some, last, -1).astype(np.int32)


def _reach(layout: Layout) -> tuple[int, int]:
    """How far rows lie at most ahead of and behind where their times would put them."""
    if not layout.interval:
        return 1, 1
    slots, rows = np.nonzero(layout.times)
    stamps = (layout.times[slots, rows] ^ np.uint64(TIME_SIGN)).view(np.int64)
    off = rows - (stamps // layout.interval - layout.first)
    return max(1, int(off.max())), max(1, int(-off.min()))


def sorted_parts(series: IntArray, index: Index) -> tuple[IntArray, list[Part]]:
    """The order of columns by metric name and id, and their labels in that order."""
    names = index.names_of_ids(series)
    distinct, where = np.unique(names, return_inverse=True)
    rank = _ranks([index.strings.text(code) for code in distinct.tolist()])
    order = np.lexsort((series, rank[where]))
    parts = []
    ordered_names = names[order]
    edges = [0, *(np.flatnonzero(np.diff(ordered_names)) + 1).tolist(), len(order)]
    for start, stop in pairwise(edges):
        code = int(ordered_names[start])
        names_here, codes = index.tables[code].labels_of(series[order[start:stop]])
        parts.append(Part(index.strings.text(code), names_here, codes))
    return order, parts


def _ranks(texts: list[str]) -> IntArray:
    """Where each text stands among them in sorted order."""
    rank = np.empty(len(texts), dtype=np.int64)
    rank[np.array(sorted(range(len(texts)), key=texts.__getitem__), dtype=np.int64)] = np.arange(len(texts))
    return rank
