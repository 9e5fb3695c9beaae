"""Functions of single values: rounding, roots, logarithms, angles. As Go's math package has them, NaN included."""

from __future__ import annotations

import numpy as np

from ruler.model.arrays import FloatArray

_ONE_SIDED = 21.0  # from here on Go takes half of the larger exponential alone, and overflows a little earlier
_LOG2_OF_E, _LOG10_OF_E = 1.4426950408889634, 0.4342944819032518  # the nearest floats, which quotients may miss


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


def log2(values: FloatArray) -> FloatArray:
    """By way of the natural logarithm of the fraction, as Go takes it: powers of 2 come out whole."""
    fraction, power = np.frexp(values)
    found = np.log(fraction) * _LOG2_OF_E + power
    return np.where(fraction == 0.5, power - 1.0, np.where(np.isfinite(values), found, np.log(values)))


def log10(values: FloatArray) -> FloatArray:
    """By way of the natural logarithm, as Go takes it: of 0.1 it is a little more than -1."""
    return np.asarray(np.log(values) * _LOG10_OF_E)


def cosh(values: FloatArray) -> FloatArray:
    size = np.abs(values)
    return np.where(size > _ONE_SIDED, np.exp(size) * 0.5, np.cosh(values))


def sinh(values: FloatArray) -> FloatArray:
    size = np.abs(values)
    return np.where(size > _ONE_SIDED, np.copysign(np.exp(size) * 0.5, values), np.sinh(values))


def radians(values: FloatArray) -> FloatArray:
    return values * np.pi / 180


def degrees(values: FloatArray) -> FloatArray:
    return values * 180 / np.pi
