"""Matchers give RE2's answers, whatever short cut they take."""

from __future__ import annotations

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from common.errors import ParseError
from ruler.model.matcher import Matcher, MatchOp
from ruler.model.table import StringPool
from ruler.tsdb.labels.matching import select_absent, select_codes, wanted

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
