"""How a program starts, and waits for its end: SIGINT and SIGTERM stop it (a second SIGINT at once), SIGHUP reloads."""

from __future__ import annotations

import gc
import os
import queue
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

STOP = (signal.SIGINT, signal.SIGTERM)


class Signals:
    """Signals turns the signals of a process into something to wait for. Made and waited on in the main thread."""

    def __init__(self) -> None:
        # A SimpleQueue may be filled from a signal handler at any moment; an Event or a Lock may deadlock there.
        self._arrived: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._stopping = False
        for number in STOP:
            signal.signal(number, self._take)

    def wait(self, on_hangup: Callable[[], None] | None = None) -> None:
        """Return when the program is asked to stop; until then run `on_hangup` for each SIGHUP."""
        if on_hangup is not None:
            signal.signal(signal.SIGHUP, self._take)
        while self._arrived.get() not in STOP:
            if on_hangup is not None:
                on_hangup()

    def _take(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGINT and self._stopping:
            os._exit(130)
        self._stopping = self._stopping or number in STOP
        self._arrived.put(number)


@contextmanager
def starting() -> Iterator[None]:
    """What is made within is for the whole life of the program: the collector does not walk it, now or later."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
