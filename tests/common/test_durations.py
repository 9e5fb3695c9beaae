"""Durations read and written as Prometheus does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.durations import format_duration, parse_duration
from common.errors import ParseError


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("0", 0),
        ("0s", 0),
        ("1ms", 1),
        ("15s", 15_000),
        ("1m30s", 90_000),
        ("1h30m", 5_400_000),
        ("4d1h1m", 349_260_000),
        ("1w", 604_800_000),
        ("1y", 31_536_000_000),
        ("10d", 864_000_000),
    ],
)
def test_durations_mean_what_they_say(text: str, milliseconds: int) -> None:
    """Units add up, from large to small."""
    assert milliseconds == parse_duration(text)


@pytest.mark.parametrize("text", ["", "5", "5 m", "1m1h", "1.5h", "-1s", "m", "1x", "5m5m", "5m ", "99999999999y"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """No unit, a wrong order, a fraction, a sign or a space is an error, never a guess."""
    with pytest.raises(ParseError, match=r"duration"):
        parse_duration(text)


@given(st.integers(0, 9 * 10**12))
def test_a_written_duration_reads_back(milliseconds: int) -> None:
    """format and parse are each other's inverse."""
    assert milliseconds == parse_duration(format_duration(milliseconds))
