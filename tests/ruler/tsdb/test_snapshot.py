"""Snapshots: a database of their own with what there was, whole or not at all, while writing goes on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import numpy as np
import pytest

from common.clock import ManualClock
from common.durations import DAY, HOUR
from common.errors import DiskRefused
from ruler.tsdb.db import DB
from ruler.tsdb.keep.snapshot import FOLDER, UNFINISHED
from tests.ruler.tsdb.dying import Death, DyingDisk, every_death
from tests.ruler.tsdb.reading import BASE, EVERYTHING, Samples, named, read
from tests.ruler.tsdb.test_erase import END, FOREVER, INTERVAL, START, M, World
from tests.ruler.tsdb.test_full_disk import FailingDisk


def content(path: Path) -> Samples:
    """What is in the database in a directory."""
    with closing(DB.open(path, clock=ManualClock(BASE), retention=FOREVER)) as db:
        assert 0 == db.health.corrupt_files + db.health.damaged_blocks
        return read(db, START, END)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A database with chunks, merged and not, pages, an import and deletions."""
    world = World(tmp_path / "data")
    world.scrape(700)
    world.restart()
    world.keep(2)
    world.backfill(BASE - HOUR)
    world.erase([M], BASE + HOUR, BASE + HOUR + HOUR // 4)
    world.scrape(300)
    world.erase([M], world.clock.now() - HOUR // 4, world.clock.now())
    world.scrape(30)
    yield world
    world.db.close()


def test_a_snapshot_is_the_database(world: World) -> None:
    """Opened as a directory of its own it answers as the original did, also when that has gone on and been cleaned."""
    before = world.expected()
    folder = world.path / FOLDER / world.db.snapshot(world.clock.now())
    world.scrape(500)
    world.erase([EVERYTHING], START, BASE + HOUR)
    world.keep(4)
    world.db.clean()
    world.check()
    assert before == content(folder)
    assert before == content(folder)


def test_a_snapshot_takes_no_room_for_chunks(world: World) -> None:
    """They are the same files, under one more name."""
    before = {path.stat().st_ino for path in world.path.glob("*.chunk")}
    folder = world.path / FOLDER / world.db.snapshot(world.clock.now())
    assert before
    assert before < {path.stat().st_ino for path in folder.glob("*.chunk")}


def test_a_snapshot_without_the_head_has_chunks_alone(world: World) -> None:
    """As Prometheus's has blocks alone."""
    name = world.db.snapshot(world.clock.now(), head=False)
    chunks = {path.name for path in world.path.glob("*.chunk")}
    assert chunks == {path.name for path in (world.path / FOLDER / name).glob("*.chunk")}


def test_a_snapshot_is_consistent_while_rows_are_written(tmp_path: Path) -> None:
    """Each stream's rows are there whole up to one that was written after the request, and none has half of a row."""
    with ExitStack() as cleanup:
        db = DB.open(tmp_path, clock=ManualClock(BASE), retention=FOREVER)
        cleanup.callback(lambda: db.close())
        labels = [named("m", n=str(n)) for n in range(30)]
        ids, stream = db.series(labels), db.stream("a", 1_000)
        enough, written = threading.Event(), [0]

        def write() -> None:
            tick = 0
            while not enough.is_set() and tick < 20_000:
                due = BASE + tick * 1_000
                stream.append(due, due, ids, np.full(30, float(tick)))
                written[0] = tick = tick + 1

        writer = threading.Thread(target=write)
        writer.start()
        names, marks = [], []
        for _ in range(6):
            marks.append(written[0])
            names.append(db.snapshot(BASE))
        enough.set()
        writer.join()
        for name, mark in zip(names, marks, strict=True):
            found = read_directory(tmp_path / FOLDER / name)
            assert len(labels) == len(found) if mark else True
            lengths = {len(samples) for samples in found.values()}
            assert len(lengths) <= 1
            for samples in found.values():
                assert len(samples) >= mark
                ticks = [(time - BASE) // 1_000 for time, _ in samples]
                assert list(range(len(ticks))) == ticks
                assert np.arange(float(len(ticks))).view(np.int64).tolist() == [value for _, value in samples]


def read_directory(path: Path) -> Samples:
    with closing(DB.open(path, clock=ManualClock(BASE), retention=FOREVER)) as db:
        return read(db, BASE - 1, BASE + 100 * DAY)


def test_a_database_in_memory_has_none() -> None:
    """There is no place for one."""
    with pytest.raises(DiskRefused, match="there is no directory"):
        DB.open(None).snapshot(BASE)


def test_a_failure_of_any_call_leaves_nothing(world: World) -> None:
    """A disk that fails anywhere costs the snapshot, which says so, and nothing else."""
    before = world.expected()
    for fail_at in range(1, 200):
        disk = FailingDisk(fail_at)
        assert world.db._directory is not None
        world.db._directory.disk = disk
        try:
            name = world.db.snapshot(world.clock.now())
        except DiskRefused:
            assert [] == list((world.path / FOLDER).glob("*")) or "remove" == disk.done[fail_at - 1]
        else:
            assert before == content(world.path / FOLDER / name)
            if not disk.failed:
                break
    assert 8 < fail_at < 199
    world.check()
    assert [] == list((world.path / FOLDER).glob(f"*{UNFINISHED}"))


def test_a_death_in_the_middle_leaves_a_whole_one_or_none(world: World) -> None:
    """What a kill leaves of an unfinished one is never taken for one, and goes with the next."""
    before = world.expected()
    assert world.db._directory is not None
    disk = DyingDisk()
    world.db._directory.disk = disk
    folder = world.path / FOLDER

    def run(die_at: int) -> bool:
        disk.arm(die_at)
        with suppress(Death):
            world.db.snapshot(world.clock.now())
        over = not disk.dead
        disk.arm(0)
        for path in folder.glob("*"):
            if path.suffix != UNFINISHED:
                assert before == content(path)
                for each in path.iterdir():
                    each.unlink()
                path.rmdir()
        name = world.db.snapshot(world.clock.now())
        assert [name] == [path.name for path in folder.iterdir()]
        for each in (folder / name).iterdir():
            each.unlink()
        (folder / name).rmdir()
        return over

    assert every_death(run) > 8


def test_snapshots_do_not_count_or_confuse(world: World) -> None:
    """A restart with snapshots in the directory finds the database as it was."""
    world.db.snapshot(world.clock.now())
    world.restart()
    world.check()
    assert INTERVAL in world.db._rings
