"""The parser's place in a query: one token ahead and no more, so that of two mistakes the first one written is told."""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import Final

from common.durations import parse_duration
from common.errors import ParseError
from ruler.kernels.text.tokens import DURATION, MOST_PARTS, ODD, Tokens
from ruler.model.golang import format_float, quote, unescape
from ruler.promql.lexer import describe, what_is_odd

LONGEST_SECONDS: Final = (1 << 63) / 1e9  # what Go's time.Duration holds
_SHORT: Final = 24  # characters of a duration, of which the latest are kept
_LONG_STRING: Final = 10_000
_LATER: Final = {"</": "the histogram trim operator </", ">/": "the histogram trim operator >/"}
_NUMBERED_ESCAPES: Final = tuple(f"\\{letter}" for letter in "xuU01234567")
_MISPLACED = re.compile(r"_(?![0-9a-f])|(?<![0-9a-fx])_")
_UNKNOWN_UNIT = re.compile(r"(?<=[0-9])(?!(?:ms|[smhdwy])(?![A-Za-z._]))[A-Za-z._]+")


_kept_duration = lru_cache(maxsize=256)(parse_duration)


class Excess(ParseError):  # noqa: N818  (of a limit: no mistake)
    """A text beyond what is parsed."""


class Cursor(Tokens):
    """A Cursor hands out the tokens of a query in turn, words the complaints about them and counts what they make."""

    __slots__ = ()

    def count(self, parts: int, start: int) -> None:
        """Count what is no node and takes as much time as so many; raises Excess."""
        self.parts += parts
        if self.parts > MOST_PARTS:
            raise Excess(f"expression has more than {MOST_PARTS} parts", text=self.text, position=start)

    # --- complaints ---------------------------------------------------------------------------------------------------

    def error(self, problem: str, position: int) -> ParseError:
        return ParseError(problem, text=self.text, position=position)

    def unexpected(self, context: str = "", expected: str = "", hint: str = "") -> ParseError:
        """The complaint about the next token, in Prometheus's words."""
        if self.kind == ODD:
            return self.error(what_is_odd(self), self.start)
        where = f" in {context}" if context else ""
        wanted = f", expected {expected}" if expected else ""
        return self.error(f"unexpected {describe(self.kind, self.piece)}{where}{wanted}{hint}", self.start)

    def stray(self) -> ParseError:
        """The complaint about a next token that cannot stand there."""
        if self.kind in _LATER:
            return self.error(f"{_LATER[self.kind]} is not supported yet", self.start)
        hint = '; did you mean "=="?' if self.kind == "=" else ""
        return self.unexpected("aggregation" if self.aggregations else "", hint=hint)

    # --- what a token says --------------------------------------------------------------------------------------------

    def number(self) -> float:
        """The value of the next token, a number or a duration in seconds; raises ParseError."""
        piece = self.piece
        if self.kind == DURATION:
            return self._seconds(piece)
        if piece.isdecimal() and (piece[0] != "0" or len(piece) == 1):
            value = float(piece)
            return value if value != math.inf else self._huge(piece)
        return self._odd_number(piece)

    def _odd_number(self, piece: str) -> float:
        text = piece.lower()
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
            raise self._bad_number(piece, "invalid syntax") from None
        return self._huge(piece) if math.isinf(value) and text != "inf" else value

    def _huge(self, piece: str) -> float:
        raise self._bad_number(piece, "value out of range")

    def _bad_number(self, piece: str, reason: str) -> ParseError:
        where = f"strconv.ParseFloat: parsing {quote(piece)}"
        return self.error(f"error parsing number: {where}: {reason}", self.start)

    def _seconds(self, piece: str) -> float:
        try:
            return (_kept_duration(piece) if len(piece) <= _SHORT else parse_duration(piece)) / 1000
        except ParseError as error:
            problem = error.problem if "out of range" in error.problem else _duration_problem(piece)
            raise self.error(problem, self.start) from None

    def seconds(self) -> float:
        """The value of the next token as seconds that a duration can have; raises ParseError."""
        seconds = self.number()
        if not abs(seconds) <= LONGEST_SECONDS:
            raise self.error("duration out of range", self.start)
        return seconds

    def string(self) -> str:
        """What the next token, a string, says, its quotes and escapes resolved; raises Excess."""
        mark, inner = self.piece[0], self.piece[1:-1]
        if mark == "`":
            return inner
        if "\\" not in inner:
            return inner
        self.count_escapes(inner)
        return unescape(inner, mark)

    def count_escapes(self, inner: str) -> None:
        """Count what a long string has of escapes by number, each of which takes a while; raises Excess."""
        if len(inner) > _LONG_STRING:
            self.count(sum(map(inner.count, _NUMBERED_ESCAPES)), self.start)

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
    unknown = _UNKNOWN_UNIT.search(text)
    if unknown:
        return f"unknown unit {quote(unknown[0])} in duration {quote(text)}"
    return f"not a valid duration string: {quote(text)}"
