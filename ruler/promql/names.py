"""The names in a query: the matchers in `{…}` and the labels in the `(…)` after by, without, on and their like."""

from __future__ import annotations

from common.errors import ParseError
from common.labels import METRIC_NAME
from ruler.model.matcher import Matcher, MatchOp
from ruler.promql.cursor import Cursor
from ruler.promql.lexer import IDENTIFIER, LABEL_NAMES, STRING

_MATCH_OPERATORS = {op.value: op for op in MatchOp}


def label_matchers(cursor: Cursor) -> list[Matcher]:
    """The matchers in `{…}`, the brace being next."""
    cursor.take()
    matchers: list[Matcher] = []
    while not cursor.accept("}"):
        matchers.append(_label_matcher(cursor))
        if not cursor.accept(",") and cursor.peek().kind != "}":
            raise cursor.unexpected("label matching", '"," or "}"')
    return matchers


def _label_matcher(cursor: Cursor) -> Matcher:
    label = cursor.peek()
    if label.kind not in (IDENTIFIER, STRING):
        raise cursor.unexpected("label matching", 'identifier or "}"')
    cursor.take()
    name = cursor.string(label) if label.kind == STRING else label.text
    operator = _MATCH_OPERATORS.get(cursor.peek().kind)
    if operator is None:
        if label.kind == IDENTIFIER:
            raise cursor.unexpected("label matching", "label matching operator")
        return Matcher(METRIC_NAME, MatchOp.EQUAL, name)
    cursor.take()
    if cursor.peek().kind != STRING:
        raise cursor.unexpected("label matching", "string")
    try:
        return Matcher(name, operator, cursor.string(cursor.take()))
    except ParseError as error:
        raise cursor.error(error.problem, label.position) from None


def in_printed_order(name: str, written: list[Matcher]) -> tuple[Matcher, ...]:
    """The matchers of a selector: that of its bare name, then those in braces as they are printed."""
    bare = (Matcher(METRIC_NAME, MatchOp.EQUAL, name),) if name else ()
    return (*bare, *sorted(written, key=str))


def grouping_labels(cursor: Cursor) -> tuple[str, ...]:
    """The labels in `(a, b)`, the parenthesis being next."""
    if not cursor.accept("("):
        raise cursor.unexpected("grouping opts", '"("')
    labels: list[str] = []
    while not cursor.accept(")"):
        token = cursor.peek()
        if token.kind not in LABEL_NAMES:
            raise cursor.unexpected("grouping opts", "label")
        cursor.take()
        labels.append(cursor.string(token) if token.kind == STRING else token.text)
        if not labels[-1]:
            raise cursor.error('invalid label name for grouping: ""', token.position)
        if not cursor.accept(",") and cursor.peek().kind != ")":
            raise cursor.unexpected("grouping opts", '"," or ")"')
    return tuple(labels)
