"""The names in a query: the matchers in `{…}` and the labels in the `(…)` after by, without, on and their like."""

from __future__ import annotations

import re
from typing import Final

from common.errors import ParseError
from common.labels import METRIC_NAME
from ruler.model.golang import EscapeError, unquote
from ruler.model.matcher import Matcher, MatchOp, weight
from ruler.promql.cursor import Cursor, Excess
from ruler.promql.lexer import IDENTIFIER, LABEL_NAMES, STRING
from ruler.promql.quick import MATCHERS, STRINGS

_OPERATORS: Final = {op.value: op for op in MatchOp}
_REGEXES: Final = (MatchOp.REGEX, MatchOp.NOT_REGEX)
_MATCHER: Final = re.compile(rf"([A-Za-z0-9_]++)[ \t\n\r]*(=~|!~|!=|=)[ \t\n\r]*({STRINGS})")


def label_matchers(cursor: Cursor) -> list[Matcher]:
    """The matchers in `{…}`, which is next."""
    if cursor.kind == MATCHERS:
        return _usual_matchers(cursor)
    cursor.advance()
    matchers: list[Matcher] = []
    while not cursor.accept("}"):
        matchers.append(_label_matcher(cursor))
        if not cursor.accept(",") and cursor.kind != "}":
            raise cursor.unexpected("label matching", '"," or "}"')
    return matchers


def _usual_matchers(cursor: Cursor) -> list[Matcher]:
    """The same of a single token."""
    start, matchers = cursor.start, []
    for match in _MATCHER.finditer(cursor.piece):
        name, op, text = match.groups()
        value, operator = text[1:-1], _OPERATORS[op]
        cursor.count(1, start)
        try:
            if "\\" in value and text[0] != "`":
                cursor.count_escapes(value)
                value = unquote(value, text[0])
            if operator in _REGEXES:
                cursor.count(_parts(value), start)
            matchers.append(Matcher(name, operator, value))
        except Excess:
            raise
        except (EscapeError, ParseError):
            raise cursor.odd() from None
    cursor.advance()
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


def with_name(name: str, written: list[Matcher]) -> tuple[Matcher, ...]:
    """The matchers of a selector: those in braces, then that of its bare name."""
    return (*written, Matcher(METRIC_NAME, MatchOp.EQUAL, name)) if name else tuple(written)


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
