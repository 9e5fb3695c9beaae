"""How a kernel becomes a function: the kinds of rows that the table FUNCTIONS has."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from ruler.model.arrays import BoolArray, FloatArray, IntArray
from ruler.promql.ast import Call, Expr, MatrixSelector, Subquery
from ruler.promql.frame import Frame, Grid, Value
from ruler.promql.scope import Kernel, Ranged, Run, Scope
from ruler.promql.span import DeferredSpan, Span, read, samples_in
from ruler.promql.walk import bare
from ruler.promql.window import Windows
from ruler.promql.workers import in_parallel
from ruler.storage import Aspect

TILE = 1 << 17  # cells of one array of a tile: some of them fit the second-level cache together
_ROWS_TO_A_STEP = 4
WORTH_IT = 1 << 21  # cells from which on waking other threads pays


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
        values, present = swept(scope, ranged, chosen, scalars, counted=True)
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
        if any(isinstance(span, Span) and span.block.archived for span in ranged.spans):
            sums, present = swept(scope, ranged, total, [])
            counts, _ = swept(scope, scope.ranged(call.args[0], grid, Aspect.COUNT), count, [])
            values = sums / counts
        else:
            values, present = swept(scope, ranged, kernel, [], counted=True)
        return Frame(ranged.table, values, present, np.ones_like(ranged.drop)).pruned()

    return run


def is_range(expr: Expr) -> bool:
    """Whether the expression is written as a range vector."""
    return isinstance(bare(expr), MatrixSelector | Subquery)


def swept(
    scope: Scope, ranged: Ranged, kernel: Kernel, scalars: list[FloatArray], *, counted: bool = False
) -> tuple[FloatArray, BoolArray | None]:
    """The kernel's results for all series, worked out span by span, on all processors.

    With `counted`, the samples looked at count as the query's.
    """
    sweep = Sweep(scope, kernel, scalars, len(ranged.table))
    column, tasks = 0, []
    for span in ranged.spans:
        tasks.append(partial(sweep.take, column, span))
        column += len(span.block.rows)
    cells = sum(span.block.height * len(span.block.rows) for span in ranged.spans if isinstance(span, DeferredSpan))
    if cells >= WORTH_IT:
        in_parallel(tasks)
    else:
        for task in tasks:
            task()
    if counted:
        scope.limits.samples += sum(sweep.samples)
    return sweep.result()


class Sweep:
    """A Sweep collects what a kernel makes of spans: values and where they are present [steps × series]."""

    def __init__(self, scope: Scope, kernel: Kernel, scalars: list[FloatArray], series: int) -> None:
        self._scope, self._kernel, self._scalars, self._series = scope, kernel, scalars, series
        self.values: FloatArray = np.zeros((0, series))
        self._present: BoolArray = np.zeros((0, series), dtype=np.bool_)
        self._full: list[int] = []  # how many columns were present everywhere
        self._beginning = threading.Lock()
        self.samples: list[int] = []

    def take(self, column: int, span: Span | DeferredSpan) -> None:
        """Work out a span whose series are those from `column` on."""
        for each, places in read(span):
            self.samples.append(samples_in(each))
            for windows in tiles(each, TILE):
                self._scope.limits.check()
                self._keep(column, places[windows.columns], *self._kernel(windows, *self._scalars))

    def _keep(self, column: int, places: IntArray, values: FloatArray, present: BoolArray | None) -> None:
        if not len(self.values):
            self._scope.limits.charge(len(values) * self._series)  # which may wait, and so holds nobody up
        with self._beginning:
            if not len(self.values):  # the first result tells how many steps there are
                self.values = np.zeros((len(values), self._series))
                self._present = np.zeros(self.values.shape, dtype=np.bool_)
        side_by_side = len(places) and places[-1] - places[0] == len(places) - 1
        into = slice(column + int(places[0]), column + int(places[-1]) + 1) if side_by_side else column + places
        self.values[:, into] = values
        if present is None or present.all():
            self._present[:, into] = True
            self._full.append(len(places))
        else:
            self._present[:, into] = present

    def result(self) -> tuple[FloatArray, BoolArray | None]:
        if not len(self.values):
            return np.zeros((1, self._series)), np.zeros((1, self._series), dtype=np.bool_)
        return self.values, None if sum(self._full) == self._series else self._present


def tiles(span: Span, cells: int) -> Iterator[Windows]:
    """The windows of a whole block, a run of columns at a time, so that each has about `cells` (step, column) cells.

    Nor does it have more than a few times as many (row, column) cells, when rows are many and steps few.
    """
    stream_of = span.block.stream_of
    width = max(1, cells // max(1, len(span.ends), len(span.block.values) // _ROWS_TO_A_STEP))
    for left in range(0, len(stream_of), width):
        stream = stream_of[left : left + width].astype(np.int64)
        low = int(stream.min())
        columns = np.arange(left, left + len(stream))
        yield Windows(span, columns, slice(low, int(stream.max()) + 1), stream - low)
