"""Windows that look beyond their edges, against a walk over each window's list of samples."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import pytest
from hypothesis import given, settings

from common.errors import QueryError
from common.labels import Labels
from ruler.model.result import Matrix
from ruler.promql.engine import Engine
from tests.ruler.promql.gappy import LOOKBACK, Found, found, milliseconds, plain_samples, same, storages
from tests.ruler.promql.memory_storage import MemoryStorage
from tests.ruler.promql.oracle.windows import Samples

Bounds = tuple[int, int]  # start and end of a window (ms)


def drawn(older: tuple[int, float], newer: tuple[int, float], moment: int, *, counter: bool) -> float:
    base = 0.0 if counter and newer[1] < older[1] else older[1]
    return base + (newer[1] - base) * (moment - older[0]) / (newer[0] - older[0])


def anchored(samples: Samples, bounds: Bounds) -> Samples:
    """The samples of an anchored window."""
    start, end = bounds
    before = [sample for sample in samples if start - LOOKBACK < sample[0] <= start]
    within = [sample for sample in samples if start < sample[0] <= end]
    return before[-1:] + within if within else []


def smoothed(samples: Samples, bounds: Bounds, *, counter: bool) -> Samples:
    """The samples of a smoothed window, with those that are drawn at its edges."""
    start, end = bounds
    seen = [sample for sample in samples if start - LOOKBACK < sample[0] <= end + LOOKBACK]
    before, after = [s for s in seen if s[0] <= start], [s for s in seen if s[0] >= end]
    within = [sample for sample in seen if start < sample[0] < end]
    if not within and not (after and (before or after[0][0] == end)):
        return []
    points = before[-1:] + within + after[:1]
    left = points[0]
    if left[0] < start:
        left = (start, drawn(points[0], points[1], start, counter=counter))
    right = points[-1]
    if right[0] > end and len(points) > 1:
        right = (end, drawn(points[-2], points[-1], end, counter=counter))
    return [left, *within, right]


def rise(samples: Samples, *, counter: bool) -> float | None:
    if not samples:
        return None
    values = [value for _, value in samples]
    fallen = sum(old for old, new in itertools.pairwise(values) if new < old) if counter else 0.0
    return values[-1] - values[0] + fallen


def steps(samples: Samples, counted: Callable[[float, float], bool]) -> float | None:
    values = [value for _, value in samples]
    return float(sum(counted(old, new) for old, new in itertools.pairwise(values))) if values else None


def differs(old: float, new: float) -> bool:
    return old != new and not (math.isnan(old) and math.isnan(new))


QUERIES: dict[str, Callable[[Samples, Bounds], float | None]] = {
    "increase(x_total[$] anchored)": lambda samples, bounds: rise(anchored(samples, bounds), counter=True),
    "delta(x_total[$] anchored)": lambda samples, bounds: rise(anchored(samples, bounds), counter=False),
    "changes(x_total[$] anchored)": lambda samples, bounds: steps(anchored(samples, bounds), differs),
    "resets(x_total[$] anchored)": lambda samples, bounds: steps(anchored(samples, bounds), lambda old, new: new < old),
    "increase(x_total[$] smoothed)": lambda samples, bounds: rise(
        smoothed(samples, bounds, counter=True), counter=True
    ),
    "delta(x_total[$] smoothed)": lambda samples, bounds: rise(smoothed(samples, bounds, counter=False), counter=False),
}


def finite(samples: Samples) -> Samples:
    return [sample for sample in samples if math.isfinite(sample[1])]


@settings(max_examples=80, deadline=None)
@given(storages(), milliseconds(1, 90), milliseconds(-20, 40), milliseconds(3, 70))
def test_extended_windows_agree_with_a_walk_over_their_samples(
    storage: MemoryStorage, reach: int, offset: int, step: int
) -> None:
    """Each function that may be asked of such windows gives for each what a walk over its samples gives."""
    for labels, samples in storage.series.items():
        storage.series[labels] = [sample for sample in samples if math.isnan(sample[1]) or math.isfinite(sample[1])]
    start, end = -30_000, 300_000
    engine, series = Engine(storage, lookback=LOOKBACK), plain_samples(storage)
    for text, function in QUERIES.items():
        expected: Found = {}
        for labels, samples in series.items():
            for time in range(start, end + 1, step):
                number = function(samples, (time - offset - reach, time - offset))
                if number is not None:
                    expected.setdefault(labels.without(("__name__",)), {})[time] = number
        query = text.replace("$", f"{reach}ms").replace("ed)", f"ed offset {offset}ms)")
        actual = found(engine.range(query, start, end, step).value)
        assert same(expected, actual), (query, expected, actual)


@settings(max_examples=80, deadline=None)
@given(storages(), milliseconds(-20, 40), milliseconds(3, 70))
def test_smoothed_selectors_draw_lines_between_samples(storage: MemoryStorage, offset: int, step: int) -> None:
    """A smoothed selector gives the sample at the moment, or the line between its neighbours, or the last one."""
    for labels, samples in storage.series.items():
        storage.series[labels] = [sample for sample in samples if math.isnan(sample[1]) or math.isfinite(sample[1])]
    start, end = -30_000, 300_000
    expected: Found = {}
    for labels, samples in plain_samples(storage).items():
        for time in range(start, end + 1, step):
            moment = time - offset
            before = [sample for sample in samples if moment - LOOKBACK < sample[0] <= moment]
            after = [sample for sample in samples if moment < sample[0] <= moment + LOOKBACK]
            if before:
                between = after and before[-1][0] < moment
                value = drawn(before[-1], after[0], moment, counter=False) if between else before[-1][1]
                expected.setdefault(labels, {})[time] = value
    actual = found(
        Engine(storage, lookback=LOOKBACK).range(f"x_total smoothed offset {offset}ms", start, end, step).value
    )
    assert same(expected, actual), (expected, actual)


@pytest.fixture
def storage() -> MemoryStorage:
    """A counter, scraped every 10 s."""
    storage = MemoryStorage()
    storage.put(Labels({"__name__": "x"}), [(0, 1.0), (10_000, 5.0), (20_000, 7.0), (30_000, 2.0)])
    return storage


@pytest.mark.parametrize(
    "query,points",
    [
        ("x[15s] anchored", [(10_000, 5.0), (20_000, 7.0), (25_000, 7.0)]),
        ("x[10s] anchored", [(15_000, 5.0), (20_000, 7.0), (25_000, 7.0)]),
        ("x[10s] smoothed", [(15_000, 6.0), (20_000, 7.0), (25_000, 4.5)]),
        ("x[1s] anchored", []),
    ],
)
def test_a_range_shows_its_edges(storage: MemoryStorage, query: str, points: list[tuple[int, float]]) -> None:
    """The samples of an extended range begin and end at its edges."""
    matrix = Engine(storage).instant(query, 25_000).value
    assert isinstance(matrix, Matrix)
    assert points == list(zip(matrix.times.tolist(), matrix.values.tolist(), strict=True))


@pytest.mark.parametrize(
    "query,allowed",
    [
        (
            "max_over_time(x[1m] anchored)",
            "anchored modifier can only be used with: changes, delta, increase, rate, resets",
        ),
        ("absent_over_time((x[1m] smoothed))", "smoothed modifier can only be used with: delta, increase, rate"),
    ],
)
def test_other_functions_are_refused(storage: MemoryStorage, query: str, allowed: str) -> None:
    """What means nothing of extended windows is refused, with what means something."""
    function = query.partition("(")[0]
    with pytest.raises(QueryError, match=f"{allowed} - not with {function}"):
        Engine(storage).instant(query, 0)
