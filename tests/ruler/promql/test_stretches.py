"""What is worked out a stretch of steps at a time is what would be worked out at once."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from common.errors import QueryCanceled
from common.labels import Labels
from ruler.api.encode import encode_result
from ruler.promql import choose, stretches
from ruler.promql.engine import Engine
from ruler.tsdb.db import DB

STEP = 15_000
START = 1_700_000_000_000 // STEP * STEP
STEPS = 40


class Looks:
    """Looks count how often a query looks whether its client is still there, who at last is not."""

    def __init__(self, patience: int = 1 << 30) -> None:
        self.count = 0
        self._patience = patience

    def __call__(self) -> bool:
        self.count += 1
        return self.count > self._patience


@pytest.fixture(scope="module")
def engine() -> Engine:
    """Twelve series that come and go, with values that are not whole."""
    db = DB.open(None)
    random = np.random.default_rng(3)
    for number in range(12):
        labels = Labels({"__name__": "m", "n": str(number), "half": str(number % 2), "third": str(number % 3)})
        series = db.series([labels])
        stream = db.stream(str(number), STEP)
        for row in range(STEPS):
            if (row + 5 * number) % 40 < 25:
                stream.append(START + row * STEP, START + row * STEP, series, random.random(1).round(2) * 10)
    return Engine(db, lookback=STEP)


QUERIES = [
    "sum by (half) (m)",
    "avg without (n) (m)",
    "stddev(m)",
    "quantile by (third) (scalar(sum(m)) / 100, m)",
    "topk by (half) (2, m)",
    "bottomk(scalar(count(m) or vector(4)) / 4, m)",
    "limitk(3, m)",
    "limit_ratio(0.5, m)",
    'count_values("v", round(m, 5))',
    "m > 5",
    "m + 1 > bool scalar(avg(m))",
    "-m * on (n) m",
    "m / on (half) group_left sum by (half) (m)",
    'm{half="0"} or m{third="1"}',
    'm and on (third) m{n="4"}',
    'm unless m{half="1"}',
    'm{half="0"} or -m{half="0"} or m',
    "sum(m) by (third) + 1",
]


@pytest.mark.parametrize("query", QUERIES)
def test_stretches_change_no_answer(engine: Engine, monkeypatch: pytest.MonkeyPatch, query: str) -> None:
    """Series that come and go between stretches are told apart by their labels."""
    ask = partial(engine.range, query, START, START + STEPS * STEP, STEP)
    at_once = encode_result(ask())
    looks = Looks()
    ask(limits=engine.limits(None, looks))
    whole, looks.count = looks.count, 0
    monkeypatch.setattr(stretches, "CELLS", 30)
    monkeypatch.setattr(choose, "CELLS", 30)
    assert at_once == encode_result(ask(limits=engine.limits(None, looks)))
    assert whole + STEPS // 3 < looks.count


def test_an_operation_can_be_stopped_between_stretches(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long it would take as a whole."""
    monkeypatch.setattr(stretches, "CELLS", 12)
    looks = Looks(patience=20)
    with pytest.raises(QueryCanceled):
        engine.range("stddev(m)", START, START + STEPS * STEP, STEP, cancelled=looks)
    assert 21 == looks.count
