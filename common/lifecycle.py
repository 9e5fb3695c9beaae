"""How a program waits for its end: SIGINT and SIGTERM stop it, SIGHUP asks it to reload, a second SIGINT ends it hard."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

STOP = (signal.SIGINT, signal.SIGTERM)


class Signals:
    """Signals turns the signals of a process into a wait and a callback. Made and waited on in the main thread."""

    def __init__(self, on_hangup: Callable[[], None] | None = None) -> None:
        self._stopping = threading.Event()
        self._hung_up = threading.Event()
        self._on_hangup = on_hangup
        for number in STOP:
            signal.signal(number, self._stop)
        if on_hangup is not None:
            signal.signal(signal.SIGHUP, self._hang_up)

    def wait(self) -> None:
        """Return when the program is asked to stop; reloads are run here, between two waits."""
        while not self._stopping.is_set():
            self._stopping.wait(0.2 if self._on_hangup else None)
            if self._hung_up.is_set() and self._on_hangup is not None:
                self._hung_up.clear()
                self._on_hangup()

    def stop(self) -> None:
        """Ask for the end from inside the program."""
        self._stopping.set()

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        if self._stopping.is_set() and number == signal.SIGINT:
            os._exit(130)
        self._stopping.set()

    def _hang_up(self, _number: int, _frame: FrameType | None) -> None:
        self._hung_up.set()
