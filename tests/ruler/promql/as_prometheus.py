"""Prometheus's own way through the numbers of a group, a step at a time: what ours are held against."""

from __future__ import annotations

import math
from collections.abc import Sequence


def increased(inc: float, total: float, lost: float) -> tuple[float, float]:
    """Neumaier's addition; the error of an infinite sum is forgotten."""
    result = total + inc
    if math.isinf(result):
        return result, 0.0
    if abs(total) >= abs(inc):
        return result, lost + ((total - result) + inc)
    return result, lost + ((inc - result) + total)


def total_of(numbers: Sequence[float]) -> float:
    total, lost = numbers[0], 0.0
    for number in numbers[1:]:
        total, lost = increased(number, total, lost)
    return total + lost


def mean_of(numbers: Sequence[float]) -> float:
    total, lost, mean, as_mean = numbers[0], 0.0, 0.0, False
    for count, number in enumerate(numbers[1:], 2):
        if not as_mean:
            moved, left = increased(number, total, lost)
            if not math.isinf(moved):
                total, lost = moved, left
                continue
            as_mean, mean, lost = True, total / (count - 1), lost / (count - 1)
        share = (count - 1) / count
        mean, lost = increased(number / count, share * mean, share * lost)
    return mean + lost if as_mean else total / len(numbers) + lost / len(numbers)


def variance_of(numbers: Sequence[float]) -> float:
    mean, squares = numbers[0], 0.0 if math.isfinite(numbers[0]) else math.nan
    for count, number in enumerate(numbers[1:], 2):
        apart = number - mean
        mean += apart / count
        squares += apart * (number - mean)
    return squares / len(numbers)


def least_of(numbers: Sequence[float]) -> float:
    least = numbers[0]
    for number in numbers[1:]:
        if least > number or math.isnan(least):
            least = number
    return least


def greatest_of(numbers: Sequence[float]) -> float:
    greatest = numbers[0]
    for number in numbers[1:]:
        if greatest < number or math.isnan(greatest):
            greatest = number
    return greatest


def sum_over(numbers: Sequence[float]) -> float:
    total, lost = 0.0, 0.0
    for number in numbers:
        total, lost = increased(number, total, lost)
    return total if math.isinf(total) else total + lost


def variance_over(numbers: Sequence[float]) -> float:
    mean, mean_lost, squares, squares_lost = 0.0, 0.0, 0.0, 0.0
    for count, number in enumerate(numbers, 1):
        apart = number - (mean + mean_lost)
        mean, mean_lost = increased(apart / count, mean, mean_lost)
        squares, squares_lost = increased(apart * (number - (mean + mean_lost)), squares, squares_lost)
    return (squares + squares_lost) / len(numbers)


def quantile_of(share: float, numbers: Sequence[float]) -> float:
    if math.isnan(share):
        return math.nan
    if share < 0:
        return -math.inf
    if share > 1:
        return math.inf
    ordered = sorted(numbers, key=lambda number: (not math.isnan(number), number))
    rank = share * (len(ordered) - 1)
    low = max(0.0, math.floor(rank))
    high = min(len(ordered) - 1, low + 1)
    weight = rank - math.floor(rank)
    return ordered[int(low)] * (1 - weight) + ordered[int(high)] * weight


def slope_of(numbers: Sequence[float], seconds: Sequence[float]) -> tuple[float, float]:
    """The slope of the line nearest to numbers at these distances from a moment, and its height at that moment."""
    if all(number == numbers[0] for number in numbers):
        return (math.nan, math.nan) if math.isinf(numbers[0]) else (0.0, numbers[0])
    sums = []
    for terms in (
        seconds,
        numbers,
        [x * y for x, y in zip(seconds, numbers, strict=True)],
        [x * x for x in seconds],
    ):
        total, lost = 0.0, 0.0
        for term in terms:
            total, lost = increased(term, total, lost)
        sums.append(total + lost)
    sum_x, sum_y, sum_xy, sum_xx = sums
    count = len(numbers)
    covariance, variance = sum_xy - sum_x * sum_y / count, sum_xx - sum_x * sum_x / count
    slope = covariance / variance
    return slope, sum_y / count - slope * sum_x / count
