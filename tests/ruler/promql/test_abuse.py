"""Queries of death are answered or refused within the memory that the sample budget stands for, and can be stopped."""

from __future__ import annotations

import time
import tracemalloc
from contextlib import suppress

import numpy as np
import pytest

from common.errors import QueryError
from common.labels import Labels
from ruler.api.encode import encoded_pieces
from ruler.promql.engine import Engine
from ruler.promql.limits import Limits
from ruler.tsdb.db import DB

STEP = 15_000
NOW = 1_700_000_000_000 // STEP * STEP
TARGETS, SERIES, ROWS = 4, 500, 40
START = NOW - ROWS * STEP

MiB = 1 << 20
CELL = 8
ARRAYS = 8  # of the budget's size that a query may hold at once: values, masks, times, what it sorts by

INSTANT = [
    "m * on () group_left m",
    "m * ignoring (cpu, instance) group_left () m",
    "count by (instance, cpu, __name__) (m)",
    "topk(1e9, m)",
    "absent(m)",
    "count_over_time(m[365d:1s])",
    "max_over_time(vector(1)[365d:1s])",
    "sum_over_time(sum_over_time(sum_over_time(m[1h:1s])[1h:1s])[1h:1s])",
    "quantile_over_time(0.5, m[10m:1s])",
    "m[10y]",
    "m[1h:1s]",
    'count_values("v", m)',
    'label_replace(m, "x", "$1$2$1", "instance", "(.*)-(.*)")',
    'label_join(m, "x", "-", "instance", "cpu", "__name__")',
    'sort_by_label(label_replace(m, "le", "$1", "cpu", "(.*)"), "cpu")',
]
RANGE = [
    "m",
    "m + m",
    "m * on (cpu) group_left sum by (cpu) (m)",
    "topk(1e9, m)",
    "bottomk by (cpu) (1, m)",
    "stddev by (cpu) (m)",
    "quantile(0.5, m)",
    "m and m or m unless m",
    "m > 50",
    "rate(m[5m])",
    "mad_over_time(m[5m])",
    "absent_over_time(m[5m])",
    'count_values("v", m)',
    "histogram_quantile(0.9, label_replace(m, 'le', '$1', 'cpu', '(.*)'))",
    "limit_ratio(0.5, m)",
    "sort_desc(-m)",
]


@pytest.fixture(scope="module")
def db() -> DB:
    db = DB.open(None)
    random = np.random.default_rng(5)
    for target in range(TARGETS):
        labels = [
            Labels({"__name__": "m", "instance": f"host-{target}", "cpu": str(number)}) for number in range(SERIES)
        ]
        series, stream = db.series(labels), db.stream(str(target), STEP)
        for row in range(ROWS):
            stream.append(START + row * STEP, START + row * STEP + target, series, random.random(SERIES) * 100 + row)
    return db


def run(engine: Engine, query: str, limits: Limits, *, steps: int) -> None:
    """Answer a query whole, or not."""
    with suppress(QueryError):
        if steps > 1:
            result = engine.range(query, NOW - 200 * STEP, NOW, 200 * STEP // steps, limits=limits)
        else:
            result = engine.instant(query, NOW, limits=limits)
        encoded_pieces(result, limits.check)


CASES = [(query, 1) for query in INSTANT] + [(query, 400) for query in RANGE]


@pytest.mark.parametrize(("query", "steps"), CASES)
def test_memory_stays_within_the_budget(db: DB, query: str, steps: int) -> None:
    """Whatever a query would make is charged before it is made, and what is not charged is small."""
    budget = 1_000_000
    engine = Engine(db, max_samples=budget)
    run(engine, query, engine.limits(), steps=1)  # what is kept between queries is no query's
    tracemalloc.start()
    try:
        run(engine, query, engine.limits(), steps=steps)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    text = 40 * budget  # an answer's text is longer than its numbers
    assert peak < budget * CELL * ARRAYS + text + 4 * MiB


@pytest.mark.parametrize(("query", "steps"), CASES)
def test_a_query_is_often_asked_whether_it_has_to_stop(db: DB, query: str, steps: int) -> None:
    """While it evaluates and while its answer is written; the bound is that of a machine that is busy."""
    engine = Engine(db, max_samples=3_000_000)
    asked = [time.process_time()]

    def cancelled() -> bool:
        asked.append(time.process_time())
        return False

    run(engine, query, engine.limits(None, cancelled), steps=steps)
    asked.append(time.process_time())
    assert max(np.diff(asked)) < 0.3
