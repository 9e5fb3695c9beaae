"""The product's database as the benches open it: a clock of their own, nothing dropped, sealed when they say so."""

from __future__ import annotations

from pathlib import Path

from common.clock import ManualClock
from ruler.tsdb.db import DB

FOREVER = 1 << 50  # ms


def opened(path: Path, now: int) -> DB:
    """The database in a directory, as it would be opened at `now` (ms)."""
    return DB.open(path, ring=FOREVER, clock=ManualClock(now))


def maintained(db: DB, now: int) -> None:
    """Let it do what it would have done in idle time up to `now` (ms)."""
    maintain = getattr(db, "maintain", None)
    if maintain is not None:
        maintain(now)
