"""Times are written as JSON readers and log readers expect them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from common.clock import rfc3339


@given(st.integers(-60_000_000_000_000, 250_000_000_000_000))
def test_rfc3339_keeps_every_millisecond(time: int) -> None:
    """What is written reads back as the same time."""
    since = datetime.fromisoformat(rfc3339(time)) - datetime(1970, 1, 1, tzinfo=UTC)
    assert time == since // timedelta(milliseconds=1)


def test_rfc3339_of_no_calendar() -> None:
    """A time beyond the year 9999 is written as its end, and does not fail."""
    assert ["9999-12-31T23:59:59.999Z"] * 2 == [rfc3339(253_402_300_800_000), rfc3339(1 << 62)]
