"""Calls that may hang, each with a deadline: what a scrape makes of collectors, and a collector of mounts.

A thread that the kernel has put to sleep cannot be stopped, only left behind: it keeps its call's key busy until it
comes back, and a busy key is not started again. No thread outlives its run otherwise.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

MAX_STUCK = 16
LATE, NOT_STARTED = "did not come back in time", "not started: no time or thread was left"

T = TypeVar("T")


class Overrun(TimeoutError):  # noqa: N818  (an outcome, not a fault)
    """A call that did not come back in time, or was not started for want of time or threads."""


class CrewClosed(RuntimeError):  # noqa: N818  (an outcome, not a fault)
    """A run that was not finished because the Crew was closed."""


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """An Outcome is what became of one call: its value or its error, and how long it took."""

    value: T | None
    error: Exception | None
    seconds: float


class Crew(Generic[T]):
    """A Crew makes calls one after another on one thread, and goes on without a call that overruns.

    `seconds` is the deadline of each call, `budget` (seconds) that of a whole run.
    """

    def __init__(self, name: str, seconds: float, budget: float | None = None) -> None:
        self._name, self._seconds, self._budget = name, seconds, budget
        self._one_run = threading.Lock()
        self._state = threading.Condition()
        self._busy: set[str] = set()
        self._closed = threading.Event()

    @property
    def stuck(self) -> frozenset[str]:
        """The keys of the calls that overran and have not come back yet."""
        with self._state:
            return frozenset(self._busy)

    def run(self, calls: Mapping[str, Callable[[], T]]) -> dict[str, Outcome[T]]:
        """The outcome of each call, in their order; raises CrewClosed. Runs wait for each other."""
        with self._one_run:
            end = None if self._budget is None else time.monotonic() + self._budget
            outcomes: dict[str, Outcome[T]] = {}
            while left := [key for key in calls if key not in outcomes]:
                self._run_until_stuck({key: calls[key] for key in left}, outcomes, end)
        return {key: outcomes[key] for key in calls}

    def close(self) -> None:
        """Let nobody wait any longer: runs end now, and later ones at once, with CrewClosed."""
        with self._state:
            self._closed.set()
            self._state.notify_all()

    def _run_until_stuck(
        self, calls: dict[str, Callable[[], T]], outcomes: dict[str, Outcome[T]], end: float | None
    ) -> None:
        """Add the outcomes of `calls` up to and including the first that overruns."""
        shift: _Shift[T] = _Shift(self._state, self._busy)
        with self._state:
            if self._closed.is_set():
                raise CrewClosed
            outcomes.update({key: _overrun(LATE, 0) for key in calls if key in self._busy})
            ready = {key: call for key, call in calls.items() if key not in outcomes}
            if len(self._busy) >= MAX_STUCK or (end is not None and time.monotonic() >= end):
                outcomes.update({key: _overrun(NOT_STARTED, 0) for key in ready})
                return
            if not ready:
                return
            threading.Thread(target=shift.work, args=(ready,), name=self._name, daemon=True).start()
            while not shift.done:
                if self._closed.is_set():
                    shift.leave()
                    raise CrewClosed
                due = min(shift.started + self._seconds, end or float("inf"))
                left = due - time.monotonic()
                if left <= 0:
                    outcomes.update(shift.leave())
                    return
                self._state.wait(left)
            outcomes.update(shift.outcomes)


class _Shift(Generic[T]):
    """A Shift is the work of one thread of a Crew: it makes calls until they are made or it is left behind."""

    def __init__(self, state: threading.Condition, busy: set[str]) -> None:
        self._state, self._busy = state, busy
        self._current: str | None = None
        self._left_behind = False
        self.started = time.monotonic()
        self.outcomes: dict[str, Outcome[T]] = {}
        self.done = False

    def leave(self) -> dict[str, Outcome[T]]:
        """Give up on the call that is under way (the state is locked); the outcomes so far, its own included."""
        self._left_behind = True
        if self._current is None:  # the thread is between two calls, and will make no other
            return self.outcomes
        self._busy.add(self._current)
        seconds = time.monotonic() - self.started
        return {**self.outcomes, self._current: _overrun(LATE, seconds)}

    def work(self, calls: dict[str, Callable[[], T]]) -> None:
        """Make the calls; the body of the thread."""
        for key, call in calls.items():
            with self._state:
                if self._left_behind:
                    return
                self._current, self.started = key, time.monotonic()
            outcome = _outcome(call)
            with self._state:
                self._current, self.started = None, time.monotonic()
                self._busy.discard(key)  # where leave() has put it
                self.outcomes[key] = outcome
        with self._state:
            self.done = True
            self._state.notify_all()


def _outcome(call: Callable[[], T]) -> Outcome[T]:
    begin = time.perf_counter()
    try:
        value = call()
    except Exception as error:  # noqa: BLE001  (the loop's boundary: one bad call must not end the run)
        return Outcome(None, error, time.perf_counter() - begin)
    return Outcome(value, None, time.perf_counter() - begin)


def _overrun(why: str, seconds: float) -> Outcome[T]:
    return Outcome(None, Overrun(why), seconds)
