"""What evaluation works on: the moments of a query, and the values that an expression has at them.

Arrays are [steps × series], as pages are [rows × columns]. What does not vary over the steps has one row and is
broadcast: a constant, or a selector under `@`. Whether a cell has a sample is said by the mask alone; the value of a
cell without one means nothing.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from ruler.model.arrays import BoolArray, FloatArray, IntArray
from ruler.model.table import LabelTable, Strings


class Grid:
    """A Grid is the moments (ms) at which an expression is evaluated: so many from `start` on, `step` apart."""

    __slots__ = ("_steps", "_times", "start", "step")

    def __init__(self, start: int, step: int, steps: int) -> None:
        self.start, self.step, self._steps = start, step, steps
        self._times: IntArray | None = None

    def __len__(self) -> int:
        return self._steps

    @property
    def end(self) -> int:
        """The last moment."""
        return self.start + (self._steps - 1) * self.step

    @property
    def times(self) -> IntArray:
        """The moments; made when somebody asks, as many queries need none."""
        if self._times is None:
            end = self.start + self._steps * self.step
            self._times = np.arange(self.start, end, self.step, dtype=np.int64)
        return self._times

    def moved(self, offset: int) -> Grid:
        """As many moments, so many ms earlier."""
        return Grid(self.start - offset, self.step, self._steps) if offset else self

    @property
    def instant(self) -> bool:
        return self._steps == 1


def moments(start: int, end: int, step: int) -> Grid:
    """The moments start, start + step … that are not after `end`."""
    return Grid(start, step, max(0, (end - start) // step + 1))


class Frame(Struct, frozen=True, eq=False):
    """A Frame is an instant vector at every step: values [steps or 1 × series], and where they are present.

    A `present` of None means everywhere; `drop` says of each series that its name goes at the end of the query.
    """

    table: LabelTable
    values: FloatArray
    present: BoolArray | None
    drop: BoolArray

    @property
    def series(self) -> int:
        return int(self.values.shape[1])

    @property
    def mask(self) -> BoolArray:
        """Where there are samples, as an array."""
        return np.ones(self.values.shape, dtype=np.bool_) if self.present is None else self.present

    @property
    def bytes(self) -> npt.NDArray[np.uint8] | None:
        """Where there are samples, as kernels take it."""
        return None if self.present is None else self.present.view(np.uint8)

    def take(self, columns: IntArray | BoolArray) -> Frame:
        """Only these series, in this order."""
        chosen: IntArray = (
            np.flatnonzero(columns) if columns.dtype == np.bool_ else columns.astype(np.int64, copy=False)
        )
        present = None if self.present is None else self.present.take(chosen, axis=1)
        return Frame(self.table.take(chosen), self.values.take(chosen, axis=1), present, self.drop[chosen])

    def rows(self, steps: slice) -> Frame:
        """Only some of the steps."""
        present = None if self.present is None else self.present[steps]
        return Frame(self.table, self.values[steps], present, self.drop)

    def with_values(self, values: FloatArray, present: BoolArray | None, *, drop: bool) -> Frame:
        """These series with other values; with `drop`, they lose their names at the end of the query."""
        return Frame(self.table, values, present, np.ones_like(self.drop) if drop else self.drop)

    def spread(self, steps: int) -> Frame:
        """The same with one row for each step."""
        if len(self.values) == steps:
            return self
        shape = (steps, self.series)
        present = None if self.present is None else np.broadcast_to(self.present, shape)
        return Frame(self.table, np.broadcast_to(self.values, shape), present, self.drop)

    def pruned(self) -> Frame:
        """Without the series that have no sample at any step, and without a mask that masks nothing."""
        if self.present is None:
            return self
        if self.present.all():
            return Frame(self.table, self.values, None, self.drop)
        seen: BoolArray = np.any(self.present, axis=0)
        return self if seen.all() else self.take(seen)


# A scalar is an array [steps or 1]; a string is itself.
Value: TypeAlias = FloatArray | Frame | str


def empty_frame(strings: Strings) -> Frame:
    """A vector without series."""
    table = LabelTable((), np.zeros((0, 0), dtype=np.int32), strings)
    return Frame(table, np.zeros((1, 0)), None, np.zeros(0, dtype=np.bool_))


def unlabelled_frame(values: FloatArray, strings: Strings, present: BoolArray | None = None) -> Frame:
    """A vector of one series without labels, from values [steps or 1]."""
    table = LabelTable((), np.zeros((1, 0), dtype=np.int32), strings)
    mask = None if present is None else present[:, np.newaxis]
    return Frame(table, values[:, np.newaxis], mask, np.zeros(1, dtype=np.bool_))
