"""The ruler's start with a stopwatch: `tocsin ruler`, told stage by stage on its standard error.

    TOCSIN_BENCH_STARTED=<time.monotonic() of the start> python -m tests.bench.startup <flags of tocsin ruler>

Each stage is told without those inside it; what comes after the last one is the server and its first answer.
"""

from __future__ import annotations

import functools
import importlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from common.lifecycle import starting

STARTED = "TOCSIN_BENCH_STARTED"
TOLD = "stage "

# What is watched: where it is, and what it is called here.
STAGES = (
    ("ruler.cli", "bind", "listening"),
    ("ruler.core", "Core.__init__", "building what answers queries"),
    ("ruler.config", "load", "config"),
    ("ruler.tsdb.db", "DB.open", "opening the database"),
    ("common.serving", "HttpServer.start", "starting the server"),
)


class Stopwatch:
    """A Stopwatch tells how long each stage took, less the stages within."""

    def __init__(self) -> None:
        self._inside = [0.0]

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        self._inside.append(0.0)
        try:
            yield
        finally:
            took = time.monotonic() - began
            own = took - self._inside.pop()
            self._inside[-1] += took
            self.tell(name, own)

    @staticmethod
    def tell(name: str, seconds: float) -> None:
        print(f"{TOLD}{name}: {seconds * 1000:.1f}", file=sys.stderr, flush=True)

    def watch(self, module: str, path: str, name: str) -> None:
        """Tell of each call of a function."""
        owner: Any = importlib.import_module(module)
        *parents, last = path.split(".")
        for parent in parents:
            owner = getattr(owner, parent)
        called: Callable[..., Any] = getattr(owner, last)

        @functools.wraps(called)
        def timed(*positional: Any, **named: Any) -> Any:
            with self.stage(name):
                return called(*positional, **named)

        setattr(owner, last, staticmethod(timed) if isinstance(vars(owner).get(last), staticmethod) else timed)


def main() -> None:
    watch = Stopwatch()
    watch.tell("interpreter", time.monotonic() - float(os.environ[STARTED]))
    with starting(), watch.stage("imports"):
        from ruler import cli

        for module, path, name in STAGES:
            watch.watch(module, path, name)
    cli.ruler()


if __name__ == "__main__":
    main()
