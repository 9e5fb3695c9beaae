"""Float64 columns as integers, bit for bit: which integer, and by which arithmetic, every cell comes from.

Exporters compute most values from integers: counts, and times in ticks, milli-, micro- or nanoseconds. Done backwards
and checked against every bit, that arithmetic leaves integers, whose differences are small. A form is such an
arithmetic: n × multiply ÷ divide ÷ again, which a kernel does forwards (ruler/kernels/cells/residuals.pyx). A column
that has none is taken as the ordered bits of its floats.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from ruler.model.arrays import BoolArray, FloatArray, IntArray

Bits = npt.NDArray[np.uint64]
Bytes = npt.NDArray[np.uint8]

# n ÷ 10^k; n × 10^-k, which rounds differently (Go's `* 0.001`); n ÷ 1000 ÷ 1000, as node_exporter does for pressure
FORMS: Final = np.array(
    [(1.0, 1.0, 1.0, 1.0)]
    + [(1.0, 10.0**k, 1.0, 10.0**k) for k in range(1, 10)]
    + [(float(f"1e-{k}"), 1.0, 1.0, 10.0**k) for k in (1, 2, 3, 6, 9)]
    + [(1.0, 1e3, 1e3, 1e6), (1.0, 1.0, 1.0, 1.0)]
)
_MULTIPLY, _DIVIDE, _AGAIN, _INVERSE = (np.ascontiguousarray(column) for column in FORMS.T)
WHOLE, BITS = 0, len(FORMS) - 1
COMPUTED: Final = np.arange(WHOLE + 1, BITS)
SAMPLED: Final = 8  # rows that rule forms out before one is tried on all rows


def as_integers(values: Bits) -> tuple[Bytes, IntArray]:
    """For each column of `values` [columns × rows], bits of finite floats, its form, and its integers."""
    forms = np.full(len(values), WHOLE, dtype=np.uint8)
    floats = values.view(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        numbers = floats.astype(np.int64)
        left = np.flatnonzero((numbers.astype(np.float64).view(np.uint64) != values).any(axis=1))
        forms[left] = BITS
        numbers[left] = ordered(values[left].view(np.int64))
        if values.shape[1] > 1:  # a constant is not worth a search
            _search(floats, left, forms, numbers)
    return forms, numbers


def ordered(bits: IntArray) -> IntArray:
    """The bits of floats as integers in the same order, or those integers as bits."""
    return bits ^ ((bits >> np.int64(63)) & np.int64((1 << 63) - 1))


def _search(floats: FloatArray, left: IntArray, forms: Bytes, numbers: IntArray) -> None:
    """Find forms for the columns that are left: ruled out on a few rows, the rest tried on all rows in their order."""
    rows = np.arange(SAMPLED) * (floats.shape[1] - 1) // (SAMPLED - 1)
    same = _computed(floats[left[:, None], rows][None], COMPUTED[:, None, None])[1]
    possible: BoolArray = np.logical_and.reduce(same, axis=2)
    while len(open_ := np.flatnonzero(possible.any(axis=0))):
        left, possible = left[open_], possible[:, open_]
        place = possible.argmax(axis=0)
        whole, same = _computed(floats[left], COMPUTED[place, None])
        found = np.flatnonzero(same.all(axis=1))
        forms[left[found]], numbers[left[found]] = COMPUTED[place[found]], whole[found]
        possible[place, np.arange(len(left))] = False
        possible[:, found] = False


def _computed(floats: FloatArray, form: IntArray) -> tuple[IntArray, BoolArray]:
    """The whole numbers that floats come from in these forms, and where they do so in every bit."""
    whole = np.rint(floats * _INVERSE[form]).astype(np.int64)
    back = _arithmetic(whole.astype(np.float64), form)
    same: BoolArray = np.equal(back.view(np.uint64), floats.view(np.uint64))
    return whole, same


def _arithmetic(whole: FloatArray, form: IntArray | Bytes) -> FloatArray:
    result: FloatArray = whole * _MULTIPLY[form] / _DIVIDE[form] / _AGAIN[form]
    return result
