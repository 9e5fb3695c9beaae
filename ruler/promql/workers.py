"""More processors for one query: the shares of its columns are worked out side by side. numpy lets go of the lock.

The caller works too, so a query goes on when all helpers are taken by others.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np

Task = Callable[[], None]


def in_parallel(tasks: Sequence[Task]) -> None:
    """Do all tasks, in no order; raises what one of them raises, once none is under way any more."""
    helpers = min(_processors(), len(tasks)) - 1
    left = iter(tasks)
    if helpers < 1:
        _work(left)
        return
    futures = [_pool().submit(_quietly, left) for _ in range(helpers)]
    try:
        _work(left)
    finally:
        for _ in left:  # after an error
            pass
        failed = [error for future in futures if not future.cancel() and (error := future.exception()) is not None]
    if failed:
        raise failed[0]


def _work(tasks: Iterator[Task]) -> None:
    for task in tasks:
        task()


def _quietly(tasks: Iterator[Task]) -> None:
    with np.errstate(all="ignore"):
        _work(tasks)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max(1, _processors() - 1), thread_name_prefix="sweep")


@cache
def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
