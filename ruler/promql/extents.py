"""How far a selector reaches: the durations in `[range:step]` and after `offset`, literals in ms, arithmetic as a tree.

A literal is told from arithmetic here and nowhere else; what the arithmetic comes to is known when the query runs.
"""

from __future__ import annotations

from dataclasses import replace

from ruler.promql.ast import DurationExpr, DurationTerm, Extent, Number, Span
from ruler.promql.cursor import Cursor
from ruler.promql.lexer import DURATION, NUMBER, Token

_DEEPEST = 64
_PRECEDENCE = {"+": 1, "-": 1, "*": 2, "/": 2, "%": 2, "^": 3}
_UNARY = 2  # binds like `*`: -2 ^ 2 is -4
_CHOICES = {"min": "min_of", "max": "max_of", "min_of": "min_of", "max_of": "max_of"}
_OF_THE_QUERY = frozenset({"step", "range"})
_LITERAL = "number, duration, step(), or range()"


def brackets(cursor: Cursor) -> tuple[Extent, Extent | None, bool]:
    """What stands in `[…]`, the bracket being next: range and step, and whether there was a colon."""
    cursor.take()
    reach = _positive(cursor, "subquery or range selector", _LITERAL)
    colon = cursor.accept(":") is not None
    step = None
    if colon and cursor.peek().kind != "]":
        step = _positive(cursor, "subquery selector", 'number, duration, step(), range(), or "]"')
    if not cursor.accept("]"):
        complaint = ("subquery selector", '"]"') if colon else ("subquery or range", '":" or "]"')
        raise cursor.unexpected(*complaint)
    return reach, step, colon


def _positive(cursor: Cursor, context: str, expected: str) -> Extent:
    term = _Arithmetic(cursor, context, expected).expression()
    if isinstance(term, DurationExpr):
        return term
    milliseconds = round(term.value * 1000)
    if milliseconds <= 0:
        raise cursor.error("duration must be greater than 0", term.span.start)
    return milliseconds


def offset(cursor: Cursor) -> Extent:
    """The duration after `offset`: one term with its sign. `offset 5m + 2` is (offset 5m) + 2."""
    term = _Arithmetic(cursor, "offset", _LITERAL).signed_term()
    return term if isinstance(term, DurationExpr) else round(term.value * 1000)


class _Arithmetic:
    """Arithmetic on seconds; it knows where it stands and what belongs there, to say so when something else comes."""

    def __init__(self, cursor: Cursor, context: str, expected: str) -> None:
        self._cursor = cursor
        self._complaint = (context, expected)
        self._depth = 0

    def expression(self, floor: int = 0) -> DurationTerm:
        self._depth += 1
        if self._depth > _DEEPEST:
            position = self._cursor.peek().position
            raise self._cursor.error(f"duration nested deeper than {_DEEPEST} levels", position)
        left = self._unary()
        while (rank := _PRECEDENCE.get(self._cursor.peek().kind, -1)) > floor:
            operator = self._cursor.take()
            right = self.expression(rank - 1 if operator.kind == "^" else rank)
            self._refuse_zero(operator, right)
            left = DurationExpr(operator.kind, left, right, span=self._cursor.node(left.span.start))
        self._depth -= 1
        return left

    def _refuse_zero(self, operator: Token, right: DurationTerm) -> None:
        if operator.kind in ("/", "%") and isinstance(right, Number) and right.value == 0:
            problem = "division by zero" if operator.kind == "/" else "modulo by zero"
            raise self._cursor.error(problem, operator.position)

    def _unary(self) -> DurationTerm:
        if self._cursor.peek().kind in ("+", "-"):
            sign = self._cursor.take()
            return self._signed(sign, self.expression(_UNARY))
        return self._term()

    def signed_term(self) -> DurationTerm:
        if self._cursor.peek().kind in ("+", "-"):
            sign = self._cursor.take()
            return self._signed(sign, self._term())
        return self._term()

    def _signed(self, sign: Token, term: DurationTerm) -> DurationTerm:
        if sign.kind == "+":
            return term
        if isinstance(term, Number):
            return replace(term, value=-term.value, span=Span(sign.position, term.span.end))
        return DurationExpr("-", None, term, span=self._cursor.node(sign.position))

    def _term(self) -> DurationTerm:
        cursor = self._cursor
        token = cursor.peek()
        word = token.text.lower()
        if token.kind in (NUMBER, DURATION):
            value = cursor.seconds(cursor.take())
            return Number(value, token.kind == DURATION, span=cursor.node(token.position))
        if token.kind == "(":
            cursor.take()
            term = self.expression()
            self._expect(")")
            return replace(term, wrapped=True) if isinstance(term, DurationExpr) else term
        if word in _OF_THE_QUERY:
            cursor.take()
            self._expect("(")
            self._expect(")")
            return DurationExpr(word, span=cursor.node(token.position))
        if word in _CHOICES:
            cursor.take()
            self._expect("(")
            left = self.expression()
            self._expect(",")
            right = self.expression()
            self._expect(")")
            return DurationExpr(_CHOICES[word], left, right, span=cursor.node(token.position))
        raise cursor.unexpected(*self._complaint)

    def _expect(self, kind: str) -> None:
        if not self._cursor.accept(kind):
            raise self._cursor.unexpected(*self._complaint)
