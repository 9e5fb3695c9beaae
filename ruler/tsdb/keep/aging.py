"""Which leaves a retention lets go of, whatever the clock says.

Retention goes by the time that there are samples for: a long pause does not count. So a clock that is years ahead for
an hour costs an hour of the oldest samples, not all of them, and a machine that was off for a month has its history.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol, TypeVar

from common.durations import DAY

LONGEST_PAUSE: Final = DAY  # that counts as time


class Aging(Protocol):
    """What has samples of a stretch of time, and a place in the order in which such stretches were begun."""

    @property
    def order(self) -> int: ...

    @property
    def oldest(self) -> int: ...

    @property
    def newest(self) -> int: ...


A = TypeVar("A", bound=Aging)


def past(leaves: Iterable[A], now: int, retention: int) -> list[A]:
    """The leaves with only samples older than `retention`, oldest first, and those from the future that are as old."""
    every, gone = list(leaves), list[A]()
    behind = [leaf for leaf in every if leaf.oldest <= now]
    left, edge = retention, now
    for leaf in sorted(behind, key=lambda leaf: leaf.newest, reverse=True):
        pause = max(0, edge - leaf.newest)
        left -= pause if pause <= LONGEST_PAUSE else 0
        edge = min(edge, leaf.newest)
        if left < 0:
            gone.append(leaf)
        left -= max(0, edge - leaf.oldest)
        edge = min(edge, leaf.oldest)
    since = max((leaf.order for leaf in gone), default=-1)  # what is from the future and was begun before that is older
    return gone[::-1] + [leaf for leaf in every if leaf.oldest > now and leaf.order < since]
