"""Aggregations that give one series for each group: sum, avg, min, max, count, group, stddev, stdvar, quantile.

Series are brought into the order of their groups once; then each group is a run of columns.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from common.labels import METRIC_NAME
from ruler.model.arrays import BoolArray, FloatArray, IntArray, is_negative_zero
from ruler.promql.ast import Aggregation
from ruler.promql.columns import Groups, dropping, group_by, keeping
from ruler.promql.frame import Frame
from ruler.promql.notes import invalid_quantile
from ruler.promql.quantile import quantile_of
from ruler.promql.scope import Scope
from ruler.promql.sums import Runs, grouped_sum, mean_in_order, settled
from ruler.promql.variance import variance_about_mean, variance_in_order

_IN_ORDER = 64  # up to so many values are taken one after the other for a variance, as Prometheus takes them


def grouping_names(frame: Frame, expr: Aggregation) -> tuple[str, ...]:
    """The labels that groups have in common: those of `by`, or all but those of `without` and the name."""
    if expr.without:
        gone = {*expr.grouping, METRIC_NAME}
        return tuple(name for name in frame.table.names if name not in gone)
    return tuple(name for name in frame.table.names if name in expr.grouping)


@dataclass(frozen=True, slots=True)
class Sorted:
    """Series sorted by group: values [steps × series], 0 where nothing is present, and which columns a group has."""

    values: FloatArray
    present: BoolArray | None
    runs: Runs
    counts: FloatArray  # of samples, [steps or 1 × groups]


def _sorted(frame: Frame, groups: Groups) -> Sorted:
    values, present = frame.values, frame.present
    sizes = np.bincount(groups.of, minlength=len(groups))
    runs = Runs(np.cumsum(sizes) - sizes, sizes)
    if len(groups) > 1:
        order = np.argsort(groups.of, kind="stable")
        if not np.array_equal(order, np.arange(len(order))):
            values = values.take(order, axis=1)
            present = None if present is None else present.take(order, axis=1)
    if present is None:
        return Sorted(values, None, runs, sizes[np.newaxis, :].astype(np.float64))
    counts = np.add.reduceat(present, runs.starts, axis=1, dtype=np.float64)
    return Sorted(np.where(present, values, 0.0), present, runs, counts)


def _sum(data: Sorted) -> FloatArray:
    return settled(*grouped_sum(data.values, data.runs))


def _avg(data: Sorted) -> FloatArray:
    total, error = grouped_sum(data.values, data.runs)
    mean = total / data.counts + error / data.counts
    finite = np.isfinite(total)
    if finite.all():
        return mean
    odd = np.add.reduceat(np.where(np.isfinite(data.values), 0.0, data.values), data.runs.starts, axis=1)
    overflowed = ~finite & (odd == 0)
    mean = np.where(finite, mean, odd)
    for group in np.flatnonzero(overflowed.any(axis=0)).tolist():
        steps, columns = np.flatnonzero(overflowed[:, group]), data.runs.columns(group)
        values = data.values[steps, columns]
        here = np.ones(values.shape, dtype=np.bool_) if data.present is None else data.present[steps, columns]
        mean[steps, group] = mean_in_order(values, here)
    return mean


def _min(data: Sorted) -> FloatArray:
    return _extreme(data, np.fmin)


def _max(data: Sorted) -> FloatArray:
    return _extreme(data, np.fmax)


def _extreme(data: Sorted, choose: np.ufunc) -> FloatArray:
    """NaN only where there is nothing else; of zeros the first one, whatever its sign."""
    values = data.values if data.present is None else np.where(data.present, data.values, np.nan)
    best: FloatArray = choose.reduceat(values, data.runs.starts, axis=1)
    if not ((best == 0).any() and is_negative_zero(values).any()):
        return best
    place = np.where(values == 0, np.arange(values.shape[1]), values.shape[1] - 1)
    first = np.minimum.reduceat(place, data.runs.starts, axis=1)
    return np.where(best == 0, np.take_along_axis(values, first, axis=1), best)


def _count(data: Sorted) -> FloatArray:
    return data.counts


def _group(data: Sorted) -> FloatArray:
    return np.ones_like(data.counts)


def _stdvar(data: Sorted) -> FloatArray:
    variance = np.empty((len(data.values), len(data.runs.starts)))
    for groups, columns, beyond in data.runs.alike():
        here = np.broadcast_to(~beyond, (len(data.values), *beyond.shape))
        if data.present is not None:
            here = here & data.present[:, columns]
        small = columns.shape[1] <= _IN_ORDER
        variance[:, groups] = (variance_in_order if small else variance_about_mean)(data.values[:, columns], here)
    return variance


def _stddev(data: Sorted) -> FloatArray:
    return np.sqrt(_stdvar(data))


OPERATORS: dict[str, Callable[[Sorted], FloatArray]] = {
    "sum": _sum,
    "avg": _avg,
    "min": _min,
    "max": _max,
    "count": _count,
    "group": _group,
    "stddev": _stddev,
    "stdvar": _stdvar,
}


def aggregated(expr: Aggregation, frame: Frame, share: FloatArray | None = None) -> Frame:
    """One series for each group; `share` is the parameter of `quantile`."""
    if frame.series == 0:
        return frame
    groups = group_by(frame.table, grouping_names(frame, expr))
    if share is None:
        data = _sorted(frame, groups)
        values, counts = OPERATORS[expr.op](data), data.counts
    else:
        values, counts = _quantiles(frame, groups, share)
    if len(counts) != len(values):
        counts = np.broadcast_to(counts, values.shape)
    return _of_groups(frame, groups, expr, values, None if frame.present is None else counts > 0)


def _quantiles(frame: Frame, groups: Groups, share: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The quantile of each group, taking groups of one size together."""
    steps = max(len(frame.values), len(share))
    values = np.full((steps, len(groups)), np.nan)
    counts = np.zeros((len(frame.values), len(groups)))
    samples = frame.values if frame.present is None else np.where(frame.present, frame.values, np.nan)
    mask = frame.mask
    for members, places in by_size(groups):
        count = mask[:, places].sum(axis=2)
        stack = np.moveaxis(samples[:, places], 2, 0)
        values[:, members] = quantile_of(stack, count, share[:, np.newaxis])
        counts[:, members] = count
    return values, counts


def by_size(groups: Groups) -> list[tuple[IntArray, IntArray]]:
    """The groups of each size: their numbers, and their series [groups × size] in their own order."""
    order = np.argsort(groups.of, kind="stable")
    sizes = np.bincount(groups.of, minlength=len(groups))
    starts = np.cumsum(sizes) - sizes
    found = []
    for size in np.unique(sizes).tolist():
        members = np.flatnonzero(sizes == size)
        found.append((members, order[starts[members][:, np.newaxis] + np.arange(size)]))
    return found


def _of_groups(frame: Frame, groups: Groups, expr: Aggregation, values: FloatArray, present: BoolArray | None) -> Frame:
    table = frame.table.take(groups.first)
    table = dropping(table, (*expr.grouping, METRIC_NAME)) if expr.without else keeping(table, expr.grouping)
    drop = np.zeros(len(groups), dtype=np.bool_)
    np.logical_or.at(drop, groups.of, frame.drop)
    return Frame(table, values, present, drop).pruned()


def check_share(scope: Scope, expr: Aggregation, share: FloatArray) -> None:
    """Note what is wrong with the parameter of `quantile`: the worst on each side."""
    if expr.param is None:
        return
    if np.isnan(share).any():
        scope.notes.warn(invalid_quantile(math.nan), expr.param)
        return
    if share.max() > 1:
        scope.notes.warn(invalid_quantile(float(share.max())), expr.param)
    if share.min() < 0:
        scope.notes.warn(invalid_quantile(float(share.min())), expr.param)
