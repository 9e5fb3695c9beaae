"""Reading across resolutions: raw samples where there are any, buckets before them, in one stretch of rows.

For each series raw samples are read as far back as leaves have them, and archives, the finest first, for what is before
that; seams lie on the edges of buckets. A query whose windows and steps are much longer than a bucket, and that would
read very many raw samples, is given buckets instead. The files decide what there is, never the config.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ruler.model.arrays import IntArray
from ruler.storage import Look, Selection
from ruler.tsdb.labels.selected import Selected, subset
from ruler.tsdb.select import blocks
from ruler.tsdb.select.pieces import EXTRA, PLANE, Piece, assembled, piece_of
from ruler.tsdb.write.ring import Ring

FAR = 1 << 61
MARGIN = 3  # buckets before the start: windows are moved back to edges, and begin with the bucket before
MANY = 4_000_000  # raw cells, from which on buckets will do where they are fine enough
FINE = 12  # buckets that a window must span for that; and a step one


@dataclass(frozen=True, slots=True)
class Source:
    """A Source is the leaves of one resolution (ms of a bucket; 0: raw), and what is read there of each series.

    That is (low, high], and nothing where low is high. `since` is when the oldest leaf begins that has the series.
    """

    resolution: int
    rings: tuple[Ring, ...]
    since: IntArray
    low: IntArray
    high: IntArray

    @property
    def rows(self) -> IntArray:
        return np.flatnonzero(self.high > self.low)

    @property
    def built(self) -> int:
        """The end (ms) of an archive's last bucket."""
        ends = [chunk.first + chunk.rows for ring in self.rings for chunk in ring.chunks]
        return max(ends, default=-FAR) * self.resolution if ends else -FAR


def sources(
    selected: Selected, raw: Sequence[Ring], archives: Mapping[int, Ring], start: int, end: int, look: Look
) -> list[Source]:
    """Where the samples in (start, end] are read, the coarsest first; nothing when raw ones are all there is to it."""
    start, end = max(start, -FAR), min(end, FAR)
    rings = sorted((size, ring) for size, ring in list(archives.items()) if _about(ring, start - MARGIN * size, end))
    if not rings or not len(selected):
        return []
    found = _divided(selected, raw, rings, start, end, look)
    coarsest = max((each.resolution for each in found if len(each.rows)), default=0)
    if not coarsest:
        return []
    return _divided(selected, raw, rings, start - MARGIN * coarsest, end, look)[::-1]


def _divided(
    selected: Selected, raw: Sequence[Ring], archives: Sequence[tuple[int, Ring]], start: int, end: int, look: Look
) -> list[Source]:
    """All sources, the finest first."""
    found = [_source(selected, 0, raw, start, end)]
    wanted = _preferred(selected, raw, archives, start, end, look)
    if wanted is None and (found[0].since <= start + 1).all():
        return found
    found += [_source(selected, size, (ring,), start, end) for size, ring in archives]
    high = np.full(len(selected), end)
    for place, source in enumerate(found):
        low = begun = np.clip(source.since - 1, start, end)
        for coarser in found[place + 1 :][::-1]:  # the next one has the last word
            edge = -(-begun // coarser.resolution) * coarser.resolution
            there = (coarser.since <= edge) & (edge <= coarser.built)  # the bucket that it begins in
            low = np.where(there & (begun > start), edge, low)
        if wanted is not None and source.resolution < wanted:
            preferred = next(each for each in found if each.resolution == wanted)
            low = np.where(preferred.since <= start + wanted, np.maximum(low, min(preferred.built, end)), low)
        low = np.minimum(low, high)
        found[place] = replace(source, low=low, high=high)
        high = low
    return found


def _preferred(
    selected: Selected, raw: Sequence[Ring], archives: Sequence[tuple[int, Ring]], start: int, end: int, look: Look
) -> int | None:
    """The coarsest resolution that will do, when raw samples would be very many."""
    fine = [size for size, _ in archives if look.reach >= FINE * size and (not look.step or look.step >= size)]
    if not fine or blocks.cells(selected, raw, start, end) < MANY:
        return None
    return fine[-1]


def _source(selected: Selected, resolution: int, rings: Sequence[Ring], start: int, end: int) -> Source:
    since = np.full(len(selected), FAR)
    about = [leaf for ring in rings for leaf in ring.leaves if leaf.oldest <= end and leaf.newest > start]
    for leaf in sorted(about, key=lambda leaf: leaf.oldest):
        if (opened := leaf.opened()) is None:
            continue
        for columns in selected.columns_in(opened):
            since[(columns > 0) & (since == FAR)] = leaf.oldest
        if (since < FAR).all():
            break
    nothing = np.full(len(selected), end)
    return Source(resolution, tuple(rings), since, nothing, nothing)


def _about(ring: Ring, start: int, end: int) -> bool:
    return any(chunk.oldest <= end and chunk.newest > start for chunk in ring.chunks)


def select(selected: Selected, parts: Sequence[Source], look: Look) -> Selection:
    """The samples of these sources, all of a series in one block."""
    pieces: list[Piece] = []
    for source in parts:
        rows = source.rows
        if len(rows):
            some = selected if len(rows) == len(selected) else subset(selected, rows)
            pieces += _pieces(some, rows, source, look)
    return blocks.selection(selected, assembled(pieces, len(selected), look.aspect))


def _pieces(some: Selected, rows: IntArray, source: Source, look: Look) -> list[Piece]:
    low, high = source.low[rows], source.high[rows]
    start, end = int(low.min()), int(high.max())
    if not source.resolution:
        pieces = [piece_of(block, None, 0, look.aspect) for block in blocks.stacked(some, source.rings, start, end)]
    else:
        main = blocks.stacked(some, source.rings, start, end, PLANE[look.aspect])
        plane = EXTRA.get(look.aspect)
        more = [] if plane is None else blocks.stacked(some, source.rings, start, end, plane)
        pieces = [piece_of(block, more, source.resolution, look.aspect) for block in main]
    cut = [piece.cut(low[piece.block.rows], high[piece.block.rows], start, end) for piece in pieces]
    return [piece.of_rows(rows) for piece in cut if piece is not None]


def cells(selected: Selected, parts: Sequence[Source], look: Look) -> int:
    """How many cells `select` would allocate, at most."""
    total = 0
    for source in parts:
        rows = source.rows
        if len(rows):
            start, end = int(source.low[rows].min()), int(source.high[rows].max())
            copies = 2 + 2 * (source.resolution > 0 and look.aspect in EXTRA)
            total += copies * blocks.cells(subset(selected, rows), source.rings, start, end)
    return total
