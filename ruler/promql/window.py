"""Windows: which stretch of time a range vector looks at, at each of its steps."""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from ruler.model.arrays import IntArray
from ruler.promql.ast import Extension
from ruler.promql.frame import Grid
from ruler.storage import Block


class Windows(Struct, frozen=True, eq=False):
    """Windows are stretches of time (end - reach, end], one for each of `ends` [steps or 1], all ms.

    `now` is the moments of the evaluation [steps]. Windows with an extension look `lookback` ms beyond their edges.
    """

    now: Grid
    ends: Grid
    reach: int
    extension: Extension = Extension.NONE
    lookback: int = 0

    @property
    def extended(self) -> bool:
        """Whether they look beyond their edges."""
        return self.extension is not Extension.NONE

    def edges(self, block: Block) -> tuple[IntArray, IntArray]:
        """Where they begin and end. Over buckets that is at edges of those, so none is shorter than a bucket."""
        ends = self.ends.times
        starts = ends - self.reach
        if not block.archived or self.extended:
            return starts, ends
        until = np.array([time for time, _ in block.archived])
        sizes = np.array([*(size for _, size in block.archived), 1])
        size = sizes[np.searchsorted(until, ends)]
        moved = ends // size * size
        starts = np.where(size > 1, moved - -(-(ends - starts) // size) * size, starts)
        size = sizes[np.searchsorted(until, starts, side="right")]
        return starts // size * size, moved

    def beyond(self, block: Block) -> int:
        """How far they look beyond their edges: at least as far as a bucket."""
        return max([self.lookback, *(size for _, size in block.archived)])
