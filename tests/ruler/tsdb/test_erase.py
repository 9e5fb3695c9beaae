"""Deleted samples: as if they had never been, for every reader and for good; what comes afterwards stays."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from common.clock import ManualClock
from common.durations import DAY, HOUR
from common.errors import DiskRefused
from common.labels import Labels
from ruler.model.arrays import STALE
from ruler.model.matcher import Matcher, MatchOp
from ruler.storage import SeriesSamples
from ruler.tsdb.config import Retention
from ruler.tsdb.db import DB
from ruler.tsdb.files.disk import Disk
from ruler.tsdb.keep.erase import NAME
from tests.ruler.tsdb.dying import Death, DyingDisk, every_death
from tests.ruler.tsdb.reading import BASE, EVERYTHING, Samples, bits, named, read
from tests.ruler.tsdb.test_full_disk import FailingDisk

INTERVAL = 15_000
FOREVER = Retention(10**13)
START, END = BASE - 40 * DAY, BASE + 40 * DAY
LABELS = [named("m", n="0"), named("m", n="1"), named("other", n="0")]
M = (Matcher("__name__", MatchOp.EQUAL, "m"),)
ZERO = (Matcher("n", MatchOp.EQUAL, "0"),)
SETS = [[M], [ZERO], [EVERYTHING], [M, ZERO], [(*M, *ZERO)]]

Model = dict[Labels, dict[int, float]]


class World:
    """A World is a database beside a model of what is in it."""

    def __init__(self, path: Path) -> None:
        self.path, self.clock, self.tick = path, ManualClock(BASE), 0
        self.model: Model = {labels: {} for labels in LABELS}
        self.open()

    def open(self, disk: Disk | None = None) -> None:
        self.db = DB.open(self.path, clock=self.clock, retention=FOREVER, disk=disk)
        self.stream = self.db.stream("a", INTERVAL)
        self.free = self.db.stream("b", None)

    def scrape(self, ticks: int) -> None:
        for _ in range(ticks):
            due = BASE + self.tick * INTERVAL
            self.clock.set(due)
            count = 2 + (self.tick % 5 > 0)
            values = np.arange(float(count)) + self.tick / 8
            if self.tick % 41 == 7:
                values[0] = STALE
            assert self.stream.append(due, due + 3, self.db.series(LABELS[:count]), values).stored == count
            for labels, value in zip(LABELS, values, strict=False):
                self.model[labels][due + 3] = value
            if self.tick % 7 == 0 and self.free.append(due, due - 4_000, self.db.series(LABELS[2:]), np.ones(1)).stored:
                self.model[LABELS[2]][due - 4_000] = 1.0
            self.tick += 1

    def erase(self, sets: list[tuple[Matcher, ...]], start: int, end: int) -> None:
        self.db.erase(sets, start, end)
        for labels, samples in self.model.items():
            if any(all(each.matches(labels.get(each.name, "")) for each in matchers) for matchers in sets):
                self.model[labels] = {time: value for time, value in samples.items() if not start <= time <= end}

    def backfill(self, start: int) -> None:
        backfill = self.db.backfill(self.clock, lambda function: function())
        assert backfill is not None
        times = start + np.arange(20) * 11_000
        put = [SeriesSamples(labels, times, np.full(20, 9.0)) for labels in LABELS]
        backfill.put(put)
        for labels in LABELS:
            for time in times[times <= self.clock.now() + 600_000].tolist():
                self.model[labels].setdefault(time, 9.0)

    def keep(self, rounds: int) -> None:
        for _ in range(rounds):
            self.db.maintain(self.clock.now() + DAY)

    def restart(self, disk: Disk | None = None) -> None:
        self.db.close()
        self.open(disk)

    def expected(self, start: int = START, end: int = END) -> Samples:
        found = {
            str(labels): [(time, bits(value)) for time, value in sorted(samples.items()) if start < time <= end]
            for labels, samples in self.model.items()
        }
        return {labels: samples for labels, samples in found.items() if samples}

    def check(self, *windows: tuple[int, int]) -> None:
        for start, end in ((START, END), *windows):
            assert self.expected(start, end) == read(self.db, start, end)
        assert {*self.expected()} == {str(each) for each in self.db.tables(EVERYTHING, START, END).all_labels()}


steps = st.one_of(
    st.tuples(st.just("scrape"), st.sampled_from([1, 30, 120, 300])),
    st.tuples(st.just("erase"), st.sampled_from(SETS), st.integers(-10, 500), st.integers(-5, 200)),
    st.tuples(st.just("backfill"), st.integers(-30, 400)),
    st.tuples(st.just("keep"), st.integers(1, 3)),
    st.tuples(st.just("clean")),
    st.tuples(st.just("restart")),
)


@settings(deadline=None, max_examples=60)
@given(steps=st.lists(steps, max_size=12))
@example(
    [("scrape", 120), ("backfill", 157), ("erase", [(Matcher("__name__", MatchOp.EQUAL, "m"),)], 0, 171), ("scrape", 1)]
)
@example([("scrape", 1), ("erase", [(Matcher("n", MatchOp.EQUAL, "0"),)], -1, 51)])
def test_erasing_is_filtering(steps: list[tuple]) -> None:  # type: ignore[type-arg]
    """Whatever is scraped, put in, sealed, merged, cleaned and restarted around it, in whatever order."""
    with TemporaryDirectory() as folder, ExitStack() as cleanup:
        world = World(Path(folder))
        cleanup.callback(lambda: world.db.close())
        world.scrape(50)
        for step in steps:
            match step:
                case ("scrape", ticks):
                    world.scrape(ticks)
                case ("erase", sets, first, length):
                    start = BASE + first * INTERVAL
                    world.erase(sets, start, start + length * INTERVAL)
                    world.check((start - 1, start + 20 * INTERVAL), (start + 5 * INTERVAL, END))
                case ("backfill", first):
                    world.backfill(BASE + first * INTERVAL)
                case ("keep", rounds):
                    world.keep(rounds)
                case ("clean",):
                    world.db.clean()
                case ("restart",):
                    world.restart()
            world.check()
        world.keep(4)
        world.db.clean()
        world.check()
        world.restart()
        world.check()
        assert 0 == world.db.health.corrupt_files + world.db.health.damaged_blocks


@pytest.fixture
def world(tmp_path: Path):  # type: ignore[no-untyped-def]
    world = World(tmp_path)
    yield world
    world.db.close()


def test_what_comes_later_is_not_deleted(world: World) -> None:
    """A deletion until the end of time is one until the newest sample there is."""
    world.scrape(20)
    world.erase([EVERYTHING], -(1 << 53), 1 << 53)
    assert {} == read(world.db, START, END)
    world.check()
    world.scrape(20)
    world.check()
    world.restart()
    world.check()


def test_cleaning_takes_it_out_of_the_files(world: World) -> None:
    """After a clean no chunk has the samples; with the last page sealed and merged, no erasure is left either."""
    world.scrape(700)
    world.restart()
    world.keep(3)
    world.erase([M], BASE + HOUR, BASE + 2 * HOUR)
    assert (world.path / NAME).exists()
    before = {path.name for path in world.path.glob("*.chunk")}
    world.db.clean()
    assert before != {path.name for path in world.path.glob("*.chunk")}
    assert not (world.path / NAME).exists()
    assert () == world.db._erasures.records
    world.check()
    world.restart()
    world.check()


def test_a_chunk_without_any_sample_left_goes(world: World) -> None:
    """What is deleted whole is removed, not rewritten."""
    world.scrape(300)
    world.restart()
    world.keep(4)
    world.erase([EVERYTHING], START, END)
    world.db.clean()
    assert [] == list(world.path.glob("*.chunk"))
    world.check()


def test_series_that_went_by_several_ids_are_deleted_whole(tmp_path: Path) -> None:
    """Those of pages, of chunks and of imports, live or not."""
    clock = ManualClock(BASE + DAY)
    with ExitStack() as cleanup:
        db = DB.open(tmp_path, clock=clock, retention=FOREVER)
        cleanup.callback(lambda: db.close())
        for first in (0, 50_000_000):
            backfill = db.backfill(clock, lambda function: function())
            assert backfill is not None
            times = BASE + first + np.arange(30) * INTERVAL
            backfill.put([SeriesSamples(LABELS[0], times, np.ones(30))])
            backfill._identities._given.clear()
        ids = db.series(LABELS[:1])
        db.stream("a", INTERVAL).append(BASE + DAY, BASE + DAY, ids, np.ones(1))
        assert 61 == len(read(db, START, END)[str(LABELS[0])])
        db.erase([M], BASE + INTERVAL, END)
        assert {str(LABELS[0]): [(BASE, bits(1.0))]} == read(db, START, END)


def test_a_full_disk_deletes_nothing(tmp_path: Path) -> None:
    """What cannot be made durable does not happen, and says so."""
    world = World(tmp_path)
    disk = FailingDisk()
    world.restart(disk)
    world.scrape(30)
    disk.full = True
    with pytest.raises(DiskRefused, match="erasures: cannot be written: No space left on device"):
        world.db.erase([M], START, END)
    disk.full = False
    world.check()
    assert not (tmp_path / f"{NAME}.tmp").exists()
    world.db.close()


def test_either_copy_of_the_file_is_enough(world: World) -> None:
    """Any flipped byte is told of, and what was deleted stays so."""
    world.scrape(30)
    world.erase([M], START, BASE + 10 * INTERVAL)
    whole = (world.path / NAME).read_bytes()
    for place in range(0, len(whole), 7):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << place % 8
        (world.path / NAME).write_bytes(flipped)
        world.restart()
        world.check()
        assert 1 == world.db.health.damaged_blocks
    (world.path / NAME).write_bytes(whole)


@pytest.mark.parametrize("what", ["erase", "clean"])
def test_a_death_in_the_middle_is_before_or_after(tmp_path: Path, what: str) -> None:
    """Whenever the process dies, the next finds either all of the samples deleted or, if nobody was told, none."""

    def run(die_at: int) -> bool:
        world = World(tmp_path / str(die_at))
        disk = DyingDisk()
        world.restart(disk)
        world.scrape(120)
        world.restart(disk)
        world.keep(4)
        before = world.expected()
        told = False
        if what == "clean":
            world.erase([M], BASE + HOUR // 8, BASE + HOUR // 4)
            told = True
        disk.arm(die_at)
        try:
            if what == "erase":
                world.db.erase([M], BASE + HOUR // 8, BASE + HOUR // 4)
                told = True
            else:
                world.db.clean()
        except Death:
            pass
        over = not disk.dead
        disk.arm(0)
        for labels in LABELS[:2]:
            kept = world.model[labels].items()
            world.model[labels] = {t: v for t, v in kept if not BASE + HOUR // 8 <= t <= BASE + HOUR // 4}
        world.restart()
        found = read(world.db, START, END)
        assert found in ([world.expected()] if told else [world.expected(), before])
        assert 0 == world.db.health.corrupt_files + world.db.health.damaged_blocks
        world.db.close()
        return over

    assert every_death(run) > 4
