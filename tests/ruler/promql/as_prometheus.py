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
