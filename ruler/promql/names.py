"""The names in a query: the matchers in `{…}` and the labels in the `(…)` after by, without, on and their like."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from common.errors import ParseError
from common.labels import METRIC_NAME
from ruler.kernels.text.tokens import IDENTIFIER, STRING
from ruler.model.matcher import Matcher, MatchOp, weight
from ruler.promql.cursor import Cursor
from ruler.promql.lexer import LABEL_NAMES

_OPERATORS: Final = {op.value: op for op in MatchOp}
_SHORT: Final = 100  # characters of a name, of which the latest are kept
_REGEXES: Final = (MatchOp.REGEX, MatchOp.NOT_REGEX)


def label_matchers(cursor: Cursor) -> list[Matcher]:
    """The matchers in `{…}`, which is next."""
    cursor.advance()
    matchers: list[Matcher] = []
    while not cursor.accept("}"):
        matchers.append(_label_matcher(cursor))
        if not cursor.accept(",") and cursor.kind != "}":
            raise cursor.unexpected("label matching", '"," or "}"')
    return matchers


def _label_matcher(cursor: Cursor) -> Matcher:
    start, kind = cursor.start, cursor.kind
    cursor.count(1, start)
    if kind not in (IDENTIFIER, STRING):
        raise cursor.unexpected("label matching", 'identifier or "}"')
    name = cursor.string() if kind == STRING else cursor.piece
    cursor.advance()
    operator = _OPERATORS.get(cursor.kind)
    if operator is None:
        if kind == IDENTIFIER:
            raise cursor.unexpected("label matching", "label matching operator")
        return Matcher(METRIC_NAME, MatchOp.EQUAL, name)
    cursor.advance()
    if cursor.kind != STRING:
        raise cursor.unexpected("label matching", "string")
    value = cursor.string()
    cursor.advance()
    if operator in _REGEXES:
        cursor.count(_parts(value), start)
    try:
        return Matcher(name, operator, value)
    except ParseError as error:
        raise cursor.error(error.problem, start) from None


def _parts(regex: str) -> int:
    """How many nodes are made in the time in which an expression is compiled."""
    heavy = weight(regex)
    return 10 + heavy // 8 if heavy else 0


def with_name(name: str, written: Sequence[Matcher]) -> tuple[Matcher, ...]:
    """The matchers of a selector: those in braces, then that of its bare name."""
    if not name:
        return tuple(written)
    named = _kept_name(name) if len(name) <= _SHORT else _of_name(name)
    return (*written, *named) if written else named


def _of_name(name: str) -> tuple[Matcher]:
    return (Matcher(METRIC_NAME, MatchOp.EQUAL, name),)


_kept_name = lru_cache(maxsize=1024)(_of_name)


def grouping_labels(cursor: Cursor) -> tuple[str, ...]:
    """The labels in `(a, b)`, the parenthesis being next."""
    if not cursor.accept("("):
        raise cursor.unexpected("grouping opts", '"("')
    labels: list[str] = []
    while not cursor.accept(")"):
        start = cursor.start
        if cursor.kind not in LABEL_NAMES:
            raise cursor.unexpected("grouping opts", "label")
        labels.append(cursor.string() if cursor.kind == STRING else cursor.piece)
        cursor.advance()
        cursor.count(1, start)
        if not labels[-1]:
            raise cursor.error('invalid label name for grouping: ""', start)
        if not cursor.accept(",") and cursor.kind != ")":
            raise cursor.unexpected("grouping opts", '"," or ")"')
    return tuple(labels)
