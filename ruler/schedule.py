"""The scheduler: the one place that knows when something is due. Single-threaded: its thread runs the callbacks.

Start offsets are `hash(identity) % interval`, on a grid for those who are many, here and nowhere else. A callback must
not block; what takes long is handed to a pool by the callback, which also sees to it that a tick that finds the last
one running is skipped.
"""

from __future__ import annotations

import asyncio
import hashlib
import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass

from common.clock import Clock

COMPANY = 250  # ms between the starts of those who start in company

Run = Callable[[int, int], None]  # (due, now), ms


def offset(identity: str, interval: int) -> int:
    """Where in its interval something with this identity starts (ms); the same in every process."""
    digest = hashlib.blake2b(identity.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % interval


def company(identity: str, interval: int) -> int:
    """Where in its interval something starts that is one of many: at one of four places in it, or in a second.

    Who is woken alone pays for the waking and finds cold caches: in company, a scrape costs half.
    """
    grid = max(1, min(COMPANY, interval // 4))
    return offset(identity, interval // grid) * grid


@dataclass(slots=True, eq=False)
class Job:
    """A Job is something that runs at every `phase + k × interval`, until it is cancelled."""

    due: int
    order: int
    interval: int
    phase: int
    run: Run
    cancelled: bool = False

    @property
    def entry(self) -> tuple[int, int, Job]:
        """The job with what it is ordered by in front: tuples are compared without a step of Python."""
        return self.due, self.order, self

    def cancel(self) -> None:
        self.cancelled = True


class Scheduler:
    """A Scheduler runs jobs when they are due; ticks that were missed (a pause, a clock step) are dropped."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._queue: list[tuple[int, int, Job]] = []
        self._order = itertools.count()
        self._latest = clock.now()  # that was seen: an earlier time means that the clock was set back
        self._wake: Callable[[], None] = _no_one

    def every(self, interval: int, phase: int, run: Run) -> Job:
        """Run at each time (ms) that is `phase` past a multiple of `interval`, from the next one on."""
        job = Job(_next_tick(self._clock.now(), interval, phase), next(self._order), interval, phase, run)
        heapq.heappush(self._queue, job.entry)
        self._wake()
        return job

    def run_due(self) -> int | None:
        """Run all that is due now; the time (ms) of what comes next, or None when there is nothing.

        Those that are due together run at one `now`, however many they are.
        """
        now = self._clock.now()
        while self._queue:
            job = self._queue[0][2]
            if job.cancelled:
                heapq.heappop(self._queue)
                continue
            if now < self._latest:
                self._rewind(now)
                continue
            self._latest = now
            if job.due > now:
                if (later := self._clock.now()) == now:
                    return job.due
                now = later
                continue
            due = job.due + (now - job.due) // job.interval * job.interval
            heapq.heapreplace(self._queue, self._moved(job, now))
            job.run(due, now)
        return None

    def _rewind(self, now: int) -> None:
        """The clock was set back: have no job wait until it has caught up, and none run twice at the same tick."""
        self._latest = now
        for _, _, job in self._queue:
            tick = _next_tick(now, job.interval, job.phase)
            if tick < job.due - job.interval:
                job.due = tick
        self._queue = [job.entry for _, _, job in self._queue]
        heapq.heapify(self._queue)

    def _moved(self, job: Job, now: int) -> tuple[int, int, Job]:
        job.due = _next_tick(now, job.interval, job.phase)
        return job.entry

    async def drive(self) -> None:
        """Run what falls due, for ever, in this event loop."""
        loop, woken = asyncio.get_running_loop(), asyncio.Event()
        self._wake = woken.set
        while True:
            woken.clear()
            due = self.run_due()
            timer = None
            if due is not None:
                seconds = max(0.0, (due - self._clock.now()) / 1000)
                timer = loop.call_later(min(seconds, 1.0), woken.set)  # the clock may be set: look at it often
            await woken.wait()
            if timer is not None:
                timer.cancel()


def _next_tick(now: int, interval: int, phase: int) -> int:
    return now - (now - phase) % interval + interval


def _no_one() -> None:
    return
