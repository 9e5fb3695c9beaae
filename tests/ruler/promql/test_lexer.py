"""Tokens: what is read, and what is said about what cannot be read."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from common.errors import ParseError
from ruler.promql.lexer import END, ODD, Lexer, Token
from ruler.promql.quick import MATCHERS, RANGE, QuickLexer


def tokens(text: str) -> list[Token]:
    """All tokens of `text` but the end."""
    read, mistake = tokens_before_error(text)
    if mistake is not None:
        raise mistake
    return read


def tokens_before_error(text: str) -> tuple[list[Token], ParseError | None]:
    """The tokens of `text` up to its first mistake, and what that is."""
    lexer = Lexer(text)
    *read, last = lexer.tokens()
    return read, lexer.mistake if last[0] == ODD else None


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


@given(st.text(alphabet=" \t\r\n#abSUMby5m.e+-_0x(){}[]=~!<>\"'`\\,:@$é", max_size=60))
@example("sum by(a)(rate(x{a=\"b\", c=~'d'}[5m]))")
def test_a_quick_lexer_reads_the_same(text: str) -> None:
    """Up to the first odd token, a QuickLexer gives the tokens of a Lexer, whole braces and brackets as one."""
    exact, mistake = tokens_before_error(text)
    ends = {start + len(piece): (kind, piece) for kind, piece, start in exact}
    starts = {start for _, _, start in exact}
    for kind, piece, start in QuickLexer(text).tokens():
        end = start + len(piece)
        if kind in (ODD, END) or (mistake is not None and end >= mistake.position):
            break
        assert start in starts
        assert ends[end] == ((kind, piece) if kind not in (MATCHERS, RANGE) else (piece[-1], piece[-1]))
