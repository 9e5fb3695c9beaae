"""The engine against the slow, obvious evaluator, on generated samples: gaps, resets, staleness, irregular times."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.labels import Labels
from ruler.model.arrays import NAN, STALE, is_stale
from ruler.model.result import Matrix, Value
from ruler.promql.engine import Engine
from tests.ruler.promql.memory_storage import MemoryStorage, Sample
from tests.ruler.promql.obvious import FUNCTIONS, Samples

TICK = 10_000
LOOKBACK = 45_000

Found = dict[Labels, dict[int, float]]

numbers = st.one_of(
    st.integers(0, 20).map(float),
    st.floats(-1e6, 1e6, allow_nan=False),
    st.sampled_from([0.0, math.inf, -math.inf, float(NAN), float(STALE), float(STALE)]),
)


def milliseconds(least: int, most: int) -> st.SearchStrategy[int]:
    """Whole seconds, so that samples and windows' edges meet."""
    return st.integers(least, most).map(lambda second: second * 1000)


@st.composite
def storages(draw: st.DrawFn) -> MemoryStorage:
    """A few streams of a few series: scrapes are missed, series come and go, times jitter or follow no grid at all."""
    gridded = draw(st.booleans())
    seconds = st.integers(0, 0 if gridded else 9)
    storage = MemoryStorage(interval=TICK if gridded else None)
    for stream in range(draw(st.integers(1, 3))):
        ticks = draw(st.sets(st.integers(0, 24), min_size=1, max_size=25))
        phase = draw(st.integers(0, 9)) * 1000
        times = sorted({tick * TICK + phase + draw(seconds) * 1000 for tick in ticks})
        plain, restart = draw(st.booleans()), draw(st.sampled_from([3, 11, 1000]))
        for series in range(draw(st.integers(1, 3))):
            labels = Labels({"__name__": "x_total", "stream": str(stream), "series": str(series)})
            samples: list[Sample] = []
            for place, time in enumerate(times):
                if plain:
                    samples.append((time, float(place % restart * (series + 1))))
                elif draw(st.integers(0, 9)):
                    samples.append((time, draw(numbers)))
            storage.put(labels, samples, stream=str(stream))
    return storage


def plain_samples(storage: MemoryStorage) -> dict[Labels, Samples]:
    """The samples of all series without staleness markers."""
    return {
        labels: [(time, value) for time, value in samples if not is_stale_value(value)]
        for labels, samples in storage.series.items()
    }


def is_stale_value(value: float) -> bool:
    import numpy as np

    return bool(is_stale(np.array([value]))[0])


def found(value: Value) -> Found:
    """A matrix as dicts."""
    assert isinstance(value, Matrix)
    result: Found = {}
    for index, labels in enumerate(value.table.all_labels()):
        within = slice(value.offsets[index], value.offsets[index + 1])
        result[labels] = dict(zip(value.times[within].tolist(), value.values[within].tolist(), strict=True))
    return result


def same(expected: Found, actual: Found) -> bool:
    """Whether two matrices agree, up to rounding."""
    if expected.keys() != actual.keys():
        return False
    return all(
        points.keys() == actual[labels].keys()
        and all(close(number, actual[labels][time]) for time, number in points.items())
        for labels, points in expected.items()
    )


def close(expected: float, actual: float) -> bool:
    if math.isnan(expected) or math.isnan(actual):
        return math.isnan(expected) and math.isnan(actual)
    return math.isclose(expected, actual, rel_tol=1e-9, abs_tol=1e-6)


def finite(samples: Samples) -> bool:
    return all(math.isfinite(value) for _, value in samples)


@settings(max_examples=60, deadline=None)
@given(storages(), milliseconds(1, 90), milliseconds(0, 40), milliseconds(3, 70))
def test_range_functions_agree_with_the_obvious_evaluator(
    storage: MemoryStorage, reach: int, offset: int, step: int
) -> None:
    """Every range function gives for every window what it gives for the window's list of samples."""
    start, end = 20_000, 300_000
    engine, series = Engine(storage), plain_samples(storage)
    for text, function in FUNCTIONS.items():
        expected: Found = {}
        odd = text.startswith(("deriv", "predict", "std", "double"))
        for labels, samples in series.items():
            for time in range(start, end + 1, step):
                until = time - offset
                window = [sample for sample in samples if until - reach < sample[0] <= until]
                number = function(window, until, reach)
                if text.startswith("predict") and len(window) > 1:
                    number = function([(moment, value) for moment, value in window], time, reach)
                if number is not None:
                    expected.setdefault(labels, {})[time] = number if finite(window) or not odd else math.nan
        query = text.replace("$", f"x_total[{reach}ms] offset {offset}ms")
        actual = found(engine.range(query, start, end, step).value)
        if not text.startswith(("first", "last")):
            expected = {labels.without(("__name__",)): points for labels, points in expected.items()}
        if odd:
            expected, actual = without_odd_windows(expected), without_odd_windows(actual, like=expected)
        assert same(expected, actual), (query, expected, actual)


def without_odd_windows(matrix: Found, like: Found | None = None) -> Found:
    """Less the points that are NaN in `like`: regressions over infinities may be NaN or not, as Prometheus's are."""
    reference = matrix if like is None else like
    kept = {
        labels: {
            time: number for time, number in points.items() if not math.isnan(reference.get(labels, {}).get(time, 0.0))
        }
        for labels, points in matrix.items()
    }
    return {labels: points for labels, points in kept.items() if points}


@settings(max_examples=100, deadline=None)
@given(storages(), milliseconds(0, 40), milliseconds(3, 70))
def test_instant_selectors_find_the_last_sample_of_the_lookback(storage: MemoryStorage, offset: int, step: int) -> None:
    """A selector gives the last sample that is less than the lookback old, and nothing after a staleness marker."""
    start, end = -20_000, 330_000
    expected: Found = {}
    times: Found = {}
    for labels, samples in storage.series.items():
        for time in range(start, end + 1, step):
            until = time - offset
            window = [sample for sample in samples if until - LOOKBACK < sample[0] <= until]
            if window and not is_stale_value(window[-1][1]):
                expected.setdefault(labels, {})[time] = window[-1][1]
                times.setdefault(labels.without(("__name__",)), {})[time] = window[-1][0] / 1000
    engine = Engine(storage, lookback=LOOKBACK)
    actual = found(engine.range(f"x_total offset {offset}ms", start, end, step).value)
    assert same(expected, actual), (expected, actual)
    actual_times = found(engine.range(f"timestamp(x_total offset {offset}ms)", start, end, step).value)
    assert same(times, actual_times), (times, actual_times)


@settings(max_examples=40, deadline=None)
@given(storages(), milliseconds(1, 100), milliseconds(4, 30), milliseconds(5, 60))
def test_subqueries_are_evaluated_at_multiples_of_their_step(
    storage: MemoryStorage, reach: int, resolution: int, step: int
) -> None:
    """A subquery's samples are its expression's values at the multiples of its step within the window."""
    start, end = 30_000, 280_000
    engine = Engine(storage, lookback=LOOKBACK)
    inner = found(engine.range("x_total", -150_000 // resolution * resolution, end, resolution).value)
    expected: Found = {}
    for labels, points in inner.items():
        for time in range(start, end + 1, step):
            window = [value for moment, value in points.items() if time - reach < moment <= time]
            if window:
                expected.setdefault(labels.without(("__name__",)), {})[time] = float(len(window))
    actual = found(engine.range(f"count_over_time(x_total[{reach}ms:{resolution}ms])", start, end, step).value)
    assert same(expected, actual), (expected, actual)


@pytest.mark.parametrize("query", ["sum", "avg", "min", "max", "count", "group", "stddev", "stdvar"])
def test_aggregations_take_each_group_alone(query: str) -> None:
    """An aggregation by a label gives what the aggregation of each label's series gives."""
    storage = MemoryStorage(interval=TICK)
    for series in range(12):
        labels = Labels({"__name__": "x", "group": str(series % 5), "series": str(series)})
        ticks = [tick for tick in range(20) if (tick * 7 + series) % 11]
        storage.put(labels, [(tick * TICK, math.sin(tick * series) * 100) for tick in ticks], stream=str(series % 3))
    engine = Engine(storage, lookback=TICK)
    together = found(engine.range(f"{query} by (group) (x)", 0, 20 * TICK, TICK).value)
    for group in range(5):
        alone = found(engine.range(f'{query}(x{{group="{group}"}})', 0, 20 * TICK, TICK).value)
        assert same(alone, {Labels(): together[Labels({"group": str(group)})]})


def test_a_huge_past_leaves_a_small_present_exact() -> None:
    """Sums of overlapping windows are exact even where samples before them were larger by many magnitudes."""
    storage = MemoryStorage(interval=TICK)
    values = [1e18, -1e18, *(0.1 * tick for tick in range(40))]
    storage.put(Labels({"__name__": "x"}), [(tick * TICK, value) for tick, value in enumerate(values)])
    matrix = Engine(storage).range("sum_over_time(x[100s])", 120_000, 400_000, TICK).value
    assert isinstance(matrix, Matrix)
    assert [math.fsum(values[tick - 9 : tick + 1]) for tick in range(12, 41)] == matrix.values.tolist()
