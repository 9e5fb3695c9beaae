"""Start times: since when a counter counts, as it says itself. What they tell of resets that its values do not show.

Few series have any; where no series of a block has, nothing here is called.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ruler.model.arrays import BoolArray, IntArray
from ruler.promql.window import Windows

NO_START = 0


class Counted(NamedTuple):
    """Counted says of samples since when they count, and when they were taken (ms)."""

    since: IntArray
    taken: IntArray


def starts_of(windows: Windows) -> IntArray:
    """The start time (ms) of each of the windows' cells."""
    starts = windows.span.block.starts
    if starts is None:
        return np.zeros(windows.cells.shape, dtype=np.int64)
    return starts[windows.used].take(windows.columns, axis=1)


def starts_again(old: Counted, new: Counted) -> BoolArray:
    """Whether the later of two samples counts from a time at which the earlier had been taken.

    From exactly that time, it does when the earlier counted from a time of its own: then each sample is what was added
    since the one before. A counter whose beginning nobody knows says the time of its first sample, which is no reset.
    """
    known = (new.since != NO_START) & (new.since < new.taken)
    anew = (new.since == old.taken) & (old.since != NO_START) & (old.since < old.taken)
    return np.asarray(known & ((new.since > old.taken) | anew))


def overlaps(old: Counted, new: Counted) -> BoolArray:
    """Whether the later of two samples counts from before the earlier was taken, and not from where that one did."""
    return np.asarray((new.since != NO_START) & (new.since < old.taken) & (new.since != old.since))
