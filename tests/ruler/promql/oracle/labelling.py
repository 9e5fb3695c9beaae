"""The labels that the obvious evaluator makes: those of info(), and of what absent() did not find."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from common.labels import METRIC_NAME, Labels
from ruler.model.matcher import Matcher, MatchOp
from ruler.promql.ast import Expr, MatrixSelector, Paren, VectorSelector
from tests.ruler.promql.oracle.vectors import Point, Refused, Vector

IDENTIFYING = ("instance", "job")


def enriched(point: Point, infos: Mapping[tuple[str, ...], tuple[int, Labels]], data: Sequence[Matcher]) -> Vector:
    own = tuple(point.labels.get(name, "") for name in IDENTIFYING)
    about = [labels for (_, *signature), (_, labels) in infos.items() if tuple(signature) == own]
    if not about and not all(matcher.matches("") for matcher in data):
        return []
    added: dict[str, str] = {}
    for name, value in (pair for labels in about for pair in labels.items()):
        if name == METRIC_NAME or name in point.labels or (data and all(matcher.name != name for matcher in data)):
            continue
        if added.setdefault(name, value) != value:
            raise Refused("conflicting label")
    return [Point(point.labels.replacing(added), point.value, point.drop)]


def asked_for(expr: Expr) -> Labels:
    """The labels that a selector asks for by their only value."""
    while isinstance(expr, Paren):
        expr = expr.expr
    selector = expr.selector if isinstance(expr, MatrixSelector) else expr
    if not isinstance(selector, VectorSelector):
        return Labels()
    names = [matcher.name for matcher in selector.matchers]
    return Labels(
        (matcher.name, matcher.value)
        for matcher in selector.matchers
        if matcher.op is MatchOp.EQUAL and names.count(matcher.name) == 1 and matcher.name != METRIC_NAME
    )
