"""Samples and those before them: where a value changes or falls, and the windows that hold both samples of such a pair.

Whether a sample differs from the one before is worked out once for all windows. Changes are counted by running counts.
Falls of counters are few, so what they lost is handed out to windows one by one: exactly what a walk over the samples
would add up, in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

import numpy as np

from ruler.model.arrays import BoolArray, FloatArray, IntArray
from ruler.promql.functions.starts import Counted, overlaps, starts_again, starts_of
from ruler.promql.running import running_counts
from ruler.promql.window import Result, Windows

Compare: TypeAlias = Callable[[FloatArray, FloatArray], BoolArray]

_AT_ONCE = 1 << 18  # pairs of a fall and a window that are written out together


class Pairs(NamedTuple):
    """Pairs are samples that follow each other in a column: the rows of both."""

    earlier: IntArray
    later: IntArray
    column: IntArray

    def where(self, which: BoolArray) -> Pairs:
        return Pairs(self.earlier[which], self.later[which], self.column[which])


def changed(old: FloatArray, new: FloatArray) -> BoolArray:
    return np.asarray((old != new) & ((old == old) | (new == new)))  # noqa: PLR0124  (from NaN to NaN nothing changes)


def fell(old: FloatArray, new: FloatArray) -> BoolArray:
    return np.less(new, old)


def count_pairs(windows: Windows, compare: Compare) -> Result:
    """How often in each window a sample and the one before it are as `compare` says."""
    opening = windows.earliest()
    if windows.height == 0:
        return np.zeros(windows.shape), opening.here
    running = running_counts(_marks(windows, compare))
    counts = windows.at(running, windows.stop) - opening.of(running[1:])
    return counts.astype(np.float64), opening.present


def _marks(windows: Windows, compare: Compare) -> BoolArray:
    """Which cells hold a sample that is to the one before it as `compare` says."""
    cells = windows.cells
    marks = np.zeros(cells.shape, dtype=np.bool_)
    marks[1:] = compare(cells[:-1], cells[1:])
    if not windows.full:
        marks[1:] &= windows.sampled[1:] & windows.sampled[:-1]
        across = _pairs_across_holes(windows)
        marks[across.later, across.column] = compare(_earlier(cells, across), _later(cells, across))
    if compare is fell and windows.span.block.starts is not None:
        pairs = all_pairs(windows)
        marks[pairs.later, pairs.column] |= starts_again(*_counted(windows, pairs))
    return marks


def add_lost(windows: Windows, totals: FloatArray) -> None:
    """Add to each window's number [steps × columns] what its counter had lost by starting again."""
    pairs = _falls(windows)
    if pairs is None:
        return
    lost = _earlier(windows.cells, pairs)
    flat, width = totals.reshape(-1), totals.shape[1]
    for which, step in _holding(windows, pairs):
        np.add.at(flat, step * width + pairs.column[which], lost[which])


def _falls(windows: Windows) -> Pairs | None:
    """The pairs at which a counter started again, those of one column in the order of time; None when there is none."""
    cells = windows.cells
    if windows.span.block.starts is not None:
        pairs = all_pairs(windows)
        again = starts_again(*_counted(windows, pairs))
        return pairs.where((_later(cells, pairs) < _earlier(cells, pairs)) | again)
    falling = cells[1:] < cells[:-1]  # never across a hole: what stands there is NaN
    direct = _pairs_at(falling) if falling.any() else None
    if windows.full:
        return direct
    across = _pairs_across_holes(windows)
    across = across.where(_later(cells, across) < _earlier(cells, across))
    if direct is None or not len(across.later):
        return across if direct is None else direct
    every = Pairs(*(np.concatenate(both) for both in zip(direct, across, strict=True)))
    order = np.argsort(every.later, kind="stable")
    return Pairs(every.earlier[order], every.later[order], every.column[order])


def _pairs_at(marks: BoolArray) -> Pairs:
    """The pairs of neighbouring rows that are marked in the row of the earlier."""
    earlier, column = np.divmod(np.flatnonzero(marks), marks.shape[1])
    return Pairs(earlier, earlier + 1, column)


def _pairs_across_holes(windows: Windows) -> Pairs:
    """The pairs that do not lie in neighbouring rows."""
    sampled = windows.sampled
    pairs = _pairs_at(sampled[1:] & ~sampled[:-1])
    above, column = pairs.earlier, pairs.column
    earlier = above.copy()
    if windows.missed is not None:
        row, stream = above + windows.used.start, windows.stream[column]
        origin = windows.span.origin[row, stream + windows.streams.start] - windows.used.start
        earlier = np.where(windows.missed[above, stream], origin, above)
    holes = (earlier < 0) | ~sampled[np.maximum(earlier, 0), column]
    if holes.any():
        touched, place = np.unique(column[holes], return_inverse=True)
        numbers = np.arange(len(sampled))[:, np.newaxis]
        known = np.maximum.accumulate(np.where(sampled[:, touched], numbers, -1), axis=0)
        earlier[holes] = known[above[holes], place]
    return Pairs(earlier, pairs.later, column).where(earlier >= 0)


def all_pairs(windows: Windows) -> Pairs:
    column, row = np.nonzero(windows.sampled.T)
    same = column[1:] == column[:-1]
    return Pairs(row[:-1][same], row[1:][same], column[1:][same])


def overlapping_columns(windows: Windows) -> IntArray:
    """The columns in which some window holds two samples whose start times contradict each other."""
    pairs = all_pairs(windows)
    pairs = pairs.where(overlaps(*_counted(windows, pairs)))
    held = [which for which, _ in _holding(windows, pairs)]
    return np.unique(pairs.column[np.concatenate(held)]) if held else pairs.column


def _counted(windows: Windows, pairs: Pairs) -> tuple[Counted, Counted]:
    starts, stream = starts_of(windows), windows.stream[pairs.column]
    old = Counted(starts[pairs.earlier, pairs.column], windows.times[pairs.earlier, stream])
    return old, Counted(starts[pairs.later, pairs.column], windows.times[pairs.later, stream])


def _earlier(cells: FloatArray, pairs: Pairs) -> FloatArray:
    return cells[pairs.earlier, pairs.column]


def _later(cells: FloatArray, pairs: Pairs) -> FloatArray:
    return cells[pairs.later, pairs.column]


def _holding(windows: Windows, pairs: Pairs) -> Iterator[tuple[IntArray, IntArray]]:
    """For each pair and each step whose window holds both: the pair's number and the step, some at a time."""
    stream = windows.stream[pairs.column]
    since = _steps_with_edge_until(windows, windows.stop)[pairs.later, stream]
    until = _steps_with_edge_until(windows, windows.first)[pairs.earlier, stream]
    counts = np.maximum(until - since, 0)
    ends = np.cumsum(counts)
    done = 0
    while done < len(counts):
        stop = max(done + 1, int(np.searchsorted(ends, (ends[done - 1] if done else 0) + _AT_ONCE, side="right")))
        part = counts[done:stop]
        which = np.repeat(np.arange(done, stop), part)
        place = np.arange(len(which)) - np.repeat(np.cumsum(part) - part, part)
        yield which, since[which] + place
        done = stop


def _steps_with_edge_until(windows: Windows, edges: IntArray) -> IntArray:
    """For each (row, stream), of how many steps the edge is not below that row. Edges ascend from step to step."""
    height, streams = windows.height, edges.shape[1]
    found = np.bincount((edges * streams + np.arange(streams)).reshape(-1), minlength=(height + 1) * streams)
    return np.cumsum(found.reshape(height + 1, streams), axis=0)
