"""The parser's place in a query: one token ahead and no more, so that of two mistakes the first one written is told."""

from __future__ import annotations

import math
import re

from common.durations import parse_duration
from common.errors import ParseError
from ruler.model.golang import format_float, quote, unquote
from ruler.promql.ast import Span
from ruler.promql.lexer import DURATION, Lexer, Token

MOST_NODES = 10_000
LONGEST_SECONDS = (1 << 63) / 1e9  # what Go's time.Duration holds
_MISPLACED = re.compile(r"_(?![0-9a-f])|(?<![0-9a-fx])_")
_UNITS = frozenset({"y", "w", "d", "h", "m", "s", "ms"})


class Cursor:
    """A Cursor hands out the tokens of a query in turn and words the complaints about them."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.end = 0  # of the last token taken
        self._lexer = Lexer(text)
        self._next: Token | None = None
        self._nodes = 0

    def peek(self) -> Token:
        if self._next is None:
            self._next = self._lexer.next()
        return self._next

    def take(self) -> Token:
        token = self.peek()
        self._next = None
        self.end = token.end
        return token

    def accept(self, kind: str) -> Token | None:
        """The next token, taken, if it is of this kind."""
        return self.take() if self.peek().kind == kind else None

    def node(self, start: int) -> Span:
        """From `start` to the last token taken: where a node stands, which is counted."""
        self._nodes += 1
        if self._nodes > MOST_NODES:
            raise self.error(f"expression has more than {MOST_NODES} parts", start)
        return Span(start, self.end)

    def error(self, problem: str, position: int) -> ParseError:
        return ParseError(problem, text=self.text, position=position)

    def unexpected(self, context: str = "", expected: str = "") -> ParseError:
        """The complaint about the next token, in Prometheus's words."""
        token = self.peek()
        where = f" in {context}" if context else ""
        wanted = f", expected {expected}" if expected else ""
        return self.error(f"unexpected {token.describe()}{where}{wanted}", token.position)

    def number(self, token: Token) -> float:
        """The value of a number or of a duration in seconds; raises ParseError."""
        if token.kind == DURATION:
            return self._seconds(token)
        text = token.text.lower()
        plain = text.replace("_", "")
        try:
            if _MISPLACED.search(text):
                raise ValueError
            if plain.startswith("0x"):
                return float(_int64(plain, 16))
            if len(plain) > 1 and plain[0] == "0" and not plain.strip("01234567"):
                return float(_int64(plain, 8))
            value = float(plain)
        except ValueError:
            raise self._bad_number(token, "invalid syntax") from None
        if math.isinf(value) and text != "inf":
            raise self._bad_number(token, "value out of range")
        return value

    def _bad_number(self, token: Token, reason: str) -> ParseError:
        where = f"strconv.ParseFloat: parsing {quote(token.text)}"
        return self.error(f"error parsing number: {where}: {reason}", token.position)

    def _seconds(self, token: Token) -> float:
        try:
            return parse_duration(token.text) / 1000
        except ParseError as error:
            problem = error.problem if "out of range" in error.problem else _duration_problem(token.text)
            raise self.error(problem, token.position) from None

    def string(self, token: Token) -> str:
        """What a string says, its quotes and escapes resolved."""
        mark, inner = token.text[0], token.text[1:-1]
        return inner if mark == "`" else unquote(inner, mark)

    def seconds(self, token: Token) -> float:
        """The value of a number or of a duration as seconds that a duration can have; raises ParseError."""
        seconds = self.number(token)
        if not abs(seconds) <= LONGEST_SECONDS:
            raise self.error("duration out of range", token.position)
        return seconds

    def timestamp(self, seconds: float, position: int) -> int:
        """`seconds` as a point of time in ms, halves away from zero; raises ParseError."""
        if not abs(seconds) < float(1 << 63):
            shown = format_float(seconds, "f", 6)
            raise self.error(f"timestamp out of bounds for @ modifier: {shown}", position)
        return int(math.copysign(math.floor(abs(seconds) * 1000 + 0.5), seconds))


def _int64(digits: str, base: int) -> int:
    value = int(digits, base)
    if value >= 1 << 63:
        raise ValueError
    return value


def _duration_problem(text: str) -> str:
    """What is wrong with a duration that does not parse, in the words of Prometheus's ParseDuration."""
    rest = text
    while rest:
        rest = rest.lstrip("0123456789")
        unit = rest[: len(rest) - len(rest.lstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ._"))]
        if unit not in _UNITS:
            return f"unknown unit {quote(unit)} in duration {quote(text)}"
        rest = rest[len(unit) :]
    return f"not a valid duration string: {quote(text)}"
