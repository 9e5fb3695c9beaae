"""Matchers: what they select, and that no expression takes long to be checked."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from common.errors import ParseError
from ruler.model.matcher import HEAVIEST_REGEX, Matcher, MatchOp, compile_regex, weight, whole_match


@given(st.text(alphabet="ab|\\.-_é()*?\n", max_size=8))
def test_literals_are_told_from_other_expressions(pattern: str) -> None:
    """What weighs nothing is taken by RE2 and matches no empty text, as the Matcher says without compiling it."""
    if pattern and weight(pattern) == 0:
        options = re2.Options()
        options.dot_nl = True
        assert re2.compile(f"^(?s:{pattern})$", options).match("") is None
        assert not Matcher("a", MatchOp.REGEX, pattern).matches_empty
        assert Matcher("a", MatchOp.NOT_REGEX, pattern).matches_empty


@pytest.mark.parametrize("pattern", ["", "a|", "|a", "a||b", "a.", "a\\d", "(a)", "a\\", "a\\_", "^a", "a$", "[a]"])
def test_what_is_no_literal(pattern: str) -> None:
    """Whatever has an operator, a class or an empty alternative is left to RE2."""
    assert weight(pattern) > 0 or pattern == ""


@pytest.mark.parametrize(
    "pattern",
    ["a?" * 4_000, "x{0,1000}" * 4_000, "\\pL" * 4_000, "(?:\\pL{10}){100}" * 30, "(" * 30_000, ".{1000}" * 30,
     "a{0,3}" * 1_300, "[a-z]?" * 4_000, "(a|b)" * 6_000, "((a?){10}){100}" * 40, "\\pL{1000}" * 9],
)  # fmt: skip
def test_no_expression_is_expensive(pattern: str) -> None:
    """An expression is checked, or refused as too large, in milliseconds."""
    start = time.process_time()
    with suppress(ParseError):
        Matcher("a", MatchOp.REGEX, pattern)
    assert time.process_time() - start < 0.25


@pytest.mark.parametrize(
    "pattern",
    ["(?:[0-9A-F]{2}){6}(?:[0-9A-F]{4}){5}(?:[0-9]{2}){6}", "(?i)(foo|bar)[a-z]{0,20}.*",
     "(?:[0-9]{1,3}\\.){3}[0-9]{1,3}",
     "[\\pL\\pN_-]+", ".{1,1000}", "(?:(?:a{2}b){3}c){4}", "|".join(f".*host-{index}.*" for index in range(1_000))],
)  # fmt: skip
def test_what_people_write_is_light(pattern: str) -> None:
    """Expressions that are long or that repeat a little are far from the limit."""
    assert 0 < weight(pattern) < HEAVIEST_REGEX
    assert Matcher("a", MatchOp.REGEX, pattern)


def test_many_literals_are_cheap() -> None:
    """A list of values as dashboards write it may be long: it is no program."""
    pattern = "|".join(f"10\\.0\\.{index // 250}\\.{index % 250}:9100" for index in range(20_000))
    start = time.process_time()
    assert not Matcher("instance", MatchOp.REGEX, pattern).matches_empty
    assert time.process_time() - start < 0.1


@pytest.mark.parametrize(
    ("pattern", "fault"),
    [
        ("(", "missing closing ): `(`"),
        ("[a", "missing closing ]: `[a`"),
        ("a)|(b", "unexpected ): `a)|(b`"),
        ("a**", "invalid nested repetition operator: `**`"),
        ("*a", "missing argument to repetition operator: `*`"),
        ("a{2000}", "invalid repeat count: `{2000}`"),
        ("\\", "trailing backslash at end of expression: ``"),
        ("(?q)", "invalid or unsupported Perl syntax: `(?q`"),
        ("(?P<x", "invalid named capture: `(?P<x`"),
    ],
)
def test_a_fault_is_worded_as_in_prometheus(pattern: str, fault: str) -> None:
    """What RE2 refuses is told in the words of Go's package, of the pattern alone and not of the anchors around it."""
    with pytest.raises(ParseError) as raised:
        compile_regex(pattern)
    assert f"1:1: parse error: error parsing regexp: {fault}" == str(raised.value)


@given(st.text(alphabet="ab|.*+?()[]^$\\sn\n", max_size=10), st.lists(st.text(alphabet="ab s\n|$", max_size=6)))
def test_a_set_of_one_answers_as_its_expression(pattern: str, texts: list[str]) -> None:
    """Anchors, line ends and alternatives that are not in brackets included."""
    with suppress(ParseError):
        program = compile_regex(pattern)
        assert [program.match(text) is not None for text in texts] == [whole_match(pattern)(text) for text in texts]


def test_a_large_expression_is_matched_without_a_set() -> None:
    """Whose automaton may be too large for its memory."""
    pattern = "|".join(f"(a|b){{{count}}}" for count in range(50))
    assert compile_regex(pattern).programsize > 2000
    assert (True, False) == (whole_match(pattern)("ab" * 20), whole_match(pattern)("ab" * 45))


BOMBS = ["(a+)+$", "(.*a){25}", ".*" * 50 + "z", "(x+x+)+y", "|".join(f"foo{n}bar.*" for n in range(1000))]


@pytest.mark.parametrize("pattern", BOMBS)
def test_no_expression_is_slow_to_match(pattern: str) -> None:
    """In 100,000 texts it takes a tenth of a second; the bound here is that of a machine that is busy."""
    test = whole_match(pattern)
    texts = [f"/api/v{n % 7}/users/{n}/x{'a' * (n % 40)}" for n in range(100_000)]
    began = time.process_time()
    for text in texts:
        test(text)
    assert time.process_time() - began < 0.5
