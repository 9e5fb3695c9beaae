"""The slow, obvious evaluator: PromQL's range functions over plain lists of samples, one window at a time.

Each function takes the samples of one window (times in ms), the window's end, its length (ms), and gives a number or
None. Written from Prometheus's documentation of each function, without arrays.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

Sample = tuple[int, float]
Samples = list[Sample]
Function = Callable[[Samples, int, int], float | None]


def _values(samples: Samples) -> list[float]:
    return [value for _, value in samples]


def _sum(numbers: list[float]) -> float:
    try:
        return math.fsum(numbers)
    except (OverflowError, ValueError):
        return sum(numbers)


def _over_time(fold: Callable[[list[float]], float]) -> Function:
    return lambda samples, _end, _reach: fold(_values(samples)) if samples else None


def _least(numbers: list[float]) -> float:
    return min((number for number in numbers if not math.isnan(number)), default=math.nan)


def _largest(numbers: list[float]) -> float:
    return max((number for number in numbers if not math.isnan(number)), default=math.nan)


def _variance(numbers: list[float]) -> float:
    if not all(map(math.isfinite, numbers)):
        return math.nan
    mean = _sum(numbers) / len(numbers)
    return _sum([(number - mean) ** 2 for number in numbers]) / len(numbers)


def quantile(share: float, numbers: list[float]) -> float:
    if math.isnan(share):
        return math.nan
    if share < 0 or share > 1:
        return math.copysign(math.inf, share)
    ordered = sorted(numbers, key=lambda number: (not math.isnan(number), number))
    rank = share * (len(ordered) - 1)
    low = max(0, math.floor(rank))
    high = min(len(ordered) - 1, low + 1)
    weight = rank - math.floor(rank)
    return ordered[low] * (1 - weight) + ordered[high] * weight


def _changes(numbers: list[float]) -> float:
    pairs = itertools.pairwise(numbers)
    return float(sum(old != new and not (math.isnan(old) and math.isnan(new)) for old, new in pairs))


def _resets(numbers: list[float]) -> float:
    return float(sum(new < old for old, new in itertools.pairwise(numbers)))


def _extrapolated(samples: Samples, end: int, reach: int, *, counter: bool) -> float | None:
    if len(samples) < 2:
        return None
    (first_time, first), (last_time, last) = samples[0], samples[-1]
    rise = last - first
    if counter:
        for (_, old), (_, new) in itertools.pairwise(samples):
            if new < old:
                rise += old
    to_start, to_end = (first_time - (end - reach)) / 1000, (end - last_time) / 1000
    sampled = (last_time - first_time) / 1000
    average = sampled / (len(samples) - 1)
    if to_start >= average * 1.1:
        to_start = average / 2
    if counter and rise > 0 and first >= 0:
        to_start = min(to_start, sampled * (first / rise))
    if to_end >= average * 1.1:
        to_end = average / 2
    return rise * ((sampled + to_start + to_end) / sampled)


def _increase(samples: Samples, end: int, reach: int) -> float | None:
    return _extrapolated(samples, end, reach, counter=True)


def _rate(samples: Samples, end: int, reach: int) -> float | None:
    increase = _increase(samples, end, reach)
    return None if increase is None else increase / (reach / 1000)


def _delta(samples: Samples, end: int, reach: int) -> float | None:
    return _extrapolated(samples, end, reach, counter=False)


def _idelta(samples: Samples, _end: int, _reach: int) -> float | None:
    return samples[-1][1] - samples[-2][1] if len(samples) > 1 else None


def _irate(samples: Samples, _end: int, _reach: int) -> float | None:
    if len(samples) < 2:
        return None
    (old_time, old), (new_time, new) = samples[-2:]
    return (new if new < old else new - old) / ((new_time - old_time) / 1000)


def _line(samples: Samples, origin: int) -> tuple[float, float]:
    opening = samples[0][1]
    if all(value == opening for _, value in samples):
        return (math.nan, math.nan) if math.isinf(opening) else (0.0, opening)
    count = len(samples)
    x = [(time - origin) / 1000 for time, _ in samples]
    y = _values(samples)
    if not all(map(math.isfinite, y)):
        return math.nan, math.nan
    sum_x, sum_y = _sum(x), _sum(y)
    covariance = _sum([a * b for a, b in zip(x, y, strict=True)]) - sum_x * sum_y / count
    slope = covariance / (_sum([a * a for a in x]) - sum_x * sum_x / count)
    return slope, sum_y / count - slope * sum_x / count


def _deriv(samples: Samples, _end: int, _reach: int) -> float | None:
    return _line(samples, samples[0][0])[0] if len(samples) > 1 else None


def _predict(samples: Samples, end: int, _reach: int) -> float | None:
    if len(samples) < 2:
        return None
    slope, intercept = _line(samples, end)
    return slope * 60 + intercept


def _smoothed(samples: Samples, _end: int, _reach: int) -> float | None:
    if len(samples) < 2:
        return None
    numbers = _values(samples)
    level, trend = numbers[0], numbers[1] - numbers[0]
    older = 0.0
    for place, number in enumerate(numbers[1:]):
        if place:
            trend = 0.3 * (level - older) + 0.7 * trend
        older, level = level, 0.5 * number + 0.5 * (level + trend)
    return level


# Each query's text with `$` for the range vector, and what it means.
FUNCTIONS: dict[str, Function] = {
    "avg_over_time($)": _over_time(lambda numbers: _sum(numbers) / len(numbers)),
    "changes($)": _over_time(_changes),
    "count_over_time($)": _over_time(lambda numbers: float(len(numbers))),
    "delta($)": _delta,
    "deriv($)": _deriv,
    "double_exponential_smoothing($, 0.5, 0.3)": _smoothed,
    "first_over_time($)": _over_time(lambda numbers: numbers[0]),
    "idelta($)": _idelta,
    "increase($)": _increase,
    "irate($)": _irate,
    "last_over_time($)": _over_time(lambda numbers: numbers[-1]),
    "max_over_time($)": _over_time(_largest),
    "min_over_time($)": _over_time(_least),
    "predict_linear($, 60)": _predict,
    "present_over_time($)": _over_time(lambda _: 1.0),
    "quantile_over_time(0.3, $)": _over_time(lambda numbers: quantile(0.3, numbers)),
    "rate($)": _rate,
    "resets($)": _over_time(_resets),
    "stddev_over_time($)": _over_time(lambda numbers: math.sqrt(_variance(numbers))),
    "stdvar_over_time($)": _over_time(_variance),
    "sum_over_time($)": _over_time(_sum),
    "ts_of_first_over_time($)": lambda samples, _end, _reach: samples[0][0] / 1000 if samples else None,
    "ts_of_last_over_time($)": lambda samples, _end, _reach: samples[-1][0] / 1000 if samples else None,
}
