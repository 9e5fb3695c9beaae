"""The samples in windows: what a range kernel works on, a tile of columns at a time.

Rows are those that span.py found. A kernel asks for what it needs of each window (its first and last sample, how many
there are, all of them side by side, or the cells that windows share); nothing is worked out that it does not ask for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from ruler.model.arrays import ABSENT_BITS, STALE_BITS, BoolArray, FloatArray, IntArray
from ruler.model.once import once
from ruler.promql.span import Span

_ROWS_TO_A_STEP = 4
_MANY = 16  # from so many columns of one stream on, and so many steps, stretches are copied instead of cells

T = TypeVar("T", bound=np.generic)
Accumulate = Callable[..., IntArray]


@dataclass(frozen=True)
class Windows:
    """Windows are the samples of some columns of a block in each step's window: what a range kernel works on.

    `stream` is each column's place in the arrays [… × streams], which are cut to the streams that these columns use.
    """

    span: Span
    columns: IntArray
    streams: slice
    stream: IntArray

    @property
    def now(self) -> IntArray:
        return self.span.now

    @property
    def ends(self) -> IntArray:
        return self.span.ends

    @property
    def starts(self) -> IntArray:
        return self.span.starts

    @property
    def reach(self) -> int:
        return self.span.reach

    @once
    def stretch(self) -> FloatArray | None:
        """How many times as long as asked for each window is [steps × 1]; None when all are right."""
        lengths = self.ends - self.starts
        return None if (lengths == self.reach).all() else (lengths / self.reach)[:, np.newaxis]

    @once
    def shape(self) -> tuple[int, int]:
        return len(self.span.ends), len(self.columns)

    @once
    def first(self) -> IntArray:
        """The first row of each window [steps × streams]: one in which the stream got something, if there is any."""
        return self.span.first[:, self.streams]

    @once
    def stop(self) -> IntArray:
        return self.span.stop[:, self.streams]

    @once
    def times(self) -> IntArray:
        return self.span.block.times[:, self.streams]

    @once
    def _lengths(self) -> IntArray | None:
        """How many columns each stream has, if they lie side by side and are many; else None."""
        streams = self.streams.stop - self.streams.start
        if len(self.columns) < _MANY * streams or (self.stream[1:] < self.stream[:-1]).any():
            return None
        return np.bincount(self.stream, minlength=streams)

    def spread(self, of_stream: npt.NDArray[T]) -> npt.NDArray[T]:
        """Each column's value of an array [steps × streams]."""
        if of_stream.shape[1] == 1:
            return np.broadcast_to(of_stream, (len(of_stream), len(self.columns)))
        if self._lengths is not None:
            return of_stream.repeat(self._lengths, axis=1)
        return of_stream.take(self.stream, axis=1)

    def values_at(self, rows: IntArray) -> FloatArray:
        """The cells of these rows, given for each (step, stream)."""
        values = self.span.block.values
        width = values.shape[1]
        if self._lengths is not None and len(rows) >= _MANY and self.columns[-1] - self.columns[0] < len(self.columns):
            return self._values_by_stream(rows, self._lengths)
        place: IntArray = np.add(self.spread(rows * width), self.columns)
        return values.reshape(-1).take(place)

    def _values_by_stream(self, rows: IntArray, lengths: IntArray) -> FloatArray:
        """The same, copying whole stretches of rows: columns are side by side, many of each stream."""
        found = np.empty((len(rows), len(self.columns)))
        left, origin = 0, int(self.columns[0])
        for stream, length in enumerate(lengths.tolist()):
            right = left + length
            found[:, left:right] = self.span.block.values[rows[:, stream], origin + left : origin + right]
            left = right
        return found

    def times_at(self, rows: IntArray) -> IntArray:
        """The times (ms) of these rows, for each (step, stream)."""
        return np.take_along_axis(self.times, rows, axis=0)

    @once
    def used(self) -> slice:
        """The rows that any of these windows holds."""
        if self.first.size == 0:
            return slice(0, 0)
        return slice(int(self.first.min()), max(int(self.stop.max()), int(self.first.min())))

    @once
    def cells(self) -> FloatArray:
        """All cells of these columns in the rows used (a view)."""
        columns = self.columns
        if len(columns) and columns[-1] - columns[0] + 1 == len(columns):
            return self.span.block.values[self.used, columns[0] : columns[-1] + 1]
        return self.span.block.values[self.used].take(columns, axis=1)

    @once
    def sampled(self) -> BoolArray:
        """Which of `cells` hold a sample."""
        bits = self.cells.view(np.int64)
        sampled: BoolArray = bits != ABSENT_BITS
        if self.span.block.stale:
            sampled &= bits != STALE_BITS
        return sampled

    @once
    def clean(self) -> BoolArray:
        """Of which columns every row holds a sample, unless their stream missed it."""
        if not (self.span.block.gaps or self.span.block.stale):
            return np.ones(len(self.columns), dtype=np.bool_)
        lost = len(self.cells) - np.count_nonzero(self.sampled, axis=0)
        missed = self.span.missed
        if missed is not None:
            lost -= np.count_nonzero(missed[self.used, self.streams], axis=0)[self.stream]
        return np.asarray(lost == 0)

    def beside(self, span: Span | None) -> Windows:
        """The windows before or after these, over the same columns of the same block."""
        if span is None:
            raise ValueError("windows: nothing is known of what lies beside them")
        return Windows(span, self.columns, self.streams, self.stream)

    def subset(self, which: BoolArray) -> Windows:
        """The same windows over some of the columns."""
        return Windows(self.span, self.columns[which], self.streams, self.stream[which])

    @once
    def real_last(self) -> IntArray:
        """The last row of each window in which the stream got something; below `first` where there is none."""
        last = self.stop - 1
        if self.span.missed is None:
            return last
        rows = np.maximum(last, 0)
        return np.where(last < self.first, last, np.take_along_axis(self.span.origin[:, self.streams], rows, axis=0))

    @once
    def real_count(self) -> IntArray:
        """In how many rows of each window the stream got something."""
        missed = self.span.missed
        if missed is None:
            return self.stop - self.first
        got = np.zeros((len(missed) + 1, self.times.shape[1]), dtype=np.int64)
        np.cumsum(~missed[:, self.streams], axis=0, out=got[1:])
        return np.take_along_axis(got, self.stop, axis=0) - np.take_along_axis(got, self.first, axis=0)

    @once
    def counts(self) -> IntArray:
        """How many samples each window holds [steps × columns]."""
        if self.clean.all():
            return self.spread(self.real_count)
        running = np.zeros((len(self.cells) + 1, len(self.columns)), dtype=np.int64)
        np.cumsum(self.sampled, axis=0, out=running[1:])
        above = self.used.start
        until = np.take_along_axis(running, self.spread(np.maximum(self.stop, self.first)) - above, axis=0)
        return until - np.take_along_axis(running, self.spread(self.first) - above, axis=0)

    def latest(self, *, stale_ends: bool) -> tuple[FloatArray, BoolArray, IntArray]:
        """The last sample of each window: its value, whether there is one, and its row [steps × columns].

        With `stale_ends`, a staleness marker is a last sample too, after which there is none.
        """
        last = self.real_last
        rows = np.maximum(last, 0)
        if self.clean.all():
            return self.values_at(rows), self.spread(last >= self.first), self.spread(rows)
        kept = self.sampled
        if stale_ends and self.span.block.stale:
            kept = self.cells.view(np.int64) != ABSENT_BITS
        return self._picked(kept, np.maximum.accumulate, backwards=False, stale_ends=stale_ends)

    def earliest(self) -> tuple[FloatArray, BoolArray, IntArray]:
        """The first sample of each window: its value, whether there is one, and its row [steps × columns]."""
        if self.clean.all():
            rows = np.minimum(self.first, len(self.span.block.values) - 1)
            return self.values_at(rows), self.spread(self.real_last >= self.first), self.spread(rows)
        return self._picked(self.sampled, np.minimum.accumulate, backwards=True, stale_ends=False)

    def _picked(
        self, kept: BoolArray, nearest: Accumulate, *, backwards: bool, stale_ends: bool
    ) -> tuple[FloatArray, BoolArray, IntArray]:
        """The row of `kept` that is nearest to each window's edge, if the window holds it."""
        block, height = self.span.block, len(kept)
        first, stop = self.spread(self.first), self.spread(self.stop)
        if height == 0:
            nothing = np.zeros(self.shape, dtype=np.int64)
            return nothing.astype(np.float64), nothing.astype(np.bool_), nothing
        numbers = np.arange(self.used.start, self.used.stop)[:, np.newaxis]
        towards = slice(None, None, -1 if backwards else 1)
        found = nearest(np.where(kept, numbers, len(block.values) if backwards else -1)[towards], axis=0)[towards]
        edge = np.clip((first if backwards else stop - 1) - self.used.start, 0, height - 1)
        rows = np.take_along_axis(found, edge, axis=0)
        here = (rows >= first) & (rows < stop)
        rows = np.clip(rows, 0, len(block.values) - 1)
        values = block.values.reshape(-1).take(rows * block.values.shape[1] + self.columns)
        if stale_ends and block.stale:
            here &= values.view(np.int64) != STALE_BITS
        return values, here, rows

    def samples(self, *, with_times: bool = False) -> Iterator[tuple[FloatArray, BoolArray, IntArray]]:
        """The samples of all windows side by side, oldest first: their values, which there are, and their times (ms).

        Each turn gives at most one sample of every (step, column). Values where there is none mean nothing.
        """
        height = len(self.span.block.values)
        longest = int((self.stop - self.first).max(initial=0))
        gappy = not bool(self.clean.all())
        stale = self.span.block.stale
        missed = None if self.span.missed is None else self.span.missed[:, self.streams]
        for place in range(longest):
            rows = self.first + place
            inside = rows < self.stop
            np.minimum(rows, height - 1, out=rows)
            if missed is not None:
                inside &= ~np.take_along_axis(missed, rows, axis=0)
            values = self.values_at(rows)
            here = self.spread(inside)
            if gappy:
                bits = values.view(np.int64)
                here = here & (bits != ABSENT_BITS)
                if stale:
                    here &= bits != STALE_BITS
            times = self.spread(self.times_at(rows)) if with_times else rows
            yield values, here, times


def tiles(span: Span, cells: int) -> Iterator[Windows]:
    """The windows of a whole block, a run of columns at a time, so that each has about `cells` (step, column) cells.

    Nor does it have more than a few times as many (row, column) cells, when rows are many and steps few.
    """
    stream_of = span.block.stream_of
    width = max(1, cells // max(1, len(span.ends), len(span.block.values) // _ROWS_TO_A_STEP))
    for left in range(0, len(stream_of), width):
        stream = stream_of[left : left + width].astype(np.int64)
        low = int(stream.min())
        columns = np.arange(left, left + len(stream))
        yield Windows(span, columns, slice(low, int(stream.max()) + 1), stream - low)
