"""Dates: the parts of a date agree with Python's calendar."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ruler.promql.functions import clock

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST, LAST = (
    int((moment - EPOCH).total_seconds())
    for moment in (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC))
)


@given(st.integers(FIRST, LAST))
def test_parts_of_a_date_are_those_of_the_calendar(seconds: int) -> None:
    """Every part of every date in four digits is what the calendar says."""
    moment = EPOCH + timedelta(seconds=seconds)
    expected = {
        clock.year: moment.year,
        clock.month: moment.month,
        clock.day_of_month: moment.day,
        clock.day_of_week: moment.isoweekday() % 7,
        clock.day_of_year: moment.timetuple().tm_yday,
        clock.days_in_month: calendar.monthrange(moment.year, moment.month)[1],
        clock.hour: moment.hour,
        clock.minute: moment.minute,
    }
    assert expected == {part: int(part(np.array([seconds]))[0]) for part in expected}
