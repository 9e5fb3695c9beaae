"""Go's quoting and float formats."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruler.model.golang import EscapeError, expand, expansion, format_float, parse_float, quote, unquote

_TEXTS = st.text(alphabet=st.characters(exclude_categories=["Cs"]))


@given(_TEXTS)
def test_unquote_reads_what_quote_writes(text: str) -> None:
    """Every text survives being quoted, and its quoted form is one line of printable characters."""
    quoted = quote(text)
    assert text == unquote(quoted[1:-1], '"')
    assert quoted.isprintable()


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a", '"a"'),
     ('"\\', '"\\"\\\\"'), ("\n\t\x00\x7f", '"\\n\\t\\x00\\x7f"'), ("é\u200b\U000e0001", '"é\\u200b\\U000e0001"')],
)  # fmt: skip
def test_quote(text: str, expected: str) -> None:
    """Printable characters stay; others are escaped as strconv.Quote does."""
    assert expected == quote(text)


@pytest.mark.parametrize(
    ("inner", "expected"),
    [
     ("\\a\\b\\f\\n\\r\\t\\v\\\\", "\a\b\f\n\r\t\v\\"), ("\\x41\\101\\u00e9\\U0001f600", "AAé😀"),
     ("\\xc3\\xa9\\xff", "é\ufffd")],
)  # fmt: skip
def test_unquote(inner: str, expected: str) -> None:
    """Escapes are bytes or code points; bytes that are no UTF-8 become U+FFFD."""
    assert expected == unquote(inner, '"')


@pytest.mark.parametrize("inner", ["\\q", "\\'", "\\", "\\x1", "\\xzz", "\\400", "\\18", "\\ud800", "\\U00110000"])
def test_unquote_refuses(inner: str) -> None:
    """What is no escape of Go is refused."""
    with pytest.raises(EscapeError):
        unquote(inner, '"')


@pytest.mark.parametrize(
    ("value", "verb", "precision", "expected"),
    [
        (0.0, "f", -1, "0"), (-0.0, "f", -1, "-0"), (1e21, "f", -1, "1000000000000000000000"),
        (1.5e-7, "f", -1, "0.00000015"),
        (300.0, "f", -1, "300"), (0.1, "f", 3, "0.100"), (1.0, "e", -1, "1e+00"), (123.456, "e", -1, "1.23456e+02"),
        (0.0, "e", -1, "0e+00"), (1e6, "g", -1, "1e+06"), (100000.0, "g", -1, "100000"), (1e-5, "g", -1, "1e-05"),
        (0.0001, "g", -1, "0.0001"), (123456789.0, "g", -1, "1.23456789e+08"), (1234.5, "g", 4, "1234"),
        (12345.0, "g", 4, "1.234e+04"),
        (math.nan, "g", -1, "NaN"), (math.inf, "f", -1, "+Inf"), (-math.inf, "e", 2, "-Inf"),
    ],
)  # fmt: skip
def test_format_float(value: float, verb: str, precision: int, expected: str) -> None:
    """Floats are written as strconv.FormatFloat writes them."""
    assert expected == format_float(value, verb, precision)


@given(st.floats(allow_nan=False), st.sampled_from("efg"))
def test_the_shortest_form_is_exact(value: float, verb: str) -> None:
    """Without a precision, no digit is lost."""
    assert value == float(format_float(value, verb))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", 1.0),
        ("-1_000.5e+0_2", -100050.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("0x1p-2", 0.25),
        ("0X_1.8p1", 3.0),
        ("-infinity", -math.inf),
        ("1e-999", 0.0),
        *((text, None) for text in ("", " 1", "١", "_1", "1_", "1__0", "1._5", ".", "1e", "0x1", "+nan", "1e999", "١")),
    ],
)
def test_parse_float(text: str, expected: float | None) -> None:
    """Numbers are read as strconv.ParseFloat reads them; what is too large is none."""
    assert expected == parse_float(text)


def test_nan_is_a_number_to_go() -> None:
    """Without a sign, however it is spelled."""
    assert all(math.isnan(found) for text in ("nan", "NaN") if (found := parse_float(text)) is not None)


def test_expand() -> None:
    """A group is the longest word behind `$` or what stands in braces, by number or name; `$$` is a dollar."""
    match = re.match("(one)(?P<name>n)(x)?", "onen")
    found = expand("$0:$1-${1}x-$1x-$name-$$1-$-${-$3-$4$01${99999999999}", match)
    assert found == "onen:one-onex--n-$1-$-${--"


@given(st.text(alphabet="$${}01247name-é", max_size=12), st.sampled_from(["onen", "onenx"]))
def test_an_expansion_is_the_same_for_many(template: str, text: str) -> None:
    """What is known of the expression is worked out once."""
    pattern = "(one)(?P<name>n)(x)?"
    program = re.compile(pattern)
    in_bytes = re.match(pattern.encode(), text.encode())
    expanded = expansion(template, program.groupindex, program.groups)
    assert expand(template, program.match(text)).encode() == expanded(in_bytes)
