"""The obvious aggregations: group by group, point by point."""

from __future__ import annotations

import math
from collections.abc import Callable

from common.labels import METRIC_NAME, Labels
from ruler.model.golang import format_float
from ruler.promql.ast import Aggregation
from tests.ruler.promql.oracle.vectors import Point, Refused, Vector, with_label
from tests.ruler.promql.oracle.windows import averaged, largest, least, quantile, summed

_TOO_LARGE = 9223372036854774784


def _variance(numbers: list[float]) -> float:
    mean, squares = numbers[0], (0.0 if math.isfinite(numbers[0]) else math.nan)
    for count, number in enumerate(numbers[1:], 2):
        apart = number - mean
        mean += apart / count
        squares += apart * (number - mean)
    return squares / len(numbers)


def _deviation(numbers: list[float]) -> float:
    variance = _variance(numbers)
    return math.sqrt(variance) if variance >= 0 else math.nan


FOLDS: dict[str, Callable[[list[float]], float]] = {
    "sum": summed,
    "avg": averaged,
    "min": least,
    "max": largest,
    "count": lambda numbers: float(len(numbers)),
    "group": lambda _: 1.0,
    "stddev": _deviation,
    "stdvar": _variance,
}


def aggregated(expr: Aggregation, vector: Vector, parameter: float | str | None) -> Vector:
    if expr.op == "count_values":
        return _counted(expr, vector, str(parameter))
    groups: dict[Labels, Vector] = {}
    for point in vector:
        groups.setdefault(_group(expr, point.labels), []).append(point)
    if isinstance(parameter, float) and expr.op != "quantile":
        kept = _chosen(expr.op, parameter)
        return [point for group in groups.values() for point in kept(group)]
    found = []
    for labels, group in groups.items():
        numbers = [point.value for point in group]
        value = quantile(parameter, numbers) if isinstance(parameter, float) else FOLDS[expr.op](numbers)
        found.append(Point(labels, value, any(point.drop for point in group)))
    return found


def _group(expr: Aggregation, labels: Labels) -> Labels:
    if expr.without:
        return labels.without((*expr.grouping, METRIC_NAME))
    return Labels((name, value) for name, value in labels.items() if name in expr.grouping)


def _counted(expr: Aggregation, vector: Vector, label: str) -> Vector:
    counts: dict[Labels, int] = {}
    for point in vector:
        named = with_label(point.labels, label, format_float(point.value))
        labels = _group(expr, named)
        if not expr.without:
            labels = with_label(labels, label, named[label])
        counts[labels] = counts.get(labels, 0) + 1
    return [Point(labels, float(count)) for labels, count in counts.items()]


def _chosen(op: str, parameter: float) -> Callable[[Vector], Vector]:
    """What an aggregation keeps of a group."""
    if op == "limit_ratio":
        if math.isnan(parameter):
            raise Refused("Ratio value is NaN")
        return lambda group: group if abs(parameter) >= 1 else []
    if math.isnan(parameter):
        raise Refused("Parameter value is NaN")
    if parameter >= _TOO_LARGE:
        raise Refused("Scalar value overflows int64")
    count = max(0, int(parameter)) if parameter >= 1 else 0
    if op == "limitk":
        return lambda group: group[:count]
    sign = -1 if op == "topk" else 1
    return lambda group: sorted(group, key=lambda point: (math.isnan(point.value), sign * point.value))[:count]
