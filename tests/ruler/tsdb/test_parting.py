"""Parting merged chunks by how long their series stay: each goes in its time, and a crash in between loses nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from common.clock import ManualClock
from ruler.tsdb.config import Archive, Retention
from ruler.tsdb.db import DB
from ruler.tsdb.files.chunk import Chunk
from ruler.tsdb.keep.keeper import Keeper
from tests.ruler.tsdb.reading import Samples, named, read
from tests.ruler.tsdb.twins import DAY, HOUR, MIDNIGHT, NODE

INTERVAL = 15_000
RULE = Archive((NODE,), 12 * HOUR, ((HOUR, 30 * DAY),))
KEPT = Retention(3 * DAY)


def opened(path: Path, now: int) -> DB:
    return DB.open(path, clock=ManualClock(now), retention=KEPT, archives=(RULE,))


def run(db: DB, hours: float) -> int:
    """Two series of a job with a rule and one of another, every 15 s; the time at the end."""
    ids = db.series([named("a", job="node"), named("b", job="node"), named("a", job="other")])
    stream, chance, now = db.stream("t", INTERVAL), np.random.default_rng(2), MIDNIGHT
    for tick in range(int(hours * HOUR) // INTERVAL):
        now = MIDNIGHT + tick * INTERVAL
        stream.append(now, now + 5, ids, chance.random(3).round(2))
        if tick % 60 == 59:
            db.maintain(now)
    return now


def oldest(db: DB, end: int) -> dict[str, int]:
    """The hour from which on there are raw samples, by job."""
    since: dict[str, int] = {}
    for labels, samples in read(db, MIDNIGHT - 1, end).items():
        job = "other" if "other" in labels else "node"
        since[job] = (samples[0][0] - MIDNIGHT) // HOUR
    return since


def test_series_of_a_rule_go_in_its_time_and_others_in_theirs(tmp_path: Path) -> None:
    """Raw samples of a rule's series go when the rule says, once they are archived; those of others do not."""
    db = opened(tmp_path, MIDNIGHT)
    end = run(db, 60)
    for _ in range(10):
        db.maintain(end)
    since = oldest(db, end)
    assert (0, True) == (since["other"], 42 <= since["node"] <= 48)
    db.close()
    db = opened(tmp_path, end)
    assert since == oldest(db, end)
    db.close()


def test_a_crash_between_two_parts_loses_and_doubles_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed after the first of two chunks that replace others together, the next process begins from those others."""
    first, second = tmp_path / "first", tmp_path / "second"
    written: Callable[..., Chunk | None] = Keeper._written
    parts: list[Chunk | None] = []

    def watched(keeper: Keeper, number: int, write: Callable[..., object]) -> Chunk | None:
        chunk = written(keeper, number, write)
        if chunk is not None and chunk.header.awaited is not None and not second.exists():
            parts.append(chunk)
            shutil.copytree(first, second, ignore=shutil.ignore_patterns("lock"))
        return chunk

    monkeypatch.setattr(Keeper, "_written", watched)
    db = opened(first, MIDNIGHT)
    end = run(db, 6)
    expected: Samples = read(db, MIDNIGHT - 1, MIDNIGHT + 4 * HOUR)
    db.close()
    [part] = parts
    assert part is not None
    after = opened(second, end)
    assert f"{part.number:08d}.chunk" not in {path.name for path in second.iterdir()}
    assert {key: each[:900] for key, each in expected.items()} == {
        key: each[:900] for key, each in read(after, MIDNIGHT - 1, MIDNIGHT + 4 * HOUR).items()
    }
    after.maintain(end)
    kept = {chunk.header.superseded for ring in after._rings.values() for chunk in ring.chunks if chunk.rows > 1000}
    assert 1 == len(kept)
    after.close()
