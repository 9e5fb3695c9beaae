"""How glibc's allocator (where the C library is another, nothing happens) and Python's collector serve this process."""

from __future__ import annotations

import ctypes
import gc
from typing import Final

# Of glibc's malloc.h.
_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3
_ARENA_MAX: Final = -8


def use_one_heap() -> None:
    """Keep short-lived threads from getting a heap each: 1 MiB in a process of 30."""
    _set(_ARENA_MAX, 1)


def keep_freed() -> None:
    """Keep up to 64 MiB that were freed: arrays of some MiB come and go with each query.

    Taking such memory from the system costs 1.3 µs a page, a third of a query over a thousand series.
    """
    _set(_MMAP_THRESHOLD, 32 << 20)
    _set(_TRIM_THRESHOLD, 64 << 20)


def collect_seldom() -> None:
    """Look for garbage in cycles after 10,000 new objects instead of 700, and at old ones after 250,000.

    A few hundred scrapes at once make thousands of objects that go by themselves, and each look at them drives what is
    worked on out of the processor's caches: 1,000 targets of 20 series at 1 s cost twice the CPU with it.
    """
    gc.set_threshold(10_000, 5, 5)


def _set(parameter: int, value: int) -> None:
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(parameter, value)
