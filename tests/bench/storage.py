"""What storing and selecting cost, without scraping and without PromQL: microseconds and milliseconds of one thread."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common.labels import Labels
from ruler.model.arrays import IntArray
from ruler.model.matcher import Matcher, MatchOp
from ruler.storage import Stream
from ruler.tsdb.db import DB
from tests.bench.database import opened

INTERVAL = 15_000
START = 1_700_000_000_000 // 3_600_000 * 3_600_000


@dataclass(frozen=True, slots=True)
class Figure:
    """A Figure is one measured cost."""

    name: str
    value: float
    unit: str

    def __str__(self) -> str:
        return f"{self.name}: {self.value:.3g} {self.unit}"


class Fleet:
    """A Fleet is targets of equal size that are appended tick by tick, with a gap now and then."""

    def __init__(self, db: DB, targets: int, per_target: int) -> None:
        self.db = db
        chance = np.random.default_rng(1)
        self._targets: list[tuple[Stream, IntArray]] = []
        for target in range(targets):
            labels = [
                Labels({"__name__": f"metric_{n // 10}", "instance": f"host-{target}", "mode": str(n % 10)})
                for n in range(per_target)
            ]
            self._targets.append((db.stream(f"host-{target}", INTERVAL), db.series(labels)))
        self._values = chance.random(per_target) * 1e6
        self._skip = chance.random(100_003) < 0.01
        self.tick = self._turn = 0

    def append(self, ticks: int) -> float:
        """Seconds for that many ticks of all targets."""
        began = time.perf_counter()
        for _ in range(ticks):
            due = START + self.tick * INTERVAL
            for number, (stream, series) in enumerate(self._targets):
                self._turn += 1
                if not self._skip[self._turn % len(self._skip)]:
                    phase = number * 7919 % INTERVAL
                    stream.append(due + phase, due + phase + 2, series, self._values)
            self.tick += 1
        return time.perf_counter() - began

    @property
    def now(self) -> int:
        return START + self.tick * INTERVAL


def best(run: Callable[[], object], times: int = 15) -> float:
    """The least seconds of several runs, after one that fills the caches."""
    run()
    least = float("inf")
    for _ in range(times):
        began = time.perf_counter()
        run()
        least = min(least, time.perf_counter() - began)
    return least


def name_is(name: str) -> Matcher:
    return Matcher("__name__", MatchOp.EQUAL, name)


def measure(targets: int = 1_000, per_target: int = 100, ticks: int = 260) -> list[Figure]:
    """The figures of a fleet in files: appends, selections, and opening it again."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory)
        db = opened(path, START)
        fleet = Fleet(db, targets, per_target)
        fleet.append(3)
        seconds = fleet.append(ticks)
        now = fleet.now
        one = (name_is("metric_0"), Matcher("mode", MatchOp.EQUAL, "1"))
        ten = (name_is("metric_0"),)
        figures = [
            Figure(f"append of {per_target} values", seconds / ticks / targets * 1e6, "µs"),
            Figure(f"select latest, {targets:,} series", best(lambda: db.select(one, now - 300_000, now)) * 1e3, "ms"),
            Figure(
                f"select latest, {10 * targets:,} series", best(lambda: db.select(ten, now - 300_000, now)) * 1e3, "ms"
            ),
            Figure(
                f"select 240 rows, {10 * targets:,} series",
                best(lambda: db.select(ten, now - 3_600_000, now), 5) * 1e3,
                "ms",
            ),
        ]
        db.close()
        began = time.perf_counter()
        db = opened(path, now)
        figures.append(
            Figure(f"open, {targets * per_target:,} series × {fleet.tick} rows", time.perf_counter() - began, "s")
        )
        db.close()
    return figures


if __name__ == "__main__":
    for shape in ((1_000, 100), (100, 1_000), (1_000, 20)):
        print(f"{shape[0]:,} targets of {shape[1]:,} series")
        for figure in measure(*shape):
            print(f"  {figure}")
