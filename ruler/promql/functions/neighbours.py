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
from ruler.promql.functions.starts import starts_again
from ruler.promql.window import Windows

Compare: TypeAlias = Callable[[FloatArray, FloatArray], BoolArray]

_AT_ONCE = 1 << 18  # pairs of a fall and a window that are written out together


class Pairs(NamedTuple):
    """Pairs are samples that follow each other in a column: rows of both, counted from the first row used."""

    earlier: IntArray
    later: IntArray
    column: IntArray

    def where(self, which: BoolArray) -> Pairs:
        return Pairs(self.earlier[which], self.later[which], self.column[which])


def changed(old: FloatArray, new: FloatArray) -> BoolArray:
    return np.asarray((old != new) & ((old == old) | (new == new)))  # noqa: PLR0124  (from NaN to NaN nothing changes)


def fell(old: FloatArray, new: FloatArray) -> BoolArray:
    return np.less(new, old)


def count_pairs(windows: Windows, compare: Compare) -> tuple[FloatArray, BoolArray]:
    """How often in each window a sample and the one before it are as `compare` says, and where there is a sample."""
    running = np.cumsum(_marks(windows, compare), axis=0, dtype=np.int32)
    if len(running) == 0:
        return np.zeros(windows.shape), np.zeros(windows.shape, dtype=np.bool_)
    _, here, first = windows.earliest()
    top, last = windows.used.start, windows.spread(np.maximum(windows.stop - 1, 0))
    column = np.arange(len(windows.columns))
    found = running[np.maximum(last - top, 0), column] - running[np.clip(first - top, 0, len(running) - 1), column]
    return np.where(here, found, 0).astype(np.float64), here


def _marks(windows: Windows, compare: Compare) -> BoolArray:
    """Which cells hold a sample that is to the one before it as `compare` says."""
    cells, block = windows.cells, windows.span.block
    marks = np.zeros(cells.shape, dtype=np.bool_)
    marks[1:] = compare(cells[:-1], cells[1:])
    if block.gaps or block.stale:
        marks[1:] &= windows.sampled[1:] & windows.sampled[:-1]
        across = _pairs_across_holes(windows)
        marks[across.later, across.column] = compare(_earlier(cells, across), _later(cells, across))
    if compare is fell and block.starts is not None:
        pairs = _all_pairs(windows)
        marks[pairs.later, pairs.column] |= starts_again(windows, *pairs)
    return marks


def falls(windows: Windows) -> Pairs:
    """The pairs at which a counter started again. Those of one column come in the order of time."""
    cells = windows.cells
    if windows.span.block.starts is not None:
        pairs = _all_pairs(windows)
        return pairs.where((_later(cells, pairs) < _earlier(cells, pairs)) | starts_again(windows, *pairs))
    earlier, column = np.nonzero(cells[1:] < cells[:-1])  # never across a hole: what stands there is NaN
    direct = Pairs(earlier, earlier + 1, column)
    across = _pairs_across_holes(windows)
    across = across.where(_later(cells, across) < _earlier(cells, across))
    if not len(across.later):
        return direct
    every = Pairs(*(np.concatenate(both) for both in zip(direct, across, strict=True)))
    order = np.argsort(every.later, kind="stable")
    return Pairs(every.earlier[order], every.later[order], every.column[order])


def add_lost(windows: Windows, totals: FloatArray) -> None:
    """Add to each window's number [steps × columns] what its counter had lost by starting again."""
    pairs = falls(windows)
    lost = _earlier(windows.cells, pairs)
    flat, width = totals.reshape(-1), totals.shape[1]
    for which, step in _holding(windows, pairs):
        np.add.at(flat, step * width + pairs.column[which], lost[which])


def _earlier(cells: FloatArray, pairs: Pairs) -> FloatArray:
    return cells[pairs.earlier, pairs.column]


def _later(cells: FloatArray, pairs: Pairs) -> FloatArray:
    return cells[pairs.later, pairs.column]


def _pairs_across_holes(windows: Windows) -> Pairs:
    """The pairs that do not lie in neighbouring rows."""
    block = windows.span.block
    nothing = np.zeros(0, dtype=np.int64)
    if not (block.gaps or block.stale) or len(windows.cells) == 0:
        return Pairs(nothing, nothing, nothing)
    sampled = windows.sampled
    above, column = np.nonzero(sampled[1:] & ~sampled[:-1])
    earlier = above.copy()
    missed = windows.span.missed
    if missed is not None:
        row, stream = above + windows.used.start, windows.stream[column] + windows.streams.start
        earlier = np.where(missed[row, stream], windows.span.origin[row, stream] - windows.used.start, above)
    holes = ~sampled[np.maximum(earlier, 0), column]
    if holes.any():
        touched, place = np.unique(column[holes], return_inverse=True)
        numbers = np.arange(len(sampled))[:, np.newaxis]
        known = np.maximum.accumulate(np.where(sampled[:, touched], numbers, -1), axis=0)
        earlier[holes] = known[above[holes], place]
    found = earlier >= 0
    return Pairs(earlier[found], above[found] + 1, column[found])


def _all_pairs(windows: Windows) -> Pairs:
    column, row = np.nonzero(windows.sampled.T)
    same = column[1:] == column[:-1]
    return Pairs(row[:-1][same], row[1:][same], column[1:][same])


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
    height, streams = len(windows.cells), edges.shape[1]
    row = edges - windows.used.start
    found = np.bincount((row * streams + np.arange(streams)).reshape(-1), minlength=(height + 1) * streams)
    return np.cumsum(found.reshape(height + 1, streams), axis=0)
