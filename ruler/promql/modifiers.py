"""The modifiers: of an operator (`bool`, `on`, `group_left`, `fill`) and behind an operand (`[5m]`, `offset`, `@`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final, TypeAlias, TypeVar

from ruler.kernels.text.tokens import DURATION, NUMBER
from ruler.promql import check, extents
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
from ruler.promql.cursor import Cursor, Excess
from ruler.promql.lexer import FILLS
from ruler.promql.names import grouping_labels

PLAIN: Final = Matching()
SECONDS: Final = (NUMBER, DURATION)
SIGNS: Final = ("+", "-")
_PAIRINGS: Final = {"group_left": Cardinality.MANY_TO_ONE, "group_right": Cardinality.ONE_TO_MANY}
_EXTENSIONS: Final = {"anchored": Extension.ANCHORED, "smoothed": Extension.SMOOTHED}
_AT_EDGES: Final = {"start": AtEdge.START, "end": AtEdge.END}
_MOST_IN_A_ROW: Final = 128

OF_OPERATORS: Final = frozenset({"bool", "on", "ignoring", *FILLS})
"""The kinds of tokens that begin a modifier of an operator."""

BEHIND: Final = frozenset({"[", "offset", "@", *_EXTENSIONS})
"""The kinds of tokens that begin a modifier of the operand before them."""

Complain: TypeAlias = Callable[[check.Complaint | None], None]
_Selecting = TypeVar("_Selecting", VectorSelector, Subquery)


def of_operator(cursor: Cursor) -> tuple[bool, Matching]:
    """`bool`, `on`/`ignoring`, `group_left`/`group_right` and `fill`, each if it is there."""
    bool_result = cursor.accept("bool")
    matching = PLAIN
    if cursor.kind in ("on", "ignoring"):
        on = cursor.kind == "on"
        cursor.advance()
        matching = Matching(on=on, labels=grouping_labels(cursor))
        if cursor.kind in _PAIRINGS:
            cardinality = _PAIRINGS[cursor.kind]
            cursor.advance()
            include = grouping_labels(cursor) if cursor.kind == "(" else ()
            matching = replace(matching, cardinality=cardinality, include=include)
    while cursor.kind in FILLS:
        side = cursor.kind
        cursor.advance()
        value = _fill_value(cursor)
        if side != "fill_right":
            matching = replace(matching, fill_left=value)
        if side != "fill_left":
            matching = replace(matching, fill_right=value)
    return bool_result, matching


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


def behind(cursor: Cursor, expr: Expr, complain: Complain) -> Expr:
    """`expr` with the brackets, offsets, `@` and extensions behind it."""
    modifiers = 0
    while (kind := cursor.kind) in BEHIND:
        modifiers += 1
        if modifiers > _MOST_IN_A_ROW:
            problem = f"more than {_MOST_IN_A_ROW} modifiers in a row"
            raise Excess(problem, text=cursor.text, position=expr.start)
        if kind == "[":
            expr = _bracketed(cursor, expr, complain)
            continue
        cursor.advance()
        if kind == "offset":
            expr = _moved(cursor, expr, offset=extents.offset(cursor))
        elif kind == "@":
            expr = _moved(cursor, expr, at=_at(cursor, expr.start))
        else:
            expr = _extended(cursor, expr, _EXTENSIONS[kind])
    return expr


def _bracketed(cursor: Cursor, expr: Expr, complain: Complain) -> Expr:
    bracket = cursor.start
    reach, step, subquery = extents.brackets(cursor)
    if subquery:
        complain(check.subquery(expr))
        return Subquery(expr, reach, step, span=cursor.node(expr.start))
    if not isinstance(expr, VectorSelector):
        raise cursor.error("ranges only allowed for vector selectors", bracket)
    if isinstance(expr.offset, int) and expr.offset != 0:  # arithmetic may, and so may edges
        raise cursor.error("no offset modifiers allowed before range", bracket)
    if isinstance(expr.at, int):
        raise cursor.error("no @ modifiers allowed before range", bracket)
    return MatrixSelector(expr, reach, span=cursor.node(expr.start))


def _extended(cursor: Cursor, expr: Expr, extension: Extension) -> Expr:
    """`expr` with `anchored` or `smoothed`; as a modifier stands behind it, its place stays."""
    if isinstance(expr, MatrixSelector):
        return replace(expr, selector=_extended_selector(cursor, expr.selector, extension))
    if isinstance(expr, VectorSelector):
        return _extended_selector(cursor, expr, extension)
    problem = "is not supported for subqueries" if isinstance(expr, Subquery) else "not implemented"
    raise cursor.error(f"{extension.value} modifier {problem}", expr.start)


def _extended_selector(cursor: Cursor, selector: VectorSelector, extension: Extension) -> VectorSelector:
    if selector.extension not in (Extension.NONE, extension):
        raise cursor.error("anchored and smoothed modifiers cannot be used together", selector.start)
    return replace(selector, extension=extension)


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
        return replace(expr, selector=_modified(cursor, expr.selector, offset, at, span), span=span)
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
        return replace(target, offset=offset, span=span)
    if target.at is not None:
        raise cursor.error("@ <timestamp> may not be set multiple times", span[0])
    return replace(target, at=at, span=span)
