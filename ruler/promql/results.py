"""From what an evaluation gives to what leaves the engine: vectors without dropped names, matrices in label order.

Large matrices are laid out a run of series at a time, between which a query may be stopped.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ruler.model.arrays import ABSENT_BITS, STALE_BITS, FloatArray, IntArray
from ruler.model.result import Matrix, Scalar, String, Vector
from ruler.model.table import LabelTable
from ruler.promql.columns import dropping_metadata, group_all, label_order
from ruler.promql.extended import bounded
from ruler.promql.frame import Frame, Grid, Value
from ruler.promql.limits import Limits
from ruler.promql.merge import same_labels, unnamed
from ruler.promql.scope import Ranged
from ruler.promql.span import Span, read

_CELLS = 1 << 20  # of a run


def at_once(value: Value, time: int) -> Scalar | String | Vector:
    """The result of an instant query."""
    if isinstance(value, str):
        return String(time, value)
    if isinstance(value, np.ndarray):
        return Scalar(time, float(value[0]))
    frame = unnamed(value.pruned())
    return Vector(time, frame.table, frame.values[0])


def over_steps(frame: Frame, grid: Grid, limits: Limits) -> Matrix:
    """The result of a range query: each series with its values at all steps where it has any, sorted by labels."""
    steps = len(grid)
    frame = unnamed(frame.pruned())
    limits.charge(steps * frame.series)
    order = label_order(frame.table)
    frame, table = frame.spread(steps), frame.table.take(order)
    if frame.present is None:
        values = np.empty((frame.series, steps))
        for run in _runs(frame.series, steps, limits):
            values[run] = frame.values[:, order[run]].T
        times = np.broadcast_to(grid.times, values.shape).reshape(-1)
        return Matrix(table, np.arange(frame.series + 1) * steps, times, values.reshape(-1))
    counts, parts, moments = [np.zeros(1, dtype=np.int64)], [np.zeros(0)], [np.zeros(0, dtype=np.int64)]
    for run in _runs(frame.series, steps, limits):
        here = frame.present[:, order[run]].T
        series, step = here.nonzero()
        counts.append(np.count_nonzero(here, axis=1))
        parts.append(frame.values[:, order[run]].T[series, step])
        moments.append(grid.times[step])
    return Matrix(table, np.cumsum(np.concatenate(counts)), np.concatenate(moments), np.concatenate(parts))


def _runs(series: int, steps: int, limits: Limits) -> Iterator[slice]:
    width = max(1, _CELLS // max(1, steps))
    for low in range(0, series, width):
        limits.check()
        yield slice(low, low + width)


def samples_of(ranged: Ranged, limits: Limits) -> Matrix:
    """The samples that a range selector holds at its only step."""
    parts: list[tuple[IntArray, IntArray, FloatArray]] = []
    column = 0
    for each in ranged.spans:
        for span, places in read(each):
            limits.check()
            limits.charge(span.block.values.size)
            parts.append(_held(bounded(span), column + places))
            limits.hold(len(parts[-1][0]))
        column += len(each.block.rows)
    table = dropping_metadata(ranged.table, ranged.drop)
    if not parts:
        nothing = np.zeros(0, dtype=np.int64)
        return Matrix(table.take(slice(0)), np.zeros(1, dtype=np.int64), nothing, nothing.astype(np.float64))
    series, times, values = (np.concatenate(each) for each in zip(*parts, strict=True))
    if ranged.drop.any():
        groups = group_all(table)
        table, series = table.take(groups.first), groups.of[series]
    limits.check()
    return _sorted(table, series, times, values)


def _held(span: Span, columns: IntArray) -> tuple[IntArray, IntArray, FloatArray]:
    """The samples in the only window of a span: for each its column, its time (ms) and its value."""
    block = span.block
    bits = block.values.view(np.int64)
    row = np.arange(len(block.values))[:, np.newaxis]
    within = ((row >= span.first[0]) & (row < span.stop[0])).take(block.stream_of, axis=1)
    series, row = np.nonzero((within & (bits != ABSENT_BITS) & (bits != STALE_BITS)).T)
    return columns[series], block.times[row, block.stream_of[series]], block.values[row, series]


def _sorted(table: LabelTable, series: IntArray, times: IntArray, values: FloatArray) -> Matrix:
    """A matrix of the series that have samples, sorted by their labels; samples of a series may come in any order."""
    ordered = label_order(table)
    counts = np.bincount(series, minlength=len(table))
    if not (series[1:] >= series[:-1]).all():
        order = np.lexsort((times, series))
        series, times, values = series[order], times[order], values[order]
    if ((times[1:] <= times[:-1]) & (series[1:] == series[:-1])).any():
        raise same_labels()
    starts, sizes = (np.cumsum(counts) - counts)[ordered], counts[ordered]
    offsets = np.concatenate(([0], np.cumsum(sizes)))
    order = np.repeat(starts - offsets[:-1], sizes) + np.arange(len(series))
    seen = sizes > 0
    return Matrix(table.take(ordered[seen]), np.concatenate(([0], np.cumsum(sizes[seen]))), times[order], values[order])
