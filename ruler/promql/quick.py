"""Query text → tokens as fast as `re` finds them, for what is written in the usual way.

What is not (an odd number, arithmetic in brackets, a comment in braces, any mistake) comes as a token of kind ODD: the
whole text is then read again by lexer.py, which knows every form and has the words for every mistake. A whole `{…}` or
`[…]` of the usual kind is one token here. The text is read in parts, so that no more is read than is parsed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import accumulate, chain, compress
from typing import Final

from common.errors import ParseError
from ruler.model.golang import EscapeError, check_escapes
from ruler.promql.lexer import (
    DURATION,
    DURATIONS,
    END,
    FILLS,
    IDENTIFIER,
    KEYWORDS,
    LONGEST_NUMBER,
    METRIC_IDENTIFIER,
    NUMBER,
    NUMBERS,
    ODD,
    STRING,
    Token,
)

MATCHERS: Final = "{…}"
RANGE: Final = "[…]"
_BLANK: Final = ""  # the only kind that is false: blanks are sieved out by it

_PART = 1 << 15

_BLANKS = r"[ \t\n\r]*+"
STRINGS: Final = (
    r'''(?:"(?:[^"\\\n\ufffd\ud800-\udfff]++|\\(?s:.))*+"'''
    r"""|'(?:[^'\\\n\ufffd\ud800-\udfff]++|\\(?s:.))*+'|`[^`\ufffd\ud800-\udfff]*+`)"""
)
_LABEL = r"[A-Za-z_][A-Za-z0-9_]*+"
_MATCHER = rf"{_BLANKS}{_LABEL}{_BLANKS}(?:=~|!~|!=|=){_BLANKS}{STRINGS}{_BLANKS}"
_DURATION = rf"{_BLANKS}(?:[0-9]++(?:ms|[smhdwy]))++{_BLANKS}"
_TOKEN = re.compile(
    r"[A-Za-z_:][A-Za-z0-9_:]*+"
    r"|(?:[ \t\n\r]++|#[^\r\n]*+)++"
    r"|(?:[0-9.]++[eE][+-][0-9]|[0-9.])[0-9A-Za-z_.]*+"
    r"|==|!=|<=|>=|[-+*/%^(),@]|[<>]/?"
    rf"|\{{(?:{_MATCHER}(?:,{_MATCHER})*+(?:,{_BLANKS})?+)?\}}"
    rf"|\[{_DURATION}(?::(?:{_DURATION}|{_BLANKS}))?\]"
    rf"|{STRINGS}"
    r"|(?s:.)"
)
_KINDS: Final = {
    **{text: text for text in ("==", "!=", "<=", ">=", *"-+*/%^(),@<>")},
    **{word: word for word in KEYWORDS},
    **dict.fromkeys(FILLS, ODD),  # they are names, unless a parenthesis follows
}
_IS_NUMBER = re.compile(NUMBERS).fullmatch
_IS_DURATION = re.compile(DURATIONS).fullmatch


class _Kinds(dict[str, str]):
    """Kinds know what each piece of one text is; a piece is looked at when it is first seen."""

    def __missing__(self, piece: str) -> str:
        kind = self[piece] = _kind_of(piece)
        return kind


def _kind_of(piece: str) -> str:
    first = piece[0]
    if first in " \t\n\r#":
        return _BLANK
    if first.isalpha() or first in "_:":
        return _word(piece) if first.isascii() else ODD
    if first in "0123456789.":
        if len(piece) > LONGEST_NUMBER:
            return ODD
        return NUMBER if _IS_NUMBER(piece) else DURATION if _IS_DURATION(piece) else ODD
    if len(piece) == 1:
        return ODD
    if first in "\"'" and "\\" in piece:
        try:
            check_escapes(piece[1:-1], first)
        except EscapeError:
            return ODD
    return {"{": MATCHERS, "[": RANGE, '"': STRING, "'": STRING, "`": STRING}.get(first, ODD)


def _word(piece: str) -> str:
    lower = piece.lower()
    if lower in ("inf", "nan"):
        return NUMBER
    return _KINDS.get(lower) or (METRIC_IDENTIFIER if ":" in piece else IDENTIFIER)


class Odd(ParseError):  # noqa: N818  (no mistake, maybe)
    """A text that a Lexer has to read."""


class QuickLexer:
    """A QuickLexer reads one query as long as nothing in it is unusual."""

    counts: Final = False

    def __init__(self, text: str) -> None:
        self._text = text
        self.mistake = Odd("not written in the usual way", text="")

    def tokens(self) -> Iterator[Token]:
        """The tokens up to the end or the first ODD one."""
        return chain.from_iterable(self._parts())

    def _parts(self) -> Iterator[Iterator[Token]]:
        text, kinds = self._text, _Kinds(_KINDS)
        position, length = 0, len(text)
        while position < length:
            end = min(position + _PART, length)
            pieces = _TOKEN.findall(text, position, end)
            known = list(map(kinds.__getitem__, pieces))
            if end < length:  # what stands at the end of a part may go on: it is read with the next one
                cut = known.index(ODD) if ODD in known else len(pieces) - 1
                del pieces[cut:], known[cut:]
            if not pieces:
                match = _TOKEN.match(text, position)
                pieces = [match[0] if match else ""]
                known = [kinds[piece] for piece in pieces]
            starts = accumulate(map(len, pieces), initial=position)
            yield compress(zip(known, pieces, starts, strict=False), known)
            position += sum(map(len, pieces))
        yield iter(((END, "", length),))
