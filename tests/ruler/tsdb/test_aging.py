"""Retention: in ordinary times it is what the clock says; a clock that is wrong or a long pause does not count."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from common.durations import DAY, HOUR, MINUTE
from ruler.tsdb.keep.aging import past

NOW = 1_700_000_000_000


@dataclass(frozen=True)
class Stretch:
    """A Stretch is a leaf as far as retention knows it."""

    order: int
    oldest: int
    newest: int


def days(first: int, count: int, order: int = 0, until: int = NOW) -> list[Stretch]:
    """A leaf for each of `count` days, the first of which ends `first` days before `until`."""
    return [
        Stretch(order + day, until - (first - day + 1) * DAY, until - (first - day) * DAY - 1) for day in range(count)
    ]


@given(st.integers(0, 40), st.lists(st.integers(1, 20 * HOUR), min_size=1, max_size=30), st.integers(1, 20 * DAY))
def test_without_a_long_pause_it_is_what_the_clock_says(gap: int, lengths: list[int], retention: int) -> None:
    """Leaves one after another go when their last sample is older than the retention, whatever their lengths."""
    leaves, at = [], NOW - gap
    for order, length in enumerate(lengths):
        leaves.append(Stretch(-order, at - length, at))
        at -= length + gap * MINUTE
    assert [leaf for leaf in reversed(leaves) if leaf.newest < NOW - retention] == past(leaves, NOW, retention)


def test_a_clock_years_ahead_drops_what_it_covers() -> None:
    """After an hour at a wrong time as much of the oldest is gone as an hour more would have cost, and no more."""
    history = days(first=15, count=16)
    wrong = NOW + 20 * 365 * DAY
    assert [] == past(history, wrong, 15 * DAY)
    odd = Stretch(16, wrong - HOUR, wrong)
    assert history[:1] == past([*history, odd], wrong, 15 * DAY - 1)


def test_a_month_off_keeps_the_history() -> None:
    """What there was before a long pause goes as samples come in, not at once."""
    history = days(first=45, count=15)
    assert [] == past(history, NOW, 15 * DAY)
    assert history[:5] == past([*history, *days(first=4, count=5, order=20)], NOW, 15 * DAY - HOUR)


def test_samples_from_the_future_go_when_they_are_old_in_truth() -> None:
    """A leaf ahead of the clock stays as long as what was begun after it, and goes with the first of that."""
    future = Stretch(5, NOW + 365 * DAY, NOW + 365 * DAY + HOUR)
    before, after = days(first=3, count=2, order=3), days(first=1, count=2, order=6)
    every = [*before, future, *after]
    assert [] == past(every, NOW, 4 * DAY)
    assert before == past(every, NOW, DAY + HOUR)
    assert [*before, after[0], future] == past(every, NOW, HOUR)
