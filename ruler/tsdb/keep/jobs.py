"""What other threads have one thread do for them, between two things of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import TypeVar

from common.errors import DiskRefused

T = TypeVar("T")


class Jobs:
    """Jobs wait for a thread that does them when it comes by, until it ends."""

    def __init__(self) -> None:
        self._waiting: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._woken = threading.Event()
        self.ended = False

    def __bool__(self) -> bool:
        """Whether there are any, or the thread is to end: in either case it should not begin anything long."""
        return self.ended or not self._waiting.empty()

    def ask(self, job: Callable[[], T]) -> T:
        """What `job` gives when the thread does it. Any other thread; raises DiskRefused when it has ended."""
        done: Future[T] = Future()

        def run() -> None:
            if self.ended:
                done.set_exception(DiskRefused("the database is being closed"))
                return
            try:
                done.set_result(job())
            except BaseException as error:  # noqa: BLE001  (raised in the thread that asked)
                done.set_exception(error)

        self._waiting.put(run)
        self._woken.set()
        if self.ended:
            self.do()
        return done.result()

    def do(self) -> None:
        """Do all that wait."""
        while True:
            try:
                self._waiting.get_nowait()()
            except Empty:
                return

    def wait(self, seconds: float) -> bool:
        """Wait until there are some, or the end has come, or the time is over; whether it was the time."""
        woken = self._woken.wait(seconds)
        self._woken.clear()
        return not woken

    def rest(self, seconds: float) -> bool:
        """Let the time pass, unless there are some or the end comes, which `wait` will still see; whether it did."""
        return not self._woken.wait(seconds)

    def end(self) -> None:
        self.ended = True
        self._woken.set()
