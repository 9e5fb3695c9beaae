"""What of a query Prometheus 3.14 takes only with a feature flag, or not at all. Here everything is on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ruler.promql.ast import (
    Aggregation,
    Binary,
    Call,
    DurationExpr,
    Expr,
    Extension,
    MatrixSelector,
    Subquery,
    VectorSelector,
)
from ruler.promql.signatures import SIGNATURES
from ruler.promql.walk import nodes

_FUNCTIONS: Final = "promql-experimental-functions"
_DURATIONS: Final = "promql-duration-expr"
_EXTENSIONS: Final = "promql-extended-range-selectors"
_FILLS: Final = "promql-binop-fill-modifiers"

_EXPERIMENTAL_AGGREGATIONS: Final = frozenset({"limitk", "limit_ratio"})
_OURS: Final = frozenset({"timezone_offset"})


def needed_flags(expr: Expr) -> tuple[str, ...]:
    """The features that Prometheus has to have enabled for a query, sorted."""
    return tuple(sorted({flag for node in nodes(expr) for flag in _flags_of(node)}))


def lacking_functions(expr: Expr) -> tuple[str, ...]:
    """The functions in a query that Prometheus does not have, sorted."""
    return tuple(sorted({node.function for node in nodes(expr) if isinstance(node, Call) and node.function in _OURS}))


def _flags_of(node: Expr) -> Iterator[str]:
    match node:
        case Call():
            if SIGNATURES[node.function].experimental and node.function not in _OURS:
                yield _FUNCTIONS
        case Aggregation():
            if node.op in _EXPERIMENTAL_AGGREGATIONS:
                yield _FUNCTIONS
        case Binary():
            matching = node.matching
            if matching is not None and (matching.fill_left is not None or matching.fill_right is not None):
                yield _FILLS
        case VectorSelector():
            if node.extension is not Extension.NONE:
                yield _EXTENSIONS
            if isinstance(node.offset, DurationExpr):
                yield _DURATIONS
        case MatrixSelector():
            if isinstance(node.range, DurationExpr):
                yield _DURATIONS
        case Subquery():
            if any(isinstance(each, DurationExpr) for each in (node.range, node.step, node.offset)):
                yield _DURATIONS
