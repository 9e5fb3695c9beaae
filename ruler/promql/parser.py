"""Query text → syntax tree, by precedence climbing. Syntax errors are raised where they are met; an error of types is
kept until the whole text has parsed, as Prometheus does, so that both tell of the same mistake first.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, TypeVar

from common.errors import ParseError
from ruler.model.golang import quote
from ruler.model.matcher import Matcher
from ruler.promql import check, extents
from ruler.promql.ast import (
    Aggregation,
    At,
    AtEdge,
    Binary,
    Call,
    Cardinality,
    Expr,
    Extension,
    Extent,
    Matching,
    MatrixSelector,
    Number,
    Paren,
    Span,
    Subquery,
    Text,
    Unary,
    VectorSelector,
)
from ruler.promql.cursor import Cursor
from ruler.promql.lexer import DURATION, END, IDENTIFIER, METRIC_NAMES, NUMBER, STRING, Token
from ruler.promql.names import grouping_labels, in_printed_order, label_matchers
from ruler.promql.signatures import AGGREGATIONS, PARAMETERS, SIGNATURES, ValueType

LONGEST_TEXT: Final = 1 << 20
DEEPEST_NESTING: Final = 128

_PRECEDENCE: Final = {
    "or": 1,
    "and": 2,
    "unless": 2,
    **dict.fromkeys(("==", "!=", "<=", "<", ">=", ">"), 3),
    "+": 4,
    "-": 4,
    **dict.fromkeys(("*", "/", "%", "atan2"), 5),
    "^": 6,
}
_POWER: Final = _PRECEDENCE["^"]
_PAIRINGS: Final = {"group_left": Cardinality.MANY_TO_ONE, "group_right": Cardinality.ONE_TO_MANY}
_SECONDS: Final = (NUMBER, DURATION)
_SIGNS: Final = ("+", "-")
_EXTENSIONS: Final = {"anchored": Extension.ANCHORED, "smoothed": Extension.SMOOTHED}
_MODIFIERS: Final = frozenset({"[", "offset", "@", *_EXTENSIONS})
_CALLABLE_WORDS: Final = frozenset({IDENTIFIER, "start", "end", "step", "range"})
_PLAIN: Final = Matching()
_Selecting = TypeVar("_Selecting", VectorSelector, Subquery)
_LATER: Final = {
    "</": "the histogram trim operator </",
    ">/": "the histogram trim operator >/",
}


def parse(text: str) -> Expr:
    """The expression that `text` writes; raises ParseError."""
    if len(text) > LONGEST_TEXT:
        raise ParseError(f"query longer than {LONGEST_TEXT} characters", text="")
    return _Parser(text).whole()


def parse_selector(text: str) -> tuple[Matcher, ...]:
    """The matchers of a series selector (`match[]` of the API) and nothing more; raises ParseError."""
    if len(text) > LONGEST_TEXT:
        raise ParseError(f"selector longer than {LONGEST_TEXT} characters", text="")
    return _Parser(text).selector_alone().matchers


class _Parser:
    """A parser of one text: its place in it, how deep it is, and the first error of types that it has seen."""

    def __init__(self, text: str) -> None:
        self._cursor = Cursor(text)
        self._depth = 0
        self._in_aggregations = 0
        self._type_error: ParseError | None = None

    def whole(self) -> Expr:
        if self._cursor.peek().kind == END:
            raise self._cursor.error("no expression found in input", 0)
        expr = self._expression(0)
        self._finish()
        return expr

    def selector_alone(self) -> VectorSelector:
        token = self._cursor.peek()
        if token.kind not in METRIC_NAMES and token.kind != "{":
            raise self._cursor.unexpected()
        selector = self._selector()
        self._finish()
        return selector

    def _finish(self) -> None:
        if self._cursor.peek().kind != END:
            raise self._cursor.unexpected()
        if self._type_error is not None:
            raise self._type_error

    def _complain(self, found: check.Complaint | None) -> None:
        if found is not None and self._type_error is None:
            self._type_error = self._cursor.error(found.problem, found.position)

    def _span(self, start: int) -> Span:
        return self._cursor.node(start)

    def _unexpected(self) -> ParseError:
        return self._cursor.unexpected("aggregation" if self._in_aggregations else "")

    def _expression(self, floor: int) -> Expr:
        """An operand and all the operators after it that bind at least as tightly as `floor`."""
        self._depth += 1
        if self._depth > DEEPEST_NESTING:
            raise self._cursor.error(
                f"expression nested deeper than {DEEPEST_NESTING} levels", self._cursor.peek().position
            )
        left = self._operand()
        while True:
            operator = self._cursor.peek()
            rank = _PRECEDENCE.get(operator.kind, -1)
            if rank < floor or rank < 0:
                break
            self._cursor.take()
            bool_result, matching = self._modifiers()
            right = self._expression(rank if operator.kind == "^" else rank + 1)
            left = self._binary(operator, left, right, bool_result, matching)
        self._refuse_what_comes_later()
        self._depth -= 1
        return left

    def _refuse_what_comes_later(self) -> None:
        token = self._cursor.peek()
        if token.text.lower() in _LATER:
            raise self._cursor.error(f"{_LATER[token.text.lower()]} is not supported yet", token.position)

    def _binary(self, operator: Token, left: Expr, right: Expr, bool_result: bool, matching: Matching) -> Expr:
        for complaint in check.binary(operator, left, right, bool_result, matching):
            self._complain(complaint)
        pairs: Matching | None = None
        if left.type is ValueType.VECTOR and right.type is ValueType.VECTOR:
            set_operation = operator.kind in check.SET_OPERATORS
            pairs = replace(matching, cardinality=Cardinality.MANY_TO_MANY) if set_operation else matching
        return Binary(operator.kind, left, right, bool_result, pairs, span=self._span(left.span.start))

    def _modifiers(self) -> tuple[bool, Matching]:
        """`bool`, `on`/`ignoring`, `group_left`/`group_right` and `fill`, each if it is there."""
        cursor = self._cursor
        bool_result = cursor.accept("bool") is not None
        matching = _PLAIN
        if cursor.peek().kind in ("on", "ignoring"):
            on = cursor.take().kind == "on"
            matching = Matching(on=on, labels=grouping_labels(cursor))
            if cursor.peek().kind in _PAIRINGS:
                cardinality = _PAIRINGS[cursor.take().kind]
                include = grouping_labels(cursor) if cursor.peek().kind == "(" else ()
                matching = replace(matching, cardinality=cardinality, include=include)
        while cursor.peek().kind in ("fill", "fill_left", "fill_right"):
            side = cursor.take().kind
            value = self._fill_value()
            if side != "fill_right":
                matching = replace(matching, fill_left=value)
            if side != "fill_left":
                matching = replace(matching, fill_right=value)
        return bool_result, matching

    def _fill_value(self) -> float:
        cursor = self._cursor
        if not cursor.accept("("):
            raise cursor.unexpected("fill modifier", '"("')
        value = self._signed_number("fill modifier", "number")
        if not cursor.accept(")"):
            raise cursor.unexpected("fill modifier", '")"')
        return value

    def _signed_number(self, context: str, expected: str) -> float:
        cursor = self._cursor
        sign = cursor.take().kind if cursor.peek().kind in _SIGNS else "+"
        if cursor.peek().kind not in _SECONDS:
            raise cursor.unexpected(context, expected)
        value = cursor.number(cursor.take())
        return -value if sign == "-" else value

    def _operand(self) -> Expr:
        """What stands between operators, with the modifiers behind it."""
        token = self._cursor.peek()
        if token.kind in _SIGNS:
            return self._unary()
        return self._postfix(self._primary(token))

    def _unary(self) -> Expr:
        sign = self._cursor.take()
        expr = self._expression(_POWER)
        start = sign.position
        if isinstance(expr, Number):
            value = -expr.value if sign.kind == "-" else expr.value
            return replace(expr, value=value, span=Span(start, expr.span.end))
        self._complain(check.unary(start, expr))
        return Unary(sign.kind, expr, span=self._span(start))

    def _primary(self, token: Token) -> Expr:
        cursor = self._cursor
        if token.kind in _SECONDS:
            value = cursor.number(cursor.take())
            return Number(value, token.kind == DURATION, span=self._span(token.position))
        if token.kind == STRING:
            return Text(cursor.string(cursor.take()), span=self._span(token.position))
        if token.kind == "(":
            cursor.take()
            expr = self._expression(0)
            if not cursor.accept(")"):
                raise self._unexpected()
            return Paren(expr, span=self._span(token.position))
        if token.kind == "{":
            return self._selector()
        if token.kind not in METRIC_NAMES:
            raise self._unexpected()
        cursor.take()
        follower = cursor.peek().kind
        if token.kind in AGGREGATIONS and follower in ("(", "by", "without"):
            return self._aggregation(token)
        if token.kind in _CALLABLE_WORDS and follower == "(":
            return self._call(token)
        return self._selector(token)

    def _selector(self, name: Token | None = None) -> VectorSelector:
        """A selector of series; its bare name, if there is one, has been taken."""
        cursor = self._cursor
        start = cursor.peek().position if name is None else name.position
        if name is None and cursor.peek().kind in METRIC_NAMES:
            name = cursor.take()
        written = label_matchers(cursor) if cursor.peek().kind == "{" else []
        bare = "" if name is None else name.text
        self._complain(check.selector(start, bare, written))
        return VectorSelector(bare, in_printed_order(bare, written), span=self._span(start))

    def _call(self, name: Token) -> Expr:
        function = name.text.lower() if name.kind != IDENTIFIER else name.text
        before = self._type_error
        args = self._arguments(before if function == "info" else None, function)
        signature = SIGNATURES.get(function)
        if signature is None:
            raise self._cursor.error(f"unknown function with name {quote(function)}", name.position)
        miscounted = check.argument_count(name.position, signature, args)
        if miscounted is not None:
            self._type_error = before  # Prometheus counts the arguments before it looks at them
            self._complain(miscounted)
        for complaint in check.arguments(signature, args):
            self._complain(complaint)
        return Call(function, args, span=self._span(name.position))

    def _arguments(self, before: ParseError | None = None, function: str = "") -> tuple[Expr, ...]:
        cursor = self._cursor
        cursor.take()
        args: list[Expr] = []
        if cursor.accept(")"):
            return ()
        while True:
            args.append(self._expression(0))
            if function == "info" and len(args) == 2 and isinstance(args[1], VectorSelector) and not args[1].name:
                self._type_error = before  # info() takes labels alone, which may all match nothing
            if cursor.accept(")"):
                return tuple(args)
            comma = cursor.accept(",")
            if comma is None:
                raise self._unexpected()
            if not self._starts_operand(cursor.peek()):
                raise cursor.error("trailing commas not allowed in function call args", comma.position)

    def _starts_operand(self, token: Token) -> bool:
        return token.kind in METRIC_NAMES or token.kind in ("(", "{", STRING, *_SIGNS, *_SECONDS)

    def _aggregation(self, op: Token) -> Expr:
        cursor = self._cursor
        self._in_aggregations += 1
        grouping, without = self._grouping()
        grouped = cursor.peek().kind == "("
        if not grouped:
            raise self._unexpected()
        first_grouping = grouping is not None
        args = self._arguments()
        self._in_aggregations -= 1
        if not first_grouping:
            grouping, without = self._grouping()
        if not args:
            raise cursor.error("no arguments for aggregate expression provided", op.position)
        wanted = 2 if op.kind in PARAMETERS else 1
        if len(args) != wanted:
            problem = "wrong number of arguments for aggregate expression provided"
            raise cursor.error(f"{problem}, expected {wanted}, got {len(args)}", op.position)
        param = args[0] if wanted == 2 else None
        for complaint in check.aggregation(op.kind, args[-1], param):
            self._complain(complaint)
        return Aggregation(op.kind, args[-1], param, grouping or (), without, span=self._span(op.position))

    def _grouping(self) -> tuple[tuple[str, ...] | None, bool]:
        """The labels of `by` or `without` if one is next, and whether it was `without`."""
        if self._cursor.peek().kind not in ("by", "without"):
            return None, False
        without = self._cursor.take().kind == "without"
        return grouping_labels(self._cursor), without

    def _postfix(self, expr: Expr) -> Expr:
        """`expr` with the brackets, offsets and `@` behind it."""
        subqueries = 0
        while (kind := self._cursor.peek().kind) in _MODIFIERS:
            if kind == "[":
                expr = self._bracketed(expr)
                subqueries += 1
                if subqueries > DEEPEST_NESTING:
                    raise self._cursor.error(f"more than {DEEPEST_NESTING} ranges in a row", expr.span.start)
            elif kind == "offset":
                self._cursor.take()
                expr = self._moved(expr, offset=extents.offset(self._cursor))
            elif kind != "@":
                expr = self._extended(expr, _EXTENSIONS[self._cursor.take().kind])
            else:
                self._cursor.take()
                expr = self._moved(expr, at=self._at(expr.span.start))
        return expr

    def _bracketed(self, expr: Expr) -> Expr:
        bracket = self._cursor.peek().position
        reach, step, subquery = extents.brackets(self._cursor)
        start = expr.span.start
        if subquery:
            self._complain(check.subquery(expr))
            return Subquery(expr, reach, step, span=self._span(start))
        if not isinstance(expr, VectorSelector):
            raise self._cursor.error("ranges only allowed for vector selectors", bracket)
        if expr.offset != 0:
            raise self._cursor.error("no offset modifiers allowed before range", bracket)
        if expr.at is not None:
            raise self._cursor.error("no @ modifiers allowed before range", bracket)
        return MatrixSelector(expr, reach, span=self._span(start))

    def _extended(self, expr: Expr, extension: Extension) -> Expr:
        """`expr` with `anchored` or `smoothed`; as a modifier stands behind it, its place stays."""
        start = expr.span.start
        if isinstance(expr, MatrixSelector):
            return replace(expr, selector=self._extended_selector(expr.selector, extension, start))
        if isinstance(expr, VectorSelector):
            return self._extended_selector(expr, extension, start)
        problem = "not supported for subqueries" if isinstance(expr, Subquery) else "not implemented"
        verb = "is " if isinstance(expr, Subquery) else ""
        raise self._cursor.error(f"{extension.value} modifier {verb}{problem}", start)

    def _extended_selector(self, selector: VectorSelector, extension: Extension, start: int) -> VectorSelector:
        if selector.extension not in (Extension.NONE, extension):
            raise self._cursor.error("anchored and smoothed modifiers cannot be used together", start)
        return replace(selector, extension=extension)

    def _at(self, position: int) -> At:
        cursor = self._cursor
        if cursor.peek().kind in ("start", "end"):
            edge = AtEdge.START if cursor.take().kind == "start" else AtEdge.END
            if not cursor.accept("(") or not cursor.accept(")"):
                raise self._unexpected()
            return edge
        return cursor.timestamp(self._signed_number("@", "timestamp"), position)

    def _moved(self, expr: Expr, *, offset: Extent = 0, at: At | None = None) -> Expr:
        """`expr` with an offset or an `@`."""
        start = expr.span.start
        span = Span(start, self._cursor.end)
        if isinstance(expr, MatrixSelector):
            return replace(expr, selector=self._modified(expr.selector, offset, at, span), span=span)
        if isinstance(expr, VectorSelector):
            return self._modified(expr, offset, at, span)
        if isinstance(expr, Subquery):
            return self._modified(expr, offset, at, span)
        modifier = "offset" if at is None else "@"
        kinds = "an instant vector selector or range vector selector or a subquery"
        raise self._cursor.error(f"{modifier} modifier must be preceded by {kinds}", start)

    def _modified(self, target: _Selecting, offset: Extent, at: At | None, span: Span) -> _Selecting:
        if at is None:
            if target.offset != 0:
                raise self._cursor.error("offset may not be set multiple times", span.start)
            return replace(target, offset=offset, span=span)
        if target.at is not None:
            raise self._cursor.error("@ <timestamp> may not be set multiple times", span.start)
        return replace(target, at=at, span=span)
