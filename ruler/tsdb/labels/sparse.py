"""A number for each series id, of which there may be very many, most of them gone: empty stretches cost nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ruler.model.arrays import BoolArray, IntArray

BITS = 12
STRETCH = 1 << BITS


class SparseArray:
    """A SparseArray is an array of zeros, without end, of which only the stretches that were written take room.

    One thread writes; any thread may read, and sees what was or what is.
    """

    def __init__(self, kind: type[np.generic]) -> None:
        self._kind = kind
        self._rows: npt.NDArray[Any] = np.zeros((2, STRETCH), dtype=kind)  # row 0 is all zeros
        self._row_of: IntArray = np.zeros(16, dtype=np.int64)
        self._free: list[int] = [1]

    def __getitem__(self, ids: IntArray) -> npt.NDArray[Any]:
        row_of = self._row_of  # read before the rows, which only grow
        stretch = ids >> BITS
        if len(ids) and int(stretch.max()) >= len(row_of):
            return np.where(stretch < len(row_of), self[np.minimum(ids, (len(row_of) << BITS) - 1)], self._kind(0))
        found: npt.NDArray[Any] = self._rows[row_of[stretch], ids & (STRETCH - 1)]
        return found

    def __setitem__(self, ids: IntArray, values: Any) -> None:
        if len(ids):
            self._make_room(ids)
            self._rows[self._row_of[ids >> BITS], ids & (STRETCH - 1)] = values

    def add(self, ids: IntArray, count: int) -> None:
        """Add `count` to the numbers of these distinct ids."""
        if len(ids):
            self._make_room(ids)
            self._rows[self._row_of[ids >> BITS], ids & (STRETCH - 1)] += count

    def nonzero(self) -> IntArray:
        """The ids whose number is not zero, ascending."""
        stretches = np.flatnonzero(self._row_of)
        at, offset = np.nonzero(self._rows[self._row_of[stretches]])
        found: IntArray = (stretches[at] << BITS) + offset
        return found

    def values(self) -> npt.NDArray[Any]:
        """The numbers of all stretches that take room."""
        return self._rows[self._row_of[self._row_of > 0]].ravel()

    def release(self) -> None:
        """Let go of the stretches that are all zeros. Only by the writer."""
        for stretch in np.flatnonzero(self._row_of).tolist():
            row = int(self._row_of[stretch])
            if not self._rows[row].any():
                self._row_of[stretch] = 0
                self._free.append(row)

    def _make_room(self, ids: IntArray) -> None:
        stretches = ids >> BITS
        top = int(stretches.max()) + 1
        if top > len(self._row_of):
            grown = np.zeros(max(top, 2 * len(self._row_of)), dtype=np.int64)
            grown[: len(self._row_of)] = self._row_of
            self._row_of = grown
        missing = stretches[self._row_of[stretches] == 0]
        if len(missing):
            wanted = np.zeros(top, dtype=np.bool_)
            wanted[missing] = True
            for stretch in np.flatnonzero(wanted).tolist():
                if not self._free:
                    self._grow()
                self._row_of[stretch] = self._free.pop()

    def _grow(self) -> None:
        count = len(self._rows)
        self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
        self._free = list(range(2 * count - 1, count - 1, -1))


def among(ids: IntArray, sorted_ids: IntArray) -> BoolArray:
    """Which of `ids` are among `sorted_ids`."""
    if not len(sorted_ids):
        return np.zeros(len(ids), dtype=np.bool_)
    at = np.minimum(np.searchsorted(sorted_ids, ids), len(sorted_ids) - 1)
    found: BoolArray = sorted_ids[at] == ids
    return found
