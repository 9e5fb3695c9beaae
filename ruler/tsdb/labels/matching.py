"""Matchers over coded columns: each distinct value is judged once, with RE2 only where nothing simpler will do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from msgspec import Struct

from common.labels import METRIC_NAME
from ruler.kernels.series.numbering import Numbering
from ruler.model.arrays import BoolArray, CodeArray
from ruler.model.groups import numbered
from ruler.model.matcher import Matcher, MatchOp, whole_match
from ruler.model.pace import Check, Pace
from ruler.model.table import NO_LABEL, Strings

Test = Callable[[str], bool]
Term = tuple[int, bool, tuple[int, ...]]  # a column, and the codes of which it is to have one, or is to have none

MANY: Final = 4096  # values that are judged between two checks: some milliseconds

_SPECIAL = frozenset("\\.+*?()|[]{}^$")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Wanted is a matcher taken apart: the exact values that it looks for, or a test, and whether it is negated."""

    values: frozenset[str] | None
    test: Test
    negated: bool

    def accepts(self, text: str) -> bool:
        return self.test(text) is not self.negated


class Asked(Struct, frozen=True):
    """Asked is what matchers come to for rows that have certain labels: terms, and matchers that take a test.

    What holds for every row is left out, so matchers that say the same in different ways ask the same.
    """

    terms: tuple[Term, ...]
    tests: tuple[Matcher, ...]


class Question:
    """A Question is matchers with the codes that their values have by now; those of the metric's name are `named`."""

    def __init__(self, matchers: Sequence[Matcher], strings: Strings) -> None:
        self.named: list[Matcher] = []
        self._strings = strings
        self._terms: list[tuple[str, bool, tuple[int, ...]]] = []  # the same of a label
        self._tests: list[Matcher] = []
        self._asked: dict[tuple[str, ...], Asked | None] = {}
        for matcher in matchers:
            name, op, value = matcher
            if name == METRIC_NAME:
                self.named.append(matcher)
            elif op is MatchOp.EQUAL or op is MatchOp.NOT_EQUAL:
                code = strings.find(value)
                self._terms.append((name, op is MatchOp.EQUAL, () if code is None else (code,)))
            elif (want := wanted(matcher)).values is None:
                self._tests.append(matcher)
            else:
                known = (code for code in map(strings.find, want.values) if code is not None)
                self._terms.append((name, not want.negated, tuple(sorted(known))))

    def asked(self, names: tuple[str, ...]) -> Asked | None:
        """What is asked of rows with these labels; None when none of them can be wanted."""
        if names not in self._asked:
            self._asked[names] = self._of(names)
        return self._asked[names]

    def _of(self, names: tuple[str, ...]) -> Asked | None:
        terms: list[Term] = []
        for name, have, codes in self._terms:
            if codes and name in names:
                terms.append((names.index(name), have, codes))
            elif (NO_LABEL in codes) is not have:
                return None
        tests = [matcher for matcher in self._tests if matcher.name in names]
        if len(tests) < len(self._tests):
            absent = (matcher for matcher in self._tests if matcher.name not in names)
            if not all(select_absent(matcher, self._strings) for matcher in absent):
                return None
        return Asked(tuple(terms), tuple(tests))


@lru_cache(maxsize=4096)
def wanted(matcher: Matcher) -> Wanted:
    """What `matcher` looks for, in the cheapest form that gives the same answers."""
    negated = matcher.op in (MatchOp.NOT_EQUAL, MatchOp.NOT_REGEX)
    if matcher.op in (MatchOp.EQUAL, MatchOp.NOT_EQUAL):
        return _exactly(frozenset((matcher.value,)), negated)
    pattern = matcher.value
    if pattern in (".*", ".+"):  # lacks nothing, or the empty text
        return _exactly(frozenset(("",) if pattern == ".+" else ()), not negated)
    literals = _alternation(pattern)
    if literals is not None:
        return _exactly(literals, negated)
    test = _affix(pattern)
    return Wanted(None, test or whole_match(pattern), negated)


def select_codes(matcher: Matcher, codes: CodeArray, strings: Strings, check: Check | None = None) -> BoolArray:
    """Which of `codes` stand for values that `matcher` selects. What `check` raises between many values ends it."""
    want = wanted(matcher)
    found: BoolArray
    if want.values is not None:
        known = [code for code in map(strings.find, want.values) if code is not None]
        if len(known) == 1:
            found = codes == known[0]
        elif known:
            found = np.isin(codes, np.array(known, dtype=np.int32))
        else:
            found = np.zeros(len(codes), dtype=np.bool_)
        return ~found if want.negated else found
    groups = numbered(Numbering(1), codes[:, np.newaxis], pace=Pace(check))
    distinct = codes[groups.first]
    text = strings.text
    accepted = np.empty(len(distinct), dtype=np.bool_)
    for start in range(0, len(distinct), MANY):
        some = distinct[start : start + MANY].tolist()
        accepted[start : start + MANY] = [want.accepts(text(code)) for code in some]
        if check is not None:
            check()
    found = accepted[groups.of]
    return found


def select_absent(matcher: Matcher, strings: Strings) -> bool:
    """Whether `matcher` selects series without its label."""
    return wanted(matcher).accepts(strings.text(NO_LABEL))


def _exactly(values: frozenset[str], negated: bool) -> Wanted:
    return Wanted(values, values.__contains__, negated)


def _alternation(pattern: str) -> frozenset[str] | None:
    """The literals of `a`, `a|b` or `(a|b)`, or None when `pattern` is more than that."""
    if pattern.startswith("(?:") and pattern.endswith(")"):
        pattern = pattern[3:-1]
    elif pattern.startswith("(") and pattern.endswith(")"):
        pattern = pattern[1:-1]
    literals = [_literal(part) for part in _split(pattern)]
    known = [literal for literal in literals if literal is not None]
    return frozenset(known) if len(known) == len(literals) else None


def _split(pattern: str) -> list[str]:
    """The parts of `pattern` between bars that are not escaped."""
    parts, start, index = [], 0, 0
    while index < len(pattern):
        if pattern[index] == "\\":
            index += 1
        elif pattern[index] == "|":
            parts.append(pattern[start:index])
            start = index + 1
        index += 1
    return [*parts, pattern[start:]]


def _literal(pattern: str) -> str | None:
    r"""The only text that `pattern` matches (`\.` stands for a dot), or None."""
    if not _SPECIAL.intersection(pattern):
        return pattern
    text, escaped = "", False
    for character in pattern:
        if escaped:
            if character not in _SPECIAL and character != "-":
                return None
            text, escaped = text + character, False
        elif character == "\\":
            escaped = True
        elif character in _SPECIAL:
            return None
        else:
            text += character
    return None if escaped else text


def _affix(pattern: str) -> Test | None:
    """The test that `a.*`, `.+a` or `.*a.*` amounts to, or None when `pattern` is none of these."""
    head = pattern[:2] if pattern[:2] in (".*", ".+") else ""
    rest = pattern[len(head) :]
    tail = rest[-2:] if rest[-2:] in (".*", ".+") and not rest[:-2].endswith("\\") else ""
    middle = _literal(rest[: len(rest) - len(tail)])
    if middle is None or not (head or tail):
        return None
    shortest = len(middle) + (head == ".+") + (tail == ".+")
    if not middle:
        return lambda text: len(text) >= shortest
    if not head:
        return lambda text: len(text) >= shortest and text.startswith(middle)
    if not tail:
        return lambda text: len(text) >= shortest and text.endswith(middle)
    before, after = int(head == ".+"), int(tail == ".+")
    if after:
        return lambda text: middle in text[before : len(text) - 1]
    return lambda text: middle in text[before:]
