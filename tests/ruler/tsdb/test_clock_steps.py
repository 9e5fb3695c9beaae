"""The clock is set while a fleet is scraped: no tick is lost, and queries tell of what was measured last."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from common.clock import ManualClock
from common.durations import DAY, HOUR, MINUTE, SECOND
from ruler.schedule import Run, Scheduler, offset
from ruler.scrape.loop import snapped
from ruler.storage import Appended, Stream
from ruler.tsdb.db import DB
from tests.ruler.tsdb.reading import named, read

START, Y2038, Y2100 = 1_700_000_000_000, 2_145_916_800_000, 4_102_444_800_000
INTERVALS = (15 * SECOND, 60 * SECOND)
PHASE = 6 * MINUTE  # of real time, between two steps
VALUES = 3  # of a target


class Fleet:
    """A Fleet is ten targets that are scraped on a clock that is set; every value is the real time of its scrape."""

    def __init__(self, path: Path, jitter: int) -> None:
        self.path, self.jitter, self.chance = path, jitter, np.random.default_rng(1)
        self.clock, self.real = ManualClock(START), 0
        self.refused: list[Appended] = []
        self.measured: dict[str, dict[int, list[int]]] = {}  # series → time → what was measured there
        self.last: dict[str, int] = {}
        self.open()

    def open(self) -> None:
        """Begin as a process does."""
        self.db, self.scheduler = DB.open(self.path, clock=self.clock), Scheduler(self.clock)
        for interval in INTERVALS:
            for number in range(5):
                name = f"{number} of {interval}"
                stream = self.db.stream(name, interval)
                self.scheduler.every(interval, offset(name, interval), self._scrape(name, stream, interval))

    def _scrape(self, name: str, stream: Stream, interval: int) -> Run:
        labels = [named("m", target=name, n=str(n)) for n in range(VALUES)]
        series = self.db.series(labels)

        def run(due: int, now: int) -> None:
            late = int(self.chance.integers(0, self.jitter)) if self.jitter else 0
            time = snapped(due, now + late, interval)
            done = stream.append(due, time, series, np.full(VALUES, float(self.real)))
            if done != Appended(VALUES):
                self.refused.append(done)
            for each in map(str, labels):
                self.measured.setdefault(each, {}).setdefault(time, []).append(self.real)
                self.last[each] = self.real

        return run

    def live(self, milliseconds: int) -> None:
        for passed in range(0, milliseconds, SECOND):
            self.scheduler.run_due()
            if passed % (10 * SECOND) == 0:
                self.db.maintain(self.clock.now())
            self.clock.advance(SECOND)
            self.real += SECOND

    def seen(self, start: int, end: int) -> dict[str, dict[int, int]]:
        """Series → time → value, as queries see them."""
        found = read(self.db, start, end)
        return {
            name: {time: int(np.int64(bits).view(np.float64)) for time, bits in samples}
            for name, samples in found.items()
        }


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("jitter", [0, 40])
@pytest.mark.parametrize(
    "step",
    [
        pytest.param(step, id=name)
        for name, step in {
            "8 seconds back": -8 * SECOND,
            "a minute back": -MINUTE,
            "10 minutes back": -10 * MINUTE,
            "an hour ahead": HOUR,
            "an hour back": -HOUR,
            "a day ahead": DAY,
            "a day back": -DAY,
            "1970": MINUTE - START,
            "2038": Y2038 - START,
            "2100": Y2100 - START,
        }.items()
    ],
)
def test_a_clock_that_is_set_and_set_right(tmp_path: Path, step: int, jitter: int, restarted: bool) -> None:
    """No tick is refused; the last five minutes are what was measured last, in order; nothing else is lost."""
    fleet = Fleet(tmp_path, jitter)
    fleet.live(2 * PHASE)
    for by in (step, -step):
        if restarted:
            fleet.db.close()
        fleet.clock.advance(by)
        if restarted:
            fleet.open()
        fleet.live(PHASE)
        now = fleet.clock.now()
        recent = fleet.seen(now - 5 * MINUTE, now)
        assert {name: max(samples.items())[1] for name, samples in recent.items()} == fleet.last
        assert [] == [name for name, samples in recent.items() if list(samples.values()) != sorted(samples.values())]
    assert [] == fleet.refused
    every = fleet.seen(-1, Y2100 + DAY)
    if abs(step) > 3 * PHASE:  # the clock went over no stretch twice
        assert fleet.measured == {
            name: {time: [value] for time, value in samples.items()} for name, samples in every.items()
        }
    else:
        seen = [(name, time, value) for name, samples in every.items() for time, value in samples.items()]
        assert [] == [each for each in seen if each[2] not in fleet.measured[each[0]][each[1]]]
    fleet.db.close()


def test_samples_from_the_future_do_not_hide_those_that_come(tmp_path: Path) -> None:
    """When the time comes at which a clock once was by mistake, what is measured then is seen, as it was before."""
    fleet = Fleet(tmp_path, jitter=40)
    fleet.live(PHASE)
    fleet.clock.advance(HOUR)
    fleet.live(PHASE)
    fleet.clock.advance(-HOUR)
    for _ in range(13):
        fleet.live(PHASE)
        now = fleet.clock.now()
        recent = fleet.seen(now - 5 * MINUTE, now)
        assert {name: max(samples.items())[1] for name, samples in recent.items()} == fleet.last
        assert [] == [name for name, samples in recent.items() if list(samples.values()) != sorted(samples.values())]
    fleet.db.close()
