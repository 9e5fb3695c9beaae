"""The nodes of a tree in turn. Nothing here recurses: a chain of operators may be thousands of nodes deep."""

from __future__ import annotations

from collections.abc import Iterator

from ruler.promql.ast import Aggregation, Binary, Call, Expr, MatrixSelector, Paren, Subquery, Unary


def nodes(expr: Expr) -> Iterator[Expr]:
    """`expr` and every expression in it, in the order in which they are written. Durations are no expressions."""
    pending: list[Expr] = [expr]
    while pending:
        node = pending.pop()
        yield node
        if isinstance(node, Binary):
            pending += (node.right, node.left)
        elif isinstance(node, Call):
            pending.extend(reversed(node.args))
        elif isinstance(node, Aggregation):
            pending.append(node.expr)
            if node.param is not None:
                pending.append(node.param)
        elif isinstance(node, MatrixSelector):
            pending.append(node.selector)
        elif isinstance(node, Subquery | Unary | Paren):
            pending.append(node.expr)
