"""What functions of range vectors refuse, and what they find odd about their arguments."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from common.errors import QueryError
from common.labels import METRIC_NAME, quote
from ruler.model.arrays import BoolArray, FloatArray
from ruler.model.golang import format_float
from ruler.promql.ast import Call
from ruler.promql.frame import Frame, Grid, Value
from ruler.promql.functions.rows import is_range
from ruler.promql.notes import NOT_A_COUNTER, OVERLAPPING, invalid_quantile
from ruler.promql.scope import Ranged, Run, Scope
from ruler.promql.sweep import swept
from ruler.storage import Block

_COUNTER_SUFFIXES = ("_total", "_sum", "_count", "_bucket")


def of_counter(run: Run) -> Run:
    """The function with a note for each metric whose name does not say that it is a counter."""

    def noting(scope: Scope, call: Call, grid: Grid) -> Value:
        value = run(scope, call, grid)
        if isinstance(value, Frame) and value.series:
            argument = next(arg for arg in call.args if is_range(arg))
            codes = value.table.column(METRIC_NAME)
            for code in (codes[:1] if (codes == codes[0]).all() else np.unique(codes)).tolist():
                name = scope.strings.text(code)
                if name and not name.endswith(_COUNTER_SUFFIXES):
                    scope.notes.info(f"{NOT_A_COUNTER} {quote(name)}", argument)
        return value

    return noting


def note_overlaps(scope: Scope, call: Call, ranged: Ranged) -> None:
    """Warn of metrics whose samples say of themselves that they count what others had counted."""
    known = any(isinstance(block, Block) and block.starts is not None for block in ranged.blocks)
    if ranged.windows.extended or not known:
        return
    present = swept(scope, ranged, "overlaps")[1]
    names = ranged.table.column(METRIC_NAME)
    for code in np.unique(names if present is None else names[present.any(axis=0)]).tolist():
        argument = next(arg for arg in call.args if is_range(arg))
        scope.notes.warn(f"{OVERLAPPING} {quote(scope.strings.text(code))}", argument)


def checked_quantile(scope: Scope, call: Call, scalars: list[FloatArray], occupied: Callable[[], BoolArray]) -> None:
    """Note each share that is none."""
    shares = scalars[0]
    wrong = ~((shares >= 0) & (shares <= 1))
    if wrong.any():
        met = wrong & occupied()
        for share in np.unique(np.broadcast_to(shares, met.shape)[met]).tolist():
            scope.notes.warn(invalid_quantile(share), call.args[0])


def checked_factors(scope: Scope, call: Call, scalars: list[FloatArray], occupied: Callable[[], BoolArray]) -> None:
    """Refuse smoothing and trend factors outside (0, 1)."""
    for name, factors in zip(("smoothing", "trend"), scalars, strict=True):
        outside = (factors <= 0) | (factors >= 1)
        if outside.any() and (met := outside & occupied()).any():
            short, wrong = name[0] + "f", np.broadcast_to(factors, met.shape)[met][0]
            raise QueryError(f"invalid {name} factor. Expected: 0 < {short} < 1, got: {format_float(wrong, 'f', 6)}")
