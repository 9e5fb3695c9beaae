"""Generated streams of series over lists: scrapes are missed, series come and go, times jitter or follow no grid."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import strategies as st

from common.labels import Labels
from ruler.model.arrays import NAN, STALE, is_stale
from ruler.model.result import Matrix, Value
from tests.ruler.promql.memory_storage import MemoryStorage, Sample
from tests.ruler.promql.oracle.windows import Samples

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
