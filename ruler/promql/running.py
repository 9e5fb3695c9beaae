"""Running sums down the columns of an array, a block of rows at a time: several times as fast as np.cumsum is there."""

from __future__ import annotations

import math
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from ruler.model.arrays import BoolArray

N = TypeVar("N", np.float64, np.int32)


def room_for(height: int, width: int, dtype: type[N]) -> npt.NDArray[N]:
    """A row of zeros, room for so many rows from row 1 on, and more of zeros up to a whole number of blocks."""
    size = _block(height)
    room = np.empty((-(-height // size) * size + 1, width), dtype=dtype)
    room[0] = room[height + 1 :] = 0
    return room


def accumulate(room: npt.NDArray[Any], height: int) -> None:
    """Make each row of a room the sum of the rows up to it."""
    size = _block(height)
    blocks = room[1:].reshape(-1, size, room.shape[1])
    for place in range(1, size):
        blocks[:, place] += blocks[:, place - 1]
    for number in range(1, len(blocks)):
        blocks[number] += blocks[number - 1, -1]


def running_counts(marks: BoolArray) -> npt.NDArray[np.int32]:
    """How many rows above each row, and in the end how many of all, are marked [rows + 1 × columns]."""
    height, width = marks.shape
    room = room_for(height, width, np.int32)
    room[1 : height + 1] = marks
    accumulate(room, height)
    return room[: height + 1]


def _block(height: int) -> int:
    """Of so many rows a block: about as many as there are blocks."""
    return max(1, math.isqrt(height))
