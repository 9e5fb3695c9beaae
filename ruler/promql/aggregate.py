"""Aggregations that give one series for each group: sum, avg, min, max, count, group, stddev, stdvar, quantile."""

from __future__ import annotations

import math

import numpy as np

from common.labels import METRIC_NAME
from ruler.kernels.groups import fold
from ruler.kernels.presence import mark_groups
from ruler.kernels.quantiles import quantiles
from ruler.model.arrays import BoolArray, FloatArray, IntArray
from ruler.promql.ast import Aggregation
from ruler.promql.columns import Groups, dropping, group_by, keeping
from ruler.promql.frame import Frame
from ruler.promql.notes import invalid_quantile
from ruler.promql.scope import Scope


def grouping_names(frame: Frame, expr: Aggregation) -> tuple[str, ...]:
    """The labels that groups have in common: those of `by`, or all but those of `without` and the name."""
    if expr.without:
        gone = {*expr.grouping, METRIC_NAME}
        return tuple(name for name in frame.table.names if name not in gone)
    return tuple(name for name in frame.table.names if name in expr.grouping)


def folded(operator: str, frame: Frame, group_of: IntArray, groups: int) -> tuple[FloatArray, BoolArray]:
    """What an operator makes of each group of series, and where a group has samples: [steps × groups]."""
    values = np.empty((len(frame.values), groups))
    found = np.empty(values.shape, dtype=np.bool_)
    fold(operator, frame.values, frame.bytes, group_of, values, found.view(np.uint8))
    return values, found


def presence(frame: Frame, group_of: IntArray, groups: int) -> tuple[BoolArray, bool]:
    """Where a group has samples, [steps × groups], and whether any group has two at a step."""
    found = np.zeros((len(frame.values), groups), dtype=np.bool_)
    return found, mark_groups(frame.values, frame.bytes, group_of, found.view(np.uint8))


def aggregated(expr: Aggregation, frame: Frame, share: FloatArray | None = None) -> Frame:
    """One series for each group; `share` is the parameter of `quantile`."""
    if frame.series == 0:
        return frame
    groups = group_by(frame.table, grouping_names(frame, expr))
    if share is None:
        values, found = folded(expr.op, frame, groups.of, len(groups))
    else:
        values, found = _quantiles(frame, groups, share)
    table = frame.table.take(groups.first)
    table = dropping(table, (*expr.grouping, METRIC_NAME)) if expr.without else keeping(table, expr.grouping)
    drop = np.zeros(len(groups), dtype=np.bool_)
    drop[groups.of[frame.drop]] = True
    return Frame(table, values, None if frame.present is None else found, drop).pruned()


def _quantiles(frame: Frame, groups: Groups, share: FloatArray) -> tuple[FloatArray, BoolArray]:
    frame = frame.spread(max(len(frame.values), len(share)))
    values = np.empty((len(frame.values), len(groups)))
    found = np.empty(values.shape, dtype=np.bool_)
    quantiles(share, frame.values, frame.bytes, groups.of, values, found.view(np.uint8))
    return values, found


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
