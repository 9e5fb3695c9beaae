"""Functions over windows give what Prometheus's own way through the samples gives, whatever floats they are."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.labels import Labels
from ruler.model.result import Matrix
from ruler.promql.engine import Engine
from tests.ruler.promql import as_prometheus
from tests.ruler.promql.memory_storage import MemoryStorage

TICK = 15_000
NASTY = (0.0, 0.1, 0.3, 1.0, 1e16, 1e100, 1e308, 5e-324, math.inf, math.nan)
numbers = st.one_of(st.sampled_from((*NASTY, *(-each for each in NASTY))), st.floats())
tame = st.floats(-1e6, 1e6, allow_subnormal=False).map(lambda number: round(number, 3))


def deriv(samples: Sequence[float]) -> float:
    return as_prometheus.slope_of(samples, [place * TICK / 1000 for place in range(len(samples))])[0]


def predicted(samples: Sequence[float]) -> float:
    seconds = [(place - len(samples) + 1) * TICK / 1000 for place in range(len(samples))]
    slope, height = as_prometheus.slope_of(samples, seconds)
    return slope * 60.0 + height


EXACT: dict[str, Callable[[Sequence[float]], float]] = {
    "sum_over_time(x[{}])": as_prometheus.sum_over,
    "min_over_time(x[{}])": as_prometheus.least_of,
    "max_over_time(x[{}])": as_prometheus.greatest_of,
    # Which of 0 and -0 is sorted before the other is not settled there either.
    "quantile_over_time(0.3, x[{}]) + 0": lambda samples: as_prometheus.quantile_of(0.3, samples) + 0.0,
    "last_over_time(x[{}])": lambda samples: samples[-1],
    "first_over_time(x[{}])": lambda samples: samples[0],
    "count_over_time(x[{}])": lambda samples: float(len(samples)),
}
CLOSE: dict[str, Callable[[Sequence[float]], float]] = {
    "avg_over_time(x[{}])": as_prometheus.mean_of,
    "stdvar_over_time(x[{}])": as_prometheus.variance_over,
    "deriv(x[{}])": deriv,
    "predict_linear(x[{}], 60)": predicted,
}


def bits(number: float) -> str:
    """A float, told apart from every other, all NaN being one."""
    return "nan" if math.isnan(number) else struct.pack(">d", number).hex()


def windows(query: str, samples: Sequence[float], size: int) -> list[float]:
    """The values over each window of so many samples, the first that is full first."""
    storage = MemoryStorage(interval=TICK)
    storage.put(Labels({"__name__": "x"}), [(place * TICK, number) for place, number in enumerate(samples)])
    text = query.format(f"{size * TICK}ms")
    start, end = (size - 1) * TICK, (len(samples) - 1) * TICK
    value = Engine(storage).range(text, start, end, TICK).value
    assert isinstance(value, Matrix)
    found = dict(zip(value.times.tolist(), value.values.tolist(), strict=True))
    return [found.get(time, math.nan) for time in range(start, end + 1, TICK)]


@pytest.mark.parametrize("query", EXACT)
@given(samples=st.lists(numbers, min_size=1, max_size=40), size=st.integers(1, 40))
@settings(max_examples=100)
def test_windows_are_as_there_to_the_bit(query: str, samples: list[float], size: int) -> None:
    """Whether windows overlap or not, the bits are those of Prometheus."""
    size = min(size, len(samples))
    expected = [EXACT[query](samples[place : place + size]) for place in range(len(samples) - size + 1)]
    assert [bits(each) for each in expected] == [bits(each) for each in windows(query, samples, size)]


@pytest.mark.parametrize("query", CLOSE)
@given(samples=st.lists(tame, min_size=2, max_size=40), size=st.integers(2, 40))
@settings(max_examples=100)
def test_windows_agree_to_the_last_digits(query: str, samples: list[float], size: int) -> None:
    """What windows share is worked out in another order: the last digits may differ."""
    size = min(size, len(samples))
    expected = [CLOSE[query](samples[place : place + size]) for place in range(len(samples) - size + 1)]
    scale = max(map(abs, samples)) ** (2 if "var" in query else 1)
    assert expected == pytest.approx(windows(query, samples, size), rel=1e-11, abs=1e-13 * scale)


@pytest.mark.parametrize("query", CLOSE)
@given(samples=st.lists(numbers, min_size=2, max_size=8))
@settings(max_examples=100)
def test_infinities_are_as_there(query: str, samples: list[float]) -> None:
    """Whether the result is a number, infinite or none is as there."""
    expected = CLOSE[query](samples)
    (found,) = windows(query, samples, len(samples))
    assert (math.isnan(expected), math.isinf(expected)) == (math.isnan(found), math.isinf(found))


def test_means_do_not_overflow() -> None:
    """A mean of huge values is a number though their sum is none."""
    assert [1.5e308] == windows("avg_over_time(x[{}])", [1.5e308] * 7, 7)


def test_tenths_are_tenths() -> None:
    """The mean of equal values is that value, over every window."""
    samples = np.full(50, 0.1).tolist()
    assert [0.1] * 31 == windows("avg_over_time(x[{}])", samples, 20)
