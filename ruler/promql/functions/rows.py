"""How a kernel becomes a function: the kinds of rows that the table FUNCTIONS has."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from ruler.model.arrays import BoolArray, FloatArray
from ruler.promql.ast import Call, Expr, MatrixSelector, Subquery
from ruler.promql.frame import Frame, Grid, Value
from ruler.promql.scope import Ranged, Run, Scope
from ruler.promql.sweep import swept
from ruler.promql.walk import bare
from ruler.storage import Aspect, Block


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
    kernel: str,
    aspect: Aspect = Aspect.LAST,
    *,
    keeps_name: bool = False,
    before: Callable[..., None] | None = None,
    extended: str | None = None,
    about: Callable[[Scope, Call, Ranged], None] | None = None,
) -> Run:
    """A function of the samples in each window, by a kernel of ruler/kernels.

    `aspect` is what the kernel is given of a bucket where samples are gone. `before(scope, call, scalars, occupied)`
    sees the scalar arguments first: to refuse them, or to note what is odd about them, at the steps that `occupied()`
    gives: those with samples. `extended` is the kernel for windows that look beyond their edges; `about(scope, call,
    ranged)` notes what is odd about samples.
    """

    def run(scope: Scope, call: Call, grid: Grid) -> Value:
        place = next(index for index, arg in enumerate(call.args) if is_range(arg))
        scalars = [scope.scalar(arg, grid) for index, arg in enumerate(call.args) if index != place]
        ranged = scope.ranged(call.args[place], grid, aspect)
        if before is not None and len(ranged.table):
            before(scope, call, scalars, partial(_occupied, scope, ranged))
        chosen = extended if extended is not None and ranged.windows.extended else kernel
        values, present = swept(scope, ranged, chosen, scalars, counted=True)
        if about is not None:
            about(scope, call, ranged)
        drop = ranged.drop if keeps_name else np.ones_like(ranged.drop)
        return Frame(ranged.table, values, present, drop).pruned()

    return run


def _occupied(scope: Scope, ranged: Ranged) -> BoolArray:
    """At which steps any window holds a sample."""
    values, present = swept(scope, ranged, "present_over_time")
    return np.ones(len(values), dtype=np.bool_) if present is None else np.asarray(present.any(axis=1))


def mean(kernel: str, total: str, count: str) -> Run:
    """The function for means: `kernel` of samples, and where those are gone the quotient of two other kernels."""

    def run(scope: Scope, call: Call, grid: Grid) -> Value:
        ranged = scope.ranged(call.args[0], grid, Aspect.SUM)
        if any(isinstance(block, Block) and block.archived for block in ranged.blocks):
            sums, present = swept(scope, ranged, total)
            counts, _ = swept(scope, scope.ranged(call.args[0], grid, Aspect.COUNT), count)
            values = sums / counts
        else:
            values, present = swept(scope, ranged, kernel, counted=True)
        return Frame(ranged.table, values, present, np.ones_like(ranged.drop)).pruned()

    return run


def is_range(expr: Expr) -> bool:
    """Whether the expression is written as a range vector."""
    return isinstance(bare(expr), MatrixSelector | Subquery)
