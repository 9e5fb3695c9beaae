"""What a config takes is arithmetic: it grows with what is asked for, and adds up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from common.durations import DAY, HOUR, MINUTE, SECOND
from ruler.tsdb.config import FOREVER, Archive, Retention
from ruler.tsdb.inspect.footprint import BUCKET, MERGED_SAMPLE, Footprint, Population, footprint

EVERY_15S = 15 * SECOND
GIB = 1 << 30
DEFAULT = Retention()
NODE = Archive((), 15 * DAY, ((5 * MINUTE, 90 * DAY), (HOUR, 730 * DAY)))

series = st.integers(0, 1_000_000)
intervals = st.sampled_from([SECOND, EVERY_15S, MINUTE])
days = st.integers(1, 700).map(lambda count: count * DAY)


def of(
    count: int, *, archive: Archive | None = None, interval: int = EVERY_15S, retention: Retention = DEFAULT
) -> Footprint:
    one = [Population(interval, count)]
    return footprint([archive], [one, []], retention) if archive else footprint([], [one], retention)


def test_a_class_is_series_times_samples_times_bytes() -> None:
    """To the byte, with as much on top of the time as a whole chunk spans."""
    [raw, five, hour] = of(1000, archive=NODE).classes[0].shares
    chunk = 1024 * EVERY_15S
    assert ((15 * DAY + chunk) // EVERY_15S, MERGED_SAMPLE) == (raw.samples, raw.each)
    assert round(1000 * raw.samples * MERGED_SAMPLE) == raw.size
    assert ((90 * DAY + 1024 * 5 * MINUTE) // (5 * MINUTE), BUCKET) == (five.samples, five.each)
    assert (730 * DAY + 1024 * HOUR) // HOUR == hour.samples


def test_the_total_is_the_sum_of_its_parts() -> None:
    """Nothing is left out and nothing counted twice."""
    found = footprint([NODE], [[Population(EVERY_15S, 500)], [Population(MINUTE, 70)]], Retention(30 * DAY))
    parts = (found.unmerged, found.pages, found.labels, found.merging)
    assert found.total == sum(each.size for each in found.classes) + sum(parts)
    assert all(part > 0 for part in parts)


def test_nothing_takes_nothing() -> None:
    """Without series there is no disk to plan."""
    assert 0 == of(0).total


@given(series, series, intervals, days, days)
def test_more_takes_more(few: int, more: int, interval: int, short: int, longer: int) -> None:
    """More series, and a longer time, never take less."""
    few, more = sorted((few, more))
    short, longer = sorted((short, longer))
    least = of(few, interval=interval, retention=Retention(short)).total
    assert least <= of(more, interval=interval, retention=Retention(short)).total
    assert least <= of(few, interval=interval, retention=Retention(longer)).total


@given(st.integers(1, 1_000_000), intervals, st.integers(1, 10_000))
def test_what_a_size_reaches_fits_and_no_more_would(count: int, interval: int, gib: int) -> None:
    """The age at which a size limit cuts is the longest one that fits."""
    found = footprint([NODE], [[Population(interval, count)], [Population(interval, count)]], Retention())
    reach = found.reach(gib * GIB)
    assert reach == 0 or found.within(reach) <= gib * GIB
    assert reach == FOREVER or found.within(reach + 1) > gib * GIB


def test_a_size_alone_says_how_long_the_rest_stays() -> None:
    """Without a time, what no archive matches stays as long as the size lasts, and the total fits it."""
    found = of(10_000, retention=Retention(FOREVER, 100 * GIB))
    [share] = found.classes[0].shares
    assert 60 * DAY < share.kept < FOREVER
    assert found.total <= 100 * GIB


def test_a_size_too_small_leaves_what_is_needed_at_once() -> None:
    """Pages and labels are there however small the size is."""
    found = of(10_000, retention=Retention(DAY, 1))
    assert 0 == found.reach(1)
    assert 0 < found.besides <= found.within(0) < found.total
