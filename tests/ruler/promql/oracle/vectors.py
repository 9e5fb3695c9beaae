"""The obvious functions of instant vectors, and what a vector is: a list of points of one moment."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date

from common.labels import METRIC_NAME, Labels
from ruler.model.golang import format_float

INFINITE = ("+Inf", "Inf")


class Refused(Exception):  # noqa: N818  (what happened to the query)
    """A query that cannot be answered."""


@dataclass(frozen=True, slots=True)
class Point:
    """A Point is one series' value at the moment; `drop` says that its name goes at the end of the query."""

    labels: Labels
    value: float
    drop: bool = False


Vector = list[Point]
Value = float | str | Vector


def distinct(vector: Iterable[Point]) -> Vector:
    """The vector, unless two of its points have the same labels."""
    found = list(vector)
    if len({point.labels for point in found}) < len(found):
        raise Refused("vector cannot contain metrics with the same labelset")
    return found


def with_label(labels: Labels, name: str, value: str) -> Labels:
    return labels.replacing({name: value})


# --- numbers ----------------------------------------------------------------------------------------------------------


def _or_nan(function: Callable[[float], float]) -> Callable[[float], float]:
    """As Go has it: NaN where there is no value, infinity where it is too large."""

    def run(value: float) -> float:
        try:
            return function(value)
        except ValueError:
            return math.nan
        except OverflowError:
            return math.inf

    return run


def _logarithm(function: Callable[[float], float]) -> Callable[[float], float]:
    return _or_nan(lambda value: -math.inf if value == 0 else function(value))


def _whole(function: Callable[[float], int]) -> Callable[[float], float]:
    return lambda value: (
        math.copysign(float(function(value)), value if function(value) == 0 else function(value))
        if math.isfinite(value)
        else value
    )


def _cosh(value: float) -> float:
    return math.cosh(value) if abs(value) < 700 else _or_nan(math.exp)(abs(value)) * 0.5


def _sinh(value: float) -> float:
    return math.sinh(value) if abs(value) < 700 else math.copysign(_cosh(value), value)


def rounded(value: float, nearest: float = 1.0) -> float:
    """To the nearest multiple, ties upwards."""
    inverse = divided(1.0, nearest)
    scaled = value * inverse + 0.5
    return divided(math.floor(scaled) if math.isfinite(scaled) else scaled, inverse)


def divided(left: float, right: float) -> float:
    if right == 0:
        if left == 0 or math.isnan(left):
            return math.nan
        return math.copysign(math.inf, left) * math.copysign(1, right)
    return left / right


def greater(one: float, other: float) -> float:
    """The greater of two: infinity is greater even than NaN, and 0 than -0."""
    if math.inf in (one, other):
        return math.inf
    if math.isnan(one) or math.isnan(other):
        return math.nan
    if one == other == 0:
        return one if math.copysign(1, one) > 0 else other
    return max(one, other)


def lesser(one: float, other: float) -> float:
    return -greater(-one, -other)


def _atanh(value: float) -> float:
    return math.copysign(math.inf, value) if abs(value) == 1 else math.atanh(value)


POINTWISE: dict[str, Callable[..., float]] = {
    "abs": abs,
    "acos": _or_nan(math.acos),
    "acosh": _or_nan(math.acosh),
    "asin": _or_nan(math.asin),
    "asinh": _or_nan(math.asinh),
    "atan": math.atan,
    "atanh": _or_nan(_atanh),
    "ceil": _whole(math.ceil),
    "clamp_max": lambda value, high: lesser(high, value),
    "clamp_min": lambda value, low: greater(low, value),
    "cos": _or_nan(math.cos),
    "cosh": _cosh,
    "deg": lambda value: value * 180 / math.pi,
    "exp": _or_nan(math.exp),
    "floor": _whole(math.floor),
    "ln": _logarithm(math.log),
    "log10": _logarithm(math.log10),
    "log2": _logarithm(math.log2),
    "rad": lambda value: value * math.pi / 180,
    "round": rounded,
    "sgn": lambda value: -1.0 if value < 0 else 1.0 if value > 0 else value,
    "sin": _or_nan(math.sin),
    "sinh": _sinh,
    "sqrt": _or_nan(math.sqrt),
    "tan": _or_nan(math.tan),
    "tanh": math.tanh,
}


# --- dates ------------------------------------------------------------------------------------------------------------

_CYCLE = 146_097  # days of 400 years, after which the calendar begins again
_ZERO = 730_692_556 * _CYCLE + 719_162  # days from the least year that Go counts from to 1970


def _parts(seconds: float) -> tuple[int, date, int, int]:
    """How many times 400 years later, the date, its number of days since 1970, and the second of the day."""
    fits = math.isfinite(seconds) and abs(seconds) < 2**63
    counted = ((int(seconds) if fits else -(2**63)) + _ZERO * 86_400) % 2**64
    days, second = counted // 86_400 - _ZERO, counted % 86_400
    cycle, rest = divmod(days, _CYCLE)
    return cycle, date.fromordinal(719_163 + rest), days, second


def _days_in_month(day: date) -> int:
    return (date(day.year + day.month // 12, day.month % 12 + 1, 1) - day.replace(day=1)).days


DATES: dict[str, Callable[[float], float]] = {
    "day_of_month": lambda seconds: float(_parts(seconds)[1].day),
    "day_of_week": lambda seconds: float((_parts(seconds)[2] + 4) % 7),
    "day_of_year": lambda seconds: float(_parts(seconds)[1].timetuple().tm_yday),
    "days_in_month": lambda seconds: float(_days_in_month(_parts(seconds)[1])),
    "hour": lambda seconds: float(_parts(seconds)[3] // 3600),
    "minute": lambda seconds: float(_parts(seconds)[3] % 3600 // 60),
    "month": lambda seconds: float(_parts(seconds)[1].month),
    "year": lambda seconds: float(_parts(seconds)[1].year + 400 * _parts(seconds)[0]),
}


# --- classic histograms -----------------------------------------------------------------------------------------------

Buckets = list[tuple[float, float]]


def histograms(vector: Vector) -> list[tuple[Labels, Buckets]]:
    """The buckets of each histogram by their bounds, those with the same bound as one."""
    found: dict[Labels, dict[float, float]] = {}
    for point in vector:
        text = point.labels.get("le", "")
        try:
            bound = float(text)
        except ValueError:
            continue
        buckets = found.setdefault(point.labels.without(("le",)), {})
        buckets[bound] = buckets.get(bound, 0.0) + point.value
    return [(labels, sorted(buckets.items())) for labels, buckets in found.items()]


def bucket_quantile(share: float, buckets: Buckets) -> float:
    if math.isnan(share):
        return math.nan
    if share < 0 or share > 1:
        return math.copysign(math.inf, share)
    if buckets[-1][0] != math.inf:
        return math.nan
    bounds, counts = [bound for bound, _ in buckets], [count for _, count in buckets]
    for place in range(1, len(counts)):
        before, now = counts[place - 1], counts[place]
        if now < before or abs(now - before) < 1e-12 * (abs(now) + abs(before)):
            counts[place] = before
    if len(counts) < 2 or counts[-1] == 0:
        return math.nan
    rank = share * counts[-1]
    place = next((place for place in range(len(counts) - 1) if counts[place] >= rank), len(counts) - 1)
    if place == len(counts) - 1:
        return bounds[-2]
    if place == 0:
        return bounds[0] if bounds[0] <= 0 else 0.0 + bounds[0] * divided(rank, counts[0])
    width, below = bounds[place] - bounds[place - 1], counts[place - 1]
    return bounds[place - 1] + width * divided(rank - below, counts[place] - below)


def bucket_fraction(low: float, high: float, buckets: Buckets) -> float:
    total = buckets[-1][1]
    if buckets[-1][0] != math.inf or total == 0 or math.isnan(low) or math.isnan(high):
        return math.nan
    if low >= high:
        return 0.0
    return (_rank(high, buckets) - _rank(low, buckets)) / total


def _rank(value: float, buckets: Buckets) -> float:
    """How many observations are up to the value."""
    start, below = (0.0 if buckets[0][0] > 0 else -math.inf), 0.0
    for end, count in buckets:
        if start >= value:
            return min(below, buckets[-1][1])
        if end > value:
            part = 1.0 if start == -math.inf else (value - start) / (end - start)
            return min(below + (count - below) * part, buckets[-1][1])
        start, below = end, count
    return buckets[-1][1]


def open_metrics(value: float) -> str:
    """A number as a label value: with a point, if it is written without one."""
    text = format_float(value, "g")
    return text if any(mark in text for mark in ".eN") or "Inf" in text else f"{text}.0"


def nameless(labels: Labels) -> Labels:
    return labels.without((METRIC_NAME,))
