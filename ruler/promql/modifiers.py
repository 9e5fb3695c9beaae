"""The modifiers: of an operator (`bool`, `on`, `group_left`, `fill`) and behind an operand (`[5m]`, `offset`, `@`)."""

from __future__ import annotations

from typing import Final, TypeVar

from ruler.kernels.text.tokens import DURATION, NUMBER
from ruler.promql import extents
from ruler.promql.ast import (
    At,
    AtEdge,
    Cardinality,
    Expr,
    Extension,
    Extent,
    Matching,
    MatrixSelector,
    Subquery,
    VectorSelector,
)
from ruler.promql.cursor import Cursor
from ruler.promql.lexer import FILLS
from ruler.promql.names import grouping_labels

PLAIN: Final = Matching()
SECONDS: Final = (NUMBER, DURATION)
SIGNS: Final = ("+", "-")
_PAIRINGS: Final = {"group_left": Cardinality.MANY_TO_ONE, "group_right": Cardinality.ONE_TO_MANY}
_EXTENSIONS: Final = {"anchored": Extension.ANCHORED, "smoothed": Extension.SMOOTHED}
_AT_EDGES: Final = {"start": AtEdge.START, "end": AtEdge.END}

OF_OPERATORS: Final = frozenset({"bool", "on", "ignoring", *FILLS})
"""The kinds of tokens that begin a modifier of an operator."""

BEHIND: Final = frozenset({"[", "offset", "@", *_EXTENSIONS})
"""The kinds of tokens that begin a modifier of the operand before them."""

_Selecting = TypeVar("_Selecting", VectorSelector, Subquery)


def of_operator(cursor: Cursor) -> tuple[bool, Matching]:
    """`bool`, `on`/`ignoring`, `group_left`/`group_right` and `fill`, each if it is there."""
    bool_result = cursor.accept("bool")
    on, labels, cardinality = False, None, Cardinality.ONE_TO_ONE
    include: tuple[str, ...] = ()
    if cursor.kind in ("on", "ignoring"):
        on = cursor.kind == "on"
        cursor.advance()
        labels = grouping_labels(cursor)
        if cursor.kind in _PAIRINGS:
            cardinality = _PAIRINGS[cursor.kind]
            cursor.advance()
            include = grouping_labels(cursor) if cursor.kind == "(" else ()
    fill_left = fill_right = None
    while cursor.kind in FILLS:
        side = cursor.kind
        cursor.advance()
        value = _fill_value(cursor)
        fill_left = value if side != "fill_right" else fill_left
        fill_right = value if side != "fill_left" else fill_right
    if labels is None and fill_left is None and fill_right is None:
        return bool_result, PLAIN
    return bool_result, Matching(cardinality, on, labels or (), include, fill_left, fill_right)


def _fill_value(cursor: Cursor) -> float:
    cursor.count(1, cursor.start)
    if not cursor.accept("("):
        raise cursor.unexpected("fill modifier", '"("')
    value = signed_number(cursor, "fill modifier", "number")
    if not cursor.accept(")"):
        raise cursor.unexpected("fill modifier", '")"')
    return value


def signed_number(cursor: Cursor, context: str, expected: str) -> float:
    negative = cursor.kind == "-"
    if cursor.kind in SIGNS:
        cursor.advance()
    if cursor.kind not in SECONDS:
        raise cursor.unexpected(context, expected)
    value = cursor.number()
    cursor.advance()
    return -value if negative else value


def modified(cursor: Cursor, expr: Expr) -> Expr:
    """`expr` with the offset, the `@` or the extension that is next."""
    kind = cursor.kind
    cursor.advance()
    if kind == "offset":
        return _moved(cursor, expr, offset=extents.offset(cursor))
    if kind == "@":
        return _moved(cursor, expr, at=_at(cursor, expr.start))
    return _extended(cursor, expr, _EXTENSIONS[kind])


def _extended(cursor: Cursor, expr: Expr, extension: Extension) -> Expr:
    """`expr` with `anchored` or `smoothed`; as a modifier stands behind it, its place stays."""
    if isinstance(expr, MatrixSelector):
        return expr.replaced(selector=_extended_selector(cursor, expr.selector, extension))
    if isinstance(expr, VectorSelector):
        return _extended_selector(cursor, expr, extension)
    problem = "is not supported for subqueries" if isinstance(expr, Subquery) else "not implemented"
    raise cursor.error(f"{extension.value} modifier {problem}", expr.start)


def _extended_selector(cursor: Cursor, selector: VectorSelector, extension: Extension) -> VectorSelector:
    if selector.extension not in (Extension.NONE, extension):
        raise cursor.error("anchored and smoothed modifiers cannot be used together", selector.start)
    return selector.replaced(extension=extension)


def _at(cursor: Cursor, position: int) -> At:
    edge = _AT_EDGES.get(cursor.kind)
    if edge is None:
        return cursor.timestamp(signed_number(cursor, "@", "timestamp"), position)
    cursor.advance()
    if not cursor.accept("(") or not cursor.accept(")"):
        raise cursor.stray()
    return edge


def _moved(cursor: Cursor, expr: Expr, *, offset: Extent = 0, at: At | None = None) -> Expr:
    """`expr` with an offset or an `@`."""
    span = (expr.start, cursor.end)
    if isinstance(expr, MatrixSelector):
        return expr.replaced(selector=_modified(cursor, expr.selector, offset, at, span), span=span)
    if isinstance(expr, VectorSelector):
        return _modified(cursor, expr, offset, at, span)
    if isinstance(expr, Subquery):
        return _modified(cursor, expr, offset, at, span)
    modifier = "offset" if at is None else "@"
    kinds = "an instant vector selector or range vector selector or a subquery"
    raise cursor.error(f"{modifier} modifier must be preceded by {kinds}", expr.start)


def _modified(cursor: Cursor, target: _Selecting, offset: Extent, at: At | None, span: tuple[int, int]) -> _Selecting:
    if at is None:
        if target.offset != 0:
            raise cursor.error("offset may not be set multiple times", span[0])
        return target.replaced(offset=offset, span=span)
    if target.at is not None:
        raise cursor.error("@ <timestamp> may not be set multiple times", span[0])
    return target.replaced(at=at, span=span)
