"""What a query costs: `sum by (mode) (rate(x_total[1m]))` over 10,000 series of 100 targets, one hour at 15 s."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from common.labels import Labels
from ruler.model.arrays import ABSENT, IntArray
from ruler.model.matcher import Matcher, MatchOp
from ruler.model.table import LabelTable, StringPool, table_of
from ruler.promql.engine import Engine
from ruler.storage import Block, Look, Queryable, Selection
from ruler.tsdb.db import DB

TARGETS, PER_TARGET, TICK, ROWS = 100, 100, 15_000, 244
MODES = 8
START = 1_700_000_000_000 // TICK * TICK
QUERY = "sum by (mode) (rate(x_total[1m]))"


@dataclass(frozen=True)
class Figures:
    """Figures are the best times (ms) of the query, instant and over 120 steps, and of its selection alone."""

    instant: float
    steps_120: float
    select: float


class OneBlock:
    """OneBlock is a storage with a single block, cut to the rows that a query asks for."""

    def __init__(self, table: LabelTable, block: Block) -> None:
        self.strings = table.strings
        self.block, self._table = block, table

    def cells(self, matchers: Sequence[Matcher], start: int, end: int) -> int:
        return self.block.values.size

    def tables(self, matchers: Sequence[Matcher], start: int, end: int) -> LabelTable:
        return self._table

    def select(
        self,
        matchers: Sequence[Matcher],
        start: int,
        end: int,
        look: Look | None = None,
        hold: Callable[[int], None] | None = None,
    ) -> Selection:
        if hold is not None:
            hold(self.block.values.size)
        block = self.block
        first = int(np.searchsorted(block.times.max(axis=1), start, side="right"))
        stop = int(np.searchsorted(block.times.min(axis=1), end, side="right"))
        tick = None if block.tick is None else (block.tick[0] + first * block.tick[1], block.tick[1])
        cut = Block(
            block.rows,
            block.values[first:stop].copy(),
            block.times[first:stop].copy(),
            block.stream_of,
            tick,
        )
        return Selection(self._table, (cut,))


def labels_of(target: int, index: int) -> Labels:
    """What series `index` of a target is called."""
    return Labels(
        {
            "__name__": "x_total",
            "instance": f"host-{target}:9100",
            "job": "node",
            "cpu": str(index // MODES),
            "mode": f"mode-{index % MODES}",
        }
    )


def one_block(*, missing: float = 0.0, resets: float = 0.0) -> OneBlock:
    """10,000 counters; a share of scrapes missing, and a share of samples at which a counter starts again."""
    random = np.random.default_rng(7)
    width = TARGETS * PER_TARGET
    phase = random.integers(0, TICK, TARGETS)
    times: IntArray = START + np.arange(ROWS)[:, np.newaxis] * TICK + phase + random.integers(0, 3, (ROWS, TARGETS))
    values = np.cumsum(random.random((ROWS, width)), axis=0) + 1000
    if resets:
        at = random.random((ROWS, width)) < resets
        values -= np.maximum.accumulate(np.where(at, values, 0.0), axis=0)
    stream_of = np.repeat(np.arange(TARGETS, dtype=np.int32), PER_TARGET)
    if missing:
        lost = random.random((ROWS, TARGETS)) < missing
        lost[0] = False
        values[lost.take(stream_of, axis=1)] = ABSENT
        times = np.maximum.accumulate(np.where(lost, 0, times), axis=0)
    table = table_of(
        [labels_of(target, index) for target in range(TARGETS) for index in range(PER_TARGET)], StringPool()
    )
    block = Block(np.arange(width), values, times, stream_of, (START, TICK))
    return OneBlock(table, block)


def database() -> DB:
    """The same counters, scraped into a database without a directory."""
    block = one_block().block
    db = DB.open(None)
    ids = [db.series([labels_of(target, index) for index in range(PER_TARGET)]) for target in range(TARGETS)]
    streams = [db.stream(f"target {target}", TICK) for target in range(TARGETS)]
    for row in range(ROWS):
        for target, stream in enumerate(streams):
            columns = slice(target * PER_TARGET, (target + 1) * PER_TARGET)
            due = START + row * TICK + int(block.times[0, target] - START) // 1000 * 1000
            stream.append(due, int(block.times[row, target]), ids[target], block.values[row, columns])
    return db


def best(run: Callable[[], object], times: int = 7) -> float:
    """The shortest of some runs (ms)."""
    found = []
    for _ in range(times):
        start = time.perf_counter()
        run()
        found.append((time.perf_counter() - start) * 1000)
    return min(found)


def figures(storage: Queryable, query: str = QUERY, times: int = 7) -> Figures:
    """How long the query takes on this storage."""
    engine = Engine(storage)
    end = START + (ROWS - 1) * TICK
    start = end - 119 * 30_000
    matcher = Matcher("__name__", MatchOp.EQUAL, "x_total")
    return Figures(
        best(lambda: engine.instant(query, end), times),
        best(lambda: engine.range(query, start, end, 30_000), times),
        best(lambda: storage.select((matcher,), start - 60_000, end), times),
    )


if __name__ == "__main__":
    import sys

    storages: tuple[tuple[str, Queryable], ...] = (
        ("whole", one_block()),
        ("1 % of scrapes missing", one_block(missing=0.01)),
        ("0.1 % resets", one_block(resets=0.001)),
        ("database", database()),
    )
    for name, storage in storages:
        sys.stdout.write(f"{name}: {figures(storage)}\n")
