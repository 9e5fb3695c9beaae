"""A hundred days by the clock of a test: the disk holds what was planned, and answers of every age are right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from common.clock import ManualClock
from ruler.model.arrays import FloatArray
from ruler.promql.engine import Engine
from ruler.tsdb.config import Retention
from ruler.tsdb.db import DB
from ruler.tsdb.inspect.footprint import footprint
from ruler.tsdb.inspect.survey import survey
from tests.ruler.tsdb.reading import named
from tests.ruler.tsdb.twins import DAY, HOUR, MIDNIGHT, MINUTE, RULE, STEP, asked

DAYS = 100
TICKS = DAYS * DAY // MINUTE
KEPT = Retention(2 * DAY)
RULES = (replace(RULE, resolutions=((5 * MINUTE, 10 * DAY), (HOUR, 100 * DAY))),)
COUNTERS, NODES, ALL = 30, 60, 80  # series: counters are the first of the nodes', and others follow

Fold = Callable[[FloatArray], float]


def opened(path: Path, now: int) -> DB:
    return DB.open(path, clock=ManualClock(MIDNIGHT + now), retention=KEPT, archives=RULES)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, FloatArray]:
    """The directory after a hundred days of a scrape a minute, with a restart in between, and what was scraped."""
    path, chance = tmp_path_factory.mktemp("long"), np.random.default_rng(6)
    values = (chance.random((TICKS, ALL)) * 100).round(1)
    values[:, :COUNTERS] = np.cumsum(chance.integers(0, STEP, (TICKS, COUNTERS)), axis=0)
    for reset in np.flatnonzero(chance.random(TICKS) < 0.001).tolist():
        values[reset:, :COUNTERS] -= values[reset, :COUNTERS]
    labels = [
        named("c_total" if n < COUNTERS else "g", job="node" if n < NODES else "other", n=str(n)) for n in range(ALL)
    ]
    for first, stop in ((0, TICKS // 3 + 77), (TICKS // 3 + 77, TICKS)):
        db = opened(path, first * MINUTE)
        stream, ids = db.stream("t", MINUTE), db.series(labels)
        for tick in range(first, stop):
            at = MIDNIGHT + tick * MINUTE
            stream.append(at, at + 37, ids, values[tick])
            if tick % 120 == 119:
                db.maintain(at)
        for _ in range(5):
            db.maintain(at)
        db.close()
    return path, values


@pytest.fixture
def db(history: tuple[Path, FloatArray]) -> Iterator[DB]:
    db = opened(history[0], DAYS * DAY)
    yield db
    db.close()


def rise(window: FloatArray) -> float:
    return float(np.where(np.diff(window) < 0, window[1:], np.diff(window)).sum())


FOLDS: dict[str, tuple[Fold, float]] = {
    "max_over_time(g{job='node'}[6h])": (np.max, 0),
    "min_over_time(g{job='node'}[6h])": (np.min, 0),
    "avg_over_time(g{job='node'}[6h])": (np.mean, 1e-6),
    "sum_over_time(g{job='node'}[6h])": (np.sum, 1e-6),
    "count_over_time(g{job='node'}[6h])": (len, 0),
    "present_over_time(g{job='node'}[6h])": (lambda _: 1.0, 0),
    "last_over_time(c_total[6h])": (lambda window: float(window[-1]), 0),
    "increase(c_total[6h])": (rise, 2.4 * STEP),
    "rate(c_total[6h]) * 21600": (rise, 2.4 * STEP),
    "avg_over_time(g{job='node'}[30d])": (np.mean, 1e-6),
    "increase(c_total[30d])": (rise, 2.4 * STEP),
}


@pytest.mark.parametrize("query", FOLDS)
def test_answers_are_right_at_every_age(query: str, db: DB, history: tuple[Path, FloatArray]) -> None:
    """Over whole buckets, whatever they are read from: exact, and a rise but for what it is between two scrapes at
    either edge."""
    fold, tolerance = FOLDS[query]
    reach, since = (30 * DAY, 31 * DAY) if "30d" in query else (6 * HOUR, 12 * HOUR)
    found = asked(Engine(db), query, since, DAYS * DAY - HOUR, 31 * HOUR)
    assert COUNTERS == len(found)
    for labels, points in found.items():
        series = history[1][:, int(labels.split('n="')[1].split('"')[0])]
        assert list(points) == list(range(since, DAYS * DAY - HOUR + 1, 31 * HOUR))
        for time, value in points.items():
            window = series[(time - reach) // MINUTE : time // MINUTE]
            assert fold(window) == pytest.approx(value, rel=1e-9, abs=tolerance), (labels, time)


def test_the_disk_holds_what_was_planned(db: DB, history: tuple[Path, FloatArray]) -> None:
    """Of each resolution there are as many bytes as a plan that measures the directory says, within a fifth."""
    found = survey(history[0], RULES)
    plan = footprint(RULES, found.populations, KEPT, found.sizes)
    rings = {0: list(db._rings.values()), **{size: [ring] for size, ring in db._archives.items()}}
    for size, some in rings.items():
        held = sum(chunk.size for ring in some for chunk in ring.chunks)
        planned = sum(share.size for each in plan.classes for share in each.shares if share.resolution == size)
        assert held == pytest.approx(planned, rel=0.2), size
    assert [NODES, ALL - NODES] == [sum(each.series for each in some) for some in found.populations]
