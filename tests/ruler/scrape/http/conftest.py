"""These tests run on the loop that the ruler scrapes with: its transports and its errors are not those of asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
import uvloop


@pytest.fixture(autouse=True)
def _ruler_loop() -> Iterator[None]:
    """Every `asyncio.run` makes a loop of uvloop."""
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    yield
    asyncio.set_event_loop_policy(None)
