"""Buckets: six numbers worked out by arrays are those that a loop over the samples of each series gives."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ruler.model.arrays import ABSENT_BITS, NAN, STALE, STALE_BITS, FloatArray, absent
from ruler.tsdb.archive.buckets import NEVER, Plane, Stretch, bucketed, last_times

SIZE, FIRST, COUNT = 1000, 7, 4
STRETCH = Stretch(SIZE, FIRST, COUNT)

values = st.one_of(
    st.none(),
    st.just(float(STALE)),
    st.just(float(NAN)),
    st.sampled_from([math.inf, -math.inf, 0.0, -0.0, 1e300]),
    st.integers(0, 50).map(float),
)
columns = st.lists(st.lists(values, min_size=12, max_size=12), min_size=1, max_size=4)
times = st.lists(st.integers(STRETCH.start + 1, STRETCH.end), min_size=12, max_size=12, unique=True).map(sorted)


def block(series: list[list[float | None]], stale: list[list[bool]]) -> FloatArray:
    cells = absent(12, len(series))
    for column, samples in enumerate(series):
        for row, value in enumerate(samples):
            if stale[column][row]:
                cells[row, column] = STALE
            elif value is not None:
                cells[row, column] = value
    return cells


def naive(cells: list[int], stamps: list[int], before: float) -> list[list[float] | str | None]:
    """Of each bucket its planes, "ended" for one that holds a marker alone, None where there is nothing."""
    found: list[list[float] | str | None] = []
    previous = before
    for bucket in range(FIRST, FIRST + COUNT):
        inside = [c for c, t in zip(cells, stamps, strict=True) if bucket * SIZE < t <= (bucket + 1) * SIZE]
        inside = [cell for cell in inside if cell != ABSENT_BITS]
        real = [float(np.int64(cell).view(np.float64)) for cell in inside if cell != STALE_BITS]
        lost = 0.0
        for value in real:
            if math.isfinite(value):
                lost += previous if value < previous else 0.0
                previous = value
        if not inside:
            found.append(None)
        elif not real:
            found.append("ended")
        else:
            numbers = [value for value in real if not math.isnan(value)]
            total = sum(real)
            count = -len(real) if inside[-1] == STALE_BITS else len(real)
            extremes = [min(numbers), max(numbers)] if numbers else [math.nan, math.nan]
            found.append([real[-1], *extremes, total, count, lost])
    return found


@given(
    columns,
    times,
    st.lists(
        st.lists(st.integers(0, 5).map(lambda chance: chance == 0), min_size=12, max_size=12), min_size=4, max_size=4
    ),
    st.sampled_from([math.nan, 0.0, 17.0, 1000.0]),
)
def test_buckets_hold_what_their_samples_come_to(
    series: list[list[float | None]], stamps: list[int], stale: list[list[bool]], before: float
) -> None:
    """Last, least, greatest, sum, number and what resets lost, whatever is missing, stale or no number."""
    cells = block(series, stale)
    at = np.array(stamps, dtype=np.int64)[:, np.newaxis]
    planes = bucketed(cells, at, np.zeros(len(series), np.int32), np.full(len(series), before), STRETCH)
    for column in range(len(series)):
        expected = naive(cells[:, column].view(np.int64).tolist(), stamps, before)
        for bucket, want in enumerate(expected):
            found = planes[:, column, bucket]
            if want is None:
                assert [ABSENT_BITS] * len(Plane) == found.view(np.int64).tolist()
            elif isinstance(want, str):
                assert [STALE_BITS] * len(Plane) == found.view(np.int64).tolist()
            else:
                np.testing.assert_allclose(found, want, rtol=1e-12)


@given(st.lists(st.lists(st.integers(STRETCH.start + 1, STRETCH.end), max_size=9, unique=True), min_size=1, max_size=3))
def test_the_time_of_a_bucket_is_the_last_in_it(streams: list[list[int]]) -> None:
    """Of each stream and bucket, the last time at which the stream got something, and no time where it did not."""
    at = np.full((9, len(streams)), NEVER)
    for stream, stamps in enumerate(streams):
        for row, stamp in enumerate(sorted(stamps)):
            at[row, stream] = stamp
    at = np.maximum.accumulate(at, axis=0)
    expected = [
        [
            max((t for t in stamps if bucket * SIZE < t <= (bucket + 1) * SIZE), default=NEVER)
            for bucket in range(FIRST, FIRST + COUNT)
        ]
        for stamps in streams
    ]
    assert expected == last_times(at, STRETCH).tolist()
