"""Query text → tokens, one at a time as the parser asks. Words mean different things in the open, in {} and in [].

A token is its kind, its text and where it starts. Its kind is that text in lower case where it is fixed (`sum`, `<=`),
else one of the kinds below. A mistake is a token of kind ODD: nobody may ever get there.
Each pattern takes what is right at once; only what it refuses is looked at closely, to say what is wrong with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, TypeAlias

from common.errors import ParseError
from ruler.model.golang import EscapeError, check_escapes, quote
from ruler.promql.signatures import AGGREGATIONS

IDENTIFIER: Final = "identifier"
METRIC_IDENTIFIER: Final = "metric identifier"
STRING: Final = "string"
NUMBER: Final = "number"
DURATION: Final = "duration"
END: Final = "end of input"
ODD: Final = "odd"

LONGEST_NUMBER: Final = 1000  # characters, of a duration too

Token: TypeAlias = tuple[str, str, int]

_CLASSES: Final = frozenset({IDENTIFIER, METRIC_IDENTIFIER, STRING, NUMBER, DURATION})

_WORD_OPERATORS: Final = frozenset({"and", "or", "unless", "atan2"})
FILLS: Final = frozenset({"fill", "fill_left", "fill_right"})
_MODIFIERS: Final = frozenset({"offset", "by", "without", "on", "ignoring", "group_left", "group_right", "bool"})
_EXTENSIONS: Final = frozenset({"anchored", "smoothed"})
_EDGES: Final = frozenset({"start", "end", "step", "range"})
KEYWORDS: Final = _WORD_OPERATORS | AGGREGATIONS | _MODIFIERS | _EXTENSIONS | FILLS | _EDGES
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


_BLANKS = r"(?:[ \t\n\r]++|#[^\r\n]*+)*+"
_BLANK = re.compile(_BLANKS)
STRINGS = r"""(?:"[^"\\\n\ufffd\ud800-\udfff]*+"|'[^'\\\n\ufffd\ud800-\udfff]*+'|`[^`\ufffd\ud800-\udfff]*+`)"""
NUMBERS = r"(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?![0-9A-Za-z_.]))"
DURATIONS = r"(?:(?:[0-9]+(?:ms|[smhdwy])){1,64}+(?![0-9A-Za-z_]))"
_OPEN = re.compile(
    rf"{_BLANKS}(?:(?P<word>[A-Za-z_:][A-Za-z0-9_:]*)"
    rf"|(?P<number>{NUMBERS})|(?P<duration>{DURATIONS})|(?P<string>{STRINGS})"
    r"|(?P<fixed>==|!=|<=|>=|</|>/|=(?!~)|[-+*/%^<>(),{@\[\]]))"
)
_BRACES = re.compile(
    rf"{_BLANKS}(?:(?P<word>[A-Za-z_][A-Za-z0-9_]*)|(?P<string>{STRINGS})"
    r"|(?P<fixed>=~|!~|!=|[=,}]))"
)
_BRACKETS = re.compile(
    rf"{_BLANKS}(?:(?P<number>{NUMBERS})|(?P<duration>{DURATIONS})"
    r"|(?P<word>(?i:step|range|min|max|min_of|max_of)(?![A-Za-z_]))"
    r"|(?P<fixed>[-+*/%^(),:\]]))"
)
_INSIDE = {
    **{mark: re.compile(rf"(?:[^\\\n{mark}\ufffd\ud800-\udfff]++|\\(?s:.))*+") for mark in "\"'"},
    "`": re.compile(r"[^`\ufffd\ud800-\udfff]*+"),
}
_DIGIT_RUN = {False: re.compile(r"[0-9]*"), True: re.compile(r"[0-9a-fA-F]*")}
_PARENTHESIS = re.compile(r"[ \t\n\r]*+\(")
_ENDLESS = re.compile(rf"[0-9A-Za-z_.]{{{LONGEST_NUMBER + 1}}}")
_UNITS = re.compile(r"[smhdwy]s?(?:[0-9]+[smhdw]s?)*")
_ALPHANUMERIC = re.compile(r"[A-Za-z0-9_]")


_FOREIGN = {"&&": "and", "||": "or"}  # the operators of other languages
_BRACKETING = frozenset("(){}[]:")


class Lexer:
    """A Lexer walks over one query; it knows which brackets are open, for they decide what a word is."""

    counts: Final = True

    def __init__(self, text: str) -> None:
        self.text = text
        self.mistake = ParseError("", text="")  # what the ODD token is about, once that has been handed out
        self._position = 0
        self._parentheses = 0
        self._in_braces = False
        self._in_brackets = False
        self._after_duration = False  # in [], after the first number
        self._after_colon = False

    def tokens(self) -> Iterator[Token]:
        """The tokens up to the end or the first mistake."""
        try:
            while True:
                pattern = _BRACES if self._in_braces else _BRACKETS if self._in_brackets else _OPEN
                match = pattern.match(self.text, self._position)
                token = self._unmatched() if match is None else self._taken(match)
                yield token
                if token[0] == END:
                    return
        except ParseError as error:
            self.mistake = error
            yield ODD, "", error.position

    def _taken(self, match: re.Match[str]) -> Token:
        group = match.lastgroup or ""
        text, start = match[group], match.start(group)
        self._position = match.end()
        if group == "word":
            return self._kind_of(text), text, start
        if group == "fixed":
            if text in _BRACKETING:
                self._bracket(text, start)
            return text, text, start
        if group != "string" and len(text) > LONGEST_NUMBER:
            raise self._endless(start)
        self._after_duration = True
        return group, text, start

    def _unmatched(self) -> Token:
        blank = _BLANK.match(self.text, self._position)
        start = blank.end() if blank else self._position
        return self._odd(start) if start < len(self.text) else self._finish()

    def _kind_of(self, word: str) -> str:
        if self._in_braces:
            return IDENTIFIER
        lower = word.lower()
        if lower in ("inf", "nan"):
            return NUMBER
        if lower in FILLS and not _PARENTHESIS.match(self.text, self._position):
            return IDENTIFIER
        if lower in KEYWORDS or self._in_brackets:
            return lower
        return METRIC_IDENTIFIER if ":" in word else IDENTIFIER

    def _bracket(self, text: str, start: int) -> None:
        if text == "(":
            self._parentheses += 1
        elif text == ")":
            self._parentheses -= 1
            if self._parentheses < 0:
                raise self._error("unexpected right parenthesis ')'", start + 1)
        elif text == "{":
            self._in_braces = True
        elif text == "}":
            self._in_braces = False
        elif text == "[":
            self._in_brackets, self._after_duration, self._after_colon = True, False, False
        elif text == "]":
            if not self._in_brackets:
                raise self._error("unexpected right bracket ']'", start)
            self._in_brackets = False
        elif text == ":":
            if not self._after_duration:
                raise self._error("unexpected colon before duration in duration expression", start + 1)
            if self._after_colon:
                raise self._error("unexpected colon ':'", start)
            self._after_colon = True

    def _finish(self) -> Token:
        end = len(self.text)
        if self._in_braces:
            raise self._error("unexpected end of input inside braces", end)
        if self._in_brackets and not self._after_duration:
            raise self._error("unexpected end of input in duration expression", end)
        if self._parentheses:
            raise self._error("unclosed left parenthesis", end)
        if self._in_brackets:
            raise self._error("unclosed left bracket", end)
        return END, "", end

    def _odd(self, start: int) -> Token:
        """The token that no pattern took: a string with escapes, a number in an odd form, or a mistake."""
        char, after = self.text[start], self.text[start + 1 : start + 2]
        if not self._in_braces and char.isascii() and (char.isdecimal() or (char == "." and after.isdecimal())):
            return self._odd_number(start)
        shown = _rune(char)
        if self._in_brackets:
            return self._odd_in_brackets(char, shown, start)
        if char in "\"'`":
            return self._odd_string(char, start)
        if char in "!=":
            inside = " inside braces" if self._in_braces else ""
            raise self._error(f"unexpected character after '{char}'{inside}: {_rune(after)}", start)
        if self._in_braces and char == "{":
            raise self._error("unexpected left brace '{'", start)
        inside = " inside braces" if self._in_braces else ""
        meant = "" if self._in_braces else _FOREIGN.get(self.text[start : start + 2], "")
        hint = f'; did you mean "{meant}"?' if meant else ""
        raise self._error(f"unexpected character{inside}: {shown}{hint}", start)

    def _odd_in_brackets(self, char: str, shown: str, start: int) -> Token:
        """What stands in brackets and is not arithmetic: after the duration a token, for the parser to complain of."""
        if not self._after_duration:
            raise self._error(f"unexpected character in duration expression: {shown}", start)
        if char == "[":
            raise self._error("unexpected left bracket '['", start)
        if char in "\"'`":
            return self._odd_string(char, start)
        match = _OPEN.match(self.text, start)
        if match is None:
            after = f" after '{char}': {_rune(self.text[start + 1 : start + 2])}" if char in "!=" else f": {shown}"
            raise self._error(f"unexpected character{after}", start)
        if match.lastgroup == "word":
            raise self._error(f"unexpected character: {shown}, expected ':'", start)
        self._position = match.end()
        return match.group() if match.lastgroup == "fixed" else STRING, match.group(), start

    def _odd_string(self, mark: str, start: int) -> Token:
        raw, problem = mark == "`", ""
        match = _INSIDE[mark].match(self.text, start + 1)
        end = match.end() if match else start + 1
        following = self.text[end : end + 1]
        if following == "\ufffd" or "\ud800" <= following <= "\udfff":
            problem = "invalid UTF-8 rune"
        elif following != mark:
            problem = "unterminated raw string" if raw else "unterminated quoted string"
        if not raw:
            inner = self.text[start + 1 : end + (following == "\\")]
            try:
                check_escapes(inner, mark)
            except EscapeError as error:
                raise self._error(str(error), start) from None
        if problem:
            raise self._error(problem, start)
        self._position = end + 1
        return STRING, self.text[start : end + 1], start

    def _odd_number(self, start: int) -> Token:
        if _ENDLESS.match(self.text, start):
            raise self._endless(start)
        end, right = _scan_number(self.text, start)
        if right:
            kind = NUMBER
        else:
            units = _UNITS.match(self.text, end)
            end = units.end() if units else end
            if units is None or _ALPHANUMERIC.match(self.text, end):
                end += 1 if units else 0
                raise self._error(f"bad number or duration syntax: {quote(self.text[start:end])}", start)
            kind = DURATION
        self._position, self._after_duration = end, True
        return kind, self.text[start:end], start

    def _endless(self, start: int) -> ParseError:
        return self._error(f"bad number or duration syntax: {quote(self.text[start : start + 20])}...", start)

    def _error(self, problem: str, position: int) -> ParseError:
        return ParseError(problem, text=self.text, position=position)


def _rune(char: str) -> str:
    """One character as Go's %q shows it; the sign of a decoding error stands for the end of the text."""
    return quote(char, "'") if char else "'\ufffd'"


def _scan_number(text: str, start: int) -> tuple[int, bool]:
    """Where a number in an odd form (hexadecimal, with `_`, or wrong) ends, and whether it is one.

    Follows scanNumber of Prometheus's lexer to the letter, `0x1ee` is refused and `1_000` is not: what one refuses the
    other must.
    """
    position, hexadecimal = start, text[start : start + 2].lower() == "0x"
    if hexadecimal:
        position += 2
        position += text.startswith("_", position)
    elif text.startswith(".", start):
        position += 1
    run = _DIGIT_RUN[hexadecimal]
    digits = "0123456789abcdefABCDEF" if hexadecimal else "0123456789"
    position += text[position : position + 1] in digits and position < len(text)
    had_point = had_exponent = False
    while position < len(text):
        char = text[position]
        following = text[position + 1 : position + 2]
        if char == ".":
            position += 1
            if had_point:
                return position, False
            had_point = True
            if following in ("_", "."):
                return position + 1, False
            if hexadecimal:
                return position, False
        elif char in "eE":
            position += 1
            if had_exponent:
                return position, False
            had_exponent = True
            position += following in ("+", "-")
            following = text[position : position + 1]
            if following in (".", "_", "e", "E", ""):
                return position + len(following), False
        elif char == "_":
            position += 1
            if following in (".", "_", "e", "E", ""):
                return position + len(following), False
        elif char in digits:
            match = run.match(text, position)
            position = match.end() if match else position
        else:
            break
    return position, _ALPHANUMERIC.match(text, position) is None
