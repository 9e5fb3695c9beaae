"""How queries in threads share what there is: few compute at once, and fewer still may hold very much memory.

More threads than processors make none of them faster, and everything else in the process slower. A query gives way at
its checks when it has computed for a while; who has had least comes next, so a short query overtakes long ones.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from typing import Final

SLICE: Final = 0.05  # s that a query computes before it gives way to those that wait
GLANCE: Final = 0.1  # s after which one that waits looks whether it still has to

Check = Callable[[], None]  # raises when a query has to stop


class Gate:
    """A Gate lets through so many at once; of those who wait, the one with the lowest rank comes first."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._line: list[tuple[float, int, threading.Event]] = []
        self._numbers = itertools.count()
        self._lock = threading.Lock()

    @property
    def crowded(self) -> bool:
        """Whether anybody waits."""
        return bool(self._line)

    def enter(self, rank: float, check: Check) -> None:
        """Take a place; what `check` raises ends the wait for it."""
        with self._lock:
            if self._free:
                self._free -= 1
                return
            turn = threading.Event()
            waiting = (rank, next(self._numbers), turn)
            heapq.heappush(self._line, waiting)
        while not turn.wait(GLANCE):
            try:
                check()
            except BaseException:
                self._give_up(waiting)
                raise

    def leave(self) -> None:
        """Give the place back."""
        with self._lock:
            self._pass_on()

    def _give_up(self, waiting: tuple[float, int, threading.Event]) -> None:
        with self._lock:
            if waiting[2].is_set():
                self._pass_on()
            else:
                self._line.remove(waiting)
                heapq.heapify(self._line)

    def _pass_on(self) -> None:
        if self._line:
            heapq.heappop(self._line)[2].set()
        else:
            self._free += 1


class Sharing:
    """A Sharing is the places to compute at, and those for queries that hold very much."""

    def __init__(self, computing: int, large: int) -> None:
        self.computing, self.large = Gate(computing), Gate(large)


class Share:
    """A Share is one query's part in a Sharing: a place to compute at while it is open.

    It belongs to the thread that opens it; helpers of that thread come and go with it, and never wait.
    """

    def __init__(self, sharing: Sharing) -> None:
        self._sharing = sharing
        self._used = 0.0  # s
        self._since: float | None = None  # it has a place
        self._large = False
        self._thread = 0
        self.until = 0.0  # time.monotonic()

    def open(self, check: Check) -> None:
        """Begin, or go on, to compute."""
        self._sharing.computing.enter(self._used, check)
        self._thread = threading.get_ident()
        self._since = time.monotonic()
        self.until = self._since + SLICE

    def close(self) -> None:
        """Compute no more."""
        self._pause()
        if self._large:
            self._large = False
            self._sharing.large.leave()

    def rest(self, check: Check) -> None:
        """Give way to others that wait."""
        if self._thread != threading.get_ident():
            return
        if self._sharing.computing.crowded:
            self._pause()
            self.open(check)
        else:
            self.until = time.monotonic() + SLICE

    def enlarge(self, check: Check) -> None:
        """Wait until very much may be held."""
        if not self._large and self._thread == threading.get_ident():
            self._pause()
            self._sharing.large.enter(self._used, check)
            self._large = True
            self.open(check)

    def _pause(self) -> None:
        if self._since is not None:
            self._used += time.monotonic() - self._since
            self._since = None
            self._sharing.computing.leave()
