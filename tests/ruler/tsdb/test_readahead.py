"""What is read ahead: blocks of recent chunks are there before anybody asks, as far as there is room."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from common.clock import ManualClock
from ruler.tsdb.config import Retention
from ruler.tsdb.db import DB
from ruler.tsdb.keep import keeper
from tests.ruler.tsdb.reading import BASE, named, read

INTERVAL, HOUR = 15_000, 3_600_000
FOREVER = Retention(10**13)


def sealed(path: Path, ticks: int) -> DB:
    """A database with so many rows of 600 series, most of them in chunks."""
    db = DB.open(path, clock=ManualClock(BASE), retention=FOREVER)
    stream, ids = db.stream("a", INTERVAL), db.series([named("m", n=str(n)) for n in range(600)])
    for tick in range(ticks):
        now = BASE + tick * INTERVAL
        stream.append(now, now, ids, np.arange(600.0) * tick)
        if tick % 50 == 49:
            db.maintain(now)
    return db


def ready(db: DB) -> list[bool]:
    """Of each chunk, from the oldest on, whether all of its blocks are in the cache."""
    found = []
    for chunk in db._rings[INTERVAL].chunks:
        opened = chunk.opened()
        assert opened is not None
        found.append(all((chunk.number, 0, block) in chunk._cache._held for block in range(opened.blocks)))
    return found


def test_recent_chunks_are_read_ahead(tmp_path: Path) -> None:
    """What was sealed lately is there before it is asked for, after a restart too; what is hours older is not."""
    ticks = 12 * HOUR // INTERVAL
    db = sealed(tmp_path, ticks)
    end = BASE + ticks * INTERVAL
    expected = read(db, BASE - 1, end)
    db.close()
    db = DB.open(tmp_path, clock=ManualClock(end), retention=FOREVER)
    assert not any(ready(db))
    db.maintain(end)
    recent = [chunk.newest > db._rings[INTERVAL].chunks[-1].newest - 3 * HOUR for chunk in db._rings[INTERVAL].chunks]
    assert recent == ready(db)
    assert {True, False} == set(recent)
    assert expected == read(db, BASE - 1, end)
    db.close()


def test_no_more_is_read_ahead_than_half_of_what_there_is_room_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the cache is left to what is asked for; the newest samples come first."""
    sealed(tmp_path, 2 * HOUR // INTERVAL).close()
    monkeypatch.setattr("ruler.tsdb.files.chunkfiles.cache_that_fits", lambda: 1 << 19)
    db = DB.open(tmp_path, clock=ManualClock(BASE + 2 * HOUR), retention=FOREVER)
    db.maintain(BASE + 2 * HOUR)
    cache = db._rings[INTERVAL].chunks[0]._cache
    assert 1 << 18 <= cache._bytes < 1 << 19
    assert ready(db)[0] < ready(db)[-1]
    db.close()


def test_a_job_does_not_wait_for_what_is_read_ahead(tmp_path: Path) -> None:
    """What is asked of the keeper right after the start is done at once."""
    sealed(tmp_path, 2 * HOUR // INTERVAL).close()
    db = DB.open(tmp_path, clock=ManualClock(BASE + 2 * HOUR), retention=FOREVER)
    began = time.monotonic()
    db.clean()
    assert time.monotonic() - began < keeper.ROUND_SECONDS / 2
    db.close()
