"""Two databases that are given the same: one keeps every sample, the other lets them go and has archives of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from common.clock import ManualClock
from ruler.model.arrays import STALE, FloatArray
from ruler.model.matcher import Matcher, MatchOp
from ruler.model.result import Matrix
from ruler.promql.engine import Engine
from ruler.tsdb.config import Archive, Retention
from ruler.tsdb.db import DB
from tests.ruler.tsdb.reading import named

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
MIDNIGHT = 1_700_000_000_000 // DAY * DAY
FOREVER = Retention(10**13)
NODE = (Matcher("job", MatchOp.EQUAL, "node"),)
SHORT = Retention(2 * DAY)
RULE = Archive((NODE,), 2 * DAY, ((5 * MINUTE, 6 * DAY), (HOUR, 100 * DAY)))
STEP = 50  # what a counter rises by at most from scrape to scrape

Points = dict[str, dict[int, float]]  # by labels: time → value


class Twins:
    """Twins are both databases, an engine on each, and the writers of a target with counters and gauges."""

    def __init__(self, path: Path, *rules: Archive, retention: Retention = SHORT, gappy: bool = False) -> None:
        self.path, self.rules, self.retention, self._gappy = path, rules or (RULE,), retention, gappy
        self.whole = DB.open(None, retention=FOREVER)
        self.wholly = Engine(self.whole)
        self._chance = np.random.default_rng(5)
        self._labels = [
            *(named("c_total", job="node", n=str(n)) for n in range(4)),
            *(named("g", job="node", n=str(n)) for n in range(4)),
            *(named("g", job="other", n=str(n)) for n in range(2)),
        ]
        self._values = np.zeros(len(self._labels))
        self.open(MIDNIGHT)

    def open(self, now: int) -> None:
        self.thin = DB.open(self.path, clock=ManualClock(now), retention=self.retention, archives=self.rules)
        self.thinly = Engine(self.thin)
        self._writers = [(db, db.stream("t", MINUTE), db.series(self._labels)) for db in (self.whole, self.thin)]

    def restart(self, now: int) -> None:
        self.thin.close()
        self.open(now)

    def run(self, start: int, end: int) -> None:
        """Scrape every minute from `start` until `end` (ms since midnight), with maintenance every half hour."""
        for tick in range(start // MINUTE, end // MINUTE):
            at = MIDNIGHT + tick * MINUTE
            values = self._next()
            if values is not None:
                for _, stream, ids in self._writers:
                    stream.append(at, at + 37, ids, values)
            if tick % 30 == 29:
                self.thin.maintain(at)

    def _next(self) -> FloatArray | None:
        chance, values = self._chance, self._values
        values[:4] += chance.integers(0, STEP, 4)
        values[4:] = (chance.random(6) * 100).round(3)
        kind = chance.random()
        if kind < 0.002:
            values[:4] = chance.integers(0, STEP, 4)
        if not self._gappy:
            return values
        seen = values.copy()
        if kind > 0.97:
            return None
        if kind > 0.95:
            seen[2:7] = STALE
        elif kind > 0.94:
            seen[5:7] = (np.nan, np.inf)
        return seen

    def settle(self, now: int) -> None:
        """Maintain until nothing is left to do at `now` (ms since midnight)."""
        for _ in range(40):
            self.thin.maintain(MIDNIGHT + now)

    def close(self) -> None:
        self.thin.close()


def points(matrix: object) -> Points:
    """The values of a range query, by labels and time."""
    assert isinstance(matrix, Matrix)
    ends = matrix.offsets.tolist()
    return {
        str(labels): dict(zip(matrix.times[first:stop].tolist(), matrix.values[first:stop].tolist(), strict=True))
        for labels, first, stop in zip(matrix.table.all_labels(), ends, ends[1:], strict=False)
    }


def asked(engine: Engine, query: str, start: int, end: int, step: int) -> Points:
    """What a range query answers; its times are ms since midnight, on both sides."""
    answer = points(engine.range(query, MIDNIGHT + start, MIDNIGHT + end, step).value)
    return {labels: {time - MIDNIGHT: value for time, value in found.items()} for labels, found in answer.items()}
