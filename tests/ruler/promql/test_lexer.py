"""Tokens: what is read, and what is said about what cannot be read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import ParseError
from ruler.kernels.text.tokens import END, ODD
from ruler.promql.cursor import Cursor
from ruler.promql.lexer import FILLS, WORDS

Token = tuple[str, str, int]


def tokens(text: str) -> list[Token]:
    """All tokens of `text` but the end."""
    read, mistake = tokens_before_error(text)
    if mistake is not None:
        raise mistake
    return read


def tokens_before_error(text: str) -> tuple[list[Token], ParseError | None]:
    """The tokens of `text` up to its first mistake, and what that is."""
    cursor, read = Cursor(text, WORDS, FILLS), []
    while cursor.kind not in (END, ODD):
        read.append((cursor.kind, cursor.piece, cursor.start))
        cursor.advance()
    return read, cursor.unexpected() if cursor.kind == ODD else None


def kinds(text: str) -> list[str]:
    return [kind for kind, _, _ in tokens(text)]


def complaint(text: str) -> str:
    with pytest.raises(ParseError) as caught:
        tokens(text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("foo", ["identifier"]),
        ("a:b", ["metric identifier"]),
        (":a", ["metric identifier"]),
        ("SUM By (x)", ["sum", "by", "(", "identifier", ")"]),
        ("Inf nAn", ["number", "number"]),
        ("1 .5 1. 1e3 0x1F 1_000 010", ["number"] * 7),
        ("5m 1h30m 100ms", ["duration"] * 3),
        ('"a" \'b\' `c`', ["string"] * 3),
        ("a<=b!=c==d>=e<f>g", ["identifier", "<=", "identifier", "!=", "identifier", "==", "identifier", ">=",
                               "identifier", "<", "identifier", ">", "identifier"]),
        ("fill (0) fill", ["fill", "(", "number", ")", "identifier"]),
        ("x{sum=~'a'}", ["identifier", "{", "identifier", "=~", "string", "}"]),
        ("{by!~'b',}", ["{", "identifier", "!~", "string", ",", "}"]),
        ("x[5m:step()]", ["identifier", "[", "duration", ":", "step", "(", ")", "]"]),
        ("a # b\n+ # c", ["identifier", "+"]),
    ],
)  # fmt: skip
def test_reads(text: str, expected: list[str]) -> None:
    """Each word has the kind that its place gives it, in any case."""
    assert expected == kinds(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$", "1:1: parse error: unexpected character: '$'"),
        ("a }", "1:3: parse error: unexpected character: '}'"),
        ("a ! b", "1:3: parse error: unexpected character after '!': ' '"),
        ("a =~ b", "1:3: parse error: unexpected character after '=': '~'"),
        (")", "1:2: parse error: unexpected right parenthesis ')'"),
        ("a]", "1:2: parse error: unexpected right bracket ']'"),
        ("((a)", "1:5: parse error: unclosed left parenthesis"),
        ("a{", "1:3: parse error: unexpected end of input inside braces"),
        ("a{{", "1:3: parse error: unexpected left brace '{'"),
        ("a{1}", "1:3: parse error: unexpected character inside braces: '1'"),
        ("a[", "1:3: parse error: unexpected end of input in duration expression"),
        ("a[5m", "1:5: parse error: unclosed left bracket"),
        ("a[x]", "1:3: parse error: unexpected character in duration expression: 'x'"),
        ("a[:5m]", "1:4: parse error: unexpected colon before duration in duration expression"),
        ("a[5m:1m:1m]", "1:8: parse error: unexpected colon ':'"),
        ("a[5m[", "1:5: parse error: unexpected left bracket '['"),
        ('"abc', "1:1: parse error: unterminated quoted string"),
        ('"a\nb"', "1:1: parse error: unterminated quoted string"),
        ("`abc", "1:1: parse error: unterminated raw string"),
        ('"\\q"', "1:1: parse error: unknown escape sequence U+0071 'q'"),
        ("'\\\"'", "1:1: parse error: unknown escape sequence U+0022 '\"'"),
        ('"\\xzz"', "1:1: parse error: illegal character U+007A 'z' in escape sequence"),
        ('"\\ud800"', "1:1: parse error: escape sequence is an invalid Unicode code point"),
        ('"\\x1', "1:1: parse error: escape sequence not terminated"),
        ('"\ufffd"', "1:1: parse error: invalid UTF-8 rune"),
        ("5x", '1:1: parse error: bad number or duration syntax: "5"'),
        ("5mm", '1:1: parse error: bad number or duration syntax: "5mm"'),
        ("0x1ee", '1:1: parse error: bad number or duration syntax: "0x1ee"'),
        ("1__0", '1:1: parse error: bad number or duration syntax: "1__"'),
        ("a +\n  $", "2:3: parse error: unexpected character: '$'"),
    ],
)  # fmt: skip
def test_complains(text: str, expected: str) -> None:
    """What no token starts is refused in Prometheus's words, at its place."""
    assert expected == complaint(text)


@given(st.text(alphabet=" \t\r\n#abSUM5m.e+-_0x(){}[]=~!<>\"'`\\,:@$é", max_size=60))
def test_covers_the_text(text: str) -> None:
    """Tokens come in order, do not overlap, and say what stands in the text, up to the first mistake."""
    read, mistake = tokens_before_error(text)
    assert mistake is None or 0 <= mistake.position <= len(text)
    end = 0
    for _, piece, start in read:
        assert end <= start
        end = start + len(piece)
        assert text[start:end] == piece


@pytest.mark.parametrize("char", ["a", "é", "€", "\U0001f514"])
def test_counts_characters(char: str) -> None:
    """Places are in characters, however many bytes each takes in memory."""
    assert [("identifier", "a", 0), ("=", "=", 2), ("string", f'"{char}"', 4), ("number", "1", 8)] == tokens(
        f'a = "{char}" 1'
    )


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("1" * 1000, "number"),
        ("1" * 500 + "." + "1" * 499, "number"),
        ("1h" * 500, "duration"),
        ("0x" + "f" * 998, "number"),
    ],
    ids=range(4),
)
def test_numbers_have_an_end(text: str, kind: str) -> None:
    """A number or a duration of 1,000 characters is read, a longer one refused with its beginning."""
    assert [(kind, text, 0)] == tokens(text)
    longer = text[:2] + text
    assert f'1:1: parse error: bad number or duration syntax: "{longer[:20]}"...' == complaint(longer)


@pytest.mark.parametrize("escape", ["x41", "101", "u00fc", "U0010ffff", "a", "n", "\\", '"'])
def test_escapes(escape: str) -> None:
    """A string may hold every escape of Go, and goes on behind it; one that is cut short is refused."""
    assert [("string", f'"\\{escape}b"', 0)] == tokens(f'"\\{escape}b"')
    assert complaint(f'"\\{escape[:-1]}').startswith("1:1: parse error: escape sequence not terminated")
