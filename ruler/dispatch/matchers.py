"""Alertmanager's matcher syntax: `foo=bar`, `foo="bar"`, `{a=~"x.*", b!="y"}`, and UTF-8 names in quotes.

As Alertmanager's fallback mode has it, what the classic grammar can read means what the classic grammar says; the UTF-8
grammar reads the rest. Where neither can, the classic one words the error.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from common.errors import ParseError
from common.labels import Labels, quote
from ruler.model import golang
from ruler.model.matcher import Matcher, MatchOp

_CLASSIC = re.compile(r"\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(=~|=|!=|!~)\s*(.*?)\s*\Z", re.DOTALL)
_RESERVED = "{}!=~,\\\\\"'`"
_TOKEN = re.compile(
    r'\s*(?:(?P<mark>[{},])|(?P<op>=~|!~|!=|=)|"(?P<quoted>(?:[^"\\\n]|\\.)*)"' + rf"|(?P<bare>[^\s{_RESERVED}]+))"
)
_NEEDS_QUOTES = re.compile(rf"[\s{_RESERVED}]")
_ORDER = {MatchOp.EQUAL: 0, MatchOp.NOT_EQUAL: 1, MatchOp.REGEX: 2, MatchOp.NOT_REGEX: 3}


def parse_matchers(text: str) -> tuple[Matcher, ...]:
    """The matchers in `text`, in the order written; raises ParseError."""
    try:
        return _classic(text)
    except ParseError as error:
        try:
            return _utf8(text)
        except ParseError:
            raise error from None


def parse_matcher(text: str) -> Matcher:
    """The one matcher that `text` is; raises ParseError."""
    if text.startswith("{") or text.endswith("}"):
        raise ParseError(f"unexpected open or close brace: {text}", text=text)
    try:
        return _classic_one(text)
    except ParseError as error:
        try:
            matchers = _utf8(text)
        except ParseError:
            raise error from None
        if len(matchers) != 1:
            raise error
        return matchers[0]


def matches_all(matchers: Iterable[Matcher], labels: Labels) -> bool:
    """Whether `labels` fulfil every matcher."""
    return all(matcher.matches(labels.get(matcher.name, "")) for matcher in matchers)


def in_order(matchers: Iterable[Matcher]) -> tuple[Matcher, ...]:
    """The matchers by name, value and operator: the order in which a group key has them."""
    return tuple(sorted(matchers, key=lambda matcher: (matcher.name, matcher.value, _ORDER[matcher.op])))


def write_matcher(matcher: Matcher) -> str:
    """As Alertmanager writes a matcher, so that its tools read it back."""
    if _NEEDS_QUOTES.search(matcher.name):
        return f"{golang.quote(matcher.name)}{matcher.op}{golang.quote(matcher.value)}"
    return f"{matcher.name}{matcher.op}{quote(matcher.value)}"


def write_matchers(matchers: Iterable[Matcher]) -> str:
    """`{a="b",c=~"d"}`."""
    return "{" + ",".join(map(write_matcher, matchers)) + "}"


def _classic(text: str) -> tuple[Matcher, ...]:
    return tuple(_classic_one(part) for part in _split(text.removeprefix("{").removesuffix("}")))


def _split(text: str) -> list[str]:
    """The parts between commas that stand outside double quotes; an empty last part is dropped."""
    parts, start, inside, escaped = [], 0, False, False
    for position, char in enumerate(text):
        if char == "," and not inside:
            parts.append(text[start:position])
            start = position + 1
        elif char == '"' and not escaped:
            inside = not inside
        escaped = char == "\\" and not escaped
    last = text[start:].strip()
    return [*parts, last] if last else parts


def _classic_one(text: str) -> Matcher:
    match = _CLASSIC.match(text)
    if match is None:
        raise ParseError(f"bad matcher format: {text}", text=text)
    name, operator, value = match.groups()
    return Matcher(name, MatchOp(operator), _classic_value(value))


def _classic_value(raw: str) -> str:
    r"""The value with `\\`, `\"` and `\n` resolved; any other backslash stands for itself, as does a last one."""
    quoted = raw.startswith('"')
    inner, value, position = raw[1:] if quoted else raw, [], 0
    stray = ParseError(f"matcher value contains unescaped double quote: {raw}", text=raw)
    while position < len(inner):
        char = inner[position]
        if char == "\\" and position + 1 < len(inner):
            following = inner[position + 1]
            value.append({"n": "\n", '"': '"', "\\": "\\"}.get(following, "\\" + following))
            position += 2
            continue
        if char == '"':
            if not quoted or position + 1 < len(inner):
                raise stray
            return "".join(value)
        value.append(char)
        position += 1
    if quoted:
        raise stray
    return "".join(value)


def _utf8(text: str) -> tuple[Matcher, ...]:
    tokens = _tokens(text)
    if tokens and tokens[0] == ("mark", "{"):
        if tokens[-1] != ("mark", "}"):
            raise ParseError("expected close brace", text=text, position=len(text))
        tokens = tokens[1:-1]
    matchers: list[Matcher] = []
    while tokens:
        if len(tokens) < 3 or tokens[1][0] != "op" or {tokens[0][0], tokens[2][0]} - {"quoted", "bare"}:
            raise ParseError("expected a matcher", text=text)
        matchers.append(Matcher(_unquoted(tokens[0], text), MatchOp(tokens[1][1]), _unquoted(tokens[2], text)))
        if len(tokens) > 3 and tokens[3] != ("mark", ","):
            raise ParseError("expected a comma or close brace", text=text)
        tokens = tokens[4:]
    return tuple(matchers)


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens, position, end = [], 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise ParseError(f"invalid input: {text[position:]!r}", text=text, position=position)
        tokens.append((match.lastgroup, match[match.lastgroup]))
        position = match.end()
    return tokens


def _unquoted(token: tuple[str, str], text: str) -> str:
    kind, word = token
    if kind == "bare":
        return word
    try:
        return golang.unquote(word, '"')
    except golang.EscapeError as error:
        raise ParseError(str(error), text=text) from None
