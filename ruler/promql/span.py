"""From moments to rows: which rows of a block each step's window holds. Indexed from the tick grid, not searched.

Rows are found for streams; all series of a stream share them. Windows are left-open: (end - range, end].
This is the only place that compares sample times with window edges.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ruler.model.arrays import BoolArray, IntArray
from ruler.model.once import once
from ruler.storage import Block, Deferred

_NEVER = np.iinfo(np.int64).min


def rows_until(times: IntArray, moments: IntArray, tick: tuple[int, int] | None) -> IntArray:
    """For each (moment, stream), how many rows from the top have a time that is not after the moment."""
    height, streams = times.shape
    if height == 0 or streams == 0:
        return np.zeros((len(moments), streams), dtype=np.int64)
    if streams == 1:
        return np.searchsorted(times[:, 0], moments, side="right")[:, np.newaxis]
    flat = np.ascontiguousarray(times).reshape(-1)
    stream = np.arange(streams)
    limit = moments[:, np.newaxis]
    if tick is None:
        return _bisected(flat, streams, stream[np.newaxis, :], limit, height)

    base, interval = tick
    estimate = np.clip((moments - base) // interval + 1, 0, height)
    rows = np.repeat(estimate[:, np.newaxis], streams, axis=1)
    rows += _below_is_due(flat, streams, stream, rows, limit, height)
    rows -= _above_is_late(flat, streams, stream, rows, limit)
    wrong = _below_is_due(flat, streams, stream, rows, limit, height) | _above_is_late(
        flat, streams, stream, rows, limit
    )
    if wrong.any():
        step, failed = np.nonzero(wrong)
        rows[step, failed] = _bisected(flat, streams, failed, moments[step], height)
    return rows


def _below_is_due(
    flat: IntArray, streams: int, stream: IntArray, rows: IntArray, limit: IntArray, height: int
) -> BoolArray:
    """Where the next row is not after the limit either."""
    below = flat.take(np.minimum(rows, height - 1) * streams + stream)
    return np.asarray((rows < height) & (below <= limit))


def _above_is_late(flat: IntArray, streams: int, stream: IntArray, rows: IntArray, limit: IntArray) -> BoolArray:
    """Where the last row counted is after the limit."""
    above = flat.take(np.maximum(rows - 1, 0) * streams + stream)
    return np.asarray((rows > 0) & (above > limit))


def _bisected(flat: IntArray, streams: int, stream: IntArray, limit: IntArray, height: int) -> IntArray:
    shape = np.broadcast_shapes(stream.shape, limit.shape)
    low = np.zeros(shape, dtype=np.int64)
    high = np.full(shape, height, dtype=np.int64)
    for _ in range(height.bit_length()):
        middle = (low + high) >> 1
        due = (middle < high) & (flat.take(np.minimum(middle, height - 1) * streams + stream) <= limit)
        low = np.where(due, middle + 1, low)
        high = np.where(due, high, middle)
    return low


@dataclass(frozen=True)
class Span:
    """A Span is the rows of one block that each window holds, for each (step, stream): `first` up to `stop`.

    `now` is the evaluation's moments [steps]; windows span (starts, ends] [steps or 1], all ms. `reach` is the length
    that they were to have: where they hold buckets, their edges have been moved back to edges of those. Windows that
    look beyond their edges know the rows `before` and `after` them.
    """

    block: Block
    now: IntArray
    starts: IntArray
    ends: IntArray
    reach: int
    first: IntArray
    stop: IntArray
    before: Span | None = None
    after: Span | None = None

    def whole(self) -> Span:
        return self

    @once
    def origin(self) -> IntArray:
        """For each (row, stream) the row in which the stream really got the time that stands there."""
        times = self.block.times
        row = np.arange(len(times))[:, np.newaxis]
        new = np.ones(times.shape, dtype=np.bool_)
        new[1:] = times[1:] != times[:-1]
        return np.maximum.accumulate(np.where(new, row, 0), axis=0)

    @once
    def missed(self) -> BoolArray | None:
        """For each (row, stream), whether the stream got nothing there; None when no row was missed."""
        if not self.block.gaps:
            return None
        times = self.block.times
        missed = times == _NEVER
        missed[1:] |= times[1:] == times[:-1]
        return missed if missed.any() else None


@dataclass(frozen=True, slots=True)
class DeferredSpan:
    """A DeferredSpan is a Span of a block whose values are gathered when they are wanted."""

    block: Deferred
    now: IntArray
    starts: IntArray
    ends: IntArray
    reach: int
    first: IntArray
    stop: IntArray

    def part(self, left: int, right: int) -> Span:
        """The span of these columns."""
        block, streams = self.block.part(left, right)
        first, stop = self.first[:, streams], self.stop[:, streams]
        return Span(block, self.now, self.starts, self.ends, self.reach, first, stop)

    def whole(self) -> Span:
        return self.part(0, len(self.block.rows))


def span_of(block: Block | Deferred, now: IntArray, ends: IntArray, reach: int) -> Span | DeferredSpan:
    """The rows of `block` in (end - reach, end] for each of `ends`."""
    starts = ends - reach
    if block.archived:
        starts, ends = _at_edges(block.archived, starts, ends)
    both = rows_until(block.times, np.concatenate((starts, ends)), block.tick)
    first, stop = both[: len(ends)], both[len(ends) :]
    if isinstance(block, Block):
        return Span(block, now, starts, ends, reach, first, stop)
    return DeferredSpan(block, now, starts, ends, reach, first, stop)


def _at_edges(archived: tuple[tuple[int, int], ...], starts: IntArray, ends: IntArray) -> tuple[IntArray, IntArray]:
    """Windows moved back to the edges of the buckets that they begin and end in; none is shorter than one of those."""
    until = np.array([time for time, _ in archived])
    sizes = np.array([*(size for _, size in archived), 1])
    size = sizes[np.searchsorted(until, ends)]
    moved = ends // size * size
    starts = np.where(size > 1, moved - -(-(ends - starts) // size) * size, starts)
    size = sizes[np.searchsorted(until, starts, side="right")]
    return starts // size * size, moved


def samples_in(spans: Sequence[Span | DeferredSpan]) -> int:
    """How many cells all windows of all columns hold together: samples, and what is missing between them."""
    total = 0
    for span in spans:
        of_stream = (span.stop - span.first).sum(axis=0)
        stream_of = span.block.stream_of
        total += int(of_stream[0]) * len(stream_of) if len(of_stream) == 1 else int(of_stream[stream_of].sum())
    return total
