"""The clock, and how its times are written.

Only a scheduler and a program's edge read the clock; everything below them takes `now` as an argument.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


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


def rfc3339(milliseconds: int) -> str:
    """A time in UTC as `2026-01-31T12:00:00.000Z`; one that no calendar has is the last that one has."""
    try:
        moment = _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return "9999-12-31T23:59:59.999Z"
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
