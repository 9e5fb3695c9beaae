"""The binary operators on numbers: what each computes, and for comparisons which pairs it keeps."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from ruler.model.arrays import BoolArray, FloatArray

Arithmetic: TypeAlias = Callable[[FloatArray, FloatArray], FloatArray]
Comparison: TypeAlias = Callable[[FloatArray, FloatArray], BoolArray]


def power(base: FloatArray, exponent: FloatArray) -> FloatArray:
    """Base to the power of exponent. A lone exponent of 0.5 is a square root to numpy: not so of -0 and -Inf."""
    result = np.power(base, exponent)
    if exponent.size == 1 and exponent.flat[0] == 0.5:
        return np.where(base == -np.inf, np.inf, result + 0.0)
    return np.asarray(result)


ARITHMETIC: dict[str, Arithmetic] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "%": np.fmod,
    "^": power,
    "atan2": np.arctan2,
}
COMPARISON: dict[str, Comparison] = {
    "==": np.equal,
    "!=": np.not_equal,
    ">": np.greater,
    "<": np.less,
    ">=": np.greater_equal,
    "<=": np.less_equal,
}
SETS = frozenset(("and", "or", "unless"))
