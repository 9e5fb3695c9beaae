"""Matchers: what selects series, alerts and routes by their labels."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

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


_OPTIONS = re2.Options()
_OPTIONS.log_errors = False
_OPTIONS.dot_nl = True
_OPTIONS.max_mem = 64 << 20


@lru_cache(maxsize=4096)
def compile_regex(pattern: str, *, anchored: bool = True) -> Any:
    """An RE2 program for `pattern`; `.` matches line ends, as in Prometheus 3. Raises ParseError."""
    try:
        return re2.compile(f"^(?s:{pattern})$" if anchored else pattern, _OPTIONS)
    except re2.error as error:
        reason = error.args[0] if error.args else "not valid"
        reason = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        raise ParseError(f"error parsing regexp: {reason.partition(': ')[0]}: {pattern!r}", text=pattern) from None


@dataclass(frozen=True, slots=True)
class Matcher:
    """A Matcher compares one label with a value or an anchored RE2 expression; an absent label counts as empty.

    Its expression is compiled (and so checked) when the Matcher is made.
    """

    name: str
    op: MatchOp
    value: str

    def __post_init__(self) -> None:
        if self.op in (MatchOp.REGEX, MatchOp.NOT_REGEX):
            compile_regex(self.value)

    def matches(self, value: str) -> bool:
        """Whether a label with this value is selected."""
        if self.op is MatchOp.EQUAL:
            return value == self.value
        if self.op is MatchOp.NOT_EQUAL:
            return value != self.value
        found = compile_regex(self.value).match(value) is not None
        return found if self.op is MatchOp.REGEX else not found

    @property
    def matches_empty(self) -> bool:
        """Whether a series without the label is selected."""
        return self.matches("")

    def __str__(self) -> str:
        """As a query shows it."""
        name = self.name if is_label_name(self.name) else quote(self.name)
        return f"{name}{self.op}{quote(self.value)}"
