"""Readers that the keeper overtakes: what they have in hand is merged, rewritten or sealed before they look into it."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from common.clock import ManualClock
from ruler.tsdb.config import Retention
from ruler.tsdb.db import DB
from ruler.tsdb.files.chunk import Chunk, OpenChunk
from ruler.tsdb.files.page import Page
from tests.ruler.tsdb.reading import BASE, EVERYTHING, named, read

INTERVAL, HOUR = 15_000, 3_600_000
FOREVER = Retention(10**13)


def written(path: Path, ticks: int, *, each_page: Callable[[DB, int], None]) -> DB:
    """A database with that many rows of two series, and what `each_page` does after every hundred rows."""
    db = DB.open(path, clock=ManualClock(BASE), retention=FOREVER)
    stream, ids = db.stream("a", INTERVAL), db.series([named("m", n=str(n)) for n in range(2)])
    for tick in range(ticks):
        stream.append(BASE + tick * INTERVAL, BASE + tick * INTERVAL, ids, np.array([tick, -tick], dtype=float))
        if tick % 100 == 99:
            each_page(db, BASE + tick * INTERVAL)
    return db


def keep(db: DB, now: int) -> None:
    """Two rounds: what is written in the first is sealed in the second."""
    db.maintain(now)
    db.maintain(now)


def overtake(
    monkeypatch: pytest.MonkeyPatch, kind: type[Chunk | Page], before: int, work: Callable[[], None]
) -> Callable[[], bool]:
    """Have `work` done when the next reader has opened `before` leaves and has the next in hand; whether it was."""
    opened, turns = kind.opened, iter(range(before))

    def after_work(leaf: Chunk | Page) -> OpenChunk | Page | None:
        if next(turns, None) is None:
            monkeypatch.setattr(kind, "opened", opened)
            work()
        return opened(leaf)  # type: ignore[arg-type]  # a leaf of this kind

    monkeypatch.setattr(kind, "opened", after_work)
    return lambda: kind.opened is opened


@pytest.mark.parametrize("before", range(0, 12, 2))
def test_a_reader_has_the_chunks_that_are_merged_meanwhile(
    before: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that holds chunks when they are merged, and their files removed, misses no sample of them."""
    ticks, end = 1300, BASE + 1300 * INTERVAL
    monkeypatch.setattr("ruler.tsdb.keep.mergeable.MERGED_ROWS", 10**6)
    db = written(tmp_path, ticks, each_page=keep)
    monkeypatch.undo()
    chunks = db._rings[INTERVAL].chunks
    assert len(chunks) == 10
    was_overtaken = overtake(monkeypatch, Chunk, before, lambda: keep(db, end))
    found = read(db, BASE - 1, end)
    assert was_overtaken()
    assert not any(chunk.path.exists() for chunk in chunks[:3] if chunk.path is not None)
    assert [ticks, ticks] == [len(samples) for samples in found.values()]
    db.close()


@pytest.mark.parametrize(("kind", "before"), [(Chunk, 0), (Chunk, 1), (Page, 0)])
def test_a_reader_sees_nothing_deleted_that_is_rewritten_meanwhile(
    kind: type[Chunk | Page], before: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that holds a leaf when it is rewritten without what is deleted, and that is forgotten, leaves it out."""
    ticks, end = 1300, BASE + 1300 * INTERVAL
    db = written(tmp_path, ticks, each_page=keep if kind is Chunk else lambda db, now: None)
    db.erase([EVERYTHING], BASE, BASE + 10 * INTERVAL)

    def clean() -> None:
        keep(db, end + HOUR)
        db.clean()
        assert db._erasures.records == ()

    was_overtaken = overtake(monkeypatch, kind, before, clean)
    assert [ticks - 11, ticks - 11] == [len(samples) for samples in read(db, BASE - 1, end).values()]
    assert was_overtaken()
    db.close()


def test_chunks_are_read_though_files_run_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that may not open as many files as there are chunks reads all of them, and none is called damaged."""
    monkeypatch.setattr("ruler.tsdb.keep.mergeable.MERGED_ROWS", 10**6)
    db = written(tmp_path, 6000, each_page=keep)
    assert len(db._rings[INTERVAL].chunks) > 40
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    db._rings[INTERVAL].chunks[0]._cache.forget(lambda key: True)
    lowest_free = os.open(tmp_path, os.O_RDONLY)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free + 20, hard))
    try:
        found = read(db, BASE - 1, BASE + 6000 * INTERVAL)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert [6000, 6000] == [len(samples) for samples in found.values()]
    assert not db.health.damaged_blocks
    db.close()
