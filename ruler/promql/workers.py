"""More processors for one query: its shares are worked out side by side, as kernels let go of Python's lock.

The caller works too, so a query goes on when all helpers are taken by others, and waits for none that has not begun.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from queue import SimpleQueue
from typing import TypeAlias

import numpy as np

Task: TypeAlias = Callable[[], object]
_Ends: TypeAlias = SimpleQueue[BaseException | None]  # what each helper that has begun ends with


def in_parallel(tasks: Sequence[Task]) -> None:
    """Do all tasks, in no order; raises what one of them raises, once none is under way any more."""
    left = iter(tasks)
    crew = _crew()
    seats = [left] * min(crew.size, len(tasks) - 1)
    ends: _Ends = SimpleQueue()
    helpers = len(seats)
    crew.call(seats, ends)
    try:
        _work(left)
    finally:
        for _ in left:  # after an error
            pass
        while seats:
            with suppress(IndexError):  # a helper was faster
                seats.pop()
                helpers -= 1
        failed = [error for _ in range(helpers) if (error := ends.get()) is not None]
    if failed:
        raise failed[0]


def processors() -> int:
    """How many tasks are done at once, at most."""
    return _crew().size + 1


def _work(tasks: Iterator[Task]) -> None:
    for task in tasks:
        task()


class _Crew:
    """A Crew is threads that help, as many as there are processors beside the caller's."""

    def __init__(self, processors: frozenset[int]) -> None:
        self.size = len(processors) - 1
        self._processors = processors
        self._avoided: int | None = None
        self._calls: SimpleQueue[tuple[list[Iterator[Task]], _Ends]] = SimpleQueue()
        self._threads = [threading.Thread(target=self._help, name="sweep", daemon=True) for _ in range(self.size)]
        for thread in self._threads:
            thread.start()

    def call(self, seats: list[Iterator[Task]], ends: _Ends) -> None:
        """Have helpers take these seats, at processors other than this one."""
        if seats:
            self._avoid(_processor())
        for _ in range(len(seats)):
            self._calls.put((seats, ends))

    def _avoid(self, processor: int | None) -> None:
        """Some schedulers wake a thread where its waker runs, and it waits there though another processor is idle."""
        if processor is None or processor == self._avoided:
            return
        self._avoided = processor
        with suppress(OSError):  # those that were there at first have been taken from the process
            for thread in self._threads:
                os.sched_setaffinity(thread.native_id or 0, self._processors - {processor})

    def _help(self) -> None:
        with np.errstate(all="ignore"):
            while True:
                seats, ends = self._calls.get()
                try:
                    left = seats.pop()
                except IndexError:  # all was done before
                    continue
                try:
                    _work(left)
                except BaseException as error:  # noqa: BLE001  # its caller raises it
                    ends.put(error)
                else:
                    ends.put(None)
                del seats, ends, left


@cache
def _crew() -> _Crew:
    affinity = getattr(os, "sched_getaffinity", None)
    return _Crew(frozenset(affinity(0) if affinity else range(os.cpu_count() or 1)))


@cache
def _which() -> Callable[[], int] | None:
    """What says where a thread runs; None where threads cannot be told to run elsewhere."""
    which = getattr(ctypes.PyDLL(None), "sched_getcpu", None)
    return which if hasattr(os, "sched_setaffinity") else None


def _processor() -> int | None:
    which = _which()
    return which() if which else None
