"""Query text → syntax tree, by precedence climbing. Syntax errors are raised where they are met; an error of types is
kept until the whole text has parsed, as Prometheus does, so that both tell of the same mistake first.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from common.errors import ParseError
from ruler.kernels.text.tokens import DURATION, END, IDENTIFIER, ODD, STRING
from ruler.model.matcher import Matcher
from ruler.promql import check
from ruler.promql.ast import (
    Aggregation,
    Binary,
    Call,
    Cardinality,
    Expr,
    Matching,
    Number,
    Paren,
    Text,
    Unary,
    VectorSelector,
)
from ruler.promql.cursor import Cursor, Excess
from ruler.promql.lexer import METRIC_NAMES
from ruler.promql.modifiers import BEHIND, OF_OPERATORS, PLAIN, SECONDS, SIGNS, behind, of_operator
from ruler.promql.names import grouping_labels, label_matchers, with_name
from ruler.promql.signatures import AGGREGATIONS, PARAMETERS, SIGNATURES, Signature, ValueType

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
_ALL_TO_ALL: Final = Matching(Cardinality.MANY_TO_MANY)
_UNMODIFIED: Final = (False, PLAIN)

_VECTOR: Final = ValueType.VECTOR

# Kinds of tokens by what they begin.
_OPENING: Final = ("(", "by", "without")
_AFTER_AGGREGATIONS: Final = ("by", "without", ODD)
_CALLABLE_WORDS: Final = frozenset({IDENTIFIER, "start", "end", "step", "range"})
_OPERANDS: Final = METRIC_NAMES | {"(", STRING, "{", *SIGNS, *SECONDS}


def parse(text: str) -> Expr:
    """The expression that `text` writes; raises ParseError."""
    if len(text) > LONGEST_TEXT:
        raise Excess(f"query longer than {LONGEST_TEXT} characters", text="")
    return _Parser(Cursor(text)).whole()


def parse_selector(text: str) -> tuple[Matcher, ...]:
    """The matchers of a series selector (`match[]` of the API) and nothing more; raises ParseError."""
    if len(text) > LONGEST_TEXT:
        raise Excess(f"selector longer than {LONGEST_TEXT} characters", text="")
    return _Parser(Cursor(text)).selector_alone().matchers


class _Parser:
    """A parser of one text: its place in it, how deep it is, and the first error of types that it has seen."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._depth = 0
        self._type_error: ParseError | None = None

    def whole(self) -> Expr:
        if self._cursor.kind == END:
            raise self._cursor.error("no expression found in input", 0)
        expr = self._expression()
        self._finish()
        return expr

    def selector_alone(self) -> VectorSelector:
        kind = self._cursor.kind
        if kind not in METRIC_NAMES and kind != "{":
            raise self._cursor.unexpected()
        selector = self._selector()
        self._finish()
        return selector

    def _finish(self) -> None:
        if self._cursor.kind != END:
            raise self._cursor.stray()
        if self._type_error is not None:
            raise self._type_error

    def _complain(self, found: check.Complaint | None) -> None:
        if found is not None and self._type_error is None:
            self._type_error = self._cursor.error(found.problem, found.position)

    # --- operators ----------------------------------------------------------------------------------------------------

    def _expression(self, left: Expr | None = None, floor: int = 1) -> Expr:
        """An operand (`left`, if it is known) and the operators after it that bind at least as tightly as `floor`."""
        cursor = self._cursor
        self._depth += 1
        if self._depth > DEEPEST_NESTING:
            raise Excess(
                f"expression nested deeper than {DEEPEST_NESTING} levels", text=cursor.text, position=cursor.start
            )
        if left is None:
            left = self._operand()
        while (rank := _PRECEDENCE.get(cursor.kind, 0)) >= floor:
            op, at = cursor.kind, cursor.start
            cursor.advance()
            bool_result, matching = of_operator(cursor) if cursor.kind in OF_OPERATORS else _UNMODIFIED
            right = self._operand()
            tighter = rank if op == "^" else rank + 1
            if _PRECEDENCE.get(cursor.kind, 0) >= tighter:
                right = self._expression(right, tighter)
            left = self._binary(op, at, left, right, bool_result, matching)
        self._depth -= 1
        return left

    def _binary(self, op: str, at: int, left: Expr, right: Expr, bool_result: bool, matching: Matching) -> Expr:
        vectors = left.type is _VECTOR and right.type is _VECTOR
        usual = vectors or (op in check.ARITHMETIC and left.type in check.OPERANDS and right.type in check.OPERANDS)
        if not usual or bool_result or matching is not PLAIN:
            self._complain(next(check.binary(op, at, left, right, bool_result, matching), None))
        if op in check.SET_OPERATORS:
            matching = replace(matching, cardinality=Cardinality.MANY_TO_MANY) if matching is not PLAIN else _ALL_TO_ALL
        span = self._cursor.node(left.span[0])
        return Binary(op, left, right, bool_result, matching if vectors else None, span=span)

    def _unary(self) -> Expr:
        cursor = self._cursor
        sign, start = cursor.kind, cursor.start
        cursor.advance()
        expr = self._expression(None, _POWER)
        if isinstance(expr, Number):
            return replace(expr, value=-expr.value if sign == "-" else expr.value, span=(start, expr.span[1]))
        self._complain(check.unary(start, expr))
        return Unary(sign, expr, span=cursor.node(start))

    # --- operands -----------------------------------------------------------------------------------------------------

    def _operand(self) -> Expr:
        """What stands between operators, with the modifiers behind it."""
        cursor = self._cursor
        kind = cursor.kind
        expr: Expr
        if kind in METRIC_NAMES:
            expr = self._named(kind)
        elif kind in SECONDS:
            value, start = cursor.number(), cursor.start
            cursor.advance()
            expr = Number(value, kind == DURATION, span=cursor.node(start))
        elif kind in SIGNS:
            return self._unary()
        elif kind == "(":
            start = cursor.start
            cursor.advance()
            expr = self._expression()
            if not cursor.accept(")"):
                raise cursor.stray()
            expr = Paren(expr, span=cursor.node(start))
        elif kind == STRING:
            written, start = cursor.string(), cursor.start
            cursor.advance()
            expr = Text(written, span=cursor.node(start))
        elif kind == "{":
            expr = self._selector()
        else:
            raise cursor.stray()
        return behind(cursor, expr, self._complain) if cursor.kind in BEHIND else expr

    def _named(self, kind: str) -> Expr:
        """An operand that begins with a word: a call, an aggregation or a selector."""
        cursor = self._cursor
        name, start = cursor.piece, cursor.start
        cursor.advance()
        if kind in AGGREGATIONS and cursor.kind in _OPENING:
            return self._aggregation(kind, start)
        if cursor.kind == "(" and kind in _CALLABLE_WORDS:
            return self._call(name if kind == IDENTIFIER else kind, start)
        if cursor.kind != "{":
            return VectorSelector(name, with_name(name, ()), span=cursor.node(start))
        return self._selector(name, start)

    def _selector(self, name: str = "", start: int = -1) -> VectorSelector:
        """A selector of series; its bare name, if there is one, has been taken."""
        cursor = self._cursor
        if start < 0:
            start = cursor.start
            if cursor.kind in METRIC_NAMES:
                name = cursor.piece
                cursor.advance()
        written = label_matchers(cursor) if cursor.kind == "{" else []
        if written or not name:
            self._complain(check.selector(start, name, written))
        return VectorSelector(name, with_name(name, written), span=cursor.node(start))

    def _call(self, function: str, start: int) -> Expr:
        before = self._type_error
        args = self._arguments(before if function == "info" else None, function)
        signature = SIGNATURES.get(function)
        if signature is None:
            raise self._cursor.error(*check.unknown_function(function, start))
        if function == "info" or [arg.type for arg in args] != [*signature.args]:
            self._complain_of(args, signature, start, before)
        return Call(function, args, span=self._cursor.node(start))

    def _complain_of(self, args: tuple[Expr, ...], signature: Signature, start: int, before: ParseError | None) -> None:
        """Whatever is wrong with arguments that are not just those of the signature."""
        miscounted = check.argument_count(start, signature, args)
        if miscounted is not None:
            self._type_error = before  # Prometheus counts the arguments before it looks at them
            self._complain(miscounted)
        self._complain(next(check.arguments(signature, args), None))

    def _arguments(self, before: ParseError | None = None, function: str = "") -> tuple[Expr, ...]:
        cursor = self._cursor
        cursor.advance()
        args: list[Expr] = []
        if cursor.accept(")"):
            return ()
        while True:
            args.append(self._expression())
            if function == "info" and len(args) == 2 and isinstance(args[1], VectorSelector) and not args[1].name:
                self._type_error = before  # info() takes labels alone, which may all match nothing
            if cursor.accept(")"):
                return tuple(args)
            comma = cursor.start
            if not cursor.accept(","):
                raise cursor.stray()
            if cursor.kind == ODD:
                raise cursor.stray()
            if cursor.kind not in _OPERANDS:
                raise cursor.error("trailing commas not allowed in function call args", comma)

    def _aggregation(self, op: str, start: int) -> Expr:
        cursor = self._cursor
        cursor.aggregations += 1
        grouping: tuple[str, ...] | None = None
        without = False
        if cursor.kind != "(":
            grouping, without = self._grouping()
        if cursor.kind != "(":
            raise cursor.stray()
        args = self._arguments()
        cursor.aggregations -= 1
        if grouping is None and cursor.kind in _AFTER_AGGREGATIONS:
            grouping, without = self._grouping()
        if not args:
            raise cursor.error("no arguments for aggregate expression provided", start)
        wanted = 2 if op in PARAMETERS else 1
        if len(args) != wanted:
            problem = "wrong number of arguments for aggregate expression provided"
            raise cursor.error(f"{problem}, expected {wanted}, got {len(args)}", start)
        param = args[0] if wanted == 2 else None
        if param is not None or args[0].type is not _VECTOR:
            self._complain(next(check.aggregation(op, args[-1], param), None))
        return Aggregation(op, args[-1], param, grouping or (), without, span=cursor.node(start))

    def _grouping(self) -> tuple[tuple[str, ...], bool]:
        """The labels of `by` or `without`, and whether it was `without`."""
        cursor = self._cursor
        if cursor.kind == ODD:
            raise cursor.stray()
        without = cursor.kind == "without"
        cursor.advance()
        return grouping_labels(cursor), without
