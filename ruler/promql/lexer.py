"""What the words of a query are, how messages call a token, and what is wrong with one that is ODD.

The tokens themselves are read by ruler/kernels/text/tokens.pyx. Only what it refuses is looked at here.
"""

from __future__ import annotations

import re
from typing import Final

from ruler.kernels.text.tokens import DURATION, END, IDENTIFIER, METRIC_IDENTIFIER, NUMBER, STRING, Tokens
from ruler.model.golang import EscapeError, check_escapes, quote
from ruler.promql.signatures import AGGREGATIONS

_CLASSES: Final = frozenset({IDENTIFIER, METRIC_IDENTIFIER, STRING, NUMBER, DURATION})

_WORD_OPERATORS: Final = frozenset({"and", "or", "unless", "atan2"})
FILLS: Final = frozenset({"fill", "fill_left", "fill_right"})
_MODIFIERS: Final = frozenset({"offset", "by", "without", "on", "ignoring", "group_left", "group_right", "bool"})
_EXTENSIONS: Final = frozenset({"anchored", "smoothed"})
_EDGES: Final = frozenset({"start", "end", "step", "range"})
KEYWORDS: Final = _WORD_OPERATORS | AGGREGATIONS | _MODIFIERS | _EXTENSIONS | FILLS | _EDGES
WORDS: Final = {"inf": NUMBER, "nan": NUMBER, **{word: word for word in KEYWORDS}}
"""The words that have a kind of their own, those of FILLS only before a parenthesis."""

_OPERATORS: Final = _WORD_OPERATORS | frozenset(
    ("+", "-", "*", "/", "%", "^", "==", "!=", "<", "<=", ">", ">=", "=~", "!~", "@", "</", ">/")
)

METRIC_NAMES: Final = (KEYWORDS - _MODIFIERS - {"atan2"}) | {"offset", "by", "without", IDENTIFIER, METRIC_IDENTIFIER}
"""The kinds that may stand for a metric's name."""

LABEL_NAMES: Final = KEYWORDS | {IDENTIFIER, METRIC_IDENTIFIER, STRING}
"""The kinds that may stand for a label's name in a list of labels."""


def describe(kind: str, text: str) -> str:
    """The words by which Prometheus's messages call a token."""
    if kind == END:
        return END
    if kind in _CLASSES:
        if kind in (IDENTIFIER, METRIC_IDENTIFIER) or len(text) <= 10:
            return f"{kind} {quote(text)}"
        return f"{kind} {quote(text[:10])}..."
    if kind in _MODIFIERS or kind in _EXTENSIONS or kind in FILLS:
        return f"<{text}>"
    if kind in _OPERATORS:
        return f"<op:{text}>"
    return f"<aggr:{text}>" if kind in AGGREGATIONS else quote(text)


_INSIDE = {mark: re.compile(rf"(?:[^\\\n{mark}\ufffd\ud800-\udfff]++|\\(?s:.))*+") for mark in "\"'"}
_BEGINS_WORD = re.compile(r"[A-Za-z_]")
_FOREIGN = {"&&": "and", "||": "or"}  # the operators of other languages


def what_is_odd(next_: Tokens) -> str:
    """What is wrong with the next token, an ODD one."""
    if next_.problem:
        return next_.problem
    text, start = next_.text, next_.start
    char, after = text[start], _rune(text[start + 1 : start + 2])
    if char in "\"'" and (not next_.in_brackets or next_.after_duration):
        return _odd_escape(text, char, start)
    if next_.in_braces:
        return _odd_in_braces(char, after)
    if next_.in_brackets and not next_.after_duration:
        return f"unexpected character in duration expression: {_rune(char)}"
    if char in "!=":
        return f"unexpected character after '{char}': {after}"
    if next_.in_brackets:
        return f"unexpected character: {_rune(char)}" + (", expected ':'" if _BEGINS_WORD.match(char) else "")
    meant = _FOREIGN.get(text[start : start + 2], "")
    return f"unexpected character: {_rune(char)}" + (f'; did you mean "{meant}"?' if meant else "")


def _odd_in_braces(char: str, after: str) -> str:
    if char in "!=":
        return f"unexpected character after '{char}' inside braces: {after}"
    if char == "{":
        return "unexpected left brace '{'"
    return f"unexpected character inside braces: {_rune(char)}"


def _odd_escape(text: str, mark: str, start: int) -> str:
    """What is wrong with the string that begins at `start`."""
    inner = _INSIDE[mark].match(text, start + 1)
    end = inner.end() if inner else start + 1
    try:
        check_escapes(text[start + 1 : end + text.startswith("\\", end)], mark)
    except EscapeError as error:
        return str(error)
    return "unterminated quoted string"


def _rune(char: str) -> str:
    """One character as Go's %q shows it; the sign of a decoding error stands for the end of the text."""
    return quote(char, "'") if char else "'\ufffd'"
