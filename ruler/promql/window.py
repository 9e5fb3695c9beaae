"""The samples in windows: what a range kernel works on, a tile of columns at a time.

Rows are those that span.py found. A kernel asks for what it needs of each window (its first and last sample, how many
there are, all of them side by side, or the cells that windows share); nothing is worked out that it does not ask for.
Columns that have all samples of their stream are *clean*: what is known of the stream's rows is known of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from ruler.model.arrays import ABSENT_BITS, STALE_BITS, BoolArray, FloatArray, IntArray
from ruler.model.once import once
from ruler.promql.running import running_counts
from ruler.promql.span import Span

_EVEN = 8  # so many rows are looked at for being evenly spaced, which saves a copy
_STRETCH = 3000  # from so many cells on, it pays to copy those of a stream by themselves

T = TypeVar("T", bound=np.generic)
Result: TypeAlias = tuple[FloatArray, BoolArray | None]


@dataclass(frozen=True)
class Windows:
    """Windows are the samples of some columns of a block in each step's window.

    `stream` is each column's place in the arrays [… × streams], which are cut to the streams that these columns use.
    Rows are counted from the first that any of these windows holds.
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

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.span.ends), len(self.columns)

    def subset(self, which: BoolArray) -> Windows:
        """The same windows over some of the columns."""
        return Windows(self.span, self.columns[which], self.streams, self.stream[which])

    def beside(self, span: Span | None) -> Windows:
        """The windows before or after these, over the same columns of the same block."""
        if span is None:
            raise ValueError("windows: nothing is known of what lies beside them")
        return Windows(span, self.columns, self.streams, self.stream)

    # --- rows and cells -----------------------------------------------------------------------------------------------

    @once
    def used(self) -> slice:
        """The rows of the block that any of these windows holds."""
        first, stop = self.span.first[:, self.streams], self.span.stop[:, self.streams]
        if first.size == 0:
            return slice(0, 0)
        top = int(first.min())
        return slice(top, max(int(stop.max()), top))

    @property
    def height(self) -> int:
        return int(self.used.stop - self.used.start)

    @once
    def first(self) -> IntArray:
        """The first row of each window [steps × streams]: one in which the stream got something, if there is any."""
        return np.asarray(self.span.first[:, self.streams] - self.used.start)

    @once
    def stop(self) -> IntArray:
        return np.asarray(self.span.stop[:, self.streams] - self.used.start)

    @once
    def times(self) -> IntArray:
        """When (ms) each row was taken [rows × streams]."""
        return self.span.block.times[self.used, self.streams]

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
    def full(self) -> bool:
        """Whether every one of `cells` holds a sample."""
        return not (self.span.block.gaps or self.span.block.stale) or bool(self.sampled.all())

    @once
    def missed(self) -> BoolArray | None:
        """For each (row, stream), whether the stream got nothing there; None when no row was missed."""
        if self.full or self.span.missed is None:
            return None
        missed = self.span.missed[self.used, self.streams]
        return missed if missed.any() else None

    @once
    def clean(self) -> BoolArray | None:
        """Of which columns every row holds a sample, unless their stream missed it; None when it is all of them."""
        if self.full:
            return None
        lost = ~self.sampled
        if self.missed is not None:
            lost &= ~self.missed.take(self.stream, axis=1)
        if not lost.any():
            return None
        clean: BoolArray = ~np.any(lost, axis=0)
        return clean

    # --- from streams to columns --------------------------------------------------------------------------------------

    @once
    def _alone(self) -> bool:
        """Whether each column is its stream's only one, in the order of streams."""
        streams = self.streams.stop - self.streams.start
        return streams == len(self.columns) and bool((self.stream == np.arange(streams)).all())

    def spread(self, of_stream: npt.NDArray[T]) -> npt.NDArray[T]:
        """Each column's value of an array [steps × streams]."""
        if of_stream.shape[1] == 1:
            return np.broadcast_to(of_stream, (len(of_stream), len(self.columns)))
        if self._alone:
            return of_stream
        if self._lengths is not None:
            return of_stream.repeat(self._lengths, axis=1)
        return of_stream.take(self.stream, axis=1)

    @once
    def _lengths(self) -> IntArray | None:
        """How many columns each stream has, if they lie side by side; else None."""
        if (self.stream[1:] < self.stream[:-1]).any():
            return None
        return np.bincount(self.stream, minlength=self.streams.stop - self.streams.start)

    def at(self, source: npt.NDArray[T], rows: IntArray) -> npt.NDArray[T]:
        """Cells of an array [rows × columns], such as `cells`: rows are given for each (step, stream)."""
        steps, streams = rows.shape
        if streams == 1:
            return np.array(source[_regular(rows[:, 0])])
        if self._lengths is None or steps * len(self.columns) < _STRETCH * streams:
            return self.at_each(source, rows, shared=True)
        found = np.empty((steps, len(self.columns)), dtype=source.dtype)
        alike = (rows[:, 1:] == rows[:, :-1]).all(axis=0)
        ends = np.flatnonzero(np.append(~alike, True))
        left = 0
        for stream, right in zip(ends.tolist(), np.cumsum(self._lengths)[ends].tolist(), strict=True):
            found[:, left:right] = source[_regular(rows[:, stream]), left:right]
            left = right
        return found

    def at_each(self, source: npt.NDArray[T], rows: IntArray, *, shared: bool = False) -> npt.NDArray[T]:
        """The same with rows given for each (step, column), or `shared` by the columns of a stream."""
        whole: npt.NDArray[Any] = source
        column = np.arange(source.shape[1])
        if source is self.cells and not source.flags.c_contiguous:
            whole, column, rows = self.span.block.values, self.columns, rows + self.used.start
        place = rows * whole.shape[1]
        found: npt.NDArray[T] = whole.reshape(-1).take((self.spread(place) if shared else place) + column)
        return found

    # --- samples ------------------------------------------------------------------------------------------------------

    @once
    def _open(self) -> BoolArray:
        """Which windows hold any rows [steps × columns]."""
        return self.spread(self.first < self.stop)

    @once
    def _known(self) -> IntArray:
        """For each cell the row of the last sample up to it, -1 before the first."""
        return np.maximum.accumulate(np.where(self.sampled, np.arange(self.height)[:, np.newaxis], -1), axis=0)

    @once
    def shared_last(self) -> IntArray:
        """The last row of each window in which the stream got something; below `first` where there is none."""
        last = self.stop - 1
        if self.missed is None:
            return last
        origin = self.span.origin[self.used, self.streams] - self.used.start
        return np.where(last < self.first, last, np.take_along_axis(origin, np.maximum(last, 0), axis=0))

    @once
    def shared_count(self) -> IntArray:
        """In how many rows of each window the stream got something."""
        if self.missed is None:
            return self.stop - self.first
        got = np.zeros((self.height + 1, self.missed.shape[1]), dtype=np.int64)
        np.cumsum(~self.missed, axis=0, out=got[1:])
        return np.take_along_axis(got, self.stop, axis=0) - np.take_along_axis(got, self.first, axis=0)

    @once
    def counts(self) -> FloatArray:
        """How many samples each window holds [steps × columns]."""
        if self.clean is None:
            return self.spread(self.shared_count.astype(np.float64))
        running = running_counts(self.sampled)
        return (self.at(running, self.stop) - self.at(running, self.first)).astype(np.float64)

    def holding(self, fewest: int = 1) -> BoolArray | None:
        """Which windows hold so many samples, None when all do."""
        if self.clean is None:
            enough: BoolArray = self.shared_count >= fewest
            return None if enough.all() else self.spread(enough)
        enough = self.counts >= fewest
        return None if enough.all() else enough

    def latest(self) -> Samples:
        """The last sample of each window."""
        if self.clean is None:
            return Samples(self, self.shared_last, self.shared_last >= self.first, shared=True)
        return self._last_of(self._known)

    def _last_of(self, known: IntArray) -> Samples:
        last = self.at(known, np.maximum(self.stop - 1, 0))
        return Samples(self, last, (last >= self.spread(self.first)) & self._open, shared=False)

    def earliest(self) -> Samples:
        """The first sample of each window."""
        if self.clean is None:
            return Samples(self, self.first, self.shared_last >= self.first, shared=True)
        height = self.height
        to_come = np.where(self.sampled, np.arange(height)[:, np.newaxis], height)[::-1]
        following = np.minimum.accumulate(to_come, axis=0)[::-1]
        rows = self.at(following, np.minimum(self.first, height - 1))
        return Samples(self, rows, (rows < self.spread(self.stop)) & self._open, shared=False)

    def ending(self) -> Samples:
        """The last sample of each window, none where its series ended after it."""
        if self.clean is None or not self.span.block.stale:
            return self.latest()
        bits = self.cells.view(np.int64)
        numbers = np.arange(self.height)[:, np.newaxis]
        last = self._last_of(np.maximum.accumulate(np.where(bits != ABSENT_BITS, numbers, -1), axis=0))
        return Samples(self, last.rows, last.here & (last.values.view(np.int64) != STALE_BITS), shared=False)

    def before(self, samples: Samples) -> Samples:
        """The samples just before these, in the same windows."""
        if samples.shared:
            rows = np.maximum(samples.rows - 1, 0)
            if self.missed is not None:
                rows = np.take_along_axis(self.span.origin[self.used, self.streams], rows, axis=0) - self.used.start
            return Samples(self, rows, self.shared_count > 1, shared=True)
        rows = self.at_each(self._known, np.maximum(samples.rows - 1, 0))
        here = samples.here & (samples.rows > 0) & (rows >= self.spread(self.first))
        return Samples(self, rows, here, shared=False)

    def each(self, *, with_times: bool = False) -> Iterator[tuple[FloatArray, BoolArray, IntArray]]:
        """The samples of all windows side by side, oldest first: their values, which there are, and their times (ms).

        Each turn gives at most one sample of every (step, column). Values where there is none mean nothing.
        """
        longest = int((self.stop - self.first).max(initial=0))
        for place in range(longest):
            rows = self.first + place
            inside = rows < self.stop
            np.minimum(rows, self.height - 1, out=rows)
            if self.missed is not None:
                inside &= ~np.take_along_axis(self.missed, rows, axis=0)
            values = self.at(self.cells, rows)
            here = self.spread(inside)
            if self.clean is not None:
                bits = values.view(np.int64)
                here = here & (bits != ABSENT_BITS)
                if self.span.block.stale:
                    here &= bits != STALE_BITS
            times = self.spread(np.take_along_axis(self.times, rows, axis=0)) if with_times else rows
            yield values, here, times


@dataclass(frozen=True)
class Samples:
    """Samples are one of each window: in which row, and whether there is one.

    When they are `shared`, for each (step, stream), as all columns of a stream have theirs in the same row; else for
    each (step, column). What is said of a sample that is not there means nothing.
    """

    windows: Windows
    rows: IntArray
    found: BoolArray
    shared: bool

    @once
    def _rows(self) -> IntArray:
        return np.clip(self.rows, 0, max(self.windows.height - 1, 0))

    @once
    def values(self) -> FloatArray:
        return self.of(self.windows.cells)

    def of(self, source: npt.NDArray[T]) -> npt.NDArray[T]:
        """What an array [rows × columns] has for these samples."""
        if len(source) == 0:
            return np.zeros(self.windows.shape, dtype=source.dtype)
        return self.windows.at(source, self._rows) if self.shared else self.windows.at_each(source, self._rows)

    @property
    def here(self) -> BoolArray:
        """Whether there is one [steps × columns]."""
        return self.spread(self.found)

    @property
    def present(self) -> BoolArray | None:
        """The same, None when there is one everywhere."""
        return None if self.found.all() else self.here

    @once
    def own_times(self) -> IntArray:
        """When (ms) they were taken, for each row that `rows` has."""
        times = self.windows.times
        if len(times) == 0:
            return np.zeros(self.rows.shape, dtype=np.int64)
        if self.shared:
            return np.take_along_axis(times, self._rows, axis=0)
        return times[self._rows, self.windows.stream]

    @property
    def times(self) -> IntArray:
        """When (ms) they were taken [steps × columns]."""
        return self.spread(self.own_times)

    @property
    def value(self) -> Result:
        """Their values, and where they are present."""
        return self.values, self.present

    @property
    def second(self) -> Result:
        """When (s) they were taken, and where they are present."""
        return self.spread(self.own_times / 1000), self.present

    def spread(self, own: npt.NDArray[T]) -> npt.NDArray[T]:
        """For each (step, column) what is given for each row that `rows` has."""
        return self.windows.spread(own) if self.shared else own


def _regular(rows: IntArray) -> IntArray | slice:
    """The rows as a slice if they are evenly spaced."""
    if len(rows) < _EVEN:
        return rows
    first, step = int(rows[0]), int(rows[1] - rows[0])
    if step < 1 or (rows[1:] - rows[:-1] != step).any():
        return rows
    return slice(first, int(rows[-1]) + 1, step)


def by_kind(windows: Windows, kernel: Callable[[Windows], Result]) -> Result:
    """What a kernel makes of windows, with those few columns apart that are not clean, so that the others may share."""
    clean = windows.clean
    if clean is None or not clean.any():
        return kernel(windows)
    values, present = np.empty(windows.shape), np.ones(windows.shape, dtype=np.bool_)
    for which in (clean, ~clean):
        values[:, which], here = kernel(windows.subset(which))
        if here is not None:
            present[:, which] = here
    return values, present
