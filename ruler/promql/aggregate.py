"""Aggregations that give one series for each group: sum, avg, min, max, count, group, stddev, stdvar, quantile."""

from __future__ import annotations

import math

import numpy as np

from common.labels import METRIC_NAME
from ruler.kernels.series.groups import fold, mark_any
from ruler.kernels.series.quantiles import quantiles
from ruler.model.arrays import BoolArray, FloatArray
from ruler.model.groups import Groups
from ruler.promql.ast import Aggregation
from ruler.promql.columns import group_by
from ruler.promql.frame import Frame
from ruler.promql.notes import invalid_quantile
from ruler.promql.scope import Scope
from ruler.promql.stretches import stretches


def grouping_names(frame: Frame, expr: Aggregation) -> tuple[str, ...]:
    """The labels that groups have in common: those of `by`, or all but those of `without` and the name."""
    if expr.without:
        gone = {*expr.grouping, METRIC_NAME}
        return tuple(name for name in frame.table.names if name not in gone)
    return tuple(name for name in frame.table.names if name in expr.grouping)


def aggregated(scope: Scope, expr: Aggregation, frame: Frame, share: FloatArray | None = None) -> Frame:
    """One series for each group; `share` is the parameter of `quantile`."""
    if share is not None:
        _check_share(scope, expr, share)
        frame = frame.spread(max(len(frame.values), len(share)))
    if frame.series == 0:
        return frame
    names = grouping_names(frame, expr)
    groups = group_by(frame.table, names, scope.limits.check)
    values, found = _of_groups(scope, expr.op, frame, groups, share)
    drop = np.zeros(len(groups), dtype=np.bool_)
    mark_any(frame.drop.view(np.uint8), groups.of, drop.view(np.uint8))
    table = frame.table.having(names, groups.first)
    return Frame(table, values, None if frame.present is None else found, drop).pruned()


def _of_groups(
    scope: Scope, operator: str, frame: Frame, groups: Groups, share: FloatArray | None
) -> tuple[FloatArray, BoolArray]:
    """What the operator makes of each group, and where a group has samples: [steps × groups]."""
    values = np.empty((len(frame.values), len(groups)))
    found = np.empty(values.shape, dtype=np.bool_)
    marks, present = found.view(np.uint8), frame.bytes
    for rows in stretches(len(values), frame.series):
        scope.limits.check()
        part, where = frame.values[rows], None if present is None else present[rows]
        if share is None:
            fold(operator, part, where, groups.of, values[rows], marks[rows])
        else:
            quantiles(share if len(share) == 1 else share[rows], part, where, groups.of, values[rows], marks[rows])
    return values, found


def _check_share(scope: Scope, expr: Aggregation, share: FloatArray) -> None:
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
