"""The database as the benches open it: nothing is dropped, and the keeper does its rounds when they say so."""

from __future__ import annotations

import threading
from pathlib import Path

from common.clock import ManualClock
from ruler.tsdb.config import FOREVER, Retention
from ruler.tsdb.db import DB
from ruler.tsdb.keep import keeper

keeper.ROUND_SECONDS = threading.TIMEOUT_MAX  # history is made faster than the keeper's own thread looks at the clock


def opened(path: Path, now: int) -> DB:
    """The database in a directory, as it would be opened at `now` (ms)."""
    return DB.open(path, retention=Retention(FOREVER), max_series=0, clock=ManualClock(now))


def maintained(db: DB, now: int) -> None:
    """Let it do what it would have done in idle time up to `now` (ms)."""
    db.maintain(now)
