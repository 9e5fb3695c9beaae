"""From what an evaluation gives to what leaves the engine: vectors without dropped names, matrices in label order.

Large matrices are laid out a run of series at a time, between which a query may be stopped.
"""

from __future__ import annotations

import numpy as np

from ruler.kernels.text.endtoend import count_cells, lay_end_to_end
from ruler.model.arrays import ABSENT_BITS, STALE_BITS, FloatArray, IntArray
from ruler.model.result import Matrix, Scalar, String, Vector
from ruler.model.table import LabelTable
from ruler.promql.columns import dropping_metadata, group_all, label_order
from ruler.promql.frame import Frame, Grid, Value
from ruler.promql.limits import Limits
from ruler.promql.merge import same_labels, unnamed
from ruler.promql.scope import Ranged, Scope
from ruler.promql.sweep import swept
from ruler.promql.window import Windows
from ruler.storage import Block

_CELLS = 1 << 20  # of a run
_ALONE: IntArray = np.zeros(1, dtype=np.int64)  # the order of a single series


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
    frame = unnamed(frame.pruned()).spread(steps)
    table, series = frame.table, frame.series
    limits.charge(steps * series)
    order = _ALONE
    if series != 1:
        order = label_order(table, limits.check)
        table = table.take(order)
    offsets = np.empty(series + 1, dtype=np.int64)
    present = frame.bytes
    cells = count_cells(present, steps, order, offsets)
    times, values = np.empty(cells, dtype=np.int64), np.empty(cells)
    width = max(1, _CELLS // max(1, steps))
    for low in range(0, series, width):
        limits.check()
        high = min(low + width, series)
        lay_end_to_end(frame.values, present, grid.start, grid.step, order, offsets, low, high, times, values)
    return Matrix(table, offsets, times, values)


def samples_of(scope: Scope, ranged: Ranged) -> Matrix:
    """The samples that a range selector holds at its only step; extended windows have their edges as samples."""
    parts: list[tuple[IntArray, IntArray, FloatArray]] = []
    column, limits = 0, scope.limits
    for each in ranged.blocks:
        for block in each.blocks():
            limits.check()
            limits.charge(block.values.size)
            parts.append(_held(block, ranged.windows, column))
            limits.hold(len(parts[-1][0]))
        column += len(each.rows)
    if ranged.windows.extended:
        parts += _edges(scope, ranged)
    table = dropping_metadata(ranged.table, ranged.drop)
    if not parts:
        nothing = np.zeros(0, dtype=np.int64)
        return Matrix(table.take(slice(0)), np.zeros(1, dtype=np.int64), nothing, nothing.astype(np.float64))
    series, times, values = (np.concatenate(each) for each in zip(*parts, strict=True))
    if ranged.drop.any():
        groups = group_all(table)
        table, series = table.take(groups.first), groups.of[series]
    limits.check()
    return _sorted(table, label_order(table, limits.check), series, times, values)


def _held(block: Block, windows: Windows, column: int) -> tuple[IntArray, IntArray, FloatArray]:
    """The samples of a block in the only window: for each its series, its time (ms) and its value."""
    starts, ends = windows.edges(block)
    bits, times = block.values.view(np.int64), block.times
    within = (times > starts) & ((times < ends) if windows.extended else (times <= ends))
    here = within.take(block.stream_of, axis=1) & (bits != ABSENT_BITS) & (bits != STALE_BITS)
    series, row = np.nonzero(here.T)
    return column + series, times[row, block.stream_of[series]], block.values[row, series]


def _edges(scope: Scope, ranged: Ranged) -> list[tuple[IntArray, IntArray, FloatArray]]:
    """The values where an extended window begins and ends, as samples."""
    found, windows = [], ranged.windows
    for kernel, time in (("left_edge", windows.ends.start - windows.reach), ("right_edge", windows.ends.start)):
        values, present = swept(scope, ranged, kernel)
        series = np.arange(len(ranged.table)) if present is None else np.flatnonzero(present[0])
        found.append((series, np.full(len(series), time), values[0, series]))
    return found


def _sorted(table: LabelTable, ordered: IntArray, series: IntArray, times: IntArray, values: FloatArray) -> Matrix:
    """A matrix of the series that have samples, in this order; samples of a series may come in any order."""
    counts = np.bincount(series, minlength=len(table))
    if not ((series[1:] > series[:-1]) | ((series[1:] == series[:-1]) & (times[1:] > times[:-1]))).all():
        order = np.lexsort((times, series))
        series, times, values = series[order], times[order], values[order]
    if ((times[1:] <= times[:-1]) & (series[1:] == series[:-1])).any():
        raise same_labels()
    starts, sizes = (np.cumsum(counts) - counts)[ordered], counts[ordered]
    offsets = np.concatenate(([0], np.cumsum(sizes)))
    order = np.repeat(starts - offsets[:-1], sizes) + np.arange(len(series))
    seen = sizes > 0
    return Matrix(table.take(ordered[seen]), np.concatenate(([0], np.cumsum(sizes[seen]))), times[order], values[order])
