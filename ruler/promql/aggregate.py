"""Aggregations that give one series for each group: sum, avg, min, max, count, group, stddev, stdvar, quantile.

Series are brought into the order of their groups once; then each group is a run of columns.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from common.labels import METRIC_NAME
from ruler.model.arrays import BoolArray, FloatArray, IntArray
from ruler.promql.ast import Aggregation
from ruler.promql.columns import Groups, dropping, group_by, keeping
from ruler.promql.frame import Frame
from ruler.promql.notes import invalid_quantile
from ruler.promql.quantile import quantile_of
from ruler.promql.scope import Scope
from ruler.promql.sums import compensated_sum, grouped_sum


def grouping_names(frame: Frame, expr: Aggregation) -> tuple[str, ...]:
    """The labels that groups have in common: those of `by`, or all but those of `without` and the name."""
    if expr.without:
        gone = {*expr.grouping, METRIC_NAME}
        return tuple(name for name in frame.table.names if name not in gone)
    return tuple(name for name in frame.table.names if name in expr.grouping)


@dataclass(frozen=True, slots=True)
class Sorted:
    """Series sorted by group: values [steps × series], 0 where nothing is present, and where each group starts."""

    values: FloatArray
    present: BoolArray | None
    starts: IntArray
    sizes: IntArray
    counts: FloatArray  # of samples, [steps or 1 × groups]

    def of_each(self, per_group: FloatArray) -> FloatArray:
        """For each series its group's entry."""
        return np.repeat(per_group, self.sizes, axis=1)


def _sorted(frame: Frame, groups: Groups) -> Sorted:
    values, present = frame.values, frame.present
    sizes = np.bincount(groups.of, minlength=len(groups))
    starts = np.cumsum(sizes) - sizes
    if len(groups) > 1:
        order = np.argsort(groups.of, kind="stable")
        if not np.array_equal(order, np.arange(len(order))):
            values = values.take(order, axis=1)
            present = None if present is None else present.take(order, axis=1)
    if present is None:
        return Sorted(values, None, starts, sizes, sizes[np.newaxis, :].astype(np.float64))
    counts = np.add.reduceat(present, starts, axis=1, dtype=np.float64)
    return Sorted(np.where(present, values, 0.0), present, starts, sizes, counts)


def _sum(data: Sorted) -> FloatArray:
    return grouped_sum(data.values, data.starts)


def _avg(data: Sorted) -> FloatArray:
    mean = grouped_sum(data.values, data.starts) / data.counts
    if np.isfinite(mean).all():
        return mean
    # The sum may have overflowed where the mean does not.
    shares = compensated_sum(data.values / data.of_each(data.counts), data.starts)
    return np.where(np.isfinite(mean), mean, shares)


def _min(data: Sorted) -> FloatArray:
    return np.asarray(np.fmin.reduceat(_or_nan(data), data.starts, axis=1))


def _max(data: Sorted) -> FloatArray:
    return np.asarray(np.fmax.reduceat(_or_nan(data), data.starts, axis=1))


def _or_nan(data: Sorted) -> FloatArray:
    return data.values if data.present is None else np.where(data.present, data.values, np.nan)


def _count(data: Sorted) -> FloatArray:
    return data.counts


def _group(data: Sorted) -> FloatArray:
    return np.ones_like(data.counts)


def _stdvar(data: Sorted) -> FloatArray:
    # Measured from the largest value, so that equal values have no variance at all.
    apart = data.values - data.of_each(_max(data))
    if data.present is not None:
        apart = np.where(data.present, apart, 0.0)
    mean = np.add.reduceat(apart, data.starts, axis=1) / data.counts
    apart -= data.of_each(mean)
    if data.present is not None:
        apart = np.where(data.present, apart, 0.0)
    return np.add.reduceat(apart * apart, data.starts, axis=1) / data.counts


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
    for value in (float(share.max()), float(share.min())):
        if not 0 <= value <= 1:
            scope.notes.warn(invalid_quantile(value), expr.param)
