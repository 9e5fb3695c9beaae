"""Whose turn it is: at most so many queries run at once, the others wait in line, and the line has an end.

All of it belongs to one event loop, so there is no lock.
"""

from __future__ import annotations

import asyncio
from collections import deque

from ruler.api.errors import Unavailable


class Turns:
    """Turns are `most` places to run in, given out in the order in which they were asked for."""

    def __init__(self, most: int, most_waiting: int) -> None:
        self.most, self._most_waiting = most, most_waiting
        self.running = 0
        self._line: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        """How many wait for a place."""
        return len(self._line)

    def ask(self) -> asyncio.Future[None]:
        """A future that is done once there is a place; raises Unavailable when too many wait already.

        Who asked leaves at the end, with a place or without one.
        """
        turn = asyncio.get_running_loop().create_future()
        if self.running < self.most:
            self.running += 1
            turn.set_result(None)
        elif len(self._line) >= self._most_waiting:
            raise Unavailable(f"too many queries are waiting: {self._most_waiting}")
        else:
            self._line.append(turn)
        return turn

    def leave(self, turn: asyncio.Future[None]) -> None:
        """Give the place to the next in line, or wait for one no longer."""
        if not turn.done():
            self._line.remove(turn)
        elif self._line:
            self._line.popleft().set_result(None)
        else:
            self.running -= 1
