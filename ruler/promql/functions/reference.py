"""The time that an expression is about, as its selectors' `@` and `offset` say: when info series are looked at.

Only where everything that the expression gives is of one such time is there a reference; else it is each step's own.
"""

from __future__ import annotations

from dataclasses import dataclass

from ruler.promql.ast import (
    Aggregation,
    At,
    AtEdge,
    Binary,
    Call,
    Expr,
    MatrixSelector,
    Paren,
    Subquery,
    Unary,
    ValueType,
    VectorSelector,
    known,
)

_OF_SERIES = (ValueType.VECTOR, ValueType.MATRIX)


@dataclass(frozen=True, slots=True)
class Reference:
    """A Reference is `@ time offset offset` (ms); without a time, each step's own."""

    time: int | None = None
    offset: int = 0

    @property
    def effective(self) -> tuple[bool, int]:
        """Equal for references that mean the same."""
        return (False, self.offset) if self.time is None else (True, self.time - self.offset)

    def within(self, at: int | None, offset: int) -> Reference:
        """That of something under `@ at offset offset` which stands in a subquery of this reference."""
        return Reference(self.time, self.offset + offset) if at is None else Reference(at, offset)


def reference_of(expr: Expr, asked: tuple[int, int, int]) -> Reference:
    """The one reference of all selectors that series come from; of the step itself where they differ, or with others.

    `asked` is the query's own start, end and step.
    """
    edges = {AtEdge.START: asked[0], AtEdge.END: asked[1]}

    def time(at: At | None) -> int | None:
        return edges[at] if isinstance(at, AtEdge) else at

    found: set[Reference] = set()
    todo: list[tuple[Expr, Reference]] = [(expr, Reference())]
    while todo:
        node, outer = todo.pop()
        if isinstance(node, VectorSelector):
            found.add(outer.within(time(node.at), known(node.offset)))
            continue
        inner = outer.within(time(node.at), known(node.offset)) if isinstance(node, Subquery) else outer
        below = [child for child in _children(node) if child.type in _OF_SERIES]
        if not below:
            return Reference()
        todo += ((child, inner) for child in below)
    return found.pop() if len({each.effective for each in found}) == 1 else Reference()


def _children(node: Expr) -> tuple[Expr, ...]:
    match node:
        case MatrixSelector():
            return (node.selector,)
        case Subquery() | Unary() | Paren():
            return (node.expr,)
        case Binary():
            return (node.left, node.right)
        case Call():
            # What stands second in info() selects labels; nothing comes from it.
            return node.args[:1] if node.function == "info" else node.args
        case Aggregation():
            return (node.expr,) if node.param is None else (node.expr, node.param)
        case _:
            return ()
