"""How far a selector reaches: the durations in `[range:step]` and after `offset`, literals in ms, arithmetic as a tree.

A literal is told from arithmetic here and nowhere else; what the arithmetic comes to is known when the query runs.
"""

from __future__ import annotations

from ruler.kernels.text.tokens import DURATION, NUMBER, ODD
from ruler.promql.ast import DurationExpr, DurationTerm, Extent, Number
from ruler.promql.cursor import Cursor

_DEEPEST = 64
_PRECEDENCE = {"+": 1, "-": 1, "*": 2, "/": 2, "%": 2, "^": 3}
_UNARY = 2  # binds like `*`: -2 ^ 2 is -4
_CHOICES = {"min": "min_of", "max": "max_of", "min_of": "min_of", "max_of": "max_of"}
_BY_ZERO = {"/": "division by zero", "%": "modulo by zero"}
_OF_THE_QUERY = frozenset({"step", "range"})
_LITERAL = "number, duration, step(), or range()"


def brackets(cursor: Cursor) -> tuple[Extent, Extent | None, bool]:
    """What stands in `[…]`, whose first bracket has been taken: range and step, and whether there was a colon."""
    reach = _positive(cursor, "subquery or range selector", _LITERAL)
    colon = cursor.accept(":")
    step = None
    if colon and cursor.kind != "]":
        step = _positive(cursor, "subquery selector", 'number, duration, step(), range(), or "]"')
    if not cursor.accept("]"):
        complaint = ("subquery selector", '"]"') if colon else ("subquery or range", '":" or "]"')
        raise cursor.unexpected(*complaint)
    return reach, step, colon


def _positive(cursor: Cursor, context: str, expected: str) -> Extent:
    term = _Arithmetic(cursor, context, expected).expression()
    if isinstance(term, DurationExpr):
        cursor.timed = True
        return term
    if cursor.kind == ODD:  # which Prometheus meets first: more arithmetic might stand there
        raise cursor.unexpected(context, expected)
    milliseconds = round(term.value * 1000)
    if milliseconds <= 0:
        raise cursor.error("duration must be greater than 0", term.start)
    return milliseconds


def offset(cursor: Cursor) -> Extent:
    """The duration after `offset`: one term with its sign. `offset 5m + 2` is (offset 5m) + 2."""
    term = _Arithmetic(cursor, "offset", _LITERAL).signed_term()
    if isinstance(term, DurationExpr):
        cursor.timed = True
        return term
    return round(term.value * 1000)


class _Arithmetic:
    """Arithmetic on seconds; it knows where it stands and what belongs there, to say so when something else comes."""

    def __init__(self, cursor: Cursor, context: str, expected: str) -> None:
        self._cursor = cursor
        self._complaint = (context, expected)
        self._depth = 0

    def expression(self, floor: int = 0) -> DurationTerm:
        cursor = self._cursor
        self._depth += 1
        if self._depth > _DEEPEST:
            raise cursor.error(f"duration nested deeper than {_DEEPEST} levels", cursor.start)
        left = self._unary()
        while (rank := _PRECEDENCE.get(cursor.kind, -1)) > floor:
            op, at = cursor.kind, cursor.start
            cursor.advance()
            right = self.expression(rank - 1 if op == "^" else rank)
            if op in _BY_ZERO and isinstance(right, Number) and right.value == 0:
                raise cursor.error(_BY_ZERO[op], at)
            left = DurationExpr(op, left, right, span=cursor.node(left.start))
        self._depth -= 1
        return left

    def _unary(self) -> DurationTerm:
        sign = self._sign()
        return self._term() if sign is None else self._signed(sign, self.expression(_UNARY))

    def signed_term(self) -> DurationTerm:
        sign = self._sign()
        return self._term() if sign is None else self._signed(sign, self._term())

    def _sign(self) -> tuple[str, int] | None:
        """The sign that is next and where it stands, taken."""
        cursor = self._cursor
        if cursor.kind not in ("+", "-"):
            return None
        sign = cursor.kind, cursor.start
        cursor.advance()
        return sign

    def _signed(self, sign: tuple[str, int], term: DurationTerm) -> DurationTerm:
        kind, start = sign
        if kind == "+":
            return term
        if isinstance(term, Number):
            return term.replaced(value=-term.value, span=(start, term.span[1]))
        return DurationExpr("-", None, term, span=self._cursor.node(start))

    def _term(self) -> DurationTerm:
        cursor = self._cursor
        kind, start, word = cursor.kind, cursor.start, cursor.piece.lower()
        if kind in (NUMBER, DURATION):
            value = cursor.seconds()
            cursor.advance()
            return Number(value, kind == DURATION, span=cursor.node(start))
        if kind == "(":
            cursor.advance()
            term = self.expression()
            self._expect(")")
            return term.replaced(wrapped=True) if isinstance(term, DurationExpr) else term
        if word in _OF_THE_QUERY:
            cursor.advance()
            self._expect("(")
            self._expect(")")
            return DurationExpr(word, span=cursor.node(start))
        if word in _CHOICES:
            cursor.advance()
            self._expect("(")
            left = self.expression()
            self._expect(",")
            right = self.expression()
            self._expect(")")
            return DurationExpr(_CHOICES[word], left, right, span=cursor.node(start))
        raise cursor.unexpected(*self._complaint)

    def _expect(self, kind: str) -> None:
        if not self._cursor.accept(kind):
            raise self._cursor.unexpected(*self._complaint)
