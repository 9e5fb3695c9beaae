"""Binary operations: scalar with scalar, vector with scalar, vector with vector. How vectors pair is in match.py."""

from __future__ import annotations

import numpy as np

from common.errors import QueryError
from ruler.model.arrays import BoolArray, FloatArray
from ruler.promql.ast import Binary
from ruler.promql.frame import Frame, Value
from ruler.promql.match import combined, matched
from ruler.promql.operators import ARITHMETIC, COMPARISON, SETS
from ruler.promql.scope import Scope


def binary(scope: Scope, expr: Binary, left: Value, right: Value) -> Value:
    """The value of an operation whose sides have been evaluated."""
    if isinstance(left, str) or isinstance(right, str):
        raise QueryError(f"operator {expr.op!r} not allowed for strings")
    if isinstance(left, Frame):
        if not isinstance(right, Frame):
            return _with_scalar(expr, left, right, swapped=False)
        return combined(scope, expr, left, right) if expr.op in SETS else matched(scope, expr, left, right)
    if isinstance(right, Frame):
        return _with_scalar(expr, right, left, swapped=True)
    if expr.op in ARITHMETIC:
        return ARITHMETIC[expr.op](left, right)
    return COMPARISON[expr.op](left, right).astype(np.float64)


def _with_scalar(expr: Binary, vector: Frame, scalar: FloatArray, *, swapped: bool) -> Frame:
    """Every series with the scalar; a comparison keeps the series' own values."""
    other = scalar[:, np.newaxis]
    left, right = (other, vector.values) if swapped else (vector.values, other)
    if expr.op in ARITHMETIC:
        values = ARITHMETIC[expr.op](left, right)
        return vector.with_values(values, _spread(vector.present, values), drop=True)
    kept = COMPARISON[expr.op](left, right)
    if expr.bool_result:
        return vector.with_values(kept.astype(np.float64), _spread(vector.present, kept), drop=True)
    values = np.broadcast_to(vector.values, kept.shape)
    return vector.with_values(values, kept if vector.present is None else kept & vector.present, drop=False).pruned()


def _spread(present: BoolArray | None, values: FloatArray | BoolArray) -> BoolArray | None:
    return present if present is None or len(present) == len(values) else np.broadcast_to(present, values.shape)
