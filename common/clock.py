"""The clock. Only a scheduler and a program's edge read it; everything below them takes `now` as an argument."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """A Clock tells the wall time in int milliseconds since 1970."""

    def now(self) -> int: ...


class SystemClock:
    """The clock of the machine."""

    def now(self) -> int:
        return time.time_ns() // 1_000_000


class ManualClock:
    """A clock that stands still until it is told to move: for tests and for replaying history."""

    def __init__(self, now: int = 0) -> None:
        self._now = now

    def now(self) -> int:
        return self._now

    def advance(self, milliseconds: int) -> int:
        self._now += milliseconds
        return self._now

    def set(self, now: int) -> int:
        self._now = now
        return self._now
