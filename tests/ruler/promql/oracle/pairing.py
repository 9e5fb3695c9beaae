"""The obvious operators: of two numbers, of a vector and a number, and of two vectors, point by point."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable

from common.labels import METRIC_NAME, Labels
from ruler.promql.ast import Binary, Cardinality, Matching
from tests.ruler.promql.oracle.vectors import Point, Refused, Vector, distinct, divided, with_label


def _power(left: float, right: float) -> float:
    try:
        return math.nan if -math.inf < left < 0 and math.isfinite(right) and right != int(right) else left**right
    except ZeroDivisionError:
        return math.inf if not _odd(right) else math.copysign(math.inf, left)
    except OverflowError:
        return -math.inf if left < 0 and _odd(right) else math.inf


def _odd(value: float) -> bool:
    return math.isfinite(value) and value == int(value) and int(value) % 2 == 1


def _modulo(left: float, right: float) -> float:
    if right == 0 or math.isinf(left):
        return math.nan
    return math.fmod(left, right)


ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": divided,
    "%": _modulo,
    "^": _power,
    "atan2": math.atan2,
}
COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}


def of_numbers(op: str, left: float, right: float) -> float:
    return ARITHMETIC[op](left, right) if op in ARITHMETIC else float(COMPARISONS[op](left, right))


def with_number(expr: Binary, vector: Vector, number: float, *, swapped: bool) -> Vector:
    found = []
    for point in vector:
        left, right = (number, point.value) if swapped else (point.value, number)
        if expr.op in ARITHMETIC:
            found.append(Point(point.labels, ARITHMETIC[expr.op](left, right), drop=True))
        elif expr.bool_result:
            found.append(Point(point.labels, float(COMPARISONS[expr.op](left, right)), drop=True))
        elif COMPARISONS[expr.op](left, right):
            found.append(point)
    return found


def _signature(labels: Labels, matching: Matching) -> Labels:
    if matching.on:
        return Labels((name, value) for name, value in labels.items() if name in matching.labels)
    return labels.without((*matching.labels, METRIC_NAME))


def of_sets(expr: Binary, left: Vector, right: Vector) -> Vector:
    matching = expr.matching or Matching(Cardinality.MANY_TO_MANY)
    mine = {_signature(point.labels, matching) for point in left}
    other = {_signature(point.labels, matching) for point in right}
    if expr.op == "and":
        return [point for point in left if _signature(point.labels, matching) in other]
    if expr.op == "unless":
        return [point for point in left if _signature(point.labels, matching) not in other]
    return distinct([*left, *(point for point in right if _signature(point.labels, matching) not in mine)])


def of_vectors(expr: Binary, left: Vector, right: Vector) -> Vector:
    """Each point of the many side with the one point of its group."""
    matching = expr.matching or Matching()
    swapped = matching.cardinality is Cardinality.ONE_TO_MANY
    many, one = (right, left) if swapped else (left, right)
    if (not many or not one) and matching.fill_left is None and matching.fill_right is None:
        return []
    partners: dict[Labels, Point] = {}
    for point in one:
        signature = _signature(point.labels, matching)
        if signature in partners:
            raise Refused("found duplicate series for the match group")
        partners[signature] = point

    found: Vector = []
    met: dict[Labels, set[Labels]] = {}

    def pair(many_point: Point, one_point: Point, signature: Labels) -> None:
        labels = _result(many_point.labels, one_point.labels, expr.op, matching)
        if matching.cardinality is Cardinality.ONE_TO_ONE:
            if signature in met:
                raise Refused("multiple matches for labels: many-to-one matching must be explicit")
        elif labels in met.get(signature, ()):
            raise Refused("multiple matches for labels: grouping labels must ensure unique matches")
        met.setdefault(signature, set()).add(labels)
        values = (one_point.value, many_point.value) if swapped else (many_point.value, one_point.value)
        if expr.op in ARITHMETIC:
            found.append(Point(labels, ARITHMETIC[expr.op](*values), drop=many_point.drop))
        elif expr.bool_result:
            found.append(Point(labels, float(COMPARISONS[expr.op](*values)), drop=True))
        elif COMPARISONS[expr.op](*values):
            found.append(Point(labels, values[0], drop=many_point.drop))

    for point in many:
        signature = _signature(point.labels, matching)
        partner = partners.get(signature)
        if partner is None and matching.fill_right is not None:
            partner = Point(signature, matching.fill_right)
        if partner is not None:
            pair(point, partner, signature)
    if matching.fill_left is not None:
        for signature, partner in partners.items():
            if signature not in met:
                pair(Point(signature, matching.fill_left, partner.drop), partner, signature)
    return distinct(found)


def _result(many: Labels, one: Labels, op: str, matching: Matching) -> Labels:
    labels = many.without((METRIC_NAME,)) if op in ARITHMETIC else many
    if matching.cardinality is Cardinality.ONE_TO_ONE:
        if matching.on:
            labels = Labels((name, value) for name, value in labels.items() if name in matching.labels)
        else:
            labels = labels.without(matching.labels)
    for name in matching.include:
        labels = with_label(labels, name, one.get(name, ""))
    return labels
