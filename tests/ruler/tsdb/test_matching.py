"""Matchers give RE2's answers, whatever short cut they take."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from common.errors import ParseError, QueryTimeout
from common.labels import Labels
from ruler.model.matcher import Matcher, MatchOp
from ruler.model.table import StringPool
from ruler.tsdb.labels.index import Index
from ruler.tsdb.labels.matching import MANY, select_absent, select_codes, wanted
from ruler.tsdb.labels.selected import Catalog

PIECES = ["a", "b", "ab", ".", ".*", ".+", "|", "(", ")", "(?:", "\\.", "\\-", "\\d", "a.*", "\n", "*", "^", "$"]
VALUES = ["", "a", "b", "ab", "ba", "aab", "a.b", "a\nb", "-", ".", "7", "abab", "b\n", "axb", "a-b", "é"]


@given(st.sampled_from(MatchOp), st.lists(st.sampled_from(PIECES), max_size=6).map("".join))
def test_fast_paths_agree_with_re2(op: MatchOp, pattern: str) -> None:
    """For every operator, pattern and value, the codes that are selected are those whose text matches."""
    try:
        matcher = Matcher("x", op, pattern)
    except ParseError:
        assume(False)
    strings = StringPool()
    codes = np.array([strings.code(value) for value in VALUES], dtype=np.int32)
    assert select_codes(matcher, codes, strings).tolist() == [matcher.matches(value) for value in VALUES]
    assert select_absent(matcher, strings) == matcher.matches("")


def test_common_patterns_need_no_regex() -> None:
    """Literals, alternations of literals, prefixes, suffixes and infixes never reach RE2."""
    exact = {"api": {"api"}, "a|b|c": {"a", "b", "c"}, "(a|b)": {"a", "b"}, "10\\.0\\.0\\.1": {"10.0.0.1"}, "": {""}}
    for pattern, values in exact.items():
        assert wanted(Matcher("x", MatchOp.REGEX, pattern)).values == values
    for pattern in (".*", ".+", "api.*", ".*api", ".*api.*", ".+api.+", "api.+"):
        want = wanted(Matcher("x", MatchOp.REGEX, pattern))
        assert want.values is None
        assert want.test.__qualname__.startswith("_affix")


def test_a_search_can_be_ended() -> None:
    """Between some thousand values, each of which may take an expression its time."""
    strings, seen = StringPool(), 0
    codes = np.array([strings.code(str(number)) for number in range(3 * MANY)], dtype=np.int32)

    def ends() -> None:
        nonlocal seen
        seen += 1
        if seen == 2:
            raise QueryTimeout("over")

    matcher = Matcher("x", MatchOp.REGEX, ".*1[0-9]*2")
    with pytest.raises(QueryTimeout):
        select_codes(matcher, codes, strings, ends)
    assert 2 == seen
    assert [matcher.matches(str(number)) for number in range(3 * MANY)] == select_codes(
        matcher, codes, strings
    ).tolist()


LABELS = ("a", "b", "c")
SOME = st.sampled_from(["", "x", "y", "z"])


@given(
    st.lists(st.tuples(st.sampled_from(["m", "n"]), SOME, SOME, SOME), max_size=20, unique=True),
    st.lists(st.builds(Matcher, st.sampled_from(["__name__", *LABELS, "d"]), st.sampled_from(MatchOp),
                       st.sampled_from(["", "m", "n", "x", "y", "w", "x|y", "x|w", ".*", ".+", "[xz]"])), max_size=4),
    st.integers(0, 20),
)  # fmt: skip
def test_a_selection_is_what_its_matchers_match(
    series: list[tuple[str, ...]], matchers: list[Matcher], before: int
) -> None:
    """One after the other, of every operator, with labels that are not there; also of a selection that is extended."""
    named = [
        Labels({name: value for name, value in zip(("__name__", *LABELS), each, strict=True) if value})
        for each in series
    ]
    index = Index()
    catalog = Catalog(index)
    for part in (named[:before], named[before:]):
        index.series(part)
        selected = catalog.select(matchers, lambda: ())
    expected = {each for each in named if all(one.matches(each.get(one.name, "")) for one in matchers)}
    assert expected == set(selected.table.all_labels())
    assert len(expected) == len(selected)
