"""Functions of single values: rounding, roots, logarithms, angles. As Go's math package has them, NaN included."""

from __future__ import annotations

import numpy as np

from ruler.model.arrays import FloatArray


def round_to(values: FloatArray, nearest: FloatArray | float = 1.0) -> FloatArray:
    """Each value rounded to a multiple, ties upwards."""
    inverse = 1.0 / nearest
    return np.asarray(np.floor(values * inverse + 0.5) / inverse)


def sign(values: FloatArray) -> FloatArray:
    return np.where(values < 0, -1.0, np.where(values > 0, 1.0, values))


def greater(one: FloatArray, other: FloatArray) -> FloatArray:
    """The greater of two: infinity is greater even than NaN, and 0 than -0."""
    zeros = (one == 0) & (other == 0)
    result = np.where(zeros, one + other, np.maximum(one, other))
    return np.where((one == np.inf) | (other == np.inf), np.inf, result)


def lesser(one: FloatArray, other: FloatArray) -> FloatArray:
    """The lesser of two: minus infinity is less even than NaN, and -0 than 0."""
    return -greater(-one, -other)


def clamp_min(values: FloatArray, low: FloatArray) -> FloatArray:
    return greater(low, values)


def clamp_max(values: FloatArray, high: FloatArray) -> FloatArray:
    return lesser(high, values)


def radians(values: FloatArray) -> FloatArray:
    return values * np.pi / 180


def degrees(values: FloatArray) -> FloatArray:
    return values * 180 / np.pi
