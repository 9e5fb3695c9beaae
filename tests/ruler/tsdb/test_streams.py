"""Rings wrap, streams hand series over, clocks are set: what happens at the edges of pages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from common.clock import ManualClock
from ruler.model.arrays import STALE, STALE_BITS
from ruler.storage import Appended
from ruler.tsdb.config import Retention
from ruler.tsdb.db import DB
from tests.ruler.tsdb.reading import BASE, EVERYTHING, Samples, bits, named, read

INTERVAL = 15_000
END = BASE + 10**10


def one(value: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([float(value)])


@pytest.mark.parametrize("in_files", [False, True])
def test_ring_wraps(tmp_path: Path, in_files: bool) -> None:
    """After many turns the last ring of samples is all there, what is older goes page by page, and disk stays flat."""
    ring = 96 * INTERVAL
    db = DB.open(tmp_path if in_files else None, retention=Retention(ring), clock=ManualClock(BASE))
    series = db.series([named("m", n=str(n)) for n in range(3)])
    stream = db.stream("a", INTERVAL)
    expected: Samples = {f'm{{n="{n}"}}': [] for n in range(3)}
    files: list[list[str]] = []
    for tick in range(1000):
        time = BASE + tick * INTERVAL
        stream.append(time, time + tick % 7, series, np.arange(3.0) + tick)
        for n in range(3):
            expected[f'm{{n="{n}"}}'].append((time + tick % 7, bits(n + tick)))
        db.maintain(time)
        if in_files and tick % 96 == 95:
            db.sync()
            files.append(sorted(path.suffix for path in tmp_path.iterdir()))
    newest = BASE + 999 * INTERVAL + 999 % 7
    found = read(db, newest - ring, newest)
    assert found == {name: [each for each in samples if each[0] > newest - ring] for name, samples in expected.items()}
    held = read(db, 0, END)
    assert all(96 <= len(samples) <= 96 + 2 * 16 for samples in held.values())
    assert all(each == files[2] for each in files[3:])
    db.close()


def test_refusals_are_counted() -> None:
    """A time twice is a duplicate, a little back is out of order, far back on free timestamps is out of order too."""
    db = DB.open(None)
    series = db.series([named("m")])
    stream = db.stream("a", INTERVAL)
    assert stream.append(BASE, BASE + 100, series, one(1)) == Appended(1)
    assert stream.append(BASE + INTERVAL, BASE + 100, series, one(2)) == Appended(0, duplicate=1)
    assert stream.append(BASE + INTERVAL, BASE + 50, series, one(2)) == Appended(0, out_of_order=1)
    free = db.stream("b", None)
    other = db.series([named("f")])
    assert free.append(BASE, BASE, other, one(1)) == Appended(1)
    assert free.append(BASE, BASE - 3_600_000, other, one(1)) == Appended(0, out_of_order=1)
    assert free.append(BASE, BASE - 7 * 3_600_000, other, one(1)) == Appended(0, too_old=1)
    assert read(db, 0, END) == {"m": [(BASE + 100, bits(1))], "f": [(BASE, bits(1))]}


def test_a_series_given_twice_counts_once() -> None:
    """Of two values for one series in one append the first is stored and the other is a duplicate."""
    db = DB.open(None)
    a, b = db.series([named("a"), named("b")]).tolist()
    done = db.stream("s", INTERVAL).append(BASE, BASE, np.array([b, a, b]), np.array([1.0, 2.0, 3.0]))
    assert done == Appended(2, duplicate=1)
    assert read(db, 0, END) == {"a": [(BASE, bits(2))], "b": [(BASE, bits(1))]}


def test_wrong_number_of_values_is_refused() -> None:
    """Values that do not pair with series are a programming error, also when one value would broadcast."""
    db = DB.open(None)
    series = db.series([named("a"), named("b")])
    stream = db.stream("s", INTERVAL)
    for tick in range(2):
        with pytest.raises(ValueError, match="1 values for series: 2"):
            stream.append(BASE + tick, BASE + tick, series, one(1))
        stream.append(BASE + tick * INTERVAL, BASE + tick * INTERVAL, series, np.zeros(2))
    with pytest.raises(ValueError, match="not float64: int64"):
        stream.append(BASE + INTERVAL, BASE + INTERVAL, series.copy(), np.zeros(2, dtype=np.int64))


def test_closing_marks_stale_what_nobody_took_over() -> None:
    """Of a closed stream's series those that another open stream writes go on, the others end."""
    db = DB.open(None)
    both, mine = db.series([named("both"), named("mine")])
    first, second = db.stream("a", INTERVAL), db.stream("b", INTERVAL)
    first.append(BASE, BASE, np.array([both, mine]), np.array([1.0, 2.0]))
    second.append(BASE, BASE + 5, np.array([both]), one(3))
    first.close(BASE + INTERVAL)
    assert read(db, 0, END) == {
        "both": [(BASE, bits(1)), (BASE + 5, bits(3))],
        "mine": [(BASE, bits(2)), (BASE + INTERVAL, STALE_BITS)],
    }


def test_stale_marker_for_a_series_taken_over_is_dropped() -> None:
    """A stream that loses a series to another does not end it for the other."""
    db = DB.open(None)
    moved = db.series([named("moved")])
    first, second = db.stream("a", INTERVAL), db.stream("b", INTERVAL)
    first.append(BASE, BASE, moved, one(1))
    second.append(BASE, BASE + 5, moved, one(2))
    first.append(BASE + INTERVAL, BASE + INTERVAL, moved, one(float(STALE)))
    second.append(BASE + INTERVAL, BASE + INTERVAL + 5, moved, one(3))
    assert [t for t, _ in read(db, 0, END)["moved"]] == [BASE, BASE + 5, BASE + INTERVAL + 5]


def test_clock_set_back_does_not_stop_ingestion() -> None:
    """After a step back samples go on at once, and hide what was there of the stretch that they go over."""
    db = DB.open(None)
    series = [db.series([named("m", n=str(n))]) for n in range(2)]
    streams = [db.stream(str(n), INTERVAL) for n in range(2)]
    expected: dict[str, dict[int, int]] = {}
    clock = BASE
    for step in (0, -3_600_000, 7_200_000, -450_000):
        clock += step
        times = [clock // INTERVAL * INTERVAL + tick * INTERVAL + step % 7 for tick in range(20)]
        for n in range(2):
            held = expected.setdefault(f'm{{n="{n}"}}', {})
            for time in [time for time in held if times[0] + n <= time <= times[-1] + n + INTERVAL]:
                del held[time]
        for tick, time in enumerate(times):
            for n in range(2):
                assert streams[n].append(time - step % 7, time + n, series[n], one(tick)) == Appended(1)
                expected[f'm{{n="{n}"}}'][time + n] = bits(tick)
        clock += 20 * INTERVAL
    assert [len(held) for held in expected.values()] == [70, 70]
    assert read(db, 0, END) == {name: sorted(samples.items()) for name, samples in expected.items()}


def test_interval_that_changes_is_one_series() -> None:
    """A series that moves to another interval stays one column over both."""
    db = DB.open(None)
    series = db.series([named("m")])
    slow, fast = db.stream("a", 60_000), db.stream("a", INTERVAL)
    slow.append(BASE, BASE, series, one(1))
    slow.close(None)
    fast.append(BASE + 60_000, BASE + 60_000, series, one(2))
    (block,) = db.select(EVERYTHING, 0, END).blocks
    assert (block.tick, block.values.tolist()) == (None, [[1.0], [2.0]])


def test_fleet_is_one_block_on_one_grid() -> None:
    """Streams that arrive one by one, while pages grow, end in one block with as many streams as there are."""
    db = DB.open(None)
    streams = [
        (db.stream(str(n), INTERVAL), db.series([named("m", t=str(n), n=str(i)) for i in range(100)]))
        for n in range(50)
    ]
    for tick in range(5):
        for stream, ids in streams:
            stream.append(BASE + tick * INTERVAL, BASE + tick * INTERVAL + 3, ids, np.full(100, float(tick)))
    selection = db.select(EVERYTHING, BASE - 1, END)
    (block,) = selection.blocks
    assert selection.table.codes.shape == (5000, 3)
    assert (block.values.shape, block.times.shape, block.tick) == ((5, 5000), (5, 50), (BASE, INTERVAL))
    assert (block.values == np.arange(5.0)[:, None]).all()


def test_selections_are_extended_when_series_come() -> None:
    """A selection that was asked for before holds series that were added since, at the end, and only matching ones."""
    db = DB.open(None)
    stream = db.stream("a", INTERVAL)
    names: list[str] = []
    for tick in range(6):
        for metric, label in (("m", {}), ("other", {}), ("m", {"extra": "x"})):
            db.series([named(metric, n=str(tick), **label)])
        every = [named("m", n=str(t), **label) for t in range(tick + 1) for label in ({}, {"extra": "x"})]
        stream.append(BASE + tick * INTERVAL, BASE + tick * INTERVAL, db.series(every), np.zeros(len(every)))
        names = [str(labels) for labels in db.select(EVERYTHING, 0, END).table.all_labels()]
        assert sorted(names) == sorted(map(str, every))
    assert names[:2] == ['m{n="0"}', 'm{extra="x", n="0"}']
    assert db.label_names(EVERYTHING, 0, END) == ["__name__", "extra", "n"]
    assert db.label_values("extra", EVERYTHING, 0, END) == ["x"]
    assert db.label_values("n", EVERYTHING, 0, BASE - 1) == []


def test_stats_count_what_is_held() -> None:
    """The statistics list names, labels and pairs by their series, largest first, and only of open streams."""
    db = DB.open(None)
    big, small = db.stream("a", INTERVAL), db.stream("b", INTERVAL)
    big.append(BASE, BASE, db.series([named("big", n=str(n), job="x") for n in range(5)]), np.zeros(5))
    small.append(BASE, BASE + 9, db.series([named("small", job="x")]), one(0))
    stats = db.stats(limit=2)
    assert (stats.head.series, stats.head.min_time, stats.head.max_time) == (6, BASE, BASE + 9)
    assert stats.series_by_name == (("big", 5), ("small", 1))
    assert stats.values_by_label == (("n", 5), ("__name__", 2))
    assert stats.series_by_pair == (("job=x", 6), ("__name__=big", 5))
    big.close(None)
    assert db.stats().series_by_name == (("small", 1),)


def test_a_fleet_over_seams_reads_back_before_and_after_restart(tmp_path: Path) -> None:
    """Many streams over many pages, with scrapes and series missing, give the very arrays that were appended."""
    chance = np.random.default_rng(3)
    streams, per_stream, ticks, ring = 12, 7, 90, 16 * 6 * INTERVAL
    db = DB.open(tmp_path, retention=Retention(ring), clock=ManualClock(BASE))
    expected: Samples = {}
    writers = [db.stream(str(s), INTERVAL) for s in range(streams)]
    for tick in range(ticks):
        for s, writer in enumerate(writers):
            if chance.random() < 0.1:
                continue
            time = BASE + tick * INTERVAL + s * 1_000 + int(chance.integers(0, 900))
            there = np.flatnonzero(chance.random(per_stream) < 0.9)
            labels = [named("m", s=str(s), n=str(n)) for n in there.tolist()]
            values = chance.random(len(there))
            writer.append(BASE + tick * INTERVAL + s * 1_000, time, db.series(labels), values)
            for each, value in zip(labels, values.tolist(), strict=True):
                expected.setdefault(str(each), []).append((time, bits(value)))
    for start, end in ((0, END), (BASE + 20 * INTERVAL + 5_555, BASE + 55 * INTERVAL + 3_333)):
        within = {
            name: kept
            for name, samples in expected.items()
            if (kept := [each for each in samples if start < each[0] <= end])
        }
        assert read(db, start, end) == within
    assert len(db.select(EVERYTHING, 0, END).blocks) == 1
    db.close()
    again = DB.open(tmp_path, retention=Retention(ring), clock=ManualClock(BASE))
    assert read(again, 0, END) == expected
    again.close()


def test_an_abandoned_interval_is_dropped_too(tmp_path: Path) -> None:
    """Pages of an interval that nobody writes any more go when they are older than the ring."""
    ring = 96 * INTERVAL
    db = DB.open(tmp_path, retention=Retention(ring), clock=ManualClock(BASE))
    series = db.series([named("m")])
    old, new = db.stream("old", 30_000), db.stream("new", INTERVAL)
    old.append(BASE, BASE, series, one(1))
    old.close(None)
    for tick in range(1, 200):
        new.append(BASE + tick * INTERVAL, BASE + tick * INTERVAL, series, one(tick))
        db.maintain(BASE + tick * INTERVAL)
    times = [time for time, _ in read(db, 0, END)["m"]]
    assert times[0] > BASE
    db.close()
