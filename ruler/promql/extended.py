"""`anchored` and `smoothed`: which functions they may be used with."""

from __future__ import annotations

from typing import Final

from common.errors import QueryError
from ruler.promql.ast import Call, Expr, Extension, MatrixSelector
from ruler.promql.walk import bare

_ALLOWED: Final = {
    Extension.ANCHORED: ("changes", "delta", "increase", "rate", "resets"),
    Extension.SMOOTHED: ("delta", "increase", "rate"),
}


def check_extension(call: Call) -> None:
    """Refuse a function that windows with an extension mean nothing to."""
    for arg in call.args:
        extension = _range_extension(arg)
        if extension is not Extension.NONE and call.function not in _ALLOWED[extension]:
            allowed = ", ".join(_ALLOWED[extension])
            raise QueryError(f"{extension.value} modifier can only be used with: {allowed} - not with {call.function}")


def _range_extension(expr: Expr) -> Extension:
    expr = bare(expr)
    return expr.selector.extension if isinstance(expr, MatrixSelector) else Extension.NONE
