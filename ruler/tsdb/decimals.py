"""Float64 columns as integers and back, bit for bit: which integer, and by which arithmetic, every cell comes from.

Exporters compute most values from integers: counts, and times in ticks, milli-, micro- or nanoseconds. Done backwards
and checked against every bit, that arithmetic leaves integers, whose differences are small. A form is such an
arithmetic: n × multiply ÷ divide ÷ again. A column that has none is taken as the ordered bits of its floats.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from ruler.model.arrays import BoolArray, FloatArray, IntArray

Bits = npt.NDArray[np.uint64]
Bytes = npt.NDArray[np.uint8]

EXACT: Final = float(1 << 53)  # integers below it are float64 without rounding
_DECIMALS: Final = range(1, 10)
# n ÷ 10^k; n × 10^-k, which rounds differently (Go's `* 0.001`); n ÷ 1000 ÷ 1000, as node_exporter does for pressure
_FORMS: Final = np.array(
    [(1.0, 1.0, 1.0, 1.0)]
    + [(1.0, 10.0**k, 1.0, 10.0**k) for k in _DECIMALS]
    + [(float(f"1e-{k}"), 1.0, 1.0, 10.0**k) for k in _DECIMALS]
    + [(1.0, 1e3, 1e3, 1e6), (1.0, 1.0, 1.0, 1.0)]
)
MULTIPLY, DIVIDE, AGAIN, INVERSE = (np.ascontiguousarray(column) for column in _FORMS.T)
WHOLE: Final = 0
BITS: Final = len(_FORMS) - 1
SAMPLED: Final = 8  # rows that rule forms out before one is tried on all rows


def as_integers(values: Bits) -> tuple[Bytes, IntArray]:
    """For each column of `values` [columns × rows], bits of finite floats, its form, and its integers."""
    floats = values.view(np.float64)
    forms = np.full(len(values), BITS, dtype=np.uint8)
    numbers = ordered(values.view(np.int64))

    def take(columns: IntArray, form: IntArray | int, whole: FloatArray) -> None:
        forms[columns], numbers[columns] = form, whole.astype(np.int64)

    with np.errstate(over="ignore"):
        whole = np.rint(floats) + 0.0  # a negative zero becomes positive, and is no whole number
        exact = (whole.view(np.uint64) == values).all(axis=1) & (np.abs(whole).max(axis=1, initial=0) < EXACT)
        take(np.flatnonzero(exact), WHOLE, whole[exact])
        left = np.flatnonzero(~exact)
        sampled = floats[left[:, None], np.linspace(0, values.shape[1] - 1, SAMPLED).astype(np.int64)]
        possible = _computed(sampled[None], np.arange(BITS)[:, None, None])[1].all(axis=2)
        possible[WHOLE] = False
        while len(left := left[(still := possible.any(axis=0))]):
            possible = possible[:, still]
            form = possible.argmax(axis=0)
            whole, same = _computed(floats[left], form[:, None])
            exact = same.all(axis=1)
            take(left[exact], form[exact], whole[exact])
            possible[form, np.arange(len(left))] = False
            possible[:, exact] = False
    return forms, numbers


def as_floats(forms: Bytes, numbers: IntArray) -> Bits:
    """The bits of the columns that as_integers took apart. Raises ValueError for a form that does not exist."""
    if (forms > BITS).any():
        raise ValueError(f"block: no such form: {forms.max()}")
    floats = numbers.astype(np.float64)
    computed = np.flatnonzero((forms != WHOLE) & (forms != BITS))
    floats[computed] = _arithmetic(floats[computed], forms[computed, None])
    values = floats.view(np.uint64)
    plain = np.flatnonzero(forms == BITS)
    values[plain] = ordered(numbers[plain]).view(np.uint64)
    return values


def ordered(bits: IntArray) -> IntArray:
    """The bits of floats as integers in the same order, or those integers as bits."""
    return bits ^ ((bits >> np.int64(63)) & np.int64((1 << 63) - 1))


def _arithmetic(whole: FloatArray, form: IntArray | Bytes) -> FloatArray:
    return whole * MULTIPLY[form] / DIVIDE[form] / AGAIN[form]


def _computed(floats: FloatArray, form: IntArray) -> tuple[FloatArray, BoolArray]:
    """The whole numbers that floats come from in these forms, and where they do so in every bit."""
    whole = np.rint(floats * INVERSE[form]) + 0.0
    same = _arithmetic(whole, form).view(np.uint64) == floats.view(np.uint64)
    return whole, same & (np.abs(whole) < EXACT)
