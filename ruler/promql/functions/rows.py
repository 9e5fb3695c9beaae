"""How a kernel becomes a function: the kinds of rows that the table FUNCTIONS has."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ruler.model.arrays import BoolArray, FloatArray
from ruler.promql.ast import Call, Expr, MatrixSelector, Paren, Subquery
from ruler.promql.frame import Frame, Grid, Value
from ruler.promql.scope import Kernel, Ranged, Run, Scope
from ruler.promql.window import tiles
from ruler.storage import Aspect

TILE = 1 << 15  # cells of one array of a tile: some of them fit the second-level cache together


def pointwise(kernel: Callable[..., FloatArray]) -> Run:
    """A function of each value by itself, with further scalar arguments: `kernel(values, *scalars)`."""

    def run(scope: Scope, call: Call, grid: Grid) -> Value:
        frame = scope.vector(call.args[0], grid)
        scalars = [scope.scalar(arg, grid)[:, np.newaxis] for arg in call.args[1:]]
        values = kernel(frame.values, *scalars)
        present = frame.present
        if present is not None and len(values) != len(present):
            present = np.broadcast_to(present, values.shape)
        return frame.with_values(values, present, drop=True)

    return run


def over(
    kernel: Kernel,
    aspect: Aspect = Aspect.LAST,
    *,
    keeps_name: bool = False,
    before: Callable[..., None] | None = None,
    extended: Kernel | None = None,
) -> Run:
    """A function of the samples in each window: `kernel(windows, *scalars)` gives values and where they are present.

    `aspect` is what the kernel is given of a bucket where samples are gone. `before(scope, call, scalars, occupied)`
    sees the scalar arguments first: to refuse them, or to note what is odd about them, at the steps that `occupied()`
    gives: those with samples. `extended` is the kernel for windows that look beyond their edges.
    """

    def run(scope: Scope, call: Call, grid: Grid) -> Value:
        place = next(index for index, arg in enumerate(call.args) if is_range(arg))
        scalars = [scope.scalar(arg, grid)[:, np.newaxis] for index, arg in enumerate(call.args) if index != place]
        ranged = scope.ranged(call.args[place], grid, aspect)
        if before is not None and len(ranged.table):
            before(scope, call, scalars, lambda: _occupied(scope, ranged))
        chosen = kernel if extended is None or not ranged.extended else extended
        values, present = swept(scope, ranged, chosen, scalars)
        drop = ranged.drop if keeps_name else np.ones_like(ranged.drop)
        return Frame(ranged.table, values, present, drop).pruned()

    return run


def _occupied(scope: Scope, ranged: Ranged) -> BoolArray:
    """At which steps any window holds a sample."""
    values, present = swept(scope, ranged, lambda windows: (windows.counts, windows.counts > 0), [])
    return np.ones(len(values), dtype=np.bool_) if present is None else np.asarray(present.any(axis=1))


def mean(kernel: Kernel, total: Kernel, count: Kernel) -> Run:
    """The function for means: `kernel` of samples, and where those are gone the quotient of two other kernels."""

    def run(scope: Scope, call: Call, grid: Grid) -> Value:
        ranged = scope.ranged(call.args[0], grid, Aspect.SUM)
        if any(span.block.archived for span in ranged.spans):
            sums, present = swept(scope, ranged, total, [])
            counts, _ = swept(scope, scope.ranged(call.args[0], grid, Aspect.COUNT), count, [])
            values = sums / counts
        else:
            values, present = swept(scope, ranged, kernel, [])
        return Frame(ranged.table, values, present, np.ones_like(ranged.drop)).pruned()

    return run


def is_range(expr: Expr) -> bool:
    """Whether the expression is written as a range vector."""
    while isinstance(expr, Paren):
        expr = expr.expr
    return isinstance(expr, MatrixSelector | Subquery)


def swept(
    scope: Scope, ranged: Ranged, kernel: Kernel, scalars: list[FloatArray]
) -> tuple[FloatArray, BoolArray | None]:
    """The kernel's results for all series, worked out a tile at a time."""
    values: FloatArray | None = None
    present: BoolArray | None = None
    column, series = 0, len(ranged.table)
    for span in ranged.spans:
        for windows in tiles(span, TILE):
            scope.limits.check()
            part, here = kernel(windows, *scalars)
            if values is None:
                scope.limits.charge(len(part) * series)
                values = np.empty((len(part), series))
            until = column + part.shape[1]
            values[:, column:until] = part
            if here is not None and not here.all():
                if present is None:
                    present = np.ones(values.shape, dtype=np.bool_)
                present[:, column:until] = here
            column = until
    return (np.zeros((1, 0)) if values is None else values), present
