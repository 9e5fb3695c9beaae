"""The array types of the ruler, and the bit patterns that tell absent, stale and NaN apart.

A sample is a float64. Three NaN patterns have a meaning, and no others exist inside:

    ABSENT  0x7ff4746f6373696e   there is no sample here (never leaves the ruler)
    STALE   0x7ff0000000000002   the series ended here (Prometheus's staleness marker)
    NAN     0x7ff8000000000001   the sample is not a number (every other NaN that comes in becomes this one)

Arithmetic may change a NaN's payload, so results of arithmetic are never tested for these patterns: evaluation carries
a mask of what is present beside the values.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]
CodeArray: TypeAlias = npt.NDArray[np.int32]
BoolArray: TypeAlias = npt.NDArray[np.bool_]

ABSENT_BITS: Final = 0x7FF4746F6373696E
STALE_BITS: Final = 0x7FF0000000000002
NAN_BITS: Final = 0x7FF8000000000001


def _float_of(bits: int) -> np.float64:
    return np.uint64(bits).view(np.float64)


ABSENT: Final = _float_of(ABSENT_BITS)
STALE: Final = _float_of(STALE_BITS)
NAN: Final = _float_of(NAN_BITS)

NEVER: Final = -(1 << 63)  # a time (ms) that is none


def is_absent(values: FloatArray) -> BoolArray:
    """Where there is no sample."""
    return np.equal(values.view(np.int64), ABSENT_BITS)


def is_stale(values: FloatArray) -> BoolArray:
    """Where a series ended."""
    return np.equal(values.view(np.int64), STALE_BITS)


def absent(*shape: int) -> FloatArray:
    """A new array of `shape` without any sample."""
    return np.full(shape, ABSENT_BITS, dtype=np.int64).view(np.float64)
