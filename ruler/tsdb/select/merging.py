"""The samples of series that several leaves have over the same stretch of time, in one order of time.

Leaves are in the order in which they were begun, which is that of the times that they hold unless the clock was set
back. Then the earlier one has samples from what was the future: where the later one has gone over it, only what was
measured later counts, or queries would be told of two pasts at once.
"""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import numpy as np

from ruler.model.arrays import BoolArray, IntArray
from ruler.tsdb.files.page import Bits

_FAR = 1 << 61

_Reach = tuple[IntArray, IntArray]


class Part(NamedTuple):
    """A Part is samples of one leaf: which series, when, and the stored cell.

    `order` is that of the leaf, `interval` is 0 for one on no grid.
    """

    order: int
    interval: int
    which: IntArray
    when: IntArray
    what: Bits

    def taken(self, chosen: BoolArray) -> Part:
        return self._replace(which=self.which[chosen], when=self.when[chosen], what=self.what[chosen])


def in_order(parts: list[Part], count: int) -> tuple[IntArray, IntArray, Bits]:
    """Which series (of `count`), when and what: by series, then by time; of equal times the first part's sample."""
    parts = _overwritten(parts, count)
    which, when, what = (np.concatenate([part[field] for part in parts]) for field in (2, 3, 4))
    later = (which[1:] > which[:-1]) | ((which[1:] == which[:-1]) & (when[1:] > when[:-1]))
    if not later.all():
        order = np.lexsort((when, which))  # stable
        which, when, what = which[order], when[order], what[order]
        leads = np.ones(len(which), dtype=np.bool_)
        leads[1:] = (which[1:] != which[:-1]) | (when[1:] != when[:-1])
        which, when, what = which[leads], when[leads], what[leads]
    return which, when, what


def _overwritten(parts: list[Part], count: int) -> list[Part]:
    """`parts` without what was measured before the clock was set back, where something was measured since."""
    leaves: dict[int, list[Part]] = {}
    for part in parts:
        if part.interval and len(part.when):
            leaves.setdefault(part.order, []).append(part)
    hidden: dict[int, list[_Reach]] = {}
    for older, newer in combinations(leaves, 2):
        interval = leaves[older][0].interval
        overlap = 3 * interval // 2  # less is two targets of the same series about the seam of two pages
        latest = max(int(part.when.max()) for part in leaves[older])
        earliest = min(int(part.when.min()) for part in leaves[newer])
        if leaves[newer][0].interval != interval or latest - earliest <= overlap:
            continue
        first, last = _reach(leaves[newer], count)
        stepped = _reach(leaves[older], count)[1] - first > overlap
        hidden.setdefault(older, []).append((np.where(stepped, first, _FAR), last + interval))
    return [_without(part, hidden[part.order]) if part.order in hidden and part.interval else part for part in parts]


def _without(part: Part, hidden: list[_Reach]) -> Part:
    left = np.ones(len(part.when), dtype=np.bool_)
    for first, last in hidden:
        left &= (part.when < first[part.which]) | (part.when > last[part.which])
    return part.taken(left)


def _reach(leaf: list[Part], count: int) -> _Reach:
    """The first and the last time of each series."""
    first, last = np.full(count, _FAR, dtype=np.int64), np.full(count, -_FAR, dtype=np.int64)
    for part in leaf:
        np.minimum.at(first, part.which, part.when)
        np.maximum.at(last, part.which, part.when)
    return first, last
