"""Long work that can be ended: so many rows at a time, and between them a look at whether anybody still waits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

Check = Callable[[], None]  # raises when a query has to stop

ROWS: Final = 1 << 18  # some milliseconds of what is done to rows
PART: Final = 1 << 10  # rows that each part counts for beside its own: what it takes to begin


class Pace:
    """A Pace looks at a check whenever enough has been done since the last time; what that raises ends the work."""

    __slots__ = ("_check", "_left")

    def __init__(self, check: Check | None) -> None:
        self._check, self._left = check, ROWS

    def done(self, rows: int) -> None:
        """A part of the work is done, of so many rows."""
        self._left -= rows + PART
        if self._left <= 0 and self._check is not None:
            self._left = ROWS
            self._check()

    def stretches(self, low: int, high: int) -> Iterable[tuple[int, int]]:
        """The rows [low, high) in parts that are done one after another."""
        if high - low <= ROWS:
            self.done(high - low)
            return ((low, high),)
        return self._parts(low, high)

    def _parts(self, low: int, high: int) -> Iterator[tuple[int, int]]:
        for start in range(low, high, ROWS):
            stop = min(start + ROWS, high)
            yield start, stop
            self.done(stop - start)
