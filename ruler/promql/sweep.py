"""Range functions over the series of a selection: block by block, on all processors, in pieces that can be stopped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from ruler.kernels.windows.sweep import sweep
from ruler.model.arrays import BoolArray, FloatArray, IntArray
from ruler.promql.ast import Extension
from ruler.promql.scope import Ranged, Scope
from ruler.promql.workers import in_parallel
from ruler.storage import Block, Deferred

WORTH_IT: Final = 1 << 20  # cells from which on waking other threads pays
PIECE: Final = 1 << 22  # samples that are looked at between two looks at the query's limits
_A_STEP: Final = 4  # samples that a step costs beside those of its window

_HEAVY: Final = 8  # how many times a sample takes the time of others in those that sort or fit a line
_HEAVY_ONES: Final = frozenset(
    ("quantile_over_time", "mad_over_time", "stddev_over_time", "stdvar_over_time", "deriv", "predict_linear")
)
_ENDINGS: Final = frozenset(("latest", "time_of_latest", "start_of_latest"))  # kernels that are shown ends of series
_OF_BUCKETS: Final = {"count_over_time": "sum_over_time"}  # of how many there were in each bucket

T = TypeVar("T", bound=np.generic)


def swept(
    scope: Scope, ranged: Ranged, kernel: str, scalars: Sequence[FloatArray] = (), *, counted: bool = False
) -> tuple[FloatArray, BoolArray | None]:
    """What a kernel makes of each window: values [steps or 1 × series], and where they are present (None: everywhere).

    `scalars` are the function's other arguments [steps or 1]. With `counted`, the samples count as the query's.
    """
    result = _Sweep(scope, ranged, kernel, scalars)
    tasks, column, cells = [], 0, 0
    for block in ranged.blocks:
        tasks.append(partial(result.take, column, block))
        column += len(block.rows)
        cells += block.height * len(block.rows) if isinstance(block, Deferred) else 0
    if cells >= WORTH_IT:
        in_parallel(tasks)
    else:
        for task in tasks:
            task()
    if counted:
        scope.limits.samples += sum(result.samples)
    return result.values, None if sum(result.present_in) == result.values.size else result.present


class _Sweep:
    """A _Sweep is the results of all windows in the making: each thread fills in the columns of its blocks."""

    def __init__(self, scope: Scope, ranged: Ranged, kernel: str, scalars: Sequence[FloatArray]) -> None:
        self._limits, self._windows, self._kernel = scope.limits, ranged.windows, kernel
        self._scalars = _side_by_side(scalars)
        moments = len(ranged.windows.now) if kernel == "predict_linear" else 1
        steps = max(len(ranged.windows.ends), len(self._scalars), moments)
        self._limits.charge(steps * len(ranged.table))
        self.values: FloatArray = np.zeros((steps, len(ranged.table)))
        self.present: BoolArray = np.zeros(self.values.shape, dtype=np.bool_)
        self.present_in: list[int] = []  # cells, of each piece
        self.samples: list[int] = []

    def take(self, column: int, block: Block | Deferred) -> None:
        """Fill in the results of a block whose series are those from `column` on."""
        if isinstance(block, Deferred):
            for each in block.read():
                self._fill(each, column + each.rows)
        else:
            self._fill(block, np.arange(column, column + len(block.rows)))

    def _fill(self, block: Block, places: IntArray) -> None:
        windows = self._windows
        kernel = _OF_BUCKETS.get(self._kernel, self._kernel) if block.archived else self._kernel
        starts, ends = windows.edges(block)
        fill = partial(self._fill_piece, kernel, block, places, starts, ends)
        pieces = [partial(fill, *piece) for piece in self._pieces(block, starts, ends)]
        if len(pieces) > 1 and self._kernel in _HEAVY_ONES:
            in_parallel(pieces)
        else:
            for piece in pieces:
                piece()

    def _fill_piece(
        self,
        kernel: str,
        block: Block,
        places: IntArray,
        starts: IntArray,
        ends: IntArray,
        steps: slice,
        columns: slice,
    ) -> None:
        windows = self._windows
        self._limits.check()
        samples, found = sweep(
            kernel,
            block.values[:, columns],
            block.times,
            block.stream_of[columns],
            None if block.starts is None else block.starts[:, columns],
            _some(windows.now, steps),
            _some(starts, steps),
            _some(ends, steps),
            windows.reach,
            _some(self._scalars, steps),
            self.values[steps],
            self.present.view(np.uint8)[steps],
            places[columns],
            endings=kernel in _ENDINGS,
            lookback=windows.beyond(block) if windows.extended else 0,
            smoothed=windows.extension is Extension.SMOOTHED,
        )
        self.samples.append(samples)
        self.present_in.append(found)

    def _pieces(self, block: Block, starts: IntArray, ends: IntArray) -> Iterator[tuple[slice, slice]]:
        """All steps and columns, in pieces of which none takes long."""
        steps, rows, columns = len(self.values), max(1, len(block.values)), len(block.rows)
        whole = max(1, int(ends[-1] - starts[0]))
        of_step = _A_STEP + rows * int(ends[0] - starts[0]) // whole
        of_step *= _HEAVY if self._kernel in _HEAVY_ONES else 1
        height = min(steps, max(1, PIECE // of_step))
        width = max(1, PIECE // (rows + height * of_step))
        for left in range(0, columns, width):
            for top in range(0, steps, height):
                yield slice(top, top + height), slice(left, left + width)


def _some(array: npt.NDArray[T], steps: slice) -> npt.NDArray[T]:
    """The entries of these steps, of which there may be one for all."""
    return array if len(array) == 1 else array[steps]


def _side_by_side(scalars: Sequence[FloatArray]) -> FloatArray:
    """Scalars as [steps or 1 × scalars]."""
    if not scalars:
        return np.zeros((1, 0))
    return np.ascontiguousarray(np.stack(np.broadcast_arrays(*scalars), axis=1))
