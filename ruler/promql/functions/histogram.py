"""histogram_quantile and histogram_fraction of classic histograms: series that differ in their `le` label alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from common.labels import METRIC_NAME, quote
from ruler.model.arrays import BoolArray, CodeArray, FloatArray, IntArray
from ruler.model.golang import format_float, parse_float
from ruler.model.table import stacked
from ruler.promql.ast import Call, Expr
from ruler.promql.columns import dropping, group_by, grouped, setting
from ruler.promql.frame import Frame, Grid, Value, empty_frame
from ruler.promql.merge import merged
from ruler.promql.notes import NOT_MONOTONIC, Repairs, invalid_quantile, named
from ruler.promql.quantile import Buckets, Forced, bucket_fraction, bucket_quantile, monotonic
from ruler.promql.scope import Scope
from ruler.promql.stretches import stretches

_BOUND = "le"
_CELLS = 1 << 17  # that are worked on at a time: each takes some twenty more


@dataclass(frozen=True, slots=True)
class _Alike:
    """Histograms with equally many buckets: their numbers, and a cell of `buckets` for each of them at each step."""

    histograms: IntArray
    buckets: Buckets


def histogram_quantile(scope: Scope, call: Call, grid: Grid) -> Value:
    share = scope.scalar(call.args[0], grid)
    frame = scope.vector(call.args[1], grid)
    _check_share(scope, share, call.args[0])
    return _quantiles(scope, share, frame, call.args[1], grid)


def histogram_quantiles(scope: Scope, call: Call, grid: Grid) -> Value:
    """Several quantiles at once, told apart by a label."""
    frame, label = scope.vector(call.args[0], grid), scope.text(call.args[1])
    frames = []
    for argument in call.args[2:]:
        share = scope.scalar(argument, grid)
        _check_share(scope, share, argument)
        found = _quantiles(scope, share, frame, call.args[0], grid).spread(len(grid))
        distinct, which = np.unique(share, return_inverse=True)
        scope.limits.charge(len(grid) * found.series * len(distinct))
        for number, value in enumerate(distinct.tolist()):
            code = scope.strings.code(_open_metrics_number(value))
            table = setting(found.table, label, np.full(found.series, code, dtype=np.int32))
            frames.append(Frame(table, found.values, found.mask & (which == number)[:, np.newaxis], found.drop))
    table = stacked([each.table for each in frames], scope.strings)
    values = np.concatenate([each.values for each in frames], axis=1)
    present = np.concatenate([each.mask for each in frames], axis=1)
    return merged(Frame(table, values, present, np.concatenate([each.drop for each in frames])))


def histogram_fraction(scope: Scope, call: Call, grid: Grid) -> Value:
    low, high = scope.scalar(call.args[0], grid), scope.scalar(call.args[1], grid)
    frame = scope.vector(call.args[2], grid)

    def fraction(buckets: Buckets, step: IntArray, metric: CodeArray) -> FloatArray:
        return bucket_fraction(_at(low, step), _at(high, step), buckets)

    return _of_histograms(scope, frame, call.args[2], max(len(low), len(high)), fraction)


def _quantiles(scope: Scope, share: FloatArray, frame: Frame, argument: Expr, grid: Grid) -> Frame:
    def quantile(buckets: Buckets, step: IntArray, metric: CodeArray) -> FloatArray:
        fixed, forced = monotonic(buckets)
        asked = _at(share, step)
        told = forced.cells & (asked >= 0) & (asked <= 1)
        told &= (buckets.last(buckets.bounds) == np.inf) & (fixed.last(fixed.counts) != 0)
        for code in np.unique(metric[told]).tolist():
            cells = told & (metric == code)
            note = named(NOT_MONOTONIC, scope.strings.text(code))
            scope.notes.repaired(note, argument, _repairs(forced, cells, grid.times[step[cells]]))
        return bucket_quantile(asked, fixed)

    return _of_histograms(scope, frame, argument, len(share), quantile)


def _repairs(forced: Forced, cells: BoolArray, times: IntArray) -> Repairs:
    return Repairs(
        lowest=float(forced.lowest[cells].min()),
        highest=float(forced.highest[cells].max()),
        most=float(forced.most[cells].max()),
        count=len(times),
        first=int(times.min()),
        last=int(times.max()),
    )


def _at(scalar: FloatArray, step: IntArray) -> FloatArray:
    return scalar[step] if len(scalar) > 1 else np.broadcast_to(scalar, step.shape)


def _check_share(scope: Scope, share: FloatArray, argument: Expr) -> None:
    for value in np.unique(share).tolist():
        if math.isnan(value) or not 0 <= value <= 1:
            scope.notes.warn(invalid_quantile(value), argument)


def _of_histograms(
    scope: Scope, frame: Frame, argument: Expr, asked: int, kernel: Callable[[Buckets, IntArray, CodeArray], FloatArray]
) -> Frame:
    """The result for each histogram at each step, of `kernel(buckets, step, metric)`.

    Its labels are those of its buckets without `le`.
    """
    frame, bounds = _with_bounds(scope, frame.pruned(), argument)
    if frame.series == 0:
        return empty_frame(scope.strings)
    frame = frame.spread(max(asked, len(frame.values)))
    groups = group_by(frame.table, (name for name in frame.table.names if name != _BOUND))
    names = frame.table.column(METRIC_NAME)
    steps = len(frame.values)
    values = np.full((steps, len(groups)), np.nan)
    present = np.zeros((steps, len(groups)), dtype=np.bool_)
    for rows in stretches(steps, frame.series, _CELLS):
        some = np.arange(rows.start, rows.stop)
        for alike in _alike(frame.rows(rows), bounds, groups.of):
            scope.limits.check()
            step = np.repeat(some, len(alike.histograms))
            metric = np.tile(names[groups.first[alike.histograms]], len(some))
            found = kernel(alike.buckets, step, metric)
            values[rows, alike.histograms] = found.reshape(len(some), -1)
            present[rows, alike.histograms] = (alike.buckets.used > 0).reshape(len(some), -1)
    table = dropping(frame.table.take(groups.first), (_BOUND, METRIC_NAME))
    if METRIC_NAME in frame.table.names:
        table = setting(table, METRIC_NAME, names[groups.first])
    return Frame(table, values, present, np.ones(len(groups), dtype=np.bool_)).pruned()


def _with_bounds(scope: Scope, frame: Frame, argument: Expr) -> tuple[Frame, FloatArray]:
    """The series whose `le` is a number, and those numbers; a note for each metric that has others."""
    distinct, inverse = np.unique(frame.table.column(_BOUND), return_inverse=True)
    parsed = [parse_float(scope.strings.text(code)) for code in distinct.tolist()]
    bounds = np.array([math.nan if bound is None else bound for bound in parsed], dtype=np.float64)[inverse]
    bad = np.array([bound is None for bound in parsed], dtype=np.bool_)[inverse]
    if not bad.any():
        return frame, bounds
    wrong = frame.take(bad)
    columns = [wrong.table.column(METRIC_NAME), wrong.table.column(_BOUND)]
    for row in grouped(columns, wrong.series).first.tolist():
        metric, text = (scope.strings.text(int(column[row])) for column in columns)
        note = f'bucket label "le" is missing or has a malformed value of {quote(text)}'
        scope.notes.warn(named(note, metric), argument)
    return frame.take(~bad), bounds[~bad]


def _alike(frame: Frame, bounds: FloatArray, group: IntArray) -> Iterator[_Alike]:
    """The histograms by their number of buckets; buckets with equal bounds are one."""
    order = np.lexsort((bounds, group))
    bounds, group = bounds[order], group[order]
    values = np.where(frame.mask, frame.values, 0.0).take(order, axis=1)
    mask = frame.mask.take(order, axis=1)
    fresh = np.ones(len(order), dtype=np.bool_)
    fresh[1:] = (group[1:] != group[:-1]) | (bounds[1:] != bounds[:-1])
    starts = np.flatnonzero(fresh)
    if len(starts) < len(order):
        values = np.add.reduceat(values, starts, axis=1)
        mask = np.logical_or.reduceat(mask, starts, axis=1)
        bounds, group = bounds[starts], group[starts]
    sizes = np.bincount(group)
    firsts = np.cumsum(sizes) - sizes
    for size in np.unique(sizes).tolist():
        histograms = np.flatnonzero(sizes == size)
        columns = firsts[histograms][:, np.newaxis] + np.arange(size)
        cells = (len(values) * len(histograms), size)
        counts, here = values[:, columns].reshape(cells), mask[:, columns].reshape(cells)
        edges = np.broadcast_to(bounds[columns], (len(values), *columns.shape)).reshape(cells)
        used = here.sum(axis=1)
        if not here.all():
            front = np.argsort(~here, axis=1, kind="stable")
            counts, edges = np.take_along_axis(counts, front, axis=1), np.take_along_axis(edges, front, axis=1)
        yield _Alike(histograms, Buckets(edges, counts, used))


def _open_metrics_number(value: float) -> str:
    text = format_float(value, "g")
    return text if any(mark in text for mark in ".eN") or "Inf" in text else f"{text}.0"
