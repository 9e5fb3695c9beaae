"""What every test may use: the peers' test suites, the peers themselves, and a check that nothing is left running."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from tests.peers import programs_folder, testdata_folder


def _skip(reason: str) -> NoReturn:
    """Skip with a reason; continuous integration has everything, so there a skip would hide a fault."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def testdata() -> Path:
    """The peers' own test suites and fixtures; CI has them, elsewhere the test is skipped with this reason."""
    path = testdata_folder()
    if not path.is_dir():
        _skip(f"the peers' test suites are not at {path} (set TOCSIN_SHARED)")
    return path


@pytest.fixture(scope="session")
def peers() -> Path:
    """The folder with the real prometheus, promtool, amtool …"""
    path = programs_folder()
    if not (path / "promtool").exists():
        _skip(f"the real peers are not at {path} (`make test` gets them; set TOCSIN_PEERS to use others)")
    return path


@pytest.fixture(autouse=True)
def no_threads_left() -> Iterator[None]:
    """Every test ends the threads that it started."""
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + 2
    while left := [thread for thread in threading.enumerate() if thread not in before and not _lasting(thread)]:
        if time.monotonic() > deadline:
            pytest.fail(f"threads left running: {[thread.name for thread in left]}")
        time.sleep(0.01)


def _lasting(thread: threading.Thread) -> bool:
    """Threads that a library keeps for the process, or that a fixture of wider scope owns."""
    return thread.name.startswith(("pytest_timeout", "asyncio_", "shared-", "sweep"))
