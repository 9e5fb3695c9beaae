"""The last samples of a block that holds one window and nothing else: what an instant selector finds at one moment.

No rows are searched: a selection holds exactly the samples of its window, so the last one of a column is the one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ruler.model.arrays import ABSENT_BITS, STALE_BITS, BoolArray, FloatArray, IntArray
from ruler.storage import Block

_FIRST_LOOK = 2  # rows; each further look is at four times as many


def newest(blocks: Sequence[Block]) -> tuple[FloatArray, BoolArray | None]:
    """The last sample of each series, block by block [1 × series], and which have one: not those that ended."""
    if len(blocks) == 1 and not blocks[0].gaps and not blocks[0].stale:
        return blocks[0].values[-1:], None
    bits = np.concatenate([_last(block) for block in blocks])[np.newaxis]
    present: BoolArray = bits != STALE_BITS
    present &= bits != ABSENT_BITS
    return bits.view(np.float64), None if present.all() else present


def _last(block: Block) -> IntArray:
    """The bits of the last cell of each column that is not absent."""
    cells = block.values.view(np.int64)
    last: IntArray = cells[-1]
    if not block.gaps:
        return last
    missing = (last == ABSENT_BITS).nonzero()[0]
    if not len(missing):
        return last
    last = last.copy()
    until, height = len(cells) - 1, _FIRST_LOOK
    while until > 0 and len(missing):
        rows = cells[max(0, until - height) : until][::-1, missing]
        held = rows != ABSENT_BITS
        where = held.argmax(axis=0)
        last[missing] = rows[where, np.arange(len(missing))]
        missing = missing[~held.any(axis=0)]
        until, height = until - height, 4 * height
    return last
