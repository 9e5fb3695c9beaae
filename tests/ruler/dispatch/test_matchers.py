"""Alertmanager's matcher syntax."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import ParseError
from ruler.dispatch.matchers import in_order, parse_matcher, parse_matchers, write_matchers
from ruler.model.matcher import Matcher, MatchOp

EQ, NE, RE, NR = MatchOp.EQUAL, MatchOp.NOT_EQUAL, MatchOp.REGEX, MatchOp.NOT_REGEX


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("foo=bar", [("foo", EQ, "bar")]),
        ('foo="bar"', [("foo", EQ, "bar")]),
        (' foo != "bar" ', [("foo", NE, "bar")]),
        ('{a=~"x.*",b!="y"}', [("a", RE, "x.*"), ("b", NE, "y")]),
        ("{a=1, b!~2,}", [("a", EQ, "1"), ("b", NR, "2")]),
        ('a="x,y",b=c', [("a", EQ, "x,y"), ("b", EQ, "c")]),
        ('a="say \\"hi\\"\\n\\\\ \\d"', [("a", EQ, 'say "hi"\n\\ \\d')]),
        ("a=", [("a", EQ, "")]),
        ("", []),
        ("{}", []),
        ("a=b c", [("a", EQ, "b c")]),
        ("a=~[0-9]+", [("a", RE, "[0-9]+")]),
        ('"näme with space"="v"', [("näme with space", EQ, "v")]),
        ("🙂=x", [("🙂", EQ, "x")]),
        ('{"a.b"=~"1|2", c="d"}', [("a.b", RE, "1|2"), ("c", EQ, "d")]),
        ('"tab\\there"="v"', [("tab\there", EQ, "v")]),
        ("foo.bar=baz", [("foo.bar", EQ, "baz")]),
    ],
)
def test_what_is_written_is_read(text, expected):
    """Each form of the syntax gives its matchers."""
    assert expected == [(matcher.name, matcher.op, matcher.value) for matcher in parse_matchers(text)]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("alertname", "bad matcher format: alertname"),
        ('a="b', 'matcher value contains unescaped double quote: "b'),
        ('a=b"c"', 'matcher value contains unescaped double quote: b"c"'),
        ("=x", "bad matcher format: =x"),
        ('"a"="b" "c"="d"', 'bad matcher format: "a"="b" "c"="d"'),
        ('{"a"="b"', 'bad matcher format: "a"="b"'),
    ],
)
def test_what_cannot_be_read_is_refused(text, problem):
    """Alertmanager's sentence says what is wrong."""
    with pytest.raises(ParseError) as caught:
        parse_matchers(text)
    assert problem == caught.value.problem


def test_one_matcher_has_no_braces():
    """A filter of the API is one matcher, without braces."""
    with pytest.raises(ParseError) as caught:
        parse_matcher("{a=b}")
    assert "unexpected open or close brace: {a=b}" == caught.value.problem


def test_a_bad_regex_is_refused():
    """A matcher that was made can match."""
    with pytest.raises(ParseError, match="error parsing regexp"):
        parse_matchers('a=~"("')


names = st.text(min_size=1, max_size=8).filter(lambda name: "\x00" not in name and name.isprintable())
matchers = st.builds(Matcher, names, st.sampled_from((EQ, NE)), st.text(max_size=8).filter(str.isprintable))


@given(st.lists(matchers, max_size=4))
def test_written_is_read_back(written):
    """What Alertmanager's form of a matcher says, its parser reads."""
    assert tuple(written) == parse_matchers(write_matchers(written))


def test_order_is_by_name_value_operator():
    """The order of matchers in a group key does not depend on how the config has them."""
    some = parse_matchers('b="1",a!="2",a="2",a="1"')
    assert '{a="1",a="2",a!="2",b="1"}' == write_matchers(in_order(some))
