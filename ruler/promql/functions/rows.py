"""How a kernel becomes a function: the kinds of rows that the table FUNCTIONS has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from ruler.model.arrays import BoolArray, FloatArray
from ruler.promql.ast import Call, Expr, MatrixSelector, Paren, Subquery
from ruler.promql.frame import Frame, Grid, Value
from ruler.promql.scope import Kernel, Ranged, Run, Scope
from ruler.promql.span import DeferredSpan, Span
from ruler.promql.window import tiles
from ruler.promql.workers import in_parallel
from ruler.storage import Aspect

TILE = 1 << 15  # cells of one array of a tile: some of them fit the second-level cache together
SHARE = 1 << 19  # cells that are gathered at once
LEAST_WIDTH = 64


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
    about: Callable[[Scope, Call, Ranged], None] | None = None,
) -> Run:
    """A function of the samples in each window: `kernel(windows, *scalars)` gives values and where they are present.

    `aspect` is what the kernel is given of a bucket where samples are gone. `before(scope, call, scalars, occupied)`
    sees the scalar arguments first: to refuse them, or to note what is odd about them, at the steps that `occupied()`
    gives: those with samples. `extended` is the kernel for windows that look beyond their edges; `about(scope, call,
    ranged)` notes what is odd about samples.
    """

    def run(scope: Scope, call: Call, grid: Grid) -> Value:
        place = next(index for index, arg in enumerate(call.args) if is_range(arg))
        scalars = [scope.scalar(arg, grid)[:, np.newaxis] for index, arg in enumerate(call.args) if index != place]
        ranged = scope.ranged(call.args[place], grid, aspect)
        if before is not None and len(ranged.table):
            before(scope, call, scalars, lambda: _occupied(scope, ranged))
        chosen = kernel if extended is None or not ranged.extended else extended
        values, present = swept(scope, ranged, chosen, scalars)
        if about is not None:
            about(scope, call, ranged)
        drop = ranged.drop if keeps_name else np.ones_like(ranged.drop)
        return Frame(ranged.table, values, present, drop).pruned()

    return run


def _occupied(scope: Scope, ranged: Ranged) -> BoolArray:
    """At which steps any window holds a sample."""
    values, present = swept(scope, ranged, lambda windows: (windows.counts, windows.holding()), [])
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
    """The kernel's results for all series, worked out a share of them at a time, on all processors."""
    shares = list(_shares(ranged))
    if not shares:
        return np.zeros((1, 0)), None
    sweep = Sweep(scope, kernel, scalars, len(ranged.table))
    sweep.take(*shares[0])  # which tells how many steps there are
    in_parallel([partial(sweep.take, *share) for share in shares[1:]])
    return sweep.values, sweep.present if sweep.gaps else None


class Sweep:
    """A Sweep collects what a kernel makes of shares of columns: values and where they are present [steps × series]."""

    def __init__(self, scope: Scope, kernel: Kernel, scalars: list[FloatArray], series: int) -> None:
        self._scope, self._kernel, self._scalars, self._series = scope, kernel, scalars, series
        self.values: FloatArray = np.zeros((0, series))
        self.present: BoolArray = np.zeros((0, series), dtype=np.bool_)
        self.gaps = False

    def take(self, column: int, span: Span | DeferredSpan, left: int, right: int) -> None:
        """Work out the columns from `left` to `right` of a span, which are those from `column` on."""
        whole = span if isinstance(span, Span) else span.part(left, right)
        for windows in tiles(whole, TILE):
            self._scope.limits.check()
            part, here = self._kernel(windows, *self._scalars)
            if not len(self.values):
                self._scope.limits.charge(len(part) * self._series)
                self.values = np.empty((len(part), self._series))
                self.present = np.ones(self.values.shape, dtype=np.bool_)
            until = column + part.shape[1]
            self.values[:, column:until] = part
            if here is not None and not here.all():
                self.gaps = True
                self.present[:, column:until] = here
            column = until


def _shares(ranged: Ranged) -> Iterator[tuple[int, Span | DeferredSpan, int, int]]:
    """The spans cut into shares that fit a cache: the first column in the result, the span, and its columns."""
    column = 0
    for span in ranged.spans:
        count = len(span.block.rows)
        width = max(1, count) if isinstance(span, Span) else max(LEAST_WIDTH, SHARE // span.block.height)
        for left in range(0, count, width):
            yield column + left, span, left, min(count, left + width)
        column += count
