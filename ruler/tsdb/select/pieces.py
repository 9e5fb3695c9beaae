"""Putting pieces of different resolutions together: the rows of a coarse piece above those of a finer one.

A piece is a block of raw samples or of one plane of an archive. Where a reader looks at more than one plane at once
(what a counter lost by resets, whether a series ended) the other travels beside it until it has been worked in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from ruler.model.arrays import ABSENT, ABSENT_BITS, NEVER, STALE, STALE_BITS, FloatArray, IntArray, absent
from ruler.storage import Aspect, Block
from ruler.tsdb.archive.buckets import Plane
from ruler.tsdb.archive.rising import doubled, rising

PLANE: Final = {
    Aspect.INSTANT: Plane.LAST,
    Aspect.LATEST: Plane.LAST,
    Aspect.LAST: Plane.LAST,
    Aspect.GAUGE: Plane.LAST,
    Aspect.COUNTER: Plane.LAST,
    Aspect.MIN: Plane.MIN,
    Aspect.MAX: Plane.MAX,
    Aspect.SUM: Plane.SUM,
    Aspect.COUNT: Plane.COUNT,
}
EXTRA: Final = {Aspect.INSTANT: Plane.COUNT, Aspect.COUNTER: Plane.LOST}  # a second plane
DOUBLED: Final = (Aspect.GAUGE, Aspect.COUNTER)  # a bucket also has what was before it


class Piece(Struct, frozen=True, eq=False):
    """A Piece is a block of one resolution (0: raw); `extra` is the second plane of an archive, in the same cells.

    `until` is the time (ms) up to which its series are read there.
    """

    block: Block
    extra: FloatArray | None
    resolution: int
    until: int = 0

    def of_rows(self, rows: IntArray) -> Piece:
        """The same of a selection of which these rows were selected."""
        return replace(self, block=replace(self.block, rows=rows[self.block.rows]))

    def cut(self, low: IntArray, high: IntArray, start: int, end: int) -> Piece | None:
        """What is in (low, high] of each column, all of which is in (start, end]; None when nothing is."""
        block, until = self.block, int(high.max())
        if (low == start).all() and until == int(high.min()) == end:
            return replace(self, until=until)
        distinct, stream_of = np.unique(np.stack([block.stream_of, low, high]), axis=1, return_inverse=True)
        streams, lows, highs = distinct
        times = block.times[:, streams]
        outside = (times <= lows) | (times > highs)
        inside = np.flatnonzero(~outside.all(axis=1))
        if not len(inside):
            return None
        rows = slice(int(inside[0]), int(inside[-1]) + 1)
        outside, times = outside[rows], times[rows]
        times[outside] = NEVER
        np.maximum.accumulate(times, axis=0, out=times)
        lost = outside[:, stream_of]
        values = np.where(lost, ABSENT, block.values[rows])
        extra = None if self.extra is None else np.where(lost, ABSENT, self.extra[rows])
        held = (values.view(np.int64) != ABSENT_BITS).any(axis=0)
        if not held.any():
            return None
        tick = None if block.tick is None else (block.tick[0] + rows.start * block.tick[1], block.tick[1])
        whole = replace(block, cells=values, times=times, stream_of=stream_of.astype(np.int32), tick=tick)
        return Piece(_columns(whole, held), None if extra is None else extra[:, held], self.resolution, until)


def _columns(block: Block, which: IntArray | np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Block:
    return replace(block, rows=block.rows[which], cells=block.values[:, which], stream_of=block.stream_of[which])


def piece_of(block: Block, others: Sequence[Block] | None, resolution: int, aspect: Aspect) -> Piece:
    """The piece of a block; `others` are the blocks of the second plane, among which is that of the same cells."""
    if not resolution:
        return Piece(_counted(block) if aspect is Aspect.COUNT else block, None, 0)
    extra = _beside(block, others) if others else None
    if aspect is Aspect.COUNT:
        block = replace(block, cells=np.abs(block.values))  # keeps the patterns of absent and stale
    elif aspect is Aspect.INSTANT:
        if extra is not None:
            block = replace(block, cells=np.where(extra < 0, STALE, block.values))
        extra = None
    return Piece(block, extra, resolution)


def _counted(block: Block) -> Block:
    """The block with one for each sample."""
    bits = block.values.view(np.int64)
    sampled = (bits != ABSENT_BITS) & (bits != STALE_BITS)
    return replace(block, cells=np.where(sampled, 1.0, ABSENT))


def _beside(block: Block, others: Sequence[Block]) -> FloatArray:
    """The other plane in the cells of `block`; absent where it is damaged."""
    beside = absent(*block.values.shape)
    for other in others:
        if other.tick == block.tick and len(other.values) == len(block.values):
            order = np.argsort(block.rows)
            place = order[np.minimum(np.searchsorted(block.rows, other.rows, sorter=order), len(order) - 1)]
            same = block.rows[place] == other.rows
            beside[:, place[same]] = other.values[:, same]
    return beside


def assembled(pieces: Sequence[Piece], count: int, aspect: Aspect) -> list[Block]:
    """Blocks of whole series out of pieces, the coarsest first; their rows are among `count`."""
    if not pieces:
        return []
    levels = sorted({piece.resolution for piece in pieces}, reverse=True)
    if levels[-1] == 0 and len(levels) == 1:
        return [piece.block for piece in pieces]
    piece_in = np.full((len(levels), count), -1, dtype=np.int64)
    column_in = np.zeros((len(levels), count), dtype=np.int64)
    for number, piece in enumerate(pieces):
        level = levels.index(piece.resolution)
        piece_in[level, piece.block.rows] = number
        column_in[level, piece.block.rows] = np.arange(len(piece.block.rows))
    some = np.flatnonzero((piece_in >= 0).any(axis=0))
    distinct, group_of = np.unique(piece_in[:, some], axis=1, return_inverse=True)
    found = []
    for number, members in enumerate(distinct.T.tolist()):
        rows = some[group_of == number]
        parts = [_part(pieces[member], column_in[level, rows]) for level, member in enumerate(members) if member >= 0]
        found.append(_stacked(rows, parts, aspect))
    return found


def _part(piece: Piece, columns: IntArray) -> Piece:
    """Some columns of a piece."""
    if len(columns) == len(piece.block.rows) and (columns[1:] > columns[:-1]).all():
        return piece
    return replace(
        piece, block=_columns(piece.block, columns), extra=None if piece.extra is None else piece.extra[:, columns]
    )


def _stacked(rows: IntArray, parts: Sequence[Piece], aspect: Aspect) -> Block:
    """Pieces of the same series, one after another in time, as one block."""
    blocks = [part.block for part in parts]
    archived = tuple((part.until, part.resolution) for part in parts if part.resolution)
    if not archived:
        return replace(blocks[0], rows=rows)
    if len(blocks) == 1:
        whole = replace(blocks[0], rows=rows, archived=archived)
    else:
        streams, stream_of = np.unique(np.stack([block.stream_of for block in blocks]), axis=1, return_inverse=True)
        times = np.concatenate([block.times[:, each] for block, each in zip(blocks, streams, strict=True)])
        np.maximum.accumulate(times, axis=0, out=times)
        whole = Block(
            rows=rows,
            cells=np.concatenate([block.values for block in blocks]),
            times=times,
            stream_of=stream_of.astype(np.int32),
            tick=None,
            archived=archived,
        )
    height = sum(len(part.block.values) for part in parts if part.resolution)
    if aspect is Aspect.COUNTER:
        lost = np.concatenate([part.block.values if part.extra is None else part.extra for part in parts])
        whole = replace(whole, cells=rising(whole.values, lost, height))
    if aspect in DOUBLED:
        sizes = np.concatenate([np.full(len(part.block.values), part.resolution) for part in parts])
        whole = doubled(whole, sizes)
    return whole
