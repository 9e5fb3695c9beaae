"""The binary operators on numbers: what each computes, and for comparisons which pairs it keeps."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from ruler.model.arrays import BoolArray, FloatArray

Arithmetic: TypeAlias = Callable[[FloatArray, FloatArray], FloatArray]
Comparison: TypeAlias = Callable[[FloatArray, FloatArray], BoolArray]

ARITHMETIC: dict[str, Arithmetic] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "%": np.fmod,
    "^": np.power,
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
