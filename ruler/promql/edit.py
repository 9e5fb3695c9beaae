"""A query with other matchers: in every selector of it, that of one label is set or left out."""

from __future__ import annotations

from common.errors import QueryError
from common.labels import METRIC_NAME
from ruler.model.matcher import Matcher
from ruler.promql.ast import Expr, MatrixSelector, VectorSelector
from ruler.promql.walk import mapped


def with_matcher(expr: Expr, matcher: Matcher) -> Expr:
    """`expr` with this matcher in every selector, instead of those of the same label; raises QueryError."""
    return _changed(expr, matcher.name, (matcher,))


def without_matchers(expr: Expr, label: str) -> Expr:
    """`expr` with no matcher of this label; raises QueryError."""
    return _changed(expr, label, ())


def _changed(expr: Expr, label: str, instead: tuple[Matcher, ...]) -> Expr:
    if label == METRIC_NAME:
        raise QueryError(f"the name of a metric is no label to be set or deleted: {label!r}")

    def changed(node: Expr) -> Expr:
        if isinstance(node, MatrixSelector):
            return node.replaced(selector=_selecting(node.selector, label, instead))
        return _selecting(node, label, instead) if isinstance(node, VectorSelector) else node

    return mapped(expr, changed)


def _selecting(selector: VectorSelector, label: str, instead: tuple[Matcher, ...]) -> VectorSelector:
    matchers = tuple(each for each in selector.matchers if each.name != label) + instead
    if all(each.matches_empty for each in matchers):
        raise QueryError(f"a selector would be left without a matcher that selects anything: {selector}")
    return selector.replaced(matchers=matchers)
