"""Blocks of what was sealed lately, read before anybody asks for them: dashboards show the last hours first.

After a restart as after a seal, so that the first look costs no more than those that follow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from common.durations import HOUR
from ruler.tsdb.write.ring import Ring

RECENT: Final = 3 * HOUR  # up to the newest samples
BREATH: Final = 0.002  # s between two blocks, each of which takes a tenth of that


class ReadAhead:
    """A ReadAhead has the blocks of recent chunks in their cache, the newest first, as far as that has room."""

    def __init__(self, rings: Mapping[int, Ring]) -> None:
        self._rings = rings
        self._done: set[int] = set()  # numbers of chunks

    def run(self, rest: Callable[[float], bool]) -> None:
        """Read what has not been read, while it could `rest` so many seconds each time: others come first."""
        every = [chunk for ring in list(self._rings.values()) for chunk in ring.chunks]
        newest = max((chunk.newest for chunk in every), default=0)
        recent = [chunk for chunk in every if chunk.newest > newest - RECENT]
        self._done &= {chunk.number for chunk in recent}
        for chunk in sorted(recent, key=lambda chunk: -chunk.newest):
            if chunk.number not in self._done and chunk.warm(lambda: rest(BREATH)):
                self._done.add(chunk.number)
