"""The nodes of a tree in turn, and trees made of other trees. A chain of operators is walked without recursion."""

from __future__ import annotations

from collections.abc import Callable, Iterator

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


def bare(expr: Expr) -> Expr:
    """`expr` without the parentheses around it."""
    while isinstance(expr, Paren):
        expr = expr.expr
    return expr


def mapped(expr: Expr, change: Callable[[Expr], Expr]) -> Expr:
    """`expr` with every node changed, children before parents; a MatrixSelector and its selector are one."""
    chain: list[Binary] = []
    while isinstance(expr, Binary):
        chain.append(expr)
        expr = expr.left
    left = change(_with_children(expr, change))
    for node in reversed(chain):
        left = change(node.replaced(left=left, right=mapped(node.right, change)))
    return left


def _with_children(expr: Expr, change: Callable[[Expr], Expr]) -> Expr:
    if isinstance(expr, Call):
        return expr.replaced(args=tuple(mapped(arg, change) for arg in expr.args))
    if isinstance(expr, Aggregation):
        param = None if expr.param is None else mapped(expr.param, change)
        return expr.replaced(expr=mapped(expr.expr, change), param=param)
    if isinstance(expr, Subquery | Unary | Paren):
        return expr.replaced(expr=mapped(expr.expr, change))
    return expr
