"""How far a selector reaches: the durations in `[range:step]` and after `offset`, with their arithmetic folded.

`[5m * 2]` is 10 minutes once read. What depends on the query that runs (`step()`, `range()`) is refused by name.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from ruler.promql.cursor import Cursor
from ruler.promql.lexer import DURATION, NUMBER, Token

_DEEPEST = 64
_PRECEDENCE = {"+": 1, "-": 1, "*": 2, "/": 2, "%": 2, "^": 3}
_UNARY = 2  # binds like `*`: -2 ^ 2 is -4
_CHOICES: dict[str, Callable[[float, float], float]] = {"min": min, "max": max, "min_of": min, "max_of": max}
_OF_THE_QUERY = frozenset({"step", "range"})


def brackets(cursor: Cursor) -> tuple[int, int | None, bool]:
    """What stands in `[…]`, the bracket being next: range and step in ms, and whether there was a colon."""
    cursor.take()
    reach = _positive(cursor, "number or duration")
    colon = cursor.accept(":") is not None
    step = None
    if colon and cursor.peek().kind != "]":
        step = _positive(cursor, 'number or duration or "]"')
    if not cursor.accept("]"):
        complaint = ("subquery selector", '"]"') if colon else ("subquery or range", '":" or "]"')
        raise cursor.unexpected(*complaint)
    return reach, step, colon


def _positive(cursor: Cursor, expected: str) -> int:
    position = cursor.peek().position
    milliseconds = cursor.milliseconds(_Arithmetic(cursor, "subquery selector", expected).expression(), position)
    if milliseconds <= 0:
        raise cursor.error("duration must be greater than 0", position)
    return milliseconds


def offset(cursor: Cursor) -> int:
    """The duration after `offset`, in ms: one term with its sign. `offset 5m + 2` is (offset 5m) + 2."""
    position = cursor.peek().position
    return cursor.milliseconds(_Arithmetic(cursor, "offset", "number or duration").signed_term(), position)


class _Arithmetic:
    """Arithmetic on seconds; it knows where it stands and what belongs there, to say so when something else comes."""

    def __init__(self, cursor: Cursor, context: str, expected: str) -> None:
        self._cursor = cursor
        self._complaint = (context, expected)
        self._depth = 0

    def expression(self, floor: int = 0) -> float:
        self._depth += 1
        if self._depth > _DEEPEST:
            position = self._cursor.peek().position
            raise self._cursor.error(f"duration nested deeper than {_DEEPEST} levels", position)
        left = self._unary()
        while (rank := _PRECEDENCE.get(self._cursor.peek().kind, -1)) > floor:
            operator = self._cursor.take()
            right = self.expression(rank - 1 if operator.kind == "^" else rank)
            left = self._apply(operator, left, right)
        self._depth -= 1
        return left

    def _unary(self) -> float:
        if self._cursor.peek().kind in ("+", "-"):
            sign = self._cursor.take().kind
            value = self.expression(_UNARY)
            return -value if sign == "-" else value
        return self._term()

    def signed_term(self) -> float:
        sign = self._cursor.take().kind if self._cursor.peek().kind in ("+", "-") else "+"
        value = self._term()
        return -value if sign == "-" else value

    def _term(self) -> float:
        token = self._cursor.peek()
        if token.kind in (NUMBER, DURATION):
            return self._cursor.number(self._cursor.take())
        if token.kind == "(":
            self._cursor.take()
            value = self.expression()
            self._expect(")")
            return value
        if token.kind in _OF_THE_QUERY:
            raise self._cursor.error(f"{token.kind}() in a duration is not supported yet", token.position)
        if token.text.lower() in _CHOICES:
            return self._choice(self._cursor.take())
        raise self._cursor.unexpected(*self._complaint)

    def _choice(self, function: Token) -> float:
        self._expect("(")
        one = self.expression()
        self._expect(",")
        two = self.expression()
        self._expect(")")
        return _CHOICES[function.text.lower()](one, two)

    def _expect(self, kind: str) -> None:
        if not self._cursor.accept(kind):
            raise self._cursor.unexpected(*self._complaint)

    def _apply(self, operator: Token, left: float, right: float) -> float:
        match operator.kind:
            case "+":
                return left + right
            case "-":
                return left - right
            case "*":
                return left * right
            case "^":
                return _power(left, right)
        if right == 0:
            problem = "division by zero" if operator.kind == "/" else "modulo by zero"
            raise self._cursor.error(problem, operator.position)
        return left / right if operator.kind == "/" else math.fmod(left, right)


def _power(base: float, exponent: float) -> float:
    """`base ^ exponent`, NaN where it has no finite value: no duration can be that."""
    try:
        return math.pow(base, exponent)
    except (OverflowError, ValueError):
        return math.nan
