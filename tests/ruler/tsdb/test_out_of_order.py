"""Samples that bring their own times: what is taken late, what is refused, and where queries find it."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.clock import ManualClock
from common.durations import DAY, HOUR, MINUTE
from ruler.storage import Appended, Stream
from ruler.tsdb.db import DB
from tests.ruler.tsdb.reading import BASE, EVERYTHING, bits, named, read
from tests.ruler.tsdb.verdicts import Verdicts

END = BASE + 10 * DAY


def one(value: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([float(value)])


@pytest.mark.parametrize(
    ("window", "time", "becomes"),
    [
        (0, BASE + 1, Appended(1)),
        (0, BASE, Appended(0, duplicate=1)),
        (0, BASE - 1, Appended(0, out_of_order=1)),
        (0, BASE - HOUR, Appended(0, out_of_order=1)),
        (0, BASE - HOUR - 1, Appended(0, too_old=1)),
        (0, BASE + 10 * MINUTE, Appended(1)),
        (0, BASE + 10 * MINUTE + 1, Appended(0, future=1)),
        (30 * MINUTE, BASE - 30 * MINUTE, Appended(1)),
        (30 * MINUTE, BASE - 30 * MINUTE - 1, Appended(0, too_old=1)),
        (2 * HOUR, BASE - 2 * HOUR, Appended(1)),
        (30 * DAY, BASE - 16 * DAY, Appended(0, too_old=1)),
    ],
)
def test_what_becomes_of_a_sample_after_one_that_is_new(window: int, time: int, becomes: Appended) -> None:
    """The bounds are an hour or the window behind, 10 minutes ahead, and what is kept at all."""
    db = DB.open(None)
    db.out_of_order_window = window
    assert db.out_of_order_window == window
    series, stream = db.series([named("m")]), db.stream("s", None)
    assert stream.append(BASE, BASE, series, one(1)) == Appended(1)
    assert stream.append(BASE, time, series, one(2)) == becomes
    samples = {BASE: bits(1)} | ({time: bits(2)} if becomes.stored else {})
    assert read(db, 0, END) == {"m": sorted(samples.items())}


def test_the_first_sample_may_be_an_hour_old() -> None:
    """What a series has not had yet is in order, within the hour or the window."""
    db = DB.open(None)
    made = [db.stream(str(n), None) for n in range(3)]
    series = db.series([named("m", n=str(n)) for n in range(3)])
    assert made[0].append(BASE, BASE - HOUR, series[:1], one(1)) == Appended(1)
    assert made[1].append(BASE, BASE - HOUR - 1, series[1:2], one(1)) == Appended(0, too_old=1)
    db.out_of_order_window = DAY
    assert made[2].append(BASE, BASE - DAY, series[2:], one(1)) == Appended(1)


def test_the_window_is_measured_from_the_newest_time() -> None:
    """Samples ahead of the clock move it, from the next scrape on; the clock moves it otherwise."""
    db = DB.open(None)
    db.out_of_order_window = 5 * MINUTE
    series, stream = db.series([named("m")]), db.stream("s", None)
    stream.append(BASE, BASE + 9 * MINUTE, series, one(1))
    assert stream.append(BASE, BASE - 5 * MINUTE, series, one(2)) == Appended(1)
    assert stream.append(BASE + 1, BASE - 5 * MINUTE + 1, series, one(3)) == Appended(0, too_old=1)
    assert stream.append(BASE + 1, BASE + 4 * MINUTE, series, one(4)) == Appended(1)
    assert stream.append(BASE + HOUR, BASE + 8 * MINUTE, series, one(5)) == Appended(0, too_old=1)
    assert stream.append(BASE + HOUR, BASE + 10 * MINUTE, series, one(5)) == Appended(1)


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("sealed", [False, True])
def test_a_sample_again_is_no_news(tmp_path: Path, restarted: bool, sealed: bool) -> None:
    """The same time and value is neither stored nor counted, another value is: in any page, and in a new process."""
    with ExitStack() as stack:
        db = DB.open(tmp_path, clock=ManualClock(BASE))
        stack.callback(lambda: db.close())
        db.out_of_order_window = DAY
        series, stream = db.series([named("m")]), db.stream("s", None)
        times = [BASE - at * MINUTE for at in range(700, 0, -1)]  # more than two pages
        for value, time in enumerate(times):
            assert stream.append(BASE, time, series, one(value)) == Appended(1)
        if sealed:
            for _ in range(3):
                db.maintain(BASE)
        if restarted:
            db.close()
            db = DB.open(tmp_path, clock=ManualClock(BASE))
            db.out_of_order_window = DAY
            series, stream = db.series([named("m")]), db.stream("s", None)
        stored = db.head().max_time, read(db, 0, END)
        for value, time in list(enumerate(times))[::50]:
            assert stream.append(BASE, time, series, one(value)) == Appended(0)
            assert stream.append(BASE, time, series, one(-1)) == Appended(0, duplicate=1)
        assert (db.head().max_time, read(db, 0, END)) == stored
        db.out_of_order_window = 0
        assert stream.append(BASE, times[-1] - 1, series, one(7)) == Appended(0, out_of_order=1)
        assert stream.append(BASE, times[-1], series, one(699)) == Appended(0)
        assert stream.append(BASE, BASE, series, one(7)) == Appended(1)


def test_a_clock_set_back_stops_no_series() -> None:
    """After hours at a wrong time, samples at the right time go on, and those from the future are as they were."""
    db = DB.open(None)
    series, stream = db.series([named("m")]), db.stream("s", None)
    for ahead in (0, DAY):
        assert stream.append(BASE + ahead, BASE + ahead, series, one(ahead)) == Appended(1)
    assert stream.append(BASE + 1, BASE + 1, series, one(1)) == Appended(1)
    assert stream.append(BASE + 1, BASE - 1, series, one(1)) == Appended(0, out_of_order=1)
    assert stream.append(BASE + 1, BASE + DAY, series, one(1)) == Appended(0, future=1)
    assert read(db, BASE, BASE + MINUTE) == {"m": [(BASE + 1, bits(1))]}
    stream.close(BASE + 2)
    assert read(db, BASE, BASE + MINUTE)["m"][-1][0] == BASE + 2


@pytest.mark.parametrize("in_files", [False, True])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_late_history_reads_back(in_files: bool, data: st.DataObject) -> None:
    """With any window, over seams, seals and restarts, what is said and what is stored is what the rules say."""
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        path = Path(directory) if in_files else None
        verdicts = Verdicts(window=data.draw(st.sampled_from([0, 5 * MINUTE, 2 * HOUR]), label="window"), keep=15 * DAY)

        def opened() -> DB:
            db = DB.open(path, clock=ManualClock(BASE))
            db.out_of_order_window = verdicts.window
            return db

        db, now = opened(), BASE
        stack.callback(lambda: db.close())
        names = [named("m", n=str(n)) for n in range(4)]
        streams: dict[str, Stream] = {}
        for _ in range(data.draw(st.integers(1, 40), label="steps")):
            now += data.draw(st.sampled_from([0, 1, MINUTE, 20 * MINUTE]), label="later")
            step = data.draw(st.sampled_from(["append"] * 12 + ["keep"] + ["restart"] * in_files), label="step")
            if step == "keep":
                db.maintain(now)
            elif step == "restart":
                db.close()
                db = opened()
                streams.clear()
                verdicts.restart()
            else:
                name = data.draw(st.sampled_from("ab"), label="stream")
                if name not in streams:
                    streams[name] = db.stream(name, None)
                chosen = [0] if name == "a" else [1, 2, 3]
                late = data.draw(st.sampled_from([0, 1, MINUTE, HOUR, 3 * HOUR, -MINUTE, -11 * MINUTE]), label="late")
                values = [float(data.draw(st.integers(0, 2), label="value")) for _ in chosen]
                expected, _ = verdicts.append(name, now, now - late, chosen, values, set())
                ids = db.series([names[each] for each in chosen])
                assert streams[name].append(now, now - late, ids, np.array(values)) == expected
        kept = {str(names[each]): sorted(held.items()) for each, held in verdicts.samples.items() if held}
        assert read(db, 0, END) == kept
        middle = now - HOUR
        within = {name: [each for each in samples if each[0] > middle] for name, samples in kept.items()}
        assert read(db, middle, END) == {name: samples for name, samples in within.items() if samples}
        assert set(kept) <= {str(labels) for labels in db.tables(EVERYTHING, 0, END).all_labels()}
