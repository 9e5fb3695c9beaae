"""Work in parallel: every task is done once, by the caller if nobody else comes, and errors come back to it."""

from __future__ import annotations

import os
import threading
from functools import partial

import pytest

from ruler.promql.workers import in_parallel

HELPERS = (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1) - 1


@pytest.mark.parametrize("count", [0, 1, 2, 50])
def test_every_task_is_done_once(count: int) -> None:
    """However many tasks there are, each is done, and all are when the caller goes on."""
    done: list[int] = []
    in_parallel([partial(done.append, each) for each in range(count)])
    assert list(range(count)) == sorted(done)


def test_an_error_is_the_callers() -> None:
    """What a task raises is raised where the tasks came from; those who help do so the next time, too."""

    def fail() -> None:
        raise ValueError("a task that fails")

    for _ in range(20):
        with pytest.raises(ValueError, match="a task that fails"):
            in_parallel([fail] * 5)
    left = list(range(5))
    in_parallel([left.pop] * 5)
    assert [] == left


@pytest.mark.skipif(HELPERS == 0, reason="there is one processor, so nobody helps")
def test_a_helper_takes_part() -> None:
    """While the caller is at one task, another is done elsewhere."""
    meeting = threading.Barrier(2, timeout=10)
    in_parallel([meeting.wait, meeting.wait])
    assert not meeting.broken


def test_nobody_waits_for_helpers_that_are_busy() -> None:
    """A call whose helpers are all taken by another is done by its caller alone."""
    taken, go_on = threading.Semaphore(0), threading.Event()

    def occupied() -> None:
        taken.release()
        go_on.wait(10)

    busy = threading.Thread(target=in_parallel, args=([occupied] * (HELPERS + 1),), name="shared-busy")
    busy.start()
    for _ in range(HELPERS + 1):
        assert taken.acquire(timeout=10)
    names: list[str] = []
    in_parallel([lambda: names.append(threading.current_thread().name)] * 4)
    go_on.set()
    busy.join(10)
    assert [threading.current_thread().name] * 4 == names
