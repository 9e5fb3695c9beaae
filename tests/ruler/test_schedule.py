"""The scheduler: every job runs at each of its ticks, whatever is done to the clock."""

from __future__ import annotations

import pytest

from common.clock import ManualClock
from common.durations import DAY, HOUR, SECOND
from ruler.schedule import Run, Scheduler, company, offset

START = 1_700_000_000_000
INTERVALS = (5 * SECOND, 15 * SECOND, 60 * SECOND, HOUR)


class Street:
    """A Street is jobs of many intervals, and how long each has really waited between its runs."""

    def __init__(self) -> None:
        self.clock = ManualClock(START)
        self.scheduler = Scheduler(self.clock)
        self.real = 0
        self.last: dict[str, int] = {}
        self.waited: dict[int, int] = dict.fromkeys(INTERVALS, 0)
        self.ticks: dict[str, list[int]] = {}
        for interval in INTERVALS:
            for number in range(20):
                name = f"{number} of {interval}"
                self.last[name] = 0
                self.scheduler.every(interval, offset(name, interval), self._run(name, interval))

    def _run(self, name: str, interval: int) -> Run:
        def run(due: int, now: int) -> None:
            assert 0 <= now - due < interval
            self.waited[interval] = max(self.waited[interval], self.real - self.last[name])
            self.last[name] = self.real
            self.ticks.setdefault(name, []).append(due)

        return run

    def live(self, milliseconds: int, step: int = SECOND) -> None:
        for _ in range(0, milliseconds, step):
            self.scheduler.run_due()
            self.clock.advance(step)
            self.real += step


@pytest.mark.parametrize(
    "step",
    [1, -1, 4 * SECOND, -4 * SECOND, -15 * SECOND, -20 * SECOND, HOUR, -HOUR, DAY, -DAY, -START, 2 * START],
)
def test_no_job_waits_for_a_clock_that_was_set(step: int) -> None:
    """After a step, and after the step back, no job waits for more than two of its intervals of real time."""
    street = Street()
    street.live(3 * 60 * SECOND)
    for by in (step, -step, 3 * step, -3 * step):
        street.clock.advance(by)
        street.live(3 * 60 * SECOND)
    street.live(2 * HOUR, 5 * SECOND)
    assert [] == [interval for interval, waited in street.waited.items() if waited > 2 * interval + 5 * SECOND]


@pytest.mark.parametrize("step", [-1, -3 * SECOND, -14 * SECOND, -59 * SECOND])
def test_a_tick_is_not_run_again_after_a_small_step(step: int) -> None:
    """A clock set back by less than an interval makes a job wait longer, and never run twice at one tick."""
    street = Street()
    street.live(3 * 60 * SECOND)
    street.clock.advance(step)
    street.live(3 * 60 * SECOND)
    longer = [ticks for name, ticks in street.ticks.items() if int(name.split()[-1]) > -step]
    assert [sorted(set(ticks)) for ticks in longer] == longer


def test_missed_ticks_are_dropped() -> None:
    """After a pause a job runs once, at the latest tick that it missed, and then at the next one."""
    clock = ManualClock(START)
    scheduler = Scheduler(clock)
    ran: list[tuple[int, int]] = []
    scheduler.every(10 * SECOND, 0, lambda due, now: ran.append((due - START, now - START)))
    clock.advance(35 * SECOND)
    assert START + 40 * SECOND == scheduler.run_due()
    clock.advance(5 * SECOND)
    scheduler.run_due()
    assert [(30 * SECOND, 35 * SECOND), (40 * SECOND, 40 * SECOND)] == ran


def test_a_cancelled_job_does_not_run() -> None:
    """What was cancelled before it was due is never run."""
    clock = ManualClock(START)
    scheduler = Scheduler(clock)
    job = scheduler.every(SECOND, 0, lambda *_: pytest.fail("it ran"))
    job.cancel()
    clock.advance(HOUR)
    assert None is scheduler.run_due()


def test_who_is_due_together_runs_at_one_time() -> None:
    """However long the first of them take, all that are due at a tick see the same time, and the next tick a later."""
    clock = ManualClock(START)
    scheduler, seen = Scheduler(clock), []

    def run(due: int, now: int) -> None:
        seen.append((due - START, now - START))
        clock.advance(1)

    for interval in [SECOND] * 8 + [SECOND + 5]:
        scheduler.every(interval, START % interval, run)
    clock.advance(SECOND)
    assert START + 2 * SECOND == scheduler.run_due()
    assert [(SECOND, SECOND)] * 8 + [(SECOND + 5, SECOND + 8)] == seen


@pytest.mark.parametrize(
    ("interval", "starts"),
    [
        (SECOND, range(0, SECOND, 250)),
        (15 * SECOND, range(0, 15 * SECOND, 250)),
        (200, range(0, 200, 50)),
        (1250, range(0, 1250, 250)),
        (1100, range(0, 1000, 250)),
        (5, range(5)),
        (1, range(1)),
    ],
)
def test_many_start_in_company_and_spread_over_their_interval(interval: int, starts: range) -> None:
    """Targets start together on a grid, as many at each place of it as at any other, and always at the same one."""
    found = [company(f"target {number}", interval) for number in range(40 * len(starts))]
    assert set(starts) == set(found)
    assert max(found.count(start) for start in starts) < 100
    assert found == [company(f"target {number}", interval) for number in range(40 * len(starts))]
