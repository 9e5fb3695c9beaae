"""Matchers: what selects series, alerts and routes by their labels."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum
from functools import lru_cache
from math import prod
from typing import Any, Final, NamedTuple, Self

import re2

from common.errors import ParseError
from common.labels import is_label_name
from ruler.model.golang import quote


class MatchOp(StrEnum):
    """How a label is compared."""

    EQUAL = "="
    NOT_EQUAL = "!="
    REGEX = "=~"
    NOT_REGEX = "!~"

    __hash__ = str.__hash__  # an enumeration's own runs as Python, at every look into a cache


HEAVIEST_REGEX: Final = 1 << 15
"""The most that an expression may weigh which is more than literals: what RE2 compiles in about 15 ms."""

# One literal or several between bars, none of them empty: RE2 takes it for sure, and it matches no empty text.
_LITERAL = r"(?:[^\\.+*?()\[\]{}^$|\ud800-\udfff]++|\\[!-/:-@\[-^`{-~])++"
_LITERALS = lru_cache(maxsize=16)(re.compile(rf"{_LITERAL}(?:\|{_LITERAL})*+").fullmatch)
_COSTS = {"\\p": 1_500, "\\P": 1_500, "\\D": 6, "\\S": 6, "\\W": 6, "?": 16}
_REPEATED = re.compile(r"(?<!\))\{(?:[0-9]{1,4},)?([0-9]{1,4})")
_REPEATED_GROUP = re.compile(r"\)\{(?:[0-9]{1,4},)?([0-9]{1,4})")
_NESTED_GROUPS = re.compile(r"\)\{[^}]*\}[^(]*\)\{")
_SMALL_PROGRAM = 2000  # instructions, of which a state of the automaton takes some bytes each
_MOST_REPEATS = 1000  # of which RE2 allows no more, nested ones multiplied


def _options(max_mem: int) -> re2.Options:
    options = re2.Options()
    options.log_errors = False
    options.dot_nl = True
    options.max_mem = max_mem
    return options


_FOR_LITERALS = _options(64 << 20)
_FOR_OTHERS = _options(4 << 20)


_IN_GO = {
    "bad repetition operator": "invalid nested repetition operator",
    "invalid named capture group": "invalid named capture",
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "invalid repetition size": "invalid repeat count",
    "missing )": "missing closing )",
    "missing ]": "missing closing ]",
    "no argument for repetition operator": "missing argument to repetition operator",
    "trailing \\": "trailing backslash at end of expression",
}


def weight(pattern: str) -> int:
    """How much work RE2 has to make a program of `pattern`, in characters of the plainest kind; 0 for literals alone.

    Optional parts in a row cost the square of their number, classes of Unicode as much as 1,500 characters each.
    """
    if _LITERALS(pattern):
        return 0
    parts = len(pattern) + sum(pattern.count(piece) * cost for piece, cost in _COSTS.items())
    if "(?i" in pattern:
        parts *= 3
    if parts > HEAVIEST_REGEX or "{" not in pattern:
        return parts
    parts += _COSTS["?"] * sum(map(int, _REPEATED.findall(pattern)))
    groups = list(map(int, _REPEATED_GROUP.findall(pattern)))
    return parts * max(
        1, min(_MOST_REPEATS, prod(groups) if _NESTED_GROUPS.search(pattern) else max(groups, default=1))
    )


def compile_regex(pattern: str, *, anchored: bool = True) -> Any:
    """An RE2 program for `pattern`; `.` matches line ends, as in Prometheus 3. Raises ParseError."""
    return (_compiled if len(pattern) <= 1024 else _compiled_long)(pattern, anchored)


def _compile(pattern: str, anchored: bool) -> Any:
    heavy = weight(pattern)
    if heavy > HEAVIEST_REGEX:
        shown = f"{pattern[:20]!r}..."
        raise ParseError(f"error parsing regexp: expression too large: {shown}", text=pattern)
    options = _FOR_OTHERS if heavy else _FOR_LITERALS
    try:
        if not anchored or ")" in pattern:
            plain = re2.compile(pattern, options)  # `a)|(b` would be whole only between the anchors
        return re2.compile(f"^(?s:{pattern})$", options) if anchored else plain
    except re2.error:
        raise ParseError(f"error parsing regexp: {_fault(pattern)}", text=pattern) from None


def _fault(pattern: str) -> str:
    """What is wrong with a pattern, in the words of Go's package."""
    try:
        re2.compile(pattern, _FOR_OTHERS)
    except re2.error as error:
        said = error.args[0] if error.args else b"not valid"
        problem, _, where = (said.decode(errors="replace") if isinstance(said, bytes) else str(said)).partition(": ")
        return f"{_IN_GO.get(problem, problem)}: `{where}`"
    return f"not valid: `{pattern}`"


_compiled = lru_cache(maxsize=1024)(_compile)  # each of which may come to hold as much as its options allow
_compiled_long = lru_cache(maxsize=32)(_compile)


@lru_cache(maxsize=1024)
def whole_match(pattern: str) -> Callable[[str], bool]:
    """Whether a text as a whole is what `pattern` stands for. Raises ParseError.

    A set of one expression is asked: nothing but an automaton, and half the time. Programs that are no small ones are
    run as they are, since a set whose automaton has no room just says no.
    """
    program = compile_regex(pattern)
    if program.programsize > _SMALL_PROGRAM:
        return lambda text: program.match(text) is not None
    one = re2.Set.FullMatchSet(_FOR_OTHERS)
    one.Add(f"(?s:{pattern})")
    one.Compile()
    return lambda text: one.Match(text) is not None


class _Fields(NamedTuple):
    name: str
    op: MatchOp
    value: str


class Matcher(_Fields):
    """A Matcher compares one label with a value or an anchored RE2 expression; an absent label counts as empty.

    Its expression is checked when the Matcher is made, and compiled unless it is of literals alone. It is a tuple, as
    what a query selects is looked for by all its matchers, and those of a dataclass are hashed and compared in Python.
    """

    __slots__ = ()

    def __new__(cls, name: str, op: MatchOp, value: str) -> Self:
        if op is not MatchOp.EQUAL and op is not MatchOp.NOT_EQUAL and not _LITERALS(value):
            compile_regex(value)
        return tuple.__new__(cls, (name, op, value))

    def matches(self, value: str) -> bool:
        """Whether a label with this value is selected."""
        if self.op is MatchOp.EQUAL:
            return value == self.value
        if self.op is MatchOp.NOT_EQUAL:
            return value != self.value
        found = whole_match(self.value)(value)
        return found if self.op is MatchOp.REGEX else not found

    @property
    def matches_empty(self) -> bool:
        """Whether a series without the label is selected."""
        if self.op in (MatchOp.REGEX, MatchOp.NOT_REGEX) and _LITERALS(self.value):
            return self.op is MatchOp.NOT_REGEX
        return self.matches("")

    def __str__(self) -> str:
        """As a query shows it."""
        name = self.name if is_label_name(self.name) else quote(self.name)
        return f"{name}{self.op}{quote(self.value)}"
