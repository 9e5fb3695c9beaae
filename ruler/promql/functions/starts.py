"""Start times: when a counter says that it began to count. What they tell of resets that its values do not show.

Few series have any; where no series of a block has, nothing here is called.
"""

from __future__ import annotations

import numpy as np

from ruler.model.arrays import BoolArray, IntArray
from ruler.promql.window import Windows

NO_START = 0


def starts_of(windows: Windows) -> IntArray:
    """The start time (ms) of each of the windows' cells."""
    starts = windows.span.block.starts
    if starts is None:
        return np.zeros(windows.cells.shape, dtype=np.int64)
    return starts[windows.used].take(windows.columns, axis=1)


def starts_again(windows: Windows, earlier: IntArray, later: IntArray, column: IntArray) -> BoolArray:
    """Whether the later of two samples counts from a time at which the earlier had been taken.

    From exactly that time, it does when the earlier counted from a time of its own: then each sample is what was added
    since the one before. A counter whose beginning nobody knows says the time of its first sample, which is no reset.
    """
    starts, times = starts_of(windows), windows.times[windows.used]
    old, new = starts[earlier, column], starts[later, column]
    taken, now = times[earlier, windows.stream[column]], times[later, windows.stream[column]]
    known = (new != NO_START) & (new < now)
    return np.asarray(known & ((new > taken) | ((new == taken) & (old != NO_START) & (old < taken))))


def overlapping(windows: Windows, earlier: IntArray, later: IntArray, column: IntArray) -> BoolArray:
    """Whether the later of two samples counts from before the earlier was taken, and not from where that one did."""
    starts, times = starts_of(windows), windows.times[windows.used]
    old, new = starts[earlier, column], starts[later, column]
    return np.asarray((new != NO_START) & (new < times[earlier, windows.stream[column]]) & (new != old))
