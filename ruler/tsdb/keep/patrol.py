"""Reading what nobody asks for: every chunk that there was at the start, once, so that damage is known in time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

from ruler.tsdb.files.chunk import Chunk

ROUND_BYTES: Final = 8 << 20  # in some seconds: the disk has other things to do


class Patrol:
    """A Patrol goes through chunks, a number of bytes a round. What it finds the chunks report by themselves."""

    def __init__(self, chunks: Iterable[Chunk], size: int = ROUND_BYTES) -> None:
        self._left = deque(chunks)
        self._next = 0  # the number of a block of the first
        self._size = size

    def round(self) -> None:
        """Read on."""
        left = self._size
        while self._left and left > 0:
            chunk = self._left[0]
            opened = chunk.opened()  # None: it cannot be read at all, or was merged or dropped since
            read, following = opened.check(self._next, left) if opened is not None else (0, None)
            left -= read
            self._next = following or 0
            if following is None:
                self._left.popleft()
