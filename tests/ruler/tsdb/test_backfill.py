"""Backfill: samples of any age beside what is there, as if they had been there from the start."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.clock import ManualClock
from common.durations import DAY, HOUR, MINUTE
from common.errors import DiskRefused
from common.labels import Labels
from ruler.model.arrays import NAN, STALE
from ruler.storage import Imported, SeriesSamples
from ruler.tsdb.config import Retention
from ruler.tsdb.db import DB
from ruler.tsdb.files.disk import Disk
from ruler.tsdb.write.backfill import Backfill
from ruler.tsdb.write.strips import WINDOWS, Strip, grid_of, gridded, ungridded
from tests.ruler.tsdb.dying import Death, DyingDisk, every_death
from tests.ruler.tsdb.reading import BASE, Samples, bits, named, read
from tests.ruler.tsdb.test_full_disk import FailingDisk

INTERVAL = 15_000
FOREVER = Retention(10**13)
START, END = BASE - 40 * DAY, BASE + 40 * DAY

Pairs = dict[int, float]


def opened(path: Path, clock: ManualClock, disk: Disk | None = None) -> tuple[DB, Backfill]:
    db = DB.open(path, clock=clock, retention=FOREVER, disk=disk)
    backfill = db.backfill(clock, lambda function: function())
    assert backfill is not None
    return db, backfill


def series(labels: Labels, samples: Pairs) -> SeriesSamples:
    times = sorted(samples)
    return SeriesSamples(labels, np.array(times, np.int64), np.array([samples[time] for time in times], np.float64))


def shown(expected: dict[Labels, Pairs]) -> Samples:
    return {
        str(labels): [(time, bits(value)) for time, value in sorted(samples.items())]
        for labels, samples in expected.items()
        if samples
    }


values = st.one_of(
    st.integers(0, 9).map(float), st.floats(allow_nan=False), st.sampled_from([NAN, STALE, np.inf, -np.inf, -0.0])
)


@st.composite
def some_samples(draw: st.DrawFn) -> Pairs:
    """Samples of a series: on a grid with gaps and jitter, or anywhere."""
    if draw(st.booleans()):
        times: Iterator[int] | list[int] = draw(st.lists(st.integers(-600, 900).map(lambda t: t * 1_000), max_size=9))
    else:
        first, count, phase = draw(st.integers(-60, 60)), draw(st.integers(16, 70)), draw(st.integers(0, 14_999))
        late = draw(st.lists(st.integers(0, 700), min_size=count, max_size=count))
        gone = draw(st.sets(st.integers(0, 69), max_size=9))
        times = [
            (first + tick) * INTERVAL + phase + late[tick] for tick in range(count) if tick == 0 or tick not in gone
        ]
    return {BASE + time: draw(values) for time in times}


puts = st.lists(st.lists(st.tuples(st.integers(0, 3), some_samples()), min_size=1, max_size=4), min_size=1, max_size=4)


@settings(deadline=None, max_examples=80)
@given(scraped=st.integers(0, 60), puts=puts, maintained=st.integers(0, 3), restarted=st.booleans())
def test_a_backfill_is_the_union(
    scraped: int, puts: list[list[tuple[int, Pairs]]], maintained: int, restarted: bool
) -> None:
    """Whatever is put where: what was there stays, of two puts of one time the first counts, and nothing is lost,
    whether series are live, known or new, before and after sealing, merging and a restart."""
    clock = ManualClock(BASE + DAY)
    labels = [named("m", n="0"), named("m", n="1", x="ä"), named("other"), named("m.x", **{"an odd label": "1"})]
    expected: dict[Labels, Pairs] = {each: {} for each in labels}
    with TemporaryDirectory() as folder, ExitStack() as cleanup:
        db, backfill = opened(Path(folder), clock)
        cleanup.callback(lambda: db.close())
        stream, ids = db.stream("a", INTERVAL), db.series(labels[:2])
        for tick in range(scraped):
            due = BASE + tick * INTERVAL
            stream.append(due, due + 7, ids, np.array([tick, -tick], dtype=np.float64))
            for place in range(2):
                expected[labels[place]][due + 7] = (tick, -tick)[place] * 1.0
        for place, put in enumerate(puts):
            stored = 0
            for which, samples in put:
                before = len(expected[labels[which]])
                expected[labels[which]] = samples | expected[labels[which]]
                stored += len(expected[labels[which]]) - before
            counts = backfill.put([series(labels[which], samples) for which, samples in put])
            total = sum(len(samples) for _, samples in put)
            assert Imported(stored, duplicate=total - stored) == counts
            assert shown(expected) == read(db, START, END)
            if place < maintained:
                for _ in range(3):
                    db.maintain(BASE + 2 * DAY)
            if restarted:
                db.close()
                db, backfill = opened(Path(folder), clock)
        for _ in range(6):
            db.maintain(BASE + 2 * DAY)
        assert shown(expected) == read(db, START, END)
        middle = BASE + 40_000
        part = {each: {t: v for t, v in of.items() if BASE - 1 < t <= middle} for each, of in expected.items()}
        assert shown(part) == read(db, BASE - 1, middle)
        assert 0 == db.health.corrupt_files + db.health.damaged_blocks


def test_samples_beyond_the_retention_and_from_the_future_are_refused(tmp_path: Path) -> None:
    """What retention would drop is too old, what is more than ten minutes ahead is from the future; the rest is
    stored."""
    clock = ManualClock(BASE)
    db = DB.open(tmp_path, clock=clock, retention=Retention(DAY))
    backfill = db.backfill(clock, lambda function: function())
    assert backfill is not None
    times = [BASE - DAY - 1, BASE - DAY, BASE, BASE + 10 * MINUTE, BASE + 10 * MINUTE + 1]
    found = backfill.put([series(named("m"), dict.fromkeys(times, 1.0))])
    assert Imported(3, too_old=1, future=1) == found
    assert times[1:4] == [time for time, _ in read(db, START, END)["m"]]
    db.close()


def test_a_database_in_memory_takes_no_backfill() -> None:
    """There is no directory for its chunks."""
    assert DB.open(None).backfill(ManualClock(BASE), lambda function: function()) is None


def test_history_goes_on_into_what_is_scraped(tmp_path: Path) -> None:
    """Up to the very scrape before the first: no sample about the seam is taken for one of before a step of the
    clock, neither while the page is written nor when it is sealed and merged."""
    clock = ManualClock(BASE)
    db, backfill = opened(tmp_path, clock)
    labels = named("m")
    stream, ids = db.stream("a", INTERVAL), db.series([labels])
    expected: Pairs = {}

    def scrape(first: int, count: int) -> None:
        for tick in range(first, first + count):
            due = BASE + tick * INTERVAL
            stream.append(due, due, ids, np.array([float(tick)]))
            expected[due] = float(tick)
            clock.set(due)

    scrape(0, 40)
    history = {BASE - tick * INTERVAL: -float(tick) for tick in range(1, 3_000)}
    assert len(history) == backfill.put([series(labels, history)]).stored
    expected |= history
    assert shown({labels: expected}) == read(db, START, END)
    scrape(40, 400)
    recent = {BASE + tick * INTERVAL - 7_000: float(tick) for tick in range(200, 445)}
    assert len(recent) == backfill.put([series(labels, recent)]).stored
    expected |= recent
    scrape(440, 300)
    for _ in range(6):
        db.maintain(clock.now() + HOUR)
        assert shown({labels: expected}) == read(db, START, END)
    db.close()


def test_a_series_keeps_its_id_from_put_to_put(tmp_path: Path) -> None:
    """A series that comes in many pieces is one column after they are merged, also over a restart."""
    clock = ManualClock(BASE)
    db, backfill = opened(tmp_path, clock)
    for piece in range(35):
        if piece == 20:
            db.close()
            db, backfill = opened(tmp_path, clock)
        moments = {BASE - HOUR + piece * 90_000 + k * k * 17: float(k) for k in range(30)}
        backfill.put([series(named("m", n=str(n)), moments) for n in range(3)])
    for _ in range(4):
        db.maintain(clock.now() + DAY)
    [chunk] = [chunk for ring in db._rings.values() for chunk in ring.chunks]
    leaf = chunk.opened()
    assert leaf is not None
    assert (3 + 1, 3) == (leaf.used, len(np.unique(leaf.series_of[1:])))
    assert {3} == {len(read(db, START, END))}
    db.close()


def test_what_lies_on_a_grid_goes_to_its_ring(tmp_path: Path) -> None:
    """Regular samples with jitter and gaps are rows of ticks; few, far or irregular ones are not."""
    chance = np.random.default_rng(3)
    regular = BASE + np.arange(100) * INTERVAL + 6_000 + chance.integers(0, 900, 100)
    assert (INTERVAL, 100) == ((grid := grid_of(regular)) and (grid.interval, len(grid.ticks)))
    gappy = grid_of(regular[np.arange(100) % 5 > 0])
    assert gappy is not None
    assert INTERVAL == gappy.interval
    assert [None] * 3 == [
        grid_of(times) for times in (regular[:10], regular[::7][:17] ** 2, np.unique(regular // 9_000**2))
    ]


@settings(deadline=None, max_examples=60)
@given(every=st.lists(some_samples().filter(len), min_size=1, max_size=8), longest=st.sampled_from([MINUTE, DAY]))
def test_rectangles_hold_the_strips(every: list[Pairs], longest: int) -> None:
    """Every sample is in one rectangle, none is much larger than its samples or longer than wanted."""
    strips = [Strip(place, each.times, each.values) for place, each in enumerate(series(named("m"), s) for s in every)]
    rectangles, others = gridded(strips, longest)
    rectangles += ungridded(others)
    found: list[tuple[int, int]] = []
    for rectangle in rectangles:
        times = rectangle.times
        assert times.shape == (len(rectangle.rows_of), rectangle.rows)
        assert times.size <= 16 * max(1, sum(len(rows) for rows in rectangle.rows_of))
        for strip, slot in zip(rectangle.strips, rectangle.slot_of, strict=True):
            rows = rectangle.rows_of[slot]
            stored = (times[slot, rows] ^ np.uint64(1 << 63)).view(np.int64)
            assert stored.tolist() == strip.times.tolist()
            found += [(strip.series, time) for time in strip.times.tolist()]
        if rectangle.interval:
            assert rectangle.newest - rectangle.oldest <= longest + rectangle.interval
    assert sorted(found) == sorted((place, time) for place, samples in enumerate(every) for time in samples)


def test_a_long_history_makes_few_files(tmp_path: Path) -> None:
    """A year of one series is a bounded number of chunks."""
    db, backfill = opened(tmp_path, ManualClock(BASE))
    times = BASE - 365 * DAY + np.arange(365 * 1440) * MINUTE
    backfill.put([SeriesSamples(named("m"), times, np.zeros(len(times)))])
    assert 1 < len(list(tmp_path.glob("*.chunk"))) <= WINDOWS + 1
    db.close()


def test_a_full_disk_refuses_and_leaves_nothing(tmp_path: Path) -> None:
    """The import fails in words, leaves no file, and can be repeated once there is room; scraping is not told."""
    clock = ManualClock(BASE)
    disk = FailingDisk()
    db, backfill = opened(tmp_path, clock, disk)
    put = [series(named("m"), {BASE - k * INTERVAL: float(k) for k in range(100)})]
    before = sorted(path.name for path in tmp_path.iterdir())
    disk.full = True
    with pytest.raises(DiskRefused, match="cannot be written: No space left on device"):
        backfill.put(put)
    assert before == sorted(path.name for path in tmp_path.iterdir())
    assert not db.health.degraded
    disk.full = False
    assert 100 == backfill.put(put).stored
    db.close()


def test_a_death_in_the_middle_leaves_whole_chunks(tmp_path: Path) -> None:
    """Whenever the process dies, the next finds whole chunks, what was told among them, and takes the rest again."""
    clock = ManualClock(BASE)
    every = [
        [
            series(named("m", n=str(n)), {BASE - (60 * put + k) * INTERVAL: float(k) for k in range(1, 60)})
            for n in (0, 1)
        ]
        for put in range(3)
    ]

    def run(die_at: int) -> bool:
        path = tmp_path / str(die_at)
        disk = DyingDisk()
        db, backfill = opened(path, clock, disk)
        disk.arm(die_at)
        told = 0
        try:
            for put in every:
                told += backfill.put(put).stored
        except Death:
            pass
        over = not disk.dead
        disk.arm(0)
        db.close()
        db, backfill = opened(path, clock)
        one, other = read(db, START, END).get('m{n="0"}'), read(db, START, END).get('m{n="1"}')
        assert one == other
        there = 2 * len(one or ())
        assert told <= there
        assert [] == list(path.glob("*.tmp"))
        assert 3 * 118 - there == sum(backfill.put(put).stored for put in every)
        db.close()
        return over

    assert every_death(run) > 10
