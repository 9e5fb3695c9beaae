"""The obvious range functions: what each gives for the list of samples in one window, one sample after the other.

A function takes the samples (times in ms, no staleness markers, at least one), where the window ends, how long it is,
and when it is asked (ms); after those its scalar arguments. It gives a number, or None for nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from itertools import pairwise

Sample = tuple[int, float]
Samples = list[Sample]
Function = Callable[..., float | None]


def compensated(total: float, lost: float, term: float) -> tuple[float, float]:
    """One step of Neumaier's summation; what rounding lost means nothing once the sum is infinite."""
    result = total + term
    if math.isinf(result):
        return result, 0.0
    if abs(total) >= abs(term):
        return result, lost + ((total - result) + term)
    return result, lost + ((term - result) + total)


def summed(numbers: Iterable[float]) -> float:
    total = lost = 0.0
    for number in numbers:
        total, lost = compensated(total, lost, number)
    return total if math.isinf(total) else total + lost


def averaged(numbers: list[float]) -> float:
    """The sum through the count, and a running mean from where the sum would not fit a float any more."""
    total, lost = numbers[0], 0.0
    mean = math.nan
    for count, number in enumerate(numbers[1:], 2):
        if math.isnan(mean):
            new_total, new_lost = compensated(total, lost, number)
            if not math.isinf(new_total):
                total, lost = new_total, new_lost
                continue
            mean, lost = total / (count - 1), lost / (count - 1)
            if math.isnan(mean):
                return math.nan
        share = (count - 1) / count
        mean, lost = compensated(share * mean, share * lost, number / count)
        if math.isnan(mean):
            return math.nan
    return total / len(numbers) + lost / len(numbers) if math.isnan(mean) else mean + lost


def least(numbers: list[float]) -> float:
    return extreme(numbers, lambda number, best: number < best)


def largest(numbers: list[float]) -> float:
    return extreme(numbers, lambda number, best: number > best)


def extreme(numbers: list[float], beats: Callable[[float, float], bool]) -> float:
    best = numbers[0]
    for number in numbers[1:]:
        if beats(number, best) or math.isnan(best):
            best = number
    return best


def quantile(share: float, numbers: list[float]) -> float:
    """Between the two nearest of the sorted numbers, NaN being the least of all, and -0 before 0."""
    if math.isnan(share):
        return math.nan
    if share < 0 or share > 1:
        return math.copysign(math.inf, share)
    ordered = sorted(numbers, key=lambda number: (not math.isnan(number), number, math.copysign(1, number)))
    rank = share * (len(ordered) - 1)
    low = max(0, math.floor(rank))
    high = min(len(ordered) - 1, low + 1)
    weight = rank - math.floor(rank) + 0.0
    return ordered[low] * (1 - weight) + ordered[high] * weight


def _variance(numbers: list[float]) -> float:
    mean = mean_lost = squares = squares_lost = 0.0
    for count, number in enumerate(numbers, 1):
        apart = number - (mean + mean_lost)
        mean, mean_lost = compensated(mean, mean_lost, apart / count)
        squares, squares_lost = compensated(squares, squares_lost, apart * (number - (mean + mean_lost)))
    return (squares + squares_lost) / len(numbers)


def _deviation(numbers: list[float]) -> float:
    variance = _variance(numbers)
    return math.sqrt(variance) if variance >= 0 else math.nan


def _median_distance(numbers: list[float]) -> float:
    if any(map(math.isnan, numbers)):
        return math.nan
    median = quantile(0.5, numbers)
    return quantile(0.5, [abs(number - median) for number in numbers])


def _changes(numbers: list[float]) -> float:
    return float(sum(old != new and not (math.isnan(old) and math.isnan(new)) for old, new in pairwise(numbers)))


def _resets(numbers: list[float]) -> float:
    return float(sum(new < old for old, new in pairwise(numbers)))


def _values(fold: Callable[[list[float]], float]) -> Function:
    return lambda samples, _end, _reach, _now: fold([value for _, value in samples])


def _time_of(samples: Samples, beats: Callable[[float, float], bool]) -> float:
    when, best = samples[0]
    for time, value in samples:
        if beats(value, best) or math.isnan(best):
            when, best = time, value
    return when / 1000


def _extrapolated(samples: Samples, end: int, reach: int, *, counter: bool) -> tuple[float, float] | None:
    """How much the samples rose, and how much longer than they the window is taken to be."""
    if len(samples) < 2:
        return None
    (first_time, first), (last_time, last) = samples[0], samples[-1]
    rise = last - first
    if counter:
        for (_, old), (_, new) in pairwise(samples):
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
    return rise, (sampled + to_start + to_end) / sampled


def _increase(samples: Samples, end: int, reach: int, _now: int) -> float | None:
    found = _extrapolated(samples, end, reach, counter=True)
    return None if found is None else found[0] * found[1]


def _rate(samples: Samples, end: int, reach: int, _now: int) -> float | None:
    found = _extrapolated(samples, end, reach, counter=True)
    return None if found is None else found[0] * (found[1] / (reach / 1000))


def _delta(samples: Samples, end: int, reach: int, _now: int) -> float | None:
    found = _extrapolated(samples, end, reach, counter=False)
    return None if found is None else found[0] * found[1]


def _idelta(samples: Samples, _end: int, _reach: int, _now: int) -> float | None:
    return samples[-1][1] - samples[-2][1] if len(samples) > 1 else None


def _irate(samples: Samples, _end: int, _reach: int, _now: int) -> float | None:
    if len(samples) < 2:
        return None
    (old_time, old), (new_time, new) = samples[-2:]
    return (new if new < old else new - old) / ((new_time - old_time) / 1000)


def _line(samples: Samples, origin: int) -> tuple[float, float]:
    """The slope of the line nearest to the samples, and its value at the origin."""
    opening = samples[0][1]
    if all(value == opening for _, value in samples[1:]):
        return (math.nan, math.nan) if math.isinf(opening) else (0.0, opening)
    count = len(samples)
    x = [(time - origin) / 1000 for time, _ in samples]
    y = [value for _, value in samples]
    sum_x, sum_y = summed(x), summed(y)
    sum_xy, sum_xx = summed([a * b for a, b in zip(x, y, strict=True)]), summed([a * a for a in x])
    slope = (sum_xy - sum_x * sum_y / count) / (sum_xx - sum_x * sum_x / count)
    return slope, sum_y / count - slope * sum_x / count


def _deriv(samples: Samples, _end: int, _reach: int, _now: int) -> float | None:
    return _line(samples, samples[0][0])[0] if len(samples) > 1 else None


def _predict(samples: Samples, _end: int, _reach: int, now: int, seconds: float) -> float | None:
    if len(samples) < 2:
        return None
    slope, intercept = _line(samples, now)
    return slope * seconds + intercept


def _smoothed(samples: Samples, _end: int, _reach: int, _now: int, smoothing: float, trend: float) -> float | None:
    for name, factor in (("smoothing", smoothing), ("trend", trend)):
        if factor <= 0 or factor >= 1:
            raise ValueError(f"invalid {name} factor")
    if len(samples) < 2:
        return None
    numbers = [value for _, value in samples]
    level, slope, older = numbers[0], numbers[1] - numbers[0], 0.0
    for place, number in enumerate(numbers[1:]):
        if place:
            slope = trend * (level - older) + (1 - trend) * slope
        older, level = level, smoothing * number + (1 - smoothing) * (level + slope)
    return level


WINDOWED: dict[str, Function] = {
    "avg_over_time": _values(averaged),
    "changes": _values(_changes),
    "count_over_time": _values(lambda numbers: float(len(numbers))),
    "delta": _delta,
    "deriv": _deriv,
    "double_exponential_smoothing": _smoothed,
    "first_over_time": _values(lambda numbers: numbers[0]),
    "idelta": _idelta,
    "increase": _increase,
    "irate": _irate,
    "last_over_time": _values(lambda numbers: numbers[-1]),
    "mad_over_time": _values(_median_distance),
    "max_over_time": _values(largest),
    "min_over_time": _values(least),
    "predict_linear": _predict,
    "present_over_time": _values(lambda _: 1.0),
    "quantile_over_time": lambda samples, _e, _r, _n, share: quantile(share, [value for _, value in samples]),
    "rate": _rate,
    "resets": _values(_resets),
    "stddev_over_time": _values(_deviation),
    "stdvar_over_time": _values(_variance),
    "sum_over_time": _values(summed),
    "ts_of_first_over_time": lambda samples, _e, _r, _n: samples[0][0] / 1000,
    "ts_of_last_over_time": lambda samples, _e, _r, _n: samples[-1][0] / 1000,
    "ts_of_max_over_time": lambda samples, _e, _r, _n: _time_of(samples, lambda number, best: number >= best),
    "ts_of_min_over_time": lambda samples, _e, _r, _n: _time_of(samples, lambda number, best: number <= best),
}
