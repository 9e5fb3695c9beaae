"""Series parted into groups of those whose labels, or some of them, are equal."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from ruler.kernels.series.numbering import Numbering
from ruler.model.arrays import CodeArray, IntArray
from ruler.model.pace import Pace


class Groups(Struct, frozen=True, eq=False):
    """Groups part series: `of[i]` is the group of series i; groups are numbered as they first appear.

    `first[g]` is the first series of group g.
    """

    of: IntArray
    first: IntArray

    def __len__(self) -> int:
        return len(self.first)


def numbered(
    numbering: Numbering, codes: CodeArray, places: Sequence[int] | None = None, pace: Pace | None = None
) -> Groups:
    """The groups of rows that are equal in these columns, or in all; `first` has those that begin a new one."""
    of, first = np.empty(len(codes), dtype=np.int64), np.empty(len(codes), dtype=np.int64)
    if places is None:
        places = range(codes.shape[1])
    count = 0
    for low, high in ((0, len(codes)),) if pace is None else pace.stretches(0, len(codes)):
        new = numbering.number(codes[low:high], places, of[low:high], first[count:])
        if low:
            first[count : count + new] += low
        count += new
    return Groups(of, first[:count])
