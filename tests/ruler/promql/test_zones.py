"""timezone_offset() knows every zone's clocks at every step, and no zone that there is not."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import QueryError
from ruler.model.result import Matrix, Scalar
from ruler.promql.engine import Engine
from ruler.promql.functions.zones import offsets
from tests.ruler.promql.memory_storage import MemoryStorage

HOUR = 3_600_000
ZONES = ["UTC", "Europe/Rome", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Africa/Casablanca"]


def moment(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def test_clocks_change_between_steps() -> None:
    """Rome is an hour ahead in winter and two in summer, from the very second on."""
    change = moment("2026-03-29T01:00:00")
    found = Engine(MemoryStorage()).range('timezone_offset("Europe/Rome")', change - HOUR, change + HOUR, HOUR // 2)
    assert isinstance(found.value, Matrix)
    assert [3600.0, 3600.0, 7200.0, 7200.0, 7200.0] == found.value.values.tolist()


def test_an_hour_of_the_day_is_told_elsewhere() -> None:
    """Added to a time it gives the time on the clocks there."""
    query = 'scalar(hour(vector(time() + timezone_offset("Asia/Kolkata"))))'
    found = Engine(MemoryStorage()).instant(query, moment("2026-08-01T20:00:00")).value
    assert isinstance(found, Scalar)
    assert 1.0 == found.value


@given(
    st.sampled_from(ZONES),
    st.lists(st.integers(moment("1890-01-01") // 1000, moment("2090-01-01") // 1000), min_size=1, max_size=20),
)
def test_offsets_are_those_of_the_calendar(name: str, seconds: list[int]) -> None:
    """Each time has the offset that the zone's own calendar gives it."""
    zone = ZoneInfo(name)
    expected = [datetime.fromtimestamp(second, zone).strftime("%z") for second in seconds]
    found = offsets(zone, np.array(seconds)).tolist()
    assert expected == [_written(int(each)) for each in found]


def _written(offset: int) -> str:
    minutes, seconds = divmod(abs(offset), 60)
    return f"{'-' if offset < 0 else '+'}{minutes // 60:02}{minutes % 60:02}" + (f"{seconds:02}" if seconds else "")


@pytest.mark.parametrize("name", ["Europe/Atlantis", "", "../../etc/passwd", "Europe", "/etc/localtime", "a\0b", "é"])
def test_what_is_no_zone_is_named(name: str) -> None:
    """A name without a zone is an error that tells it."""
    with pytest.raises(QueryError, match="timezone_offset: not a time zone: "):
        Engine(MemoryStorage()).instant(f'timezone_offset("{name}")', 0)


@pytest.mark.parametrize("time", [-(1 << 62), 1 << 62])
def test_times_beyond_the_calendar_have_an_offset_too(time: int) -> None:
    """A query may be about any time; where there are no years the nearest one counts."""
    found = Engine(MemoryStorage()).instant('timezone_offset("UTC")', time).value
    assert isinstance(found, Scalar)
    assert 0.0 == found.value
