"""From moments to rows: which rows of a block each step's window holds. Indexed from the tick grid, not searched.

Rows are found for streams; all series of a stream share them. Windows are left-open: (end - range, end].
This is the only place that compares sample times with window edges.
"""

from __future__ import annotations

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
    limit = moments[:, np.newaxis]
    if tick is None:
        return _bisected(times, np.arange(streams)[np.newaxis, :], limit)

    base, interval = tick
    guess = np.clip((moments - base) // interval + 1, 0, height)
    more = _due(times, guess, limit)  # the next row is not after the moment either
    less = _late(times, guess - 1, limit)  # the last row counted is after it
    rows: IntArray = guess[:, np.newaxis] + more
    rows -= less
    wrong = more & _due(times, guess + 1, limit)
    wrong |= less & _late(times, guess - 2, limit)
    if wrong.any():
        step, failed = np.nonzero(wrong)
        rows[step, failed] = _bisected(times, failed, moments[step])
    return rows


def _due(times: IntArray, row: IntArray, limit: IntArray) -> BoolArray:
    """For each (moment, stream) whether there is such a row, and its time is not after the moment."""
    due: BoolArray = times.take(np.minimum(row, len(times) - 1), axis=0) <= limit
    due[row >= len(times)] = False
    return due


def _late(times: IntArray, row: IntArray, limit: IntArray) -> BoolArray:
    """For each (moment, stream) whether there is such a row, and its time is after the moment."""
    late: BoolArray = times.take(np.maximum(row, 0), axis=0) > limit
    late[row < 0] = False
    return late


def _bisected(times: IntArray, stream: IntArray, limit: IntArray) -> IntArray:
    height, streams = times.shape
    flat = np.ascontiguousarray(times).reshape(-1)
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
    """A DeferredSpan is the spans of blocks that are read when they are wanted."""

    block: Deferred
    now: IntArray
    ends: IntArray
    reach: int


def span_of(block: Block, now: IntArray, ends: IntArray, reach: int) -> Span:
    """The rows of `block` in (end - reach, end] for each of `ends`."""
    starts = ends - reach
    if block.archived:
        starts, ends = _at_edges(block.archived, starts, ends)
    both = rows_until(block.times, np.concatenate((starts, ends)), block.tick)
    return Span(block, now, starts, ends, reach, both[: len(ends)], both[len(ends) :])


def read(span: Span | DeferredSpan) -> list[tuple[Span, IntArray]]:
    """The spans, read now if they were deferred, with the place of each column among the series of `span`."""
    if isinstance(span, Span):
        return [(span, np.arange(len(span.block.rows)))]
    return [(span_of(block, span.now, span.ends, span.reach), block.rows) for block in span.block.read()]


def _at_edges(archived: tuple[tuple[int, int], ...], starts: IntArray, ends: IntArray) -> tuple[IntArray, IntArray]:
    """Windows moved back to the edges of the buckets that they begin and end in; none is shorter than one of those."""
    until = np.array([time for time, _ in archived])
    sizes = np.array([*(size for _, size in archived), 1])
    size = sizes[np.searchsorted(until, ends)]
    moved = ends // size * size
    starts = np.where(size > 1, moved - -(-(ends - starts) // size) * size, starts)
    size = sizes[np.searchsorted(until, starts, side="right")]
    return starts // size * size, moved


def samples_in(span: Span) -> int:
    """How many cells all windows of all columns hold together: samples, and what is missing between them."""
    of_stream = (span.stop - span.first).sum(axis=0)
    stream_of = span.block.stream_of
    return int(of_stream[0]) * len(stream_of) if len(of_stream) == 1 else int(of_stream[stream_of].sum())
