"""Waiting for what another thread or program is about to do: never a fixed time, never without end."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import requests

T = TypeVar("T")


def until(what: str, condition: Callable[[], T], seconds: float = 60) -> T:
    """What `condition` gives once it is true; fails with the sentence `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            found = condition()
        except requests.RequestException:
            found = None  # type: ignore[assignment]
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)
