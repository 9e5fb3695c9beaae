"""Counters and gauges out of buckets, so that what works on samples works on them.

Of a bucket two samples are made: at its beginning the value before it, at its last time the last value. So a window
that spans whole buckets has what changed in all of them.
"""

from __future__ import annotations

import numpy as np
from msgspec.structs import replace

from ruler.model.arrays import ABSENT, NEVER, FloatArray, IntArray, absent
from ruler.storage import Block


def rising(values: FloatArray, lost: FloatArray, height: int) -> FloatArray:
    """The first `height` rows of counters, which are buckets, lowered by what resets after them have lost.

    So they rise from row to row by what the counter rose, and end where it was: what follows continues them.
    """
    last, set_back = values[:height], np.where(np.isfinite(lost[:height]), lost[:height], 0.0)
    if not set_back.any():
        return values
    later = np.zeros(last.shape)
    later[:-1] = np.cumsum(set_back[:0:-1], axis=0)[::-1]
    lowered = values.copy()
    np.copyto(lowered[:height], last - later, where=np.isfinite(last))
    return lowered


def doubled(block: Block, sizes: IntArray) -> Block:
    """The block with two rows for each row of buckets (of `sizes` ms; 0: a row of raw samples)."""
    height = int(np.count_nonzero(sizes))
    times, size = block.times[:height], sizes[:height, np.newaxis]
    begun = (times - 1) // np.maximum(size, 1) * size
    older = np.full(times.shape, NEVER)
    older[1:] = times[:-1]
    fits = (times > older) & (older > NEVER)  # both rows have something
    fits[1:] &= older[1:] > begun[1:] - size[:-1]  # in the bucket before
    fits &= (begun + 1 < times) & (older <= begun)
    twice_times = np.empty((2 * height, times.shape[1]), dtype=np.int64)
    twice_times[0::2], twice_times[1::2] = np.where(fits, begun + 1, NEVER), times
    values = block.values[:height]
    twice = absent(2 * height, values.shape[1])
    twice[1::2] = values
    both = fits[1:][:, block.stream_of] & np.isfinite(values[1:]) & np.isfinite(values[:-1])
    twice[2::2] = np.where(both, values[:-1], ABSENT)
    whole_times = np.concatenate([twice_times, block.times[height:]])
    np.maximum.accumulate(whole_times, axis=0, out=whole_times)
    return replace(block, cells=np.concatenate([twice, block.values[height:]]), times=whole_times, tick=None)
