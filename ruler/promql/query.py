"""A query's text, parsed, and what is known of it before it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from common.labels import METRIC_NAME
from ruler.model.matcher import Matcher, MatchOp
from ruler.promql.ast import DurationExpr, Expr, MatrixSelector, Subquery, VectorSelector
from ruler.promql.parser import parse
from ruler.promql.walk import nodes

LIGHT_NODES: Final = 24

_SLOW_TO_MATCH: Final = (MatchOp.REGEX, MatchOp.NOT_REGEX)


@dataclass(slots=True)
class Query:
    """A Query is a text with its expression; notes tell of places in the text, if there is one.

    It is `light` when it costs little beside what it charges to its limits: of few nodes, it looks at metrics by name,
    and at nothing by a pattern or over and over. It is `timed` when it holds arithmetic on durations.
    """

    text: Final[str]
    expr: Final[Expr]
    light: Final[bool]
    timed: Final[bool]


def parsed(text: str) -> Query:
    """What a text asks; raises ParseError."""
    return query_of(parse(text), text)


def query_of(expr: Expr, text: str = "") -> Query:
    """What an expression asks."""
    light, timed, count = True, False, 0
    for node in nodes(expr):
        count += 1
        if isinstance(node, VectorSelector):
            light = light and _is_named(node.matchers)
            timed = timed or isinstance(node.offset, DurationExpr)
        elif isinstance(node, MatrixSelector):
            timed = timed or isinstance(node.range, DurationExpr)
        elif isinstance(node, Subquery):
            light = False
            timed = timed or any(isinstance(each, DurationExpr) for each in (node.range, node.step, node.offset))
    return Query(text, expr, light and count <= LIGHT_NODES, timed)


def _is_named(matchers: tuple[Matcher, ...]) -> bool:
    """Whether a metric is selected by its name, and by no pattern."""
    named = False
    for matcher in matchers:
        if matcher.op in _SLOW_TO_MATCH:
            return False
        if matcher.name == METRIC_NAME and matcher.op is MatchOp.EQUAL:
            named = True
    return named
