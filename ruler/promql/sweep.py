"""Range functions over the series of a selection: block by block, on all processors. Results are allocated once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt

from ruler.kernels.windows.sweep import HEAVY_ONES, sweep
from ruler.model.arrays import BoolArray, FloatArray, IntArray
from ruler.promql.ast import Extension
from ruler.promql.limits import A_SERIES
from ruler.promql.scope import Ranged, Scope
from ruler.promql.workers import in_parallel
from ruler.storage import Block, Deferred, Lasts

WORTH_IT: Final = 1 << 19  # cells, or as much work, from which on waking other threads pays: a millisecond
_HEAVY: Final = 8  # how many times a cell takes the time of others in kernels that sort or fit a line,
_FAR: Final = 16  # and how many where each is on another page of memory

_OF_BUCKETS: Final = {"count_over_time": "sum_over_time"}  # of how many there were in each bucket


def swept(
    scope: Scope, ranged: Ranged, kernel: str, scalars: Sequence[FloatArray] = (), *, counted: bool = False
) -> tuple[FloatArray, BoolArray | None]:
    """What a kernel makes of each window: values [steps or 1 × series], and where they are present (None: everywhere).

    `scalars` are the function's other arguments [steps or 1]. With `counted`, the samples count as the query's.
    """
    sweeping = _Sweep(scope, ranged, kernel, scalars)
    column, cost, deferred = 0, 0, []
    for block in ranged.blocks:
        if isinstance(block, Deferred):
            deferred.append((block, column))
            cost += sweeping.cost(block)
        else:
            sweeping.share(block, column)
        column += len(block.rows)
    if len(deferred) > 1 and cost >= WORTH_IT:
        in_parallel([partial(sweeping.read, *each, sweeping.fill) for each in deferred])
    else:
        for each in deferred:
            sweeping.read(*each, sweeping.share)
    if counted:
        scope.limits.samples += sum(sweeping.samples)
    return sweeping.values, None if sum(sweeping.found) == sweeping.values.size else sweeping.present.view(np.bool_)


class _Sweep:
    """A _Sweep is the results of all windows in the making: each thread fills in the columns of its blocks."""

    def __init__(self, scope: Scope, ranged: Ranged, kernel: str, scalars: Sequence[FloatArray]) -> None:
        self._limits, self._windows, self._kernel = scope.limits, ranged.windows, kernel
        self._weight = _HEAVY if kernel in HEAVY_ONES else 1
        self._scalars = _side_by_side(scalars) if scalars else None
        self._now = ranged.windows.now.times if kernel == "predict_linear" else None
        steps = len(ranged.windows.ends)
        if self._scalars is not None:
            steps = max(steps, len(self._scalars))
        if self._now is not None:
            steps = max(steps, len(self._now))
        shape = steps, len(ranged.table)
        self._limits.charge(shape[0] * shape[1])
        self.values: FloatArray = np.empty(shape)
        self.present: npt.NDArray[np.uint8] = np.zeros(shape, dtype=np.uint8)
        self.samples: list[int] = []  # of each part
        self.found: list[int] = []

    def cost(self, block: Block | Lasts | Deferred) -> int:
        """How much a block takes: about as much as so many cells do."""
        height = _FAR * block.height if isinstance(block, Lasts) else block.height
        return self._weight * len(block.rows) * (A_SERIES + height + len(self.values))

    def read(self, block: Deferred, column: int, fill: Callable[[Block | Lasts, int, IntArray], None]) -> None:
        """Read a block whose series are those from `column` on, and fill in its results."""
        self._limits.check()
        for each in block.read():
            fill(each, column, each.rows)

    def share(self, block: Block | Lasts, column: int, places: IntArray | None = None) -> None:
        """Fill in the results of a block, with other threads where that pays."""
        width, cost = len(block.rows), self.cost(block)
        if cost < WORTH_IT:
            self.fill(block, column, places)
            return
        some = max(1, width * WORTH_IT // (2 * cost))
        parts = [(left, min(left + some, width)) for left in range(0, width, some)]
        in_parallel([partial(self.fill, block, column, places, *part) for part in parts])

    def fill(
        self, block: Block | Lasts, column: int, places: IntArray | None = None, left: int = 0, right: int = -1
    ) -> None:
        """Fill in the results of a block's columns (from `left` up to `right`): side by side from `column` on, or at
        so many places from there.
        """
        if isinstance(block, Lasts):
            into, check = (self.values, self.present, column), self._limits.check
            samples, found = block.samples.sweep(self._kernel, *into, check, places=places, left=left, right=right)
        else:
            samples, found = self._swept(block, column, places, left, right)
        self.samples.append(samples)
        self.found.append(found)

    def _swept(self, block: Block, column: int, places: IntArray | None, left: int, right: int) -> tuple[int, int]:
        windows, kernel, starts, ends = self._windows, self._kernel, None, self._windows.ends.times
        if block.archived:
            kernel = _OF_BUCKETS.get(kernel, kernel)
            starts, ends = windows.edges(block)
        return sweep(
            kernel,
            block.cells,
            block.times,
            block.stream_of,
            block.starts,
            ends,
            windows.reach,
            self.values,
            self.present,
            column,
            self._limits.check,
            places=places,
            left=left,
            right=right,
            starts=starts,
            now=self._now,
            scalars=self._scalars,
            lookback=windows.beyond(block) if windows.extended else 0,
            smoothed=windows.extension is Extension.SMOOTHED,
        )


def _side_by_side(scalars: Sequence[FloatArray]) -> FloatArray:
    """Scalars as [steps or 1 × scalars]."""
    return np.ascontiguousarray(np.stack(np.broadcast_arrays(*scalars), axis=1))
